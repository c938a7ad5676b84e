/** Requests whose host dies, is suspended, or is let go of: each ends, and happens once. */
import { expect, test } from 'vitest';
import type { Brain } from '../../lib/brain/contract.ts';
import { hostStatus, stopHost } from '../../lib/host/control.ts';
import {
  announcedHost,
  connect,
  hasEnded,
  hostProcessesOf,
  kill,
  newBrainDirectory,
  recordTitle,
  SCOPE,
  titlesIn,
} from '../support/host-brain.ts';
import { numberedTitles, startClient } from '../support/host-clients.ts';
import { outcomeOf, waitUntil } from '../support/host-wait.ts';

/** Short enough to wait for; a host that is opening its database says that it is alive every two seconds only. */
const SILENCE_MS_MAX = 1_500;

test('[H5] a request on a connection whose host has died meanwhile is served by the next host', async () => {
  const directory = newBrainDirectory();
  const brain = await connect(directory);
  await recordTitle(brain, 'before');
  const { pid } = await announcedHost(directory);
  kill(pid);
  await hasEnded(pid);
  await recordTitle(brain, 'after');
  expect(await titlesIn(brain)).toEqual(['after', 'before']);
  await brain.close();
});

test('[H5] requests that are under way when the host is killed are repeated, and happen once', async () => {
  const directory = newBrainDirectory();
  const brain = await connect(directory);
  await recordTitle(brain, 'first');
  const titles = numberedTitles('entry', 40);
  const { pid } = await announcedHost(directory);
  const writes = titles.map((title, number) => {
    if (number === 20) kill(pid);
    return recordTitle(brain, title);
  });
  const written = await Promise.all(writes);
  expect(written.map(({ title }) => title)).toEqual(titles);
  expect(await titlesIn(brain)).toEqual([...titles, 'first']);
  await brain.close();
});

test('[H5] a refusal is not repeated, and leaves the connection as it is', async () => {
  const directory = newBrainDirectory();
  const brain = await connect(directory);
  for (let times = 0; times < 5; times += 1) {
    const show = brain.run('show', { workspaceId: '', idOrPrefix: 'ffffffff' });
    expect(await outcomeOf(show)).toEqual({ error: 'not_found' });
  }
  const status = await hostStatus({ brainDirectory: directory });
  expect(status).toMatchObject({ running: true, clients: 1, requests: 5 });
  await brain.close();
});

test('[H6] a suspended host is reported in bounded time, however much more is asked, and serves again when it goes on', async () => {
  const directory = newBrainDirectory();
  const patient = await connect(directory);
  await recordTitle(patient, 'before');
  const hasty = await connect(directory, { silenceMsMax: SILENCE_MS_MAX });
  const { pid } = await announcedHost(directory);
  process.kill(pid, 'SIGSTOP');
  try {
    const asked: Promise<unknown>[] = [];
    const first = outcomeOf(recordTitle(hasty, 'while suspended'));
    // Asking again and again must not put the report off.
    const asking = setInterval(() => asked.push(outcomeOf(hasty.run('status', { scope: SCOPE }))), SILENCE_MS_MAX / 10);
    expect(await first).toEqual({ error: 'host_unresponsive' });
    clearInterval(asking);
    expect(new Set((await Promise.all(asked)).map((each) => JSON.stringify(each)))).toEqual(
      new Set(['{"error":"host_unresponsive"}']),
    );
    const another = outcomeOf(connect(directory, { silenceMsMax: SILENCE_MS_MAX }));
    expect(await another).toEqual({ error: 'host_unresponsive' });
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  await recordTitle(patient, 'after');
  // What was asked of the suspended host was in its socket, and may have happened: at most once.
  expect(['after|before', 'after|before|while suspended']).toContain((await titlesIn(patient)).join('|'));
  expect((await announcedHost(directory)).pid).toBe(pid);
  await hasty.close();
  await patient.close();
});

test('[H6] a suspended host is ended only by force, and nothing acknowledged is lost', async () => {
  const directory = newBrainDirectory();
  const brain = await connect(directory);
  await recordTitle(brain, 'kept');
  const { pid } = await announcedHost(directory);
  process.kill(pid, 'SIGSTOP');
  const stopping = stopHost({ brainDirectory: directory, silenceMsMax: SILENCE_MS_MAX });
  expect(await outcomeOf(stopping)).toEqual({ error: 'host_unresponsive' });
  expect(await stopHost({ brainDirectory: directory, force: true, silenceMsMax: SILENCE_MS_MAX })).toEqual({
    stopped: true,
    pid,
  });
  await hasEnded(pid);
  expect(await titlesIn(brain)).toEqual(['kept']);
  await brain.close();
});

const openings: [string, (directory: string) => Promise<Brain>][] = [
  ['through the host', (directory) => connect(directory)],
  ['in-process', (directory) => connect(directory, { inProcess: true })],
];

test.each(openings)('[H11] closing %s ends what is under way and refuses what comes after', async (_how, openIt) => {
  const directory = newBrainDirectory();
  const brain = await openIt(directory);
  await recordTitle(brain, 'before');
  const titles = numberedTitles('under way', 100);
  const underWay = titles.map((title) => outcomeOf(recordTitle(brain, title)));
  await brain.close();
  const outcomes = await Promise.all(underWay);
  const written = titles.filter((_, number) => 'value' in (outcomes[number] as object));
  for (const outcome of outcomes) {
    if ('error' in (outcome as object)) expect(outcome).toEqual({ error: 'interrupted' });
  }
  expect(await outcomeOf(recordTitle(brain, 'after'))).toEqual({ error: 'interrupted' });
  await brain.close();
  const again = await connect(directory);
  const found = await titlesIn(again);
  expect(found).toEqual([...new Set(found)]);
  expect(found).toEqual(expect.arrayContaining(['before', ...written]));
  expect(found).not.toContain('after');
  await again.close();
});

test('[H11] the in-process brain keeps the host out, and the host keeps it out', async () => {
  const directory = newBrainDirectory();
  const own = await connect(directory, { inProcess: true });
  await recordTitle(own, 'mine');
  await own.close();
  const hosted = await connect(directory);
  expect(await titlesIn(hosted)).toEqual(['mine']);
  expect(await outcomeOf(connect(directory, { inProcess: true }))).toEqual({ error: 'store_locked' });
  await hosted.close();
});

test.each([true, false])(
  '[H9] a program ends as soon as it has closed its brain (through the host: %s)',
  async (host) => {
    const directory = newBrainDirectory();
    const client = startClient({ directory, host, titles: ['one'], refuse: true });
    expect(await client.ended).toBe(0);
    expect(client.errors).toEqual([]);
    expect(client.acknowledged).toEqual(['one']);
    if (host) {
      await waitUntil('the host to see its client go', async () => {
        const status = await hostStatus({ brainDirectory: directory });
        return status.running && status.clients === 0;
      });
    }
    expect(hostProcessesOf(directory)).toHaveLength(host ? 1 : 0);
  },
);
