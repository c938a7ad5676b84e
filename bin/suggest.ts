/** "Did you mean …?" for a mistyped command, flag or value. Pure. */

/** Edits that still count as a slip of the fingers. */
const EDITS_MAX = 2;
/** Words longer than this are no slip, and would cost time. */
const WORD_CHARACTERS_MAX = 40;

/** The known word that is nearest to `typed`, or undefined where none is near. */
export function nearestWord(typed: string, known: readonly string[]): string | undefined {
  if (typed.length > WORD_CHARACTERS_MAX) return undefined;
  const wanted = typed.toLowerCase();
  let best: { word: string; edits: number } | undefined;
  for (const word of known) {
    const edits = editDistance(wanted, word);
    // A short word is "near" nearly everything: at least half of it has to be right.
    if (edits > EDITS_MAX || edits * 2 > wanted.replace(/^-+/, '').length) continue;
    if (best === undefined || edits < best.edits) best = { word, edits };
  }
  return best?.word ?? known.find((word) => wanted.replace(/^-+/, '').length >= 2 && word.startsWith(wanted));
}

/** What other tools call it. */
const SYNONYMS: Readonly<Record<string, string>> = {
  add: 'record',
  create: 'record',
  new: 'record',
  note: 'record',
  remember: 'record',
  save: 'record',
  store: 'record',
  write: 'record',
  ask: 'recall',
  find: 'recall',
  get: 'recall',
  grep: 'recall',
  query: 'recall',
  search: 'recall',
  ls: 'list',
  cat: 'show',
  view: 'show',
  change: 'edit',
  modify: 'edit',
  update: 'edit',
  delete: 'retract',
  forget: 'retract',
  remove: 'retract',
  rm: 'retract',
  replace: 'supersede',
  blame: 'why',
  backup: 'export',
  dump: 'export',
  load: 'import',
  restore: 'import',
  init: 'setup',
  install: 'setup',
};

/** The command of `known` that other tools call `typed`. */
export function synonymOf(typed: string, known: readonly string[]): string | undefined {
  const word = Object.hasOwn(SYNONYMS, typed) ? SYNONYMS[typed] : undefined;
  return word !== undefined && known.includes(word) ? word : undefined;
}

/** `Did you mean X? ` with a blank at its end, or "". */
export function didYouMean(typed: string, known: readonly string[]): string {
  const word = nearestWord(typed, known);
  return word === undefined ? '' : `Did you mean ${word}? `;
}

/** Optimal string alignment distance: insert, delete, replace, or swap two neighbours. */
function editDistance(a: string, b: string): number {
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const current = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const replaceCost = a[i - 1] === b[j - 1] ? 0 : 1;
      let edits = Math.min((previous[j] ?? 0) + 1, (current[j - 1] ?? 0) + 1, (previous[j - 1] ?? 0) + replaceCost);
      const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (isSwap) edits = Math.min(edits, (beforePrevious[j - 2] ?? 0) + 1);
      current.push(edits);
    }
    beforePrevious = previous;
    previous = current;
  }
  return previous[b.length] ?? 0;
}
