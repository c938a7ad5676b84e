/**
 * `sm brain status`: where one is, what the brain holds, how it is, and how far it has come with its server. Asks no
 * network: it tells what the last contact has shown.
 */
import type { Brain } from '../../../lib/brain/contract.ts';
import { syncedEndpoint } from '../../../lib/scope/account.ts';
import { countEntries } from '../../adoption.ts';
import type { Account, CommandModule, Context, EmbeddingAddress, HostStatus, Location } from '../../command.ts';
import { embeddingFigures } from '../../print/embeddings.ts';
import { writeJson } from '../../print/json.ts';
import { renderStatus, type StatusFacts } from '../../print/status.ts';
import { createView } from '../../print/view.ts';
import { withoutSecrets } from '../../secrets.ts';
import { scopeOf, withBrain } from '../../session.ts';

/** Projects that are counted one by one; the workspace's own counts have all. */
const PROJECTS_COUNTED_MAX = 20;
/** Conflicts that are counted where no server's state counts them. */
const CONFLICTS_COUNTED_MAX = 1_000;

export const command: CommandModule = {
  options: [],
  notes:
    'Asks no server: pending changes, the last push and pull, the clock and what was refused are as the last contact\n' +
    'left them. "sm brain sync" makes one.',
  examples: ['sm brain status', 'sm brain status --json'],
  async run(context, _args, options) {
    const account = await context.account.read();
    const embeddings = await context.embeddings.read();
    return withBrain(context, options, async (brain, location) => {
      // The words of servers are among them, and these know the keys.
      const keys = [account.apiKey, embeddings?.apiKey];
      const facts = withoutSecrets(await gather(context, brain, { account, embeddings }, location), keys);
      if (options.isSet('json')) {
        await writeJson(context, toJson(facts, context.now()));
      } else {
        const view = await createView(context, options, JSON.stringify(facts));
        await context.stdout.write(renderStatus(view, facts));
      }
      return 0;
    });
  },
};

interface Addresses {
  account: Account;
  embeddings: EmbeddingAddress | undefined;
}

async function gather(context: Context, brain: Brain, given: Addresses, location: Location): Promise<StatusFacts> {
  const { apiKey, ...account } = given.account;
  const { brainDirectory, workspaceId } = location;
  const { endpoint } = account;
  const status = await brain.run('status', { scope: scopeOf(location) });
  const isLoggedIn = apiKey !== undefined && endpoint !== undefined;
  const synced = syncedEndpoint(given.account, workspaceId);
  const peer = { endpoint: synced ?? '', workspaceId };
  const sync =
    synced === undefined
      ? undefined
      : { ...(await brain.run('syncState', peer)), ...(await brain.run('syncStanding', peer)) };
  const { active, superseded, retracted } = status.byStatus;
  const areElsewhere = workspaceId !== '' && status.entries > active + superseded + retracted;
  const host = await context.host.status({ brainDirectory });
  return {
    status,
    location,
    host,
    embeddings: embeddingsOf(given.embeddings, host),
    account,
    isLoggedIn,
    byProject: await countByProject(brain, location, status.repoEntries, sync?.projectIds ?? []),
    sync,
    conflicts: sync?.conflicts ?? (await countConflicts(brain, workspaceId)),
    notAdopted: areElsewhere ? await countEntries(brain, '') : 0,
  };
}

function embeddingsOf(address: EmbeddingAddress | undefined, host: HostStatus): StatusFacts['embeddings'] {
  if (address === undefined) return null;
  const figures = embeddingFigures(host);
  return {
    url: address.url,
    model: address.model,
    state: figures?.state ?? null,
    failure: figures?.failure ?? null,
  };
}

async function countByProject(
  brain: Brain,
  { workspaceId, projectId }: Location,
  here: number,
  others: readonly string[],
): Promise<Record<string, number>> {
  const counts: [string, number][] = [[projectId, here]];
  for (const other of others.filter((id) => id !== projectId).slice(0, PROJECTS_COUNTED_MAX - 1)) {
    const { repoEntries } = await brain.run('status', { scope: { workspaceId, projectId: other } });
    counts.push([other, repoEntries]);
  }
  return Object.fromEntries(counts);
}

async function countConflicts(brain: Brain, workspaceId: string): Promise<number> {
  const scope = { workspaceId, projectId: null };
  return (await brain.run('conflicts', { scope, limit: CONFLICTS_COUNTED_MAX })).length;
}

function toJson(facts: StatusFacts, now: number) {
  const { status, location, host, account, byProject, sync, conflicts, notAdopted } = facts;
  const isOnline =
    sync !== undefined && sync.lastError === null && sync.lastPushAt !== null && sync.lastPullAt !== null;
  return {
    projectId: location.projectId,
    projectSource: location.projectSource,
    projectDetail: location.projectDetail,
    workspaceId: location.workspaceId,
    workspaceSource: location.workspaceSource,
    repoEntries: status.repoEntries,
    orgEntries: status.orgEntries,
    online: isOnline,
    byStatus: status.byStatus,
    byKind: status.byKind,
    changes: status.changes,
    entries: status.entries,
    lastChangeAt: status.lastChangeAt,
    replicaId: status.replicaId,
    clockRegressionMs: status.clockRegressionMs,
    storeBytes: status.storeBytes,
    directory: status.directory,
    host,
    byProject,
    notAdopted,
    conflicts,
    embeddings: facts.embeddings,
    sync: {
      loggedIn: facts.isLoggedIn,
      automatic: account.isAutomatic,
      endpoint: account.endpoint ?? null,
      protocol: sync?.protocol ?? null,
      pending: sync?.pending ?? 0,
      pendingSince: sync?.pendingSince ?? null,
      lagMs: sync?.pendingSince == null ? 0 : Math.max(0, now - sync.pendingSince),
      lastPushAt: sync?.lastPushAt ?? null,
      lastPullAt: sync?.lastPullAt ?? null,
      clockOffsetMs: sync?.clockOffsetMs ?? null,
      lastError: sync?.lastError ?? null,
      refusedCount: sync?.refusedCount ?? 0,
      refusals: sync?.refusals ?? [],
    },
  };
}
