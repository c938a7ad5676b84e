/** How much of an id is shown where whole ones would be noise. Pure. */

/** The part of a UUIDv7 that holds the time, `01980c2e-7f3a`: the least that is shown of an id, in characters. */
const ID_CHARACTERS_MIN = 13;

/** The shortest prefix that tells these ids apart, but not less than the time part. */
export function idCharacters(ids: readonly string[]): number {
  const sorted = [...new Set(ids)].toSorted();
  let characters = ID_CHARACTERS_MIN;
  for (const [index, id] of sorted.entries()) {
    const shared = sharedCharacters(id, sorted[index + 1] ?? '');
    characters = Math.max(characters, Math.min(id.length, shared + 1));
  }
  return characters;
}

/** How many characters two ids have in common at their beginning. */
function sharedCharacters(a: string, b: string): number {
  let shared = 0;
  while (shared < a.length && a[shared] === b[shared]) shared += 1;
  return shared;
}
