/** Ids for tests: well-formed, told apart by a number, and the same in every run. */

/** A UUID whose first eight characters are `head`, told apart by `number`. */
export function idOf(number: number, head = '01980c2e'): string {
  return `${head}-${number.toString(16).padStart(4, '0')}-7abc-8def-0123456789ab`;
}

/** A maker of distinct ids that sort in the order in which they are made. */
export function createIds(head: string): () => string {
  let made = 0;
  return () => {
    made += 1;
    const digits = made.toString(16).padStart(12, '0');
    return `${head}-0000-7000-8000-${digits}`;
  };
}
