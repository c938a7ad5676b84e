/** `sm portal status`: whether the portal runs, where, and who is looking. Never starts it. */
import type { CommandModule } from '../../command.ts';
import { portalDirectory } from '../../portal-options.ts';
import { renderFields } from '../../print/entries.ts';
import { writeJson } from '../../print/json.ts';
import { showBytes, showDuration, showTime } from '../../print/time.ts';
import { createView } from '../../print/view.ts';
import { WANTS } from '../../../portal/wants.ts';

export const command: CommandModule = {
  options: [],
  examples: ['sm portal status', 'sm portal status --json'],
  async run(context, _args, options) {
    const { loadPortal } = await import('../../../portal/load.ts');
    const status = await loadPortal().portalStatus(portalDirectory(context));
    if (options.isSet('json')) {
      await writeJson(context, { running: status !== undefined, ...status });
      return 0;
    }
    if (status === undefined) {
      await context.stdout.write('not running; start it with sm portal start\n');
      return 0;
    }
    const view = await createView(context, options, JSON.stringify(status));
    const fields = renderFields(view, [
      ['pid', String(status.pid)],
      ...status.addresses.map((address): [string, string] => ['address', address]),
      ['running for', showDuration(status.uptimeMs)],
      ['memory', showBytes(status.rssBytes)],
      ...status.sessions.map(({ name, viewers, activityAt, attention }): [string, string] => [
        'session',
        `${name}, ${viewers === 1 ? '1 viewer' : `${viewers} viewers`}, last active ${showTime(view, activityAt)}${attention === null ? '' : `, ${WANTS[attention.kind]}`}`,
      ]),
      ...status.viewers.map(({ session, peer, login, readOnly, since }): [string, string] => [
        'viewer',
        `${login ?? peer} in ${session}${readOnly ? ', looking only' : ''}, since ${showTime(view, since)}`,
      ]),
      ...status.problems.map((problem): [string, string] => ['problem', problem]),
    ]);
    await context.stdout.write(`${fields.join('\n')}\n`);
    return 0;
  },
};
