/** One line on stderr that tells how far something is, rewritten in place; nothing where stderr is no terminal. */
import type { Context } from '../command.ts';
import { escapeLine } from './escape.ts';

const CLEAR = '\r\u001b[K';

export interface ProgressLine {
  show(text: string): void;
  /** Takes the line away. */
  clear(): Promise<void>;
}

export function createProgressLine(context: Context): ProgressLine {
  const { stderr, signal } = context;
  if (!stderr.isTerminal) return { show: () => undefined, clear: () => Promise.resolve() };
  // A terminal is written to at once, so that an interruption too leaves a clean line.
  const wipe = () => void stderr.write(CLEAR);
  signal.addEventListener('abort', wipe, { once: true });
  let shown = '';
  let writing = Promise.resolve();
  let isWriting = false;
  const flush = async (text: string) => {
    isWriting = true;
    await stderr.write(`${CLEAR}${text}`);
    isWriting = false;
    // What came meanwhile; only the last of it matters.
    if (shown !== text && shown !== '') await flush(shown);
  };
  return {
    show(text) {
      // ASCII is as wide as it is long, and a line that wraps cannot be rewritten.
      shown = escapeLine(text)
        .replaceAll(/[^ -~]/g, '?')
        .slice(0, Math.max(1, (stderr.columns || 80) - 1));
      if (!isWriting) writing = flush(shown);
    },
    async clear() {
      signal.removeEventListener('abort', wipe);
      const hasLine = shown !== '';
      shown = '';
      await writing;
      if (hasLine) await stderr.write(CLEAR);
    },
  };
}
