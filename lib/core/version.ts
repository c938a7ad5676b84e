/** The version of this build, put in by the bundler; code that runs from its sources has none. */
declare const __SM_VERSION__: string | undefined;

export const version: string = typeof __SM_VERSION__ === 'undefined' ? '0.0.0-dev' : __SM_VERSION__;

/** Negative where `a` is the older release, positive where newer, 0 for equals. Pre-release tags are not ranked. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [a, b].map((text) => text.split('-')[0]?.split('.').map(Number) ?? []);
  for (let index = 0; index < 3; index += 1) {
    const difference = (left?.[index] ?? 0) - (right?.[index] ?? 0);
    if (difference !== 0 && !Number.isNaN(difference)) return difference;
  }
  return 0;
}
