/**
 * A page of a pull in the form in which it is stored: each change checked by itself, hashed, and made a row of the log. Pure,
 * and asks nothing of a database, so that who pulls reads a page while the brain's thread stores the one before.
 */
import { toSmError } from '../core/errors.ts';
import { type ParsedChange, readColumns, readList } from '../protocol/change.ts';
import { toPageRow } from '../store/log-rows.ts';
import type { SyncPage } from './sync-contract.ts';

/** @throws SmError `bad_request` where columns are not of one length */
export function readPage(
  { changes, columns }: { changes?: readonly unknown[]; columns?: Record<string, unknown> },
  workspaceId: string,
): SyncPage {
  const read = columns === undefined ? readList(changes ?? [], workspaceId) : readColumns(columns, workspaceId);
  return pageOf(read.map(({ parsed }) => parsed));
}

export function pageOf(parsed: readonly ParsedChange[]): SyncPage {
  const page: SyncPage = { changeIds: [], entryIds: [], rows: [], unfit: [] };
  parsed.forEach((item, position) => {
    if ('error' in item) {
      const { code, message } = toSmError(item.error);
      page.unfit.push({ changeId: item.changeId, code, message });
      return;
    }
    page.changeIds.push(item.change.changeId);
    page.entryIds.push(item.change.entry.entryId);
    page.rows.push(toPageRow(item.change, position));
  });
  return page;
}
