/** `sm doctor`: prints what the inspection found. Exit code 7 where something is broken. */
import { ERROR_TABLE, toSmError } from '../../lib/core/errors.ts';
import type { CommandModule, Context, Finding } from '../command.ts';
import { escapeLine } from '../print/escape.ts';
import { writeJson } from '../print/json.ts';
import { createView, type Style, type View } from '../print/view.ts';
import { withoutSecrets } from '../secrets.ts';

/** It may have to load its model first. */
const EMBEDDINGS_PATIENCE_MS = 10_000;

export const command: CommandModule = {
  options: [{ flags: '--rebuild', summary: 'Rebuild the entries from the log, where they differ' }],
  notes: 'Exit code 0 where nothing is broken (warnings included), 7 where something is.',
  examples: ['sm doctor', 'sm doctor --json', 'sm doctor --rebuild'],
  async run(context, _args, options) {
    const { brainDirectory } = await context.locate();
    const findings = await context.inspect({ brainDirectory, rebuild: options.isSet('rebuild') });
    findings.push(...(await inspectEmbeddings(context)));
    const isSound = findings.every((finding) => finding.status !== 'error');
    if (options.isSet('json')) {
      await writeJson(context, { ok: isSound, findings });
    } else {
      const view = await createView(context, options, JSON.stringify(findings));
      await context.stdout.write(findings.map((finding) => renderFinding(view, finding)).join(''));
    }
    return isSound ? 0 : ERROR_TABLE.store_failed.exitCode;
  },
};

/** Recall does without them, so that a failure is no error. */
async function inspectEmbeddings(context: Context): Promise<Finding[]> {
  const check = 'embeddings';
  const address = await context.embeddings.read();
  if (address === undefined) return [];
  try {
    const signal = AbortSignal.any([context.signal, AbortSignal.timeout(EMBEDDINGS_PATIENCE_MS)]);
    const { dimensions } = await context.embeddings.attempt(address, signal);
    return [{ check, status: 'ok', message: `${address.model} at ${address.url}, ${dimensions} dimensions` }];
  } catch (error) {
    const { message } = withoutSecrets(toSmError(error).toJSON(), [address.apiKey]);
    const remedy = 'Recall uses words alone. Correct the address, or turn it off with "sm embeddings off".';
    return [{ check, status: 'warning', message, remedy }];
  }
}

const MARKS: Readonly<Record<Finding['status'], readonly [sign: string, word: string, style: Style]>> = {
  ok: ['✓', 'ok', 'green'],
  warning: ['!', 'warning', 'yellow'],
  error: ['✗', 'error', 'red'],
};

function renderFinding(view: View, finding: Finding): string {
  const [sign, word, style] = MARKS[finding.status];
  const mark = view.isTerminal ? view.paint(style, sign) : `${word}:`;
  const remedy = finding.remedy === undefined ? '' : `    ${escapeLine(finding.remedy)}\n`;
  return `${mark} ${escapeLine(`${finding.check}: ${finding.message}`)}\n${remedy}`;
}
