/**
 * Lines into a brain: each is read, checked, masked and sent in bounded batches; one that is refused costs none of the others,
 * and is reported with its number.
 */
import type { Brain, ImportResult } from '../lib/brain/contract.ts';
import { type ImportLine, parseImportLine } from '../lib/brain/import-lines.ts';
import { ERROR_TABLE, SmError } from '../lib/core/errors.ts';
import { maskSecrets } from '../lib/secrets/mask.ts';
import { BATCH_BYTES_MAX, BATCH_ITEMS_MAX } from './batches.ts';
import { readLines } from './lines.ts';

/** Refused lines that are listed; all are counted. */
export const REFUSED_LISTED_MAX = 1_000;

/** What importing did; printed as it is with --json. */
export interface ImportReport extends ImportResult {
  /** Lines that held something. */
  lines: number;
  /** Entries with secrets that were masked. */
  masked: number;
  /** Versions that are new in the log: applied + superseded. */
  imported: number;
  refusedCount: number;
  refused: { line: number; message: string }[];
}

interface Numbered {
  line: number;
  change: ImportLine;
}

interface Place {
  scope: { workspaceId: string; projectId: string };
  /** When lines were written that do not say. */
  fallbackTimeMs: number;
  /** As the log names where they came from. */
  origin: string;
  allowsSecrets: boolean;
  /** Told after each batch how many lines have been read. */
  onRead(lines: number): Promise<void>;
}

interface Sink {
  brain: Brain;
  origin: string;
  report: ImportReport;
  refuse(line: number, message: string): void;
}

/** Every good line is imported, whatever the others are like. */
export async function importLines(
  brain: Brain,
  chunks: AsyncIterable<Uint8Array>,
  place: Place,
): Promise<ImportReport> {
  const report: ImportReport = {
    lines: 0,
    masked: 0,
    imported: 0,
    applied: 0,
    superseded: 0,
    duplicate: 0,
    refusedCount: 0,
    refused: [],
  };
  const refuse = (line: number, message: string) => {
    report.refusedCount += 1;
    if (report.refused.length < REFUSED_LISTED_MAX) report.refused.push({ line, message });
  };
  let batch: Numbered[] = [];
  let batchBytes = 0;
  const send = async () => {
    if (!place.allowsSecrets) report.masked += await maskPlain(batch);
    await sendBatch({ brain, origin: place.origin, report, refuse }, batch);
    batch = [];
    batchBytes = 0;
    await place.onRead(report.lines);
  };
  for await (const line of readLines(chunks)) {
    if ('text' in line && line.text.trim() === '') continue;
    report.lines += 1;
    if ('fault' in line) {
      refuse(line.number, line.fault);
      continue;
    }
    const change = tryParse(line.text, place);
    if (typeof change === 'string') {
      refuse(line.number, change);
      continue;
    }
    if (batch.length >= BATCH_ITEMS_MAX || batchBytes + line.bytes > BATCH_BYTES_MAX) await send();
    batch.push({ line: line.number, change });
    batchBytes += line.bytes;
  }
  if (batch.length > 0) await send();
  report.refused.sort((a, b) => a.line - b.line);
  return report;
}

/** Masks the secrets of plain records, in place. @returns how many had some */
async function maskPlain(batch: readonly Numbered[]): Promise<number> {
  const plain = batch.filter(({ change }) => change.isPlain === true);
  const masked = await maskSecrets(plain.map(({ change }) => change.entry));
  for (const [index, { fields }] of masked.entries()) {
    const change = plain[index]?.change;
    if (change !== undefined) change.entry = fields;
  }
  return masked.filter(({ kinds }) => kinds.length > 0).length;
}

/** The change, or why there is none. */
function tryParse(text: string, place: Parameters<typeof parseImportLine>[1]): ImportLine | string {
  try {
    return parseImportLine(text, place);
  } catch (error) {
    if (error instanceof SmError) return error.message;
    throw error;
  }
}

/** Sends a batch. One that the brain refuses is halved until the line at fault is alone: log2(500) times at most. */
async function sendBatch(sink: Sink, batch: readonly Numbered[]): Promise<void> {
  if (batch.length === 0) return;
  const { brain, origin, report } = sink;
  const unique = [...new Map(batch.map(({ change }) => [change.changeId, change])).values()];
  let result: ImportResult;
  try {
    result = await brain.run('import', { origin, changes: unique });
  } catch (error) {
    if (!(error instanceof SmError) || !isRefusal(error)) throw error;
    const [only] = batch;
    if (only !== undefined && batch.length === 1) {
      sink.refuse(only.line, error.message);
      return;
    }
    const middle = Math.ceil(batch.length / 2);
    await sendBatch(sink, batch.slice(0, middle));
    await sendBatch(sink, batch.slice(middle));
    return;
  }
  report.applied += result.applied;
  report.superseded += result.superseded;
  report.duplicate += result.duplicate + batch.length - unique.length;
  report.imported = report.applied + report.superseded;
}

/** Whether the content is at fault, rather than the brain. */
function isRefusal(error: SmError): boolean {
  return error.exitCode === ERROR_TABLE.bad_request.exitCode || error.exitCode === ERROR_TABLE.conflict.exitCode;
}
