/** Which call of the protocol a request is: the last part of its address. */
export function callOf(input: string | URL | Request): string {
  return new URL(new Request(input).url).pathname.split('/').at(-1) ?? '';
}
