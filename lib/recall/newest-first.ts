/** The order of entries that are equally good; the id decides where even the time is the same. */
export function newestFirst(
  a: { updatedAt: number; entryId: string },
  b: { updatedAt: number; entryId: string },
): number {
  return b.updatedAt - a.updatedAt || (a.entryId < b.entryId ? 1 : -1);
}
