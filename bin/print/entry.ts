/** Prints the one entry that a command answers with. */
import type { Written } from '../../lib/brain/contract.ts';
import type { Context, Options } from '../command.ts';
import { renderCard } from './entries.ts';
import { writeJson } from './json.ts';
import { disclosureLines } from './recorded.ts';
import { createView } from './view.ts';

export async function writeEntry(context: Context, options: Options, entry: Written): Promise<void> {
  if (options.isSet('json')) {
    await writeJson(context, entry);
    return;
  }
  const view = await createView(context, options, JSON.stringify(entry));
  await context.stdout.write(renderCard(view, entry));
  await context.stderr.write(disclosureLines(entry));
}
