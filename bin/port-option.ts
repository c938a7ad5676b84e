/** `--port` of the commands that listen: a number, on which a client can connect. */
import { refuseBlockedPort } from '../lib/core/ports.ts';
import { quoteShort, usageError } from './arguments.ts';
import type { Options } from './command.ts';

/** @param fallback where none is named. @throws SmError `bad_request` */
export function portOf(options: Options, fallback: number): number {
  const text = options.text('port');
  if (text === undefined) return fallback;
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535) {
    throw usageError(
      `--port must be a number from 0 to 65535, but is ${quoteShort(text)}.`,
      `For example: --port ${fallback}`,
    );
  }
  refuseBlockedPort(text, { source: '--port', hint: `Choose another port, for example --port ${fallback}.` });
  return Number(text);
}
