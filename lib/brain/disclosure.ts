/**
 * What of a brain may leave it. Secrets are masked before they are stored, and a change that still has one, or private
 * text, is kept here and passed over when others are pushed.
 */
import type { Entry } from '../core/entry.ts';
import { hasPrivate } from '../core/private.ts';
import { maskSecrets, withSecrets } from '../secrets/mask.ts';
import type { OperationName, RequestOf, Written } from './contract.ts';

export type KeptReason = 'private' | 'secret';

/** Which of the changes may be sent, and which are kept here and why; both in their order. */
export async function sortOut<Change extends { entry: Entry }>(
  changes: readonly Change[],
): Promise<{ sent: Change[]; kept: { change: Change; reason: KeptReason }[] }> {
  const secrets = await withSecrets(changes.map(({ entry }) => entry));
  const sent: Change[] = [];
  const kept: { change: Change; reason: KeptReason }[] = [];
  for (const [index, change] of changes.entries()) {
    if (hasPrivate(change.entry)) kept.push({ change, reason: 'private' });
    else if (secrets.has(index)) kept.push({ change, reason: 'secret' });
    else sent.push(change);
  }
  return { sent, kept };
}

export const KEPT_BECAUSE: Readonly<Record<KeptReason, string>> = {
  private: 'It has <private> text, which never leaves this machine.',
  secret: 'It has what looks like a secret; edit the entry, and the version without it is pushed.',
};

type MaskedOperation = 'record' | 'edit' | 'resolve';

export function writesText(operation: OperationName): operation is MaskedOperation {
  return operation === 'record' || operation === 'edit' || operation === 'resolve';
}

export interface MaskedRequest {
  request: unknown;
  /** By entry of the answer: the kinds of secrets that were masked. */
  masked: string[][];
}

/** The request without secrets; as it is where its writer wants them kept. */
export async function maskRequest(operation: MaskedOperation, request: unknown): Promise<MaskedRequest> {
  if ((request as { allowsSecrets?: boolean }).allowsSecrets === true) return { request, masked: [] };
  if (operation === 'record') {
    const given = request as RequestOf<'record'>;
    const drafts = await maskSecrets(given.drafts);
    return {
      request: { ...given, drafts: drafts.map(({ fields }) => fields) },
      masked: drafts.map(({ kinds }) => kinds),
    };
  }
  const given = request as RequestOf<'edit' | 'resolve'>;
  if (given.edit === undefined) return { request, masked: [] };
  const [edit] = await maskSecrets([given.edit]);
  return { request: { ...given, edit: edit?.fields }, masked: [edit?.kinds ?? []] };
}

/** The answer with what was masked, for the caller to tell. */
export function tellMasked(answer: Written | Written[], masked: string[][]): Written | Written[] {
  if (masked.every((kinds) => kinds.length === 0)) return answer;
  const told = (entry: Written, index: number): Written => {
    const kinds = masked[index] ?? [];
    return kinds.length === 0 ? entry : { ...entry, masked: kinds };
  };
  return Array.isArray(answer) ? answer.map(told) : told(answer, 0);
}
