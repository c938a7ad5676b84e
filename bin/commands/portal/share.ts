/** `sm portal share`: a link by which one browser may look at one session for a while. */
import { quoteShort, usageError } from '../../arguments.ts';
import type { CommandModule, Options } from '../../command.ts';
import { portalDirectory, SESSION_DEFAULT } from '../../portal-options.ts';
import { writeJson } from '../../print/json.ts';
import { isoTime } from '../../print/time.ts';

const UNIT_MS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };
const AGE_DEFAULT_MS = 3_600_000;
const AGE_MAX_MS = 7 * 86_400_000;

export const command: CommandModule = {
  options: [
    { flags: '--session <name>', summary: `What may be looked at (default ${SESSION_DEFAULT})` },
    { flags: '--expires <age>', summary: 'For how long: 30m, 1h (default), 2d; at most 7d' },
  ],
  notes: 'The link is valid once, for the first browser that opens it, and ends with --expires, however it is used.',
  examples: ['sm portal share', 'sm portal share --session work --expires 30m'],
  async run(context, _args, options) {
    const { loadPortal } = await import('../../../portal/load.ts');
    const session = options.text('session') ?? SESSION_DEFAULT;
    const share = await loadPortal().sharePortal(portalDirectory(context), session, ageOf(options));
    const link = `${share.addresses[0] ?? ''}?share=${share.secret}`;
    if (options.isSet('json')) await writeJson(context, { link, session, expiresAt: share.expiresMs });
    else {
      await context.stdout.write(`${link}\n`);
      await context.stderr.write(`    valid once, for looking only, until ${isoTime(share.expiresMs)}\n`);
    }
    return 0;
  },
};

function ageOf(options: Options): number {
  const text = options.text('expires');
  if (text === undefined) return AGE_DEFAULT_MS;
  const match = /^(\d{1,5})([mhd])$/.exec(text);
  const ageMs = match === null ? 0 : Number(match[1]) * (UNIT_MS[match[2] ?? ''] ?? 0);
  if (ageMs > 0 && ageMs <= AGE_MAX_MS) return ageMs;
  throw usageError(
    `--expires must be an age such as 30m or 2d, at most 7d, but is ${quoteShort(text)}.`,
    'For example: --expires 1h',
  );
}
