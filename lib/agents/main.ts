/** What the bundle dist/agents.cjs offers to `sm setup`. */
import { createTwoFilesPatch } from 'diff';

export { AFTERWARDS } from './catalogue.ts';
export { carryOut, detectAgents, planSetup } from './setup.ts';

/**
 * A unified diff that shows what is ours and nothing of what is the user's: settings have keys in them. Lines around a
 * change are left out, and of a line that only got an end the old part is "…".
 */
export function patchOf(file: string, before: string, after: string): string {
  const patch = createTwoFilesPatch(file, file, before, after, '', '', { context: 0 });
  // The library begins with a line that says nothing.
  const [head = '', ...hunks] = patch.slice(patch.indexOf('--- ')).split(/^(?=@@ )/m);
  return head + hunks.map((hunk) => withoutOldParts(hunk)).join('');
}

function withoutOldParts(hunk: string): string {
  const lines = hunk.split('\n');
  const bodies = (sign: string) => lines.filter((line) => line.startsWith(sign)).map((line) => line.slice(1));
  const others = { '+': bodies('-'), '-': bodies('+') };
  return lines
    .map((line) => {
      const sign = line[0];
      if (sign !== '+' && sign !== '-') return line;
      const common = Math.max(0, ...others[sign].map((other) => commonLength(line.slice(1), other)));
      return line.slice(1, 1 + common).trim() === '' ? line : `${sign}…${line.slice(1 + common)}`;
    })
    .join('\n');
}

function commonLength(one: string, other: string): number {
  let length = 0;
  while (length < one.length && one[length] === other[length]) length += 1;
  return length;
}
