/**
 * How things are shown to this reader: width, colours, and the clock that ages are told by. Renderers are pure
 * functions of data and a View.
 */
import type { Context, Options } from '../command.ts';

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan' | 'magenta';

export interface View {
  /** Columns that a line may take; Infinity where output is piped and nothing is cut or wrapped. */
  width: number;
  isTerminal: boolean;
  nowMs: number;
  paint(style: Style, text: string): string;
  /** Columns that a text takes on a terminal. */
  measure(text: string): number;
}

const CODES: Readonly<Record<Style, readonly [open: number, close: number]>> = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
  magenta: [35, 39],
};

/** A terminal that is narrower than this is treated as if it were this wide, in columns. */
const WIDTH_MIN = 20;

/** @param text everything that will be shown, so that the width tables are loaded only where they are needed */
export async function createView(context: Context, options: Options, text: string): Promise<View> {
  const { isTerminal, columns } = context.stdout;
  const hasColors = wantsColors(context, options);
  return {
    width: isTerminal ? Math.max(WIDTH_MIN, columns > 0 ? columns : 80) : Infinity,
    isTerminal,
    nowMs: context.now(),
    paint: (style, painted) => (hasColors ? `\u001b[${CODES[style][0]}m${painted}\u001b[${CODES[style][1]}m` : painted),
    measure: isTerminal ? await measureFor(text) : (measured) => measured.length,
  };
}

/** `--no-color`, then FORCE_COLOR, then NO_COLOR, then whether it is a terminal that can. */
export function wantsColors(context: Pick<Context, 'env' | 'stdout'>, options: Options): boolean {
  if (options.isSet('no-color')) return false;
  const forced = context.env['FORCE_COLOR'];
  if (forced !== undefined) return forced !== '0' && forced !== 'false';
  if ((context.env['NO_COLOR'] ?? '') !== '') return false;
  return context.stdout.isTerminal && context.env['TERM'] !== 'dumb';
}

/** ASCII is as wide as it is long; only other text needs the tables of string-width. */
async function measureFor(text: string): Promise<(text: string) => number> {
  if (/^[\n\t\u0020-\u007e]*$/.test(text)) return (measured) => measured.length;
  const { default: stringWidth } = await import('string-width');
  return (measured) => stringWidth(measured);
}
