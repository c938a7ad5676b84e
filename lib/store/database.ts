/**
 * The one way in which SQL is spoken to, whichever PostgreSQL answers. Owns the drizzle types and the translation of
 * database failures into SmErrors.
 */
import type { SQL } from 'drizzle-orm';
import type { PgDatabase, PgQueryResultHKT } from 'drizzle-orm/pg-core';
import { SmError } from '../core/errors.ts';

/** A drizzle database or transaction over PGlite or node-postgres. Inside a transaction use the transaction only. */
export type Database = PgDatabase<PgQueryResultHKT>;

/** Failures wrap each other this deep at most. */
const CAUSES_MAX = 5;

/** Runs hand-written SQL. int8 comes as a number or a string depending on the driver: convert with Number(). */
export async function rowsOf<Row>(database: Database, query: SQL): Promise<Row[]> {
  const result: unknown = await database.execute(query);
  return (result as { rows: Row[] }).rows;
}

/** SQLSTATE of a failure of drizzle or of its driver, or undefined. */
export function sqlStateOf(error: unknown): string | undefined {
  return causesOf(error)
    .map(({ code }) => code)
    .find((code) => code !== undefined && /^[0-9A-Z]{5}$/.test(code));
}

/** Whether PostgreSQL has ended with this failure: it is asked nothing any more. */
export function isPanic(error: unknown): boolean {
  return causesOf(error).some(({ severity }) => severity === 'PANIC');
}

/** A failure and what has caused it, as far as PostgreSQL tells of it. */
function causesOf(error: unknown): { code?: string; severity?: string }[] {
  const causes: { code?: string; severity?: string }[] = [];
  for (let current = error; current instanceof Error && causes.length < CAUSES_MAX; current = current.cause) {
    const { code, severity } = current as { code?: unknown; severity?: unknown };
    causes.push({
      ...(typeof code === 'string' ? { code } : {}),
      ...(typeof severity === 'string' ? { severity } : {}),
    });
  }
  return causes;
}

/**
 * Whether the database itself can no longer be trusted after this failure and must be opened anew: insufficient
 * resources (53), system errors (58), internal errors (XX), or a failure that is not PostgreSQL's (a WASM abort). A full
 * disk may also show as a statement that does not come to its end (24000), and no later one can begin then.
 */
export function isPoisoned(error: unknown): boolean {
  if (error instanceof SmError) return error.code === 'disk_full' || error.code === 'store_failed';
  const state = sqlStateOf(error);
  return state === undefined || /^(53|58|XX|24000)/.test(state);
}

/** What a database failure means to a user. */
export function toStoreError(error: unknown): SmError {
  if (error instanceof SmError) return error;
  const state = sqlStateOf(error);
  const text = innermostMessage(error);
  if (state === '53100' || /No space left|ENOSPC|EDQUOT/i.test(text)) {
    return new SmError({
      code: 'disk_full',
      message: 'The disk that holds the brain is full; nothing was written.',
      hint: 'Free some space and run the command again. Everything acknowledged before is safe.',
      cause: error,
    });
  }
  return new SmError({
    code: 'store_failed',
    message: `The brain's database failed: ${text}${state === undefined ? '' : ` (SQLSTATE ${state})`}`,
    hint: 'Nothing was written. Run "sm doctor" to check the brain.',
    cause: error,
  });
}

function innermostMessage(error: unknown): string {
  let current = error;
  for (let depth = 0; depth < 5 && current instanceof Error && current.cause instanceof Error; depth += 1) {
    current = current.cause;
  }
  return current instanceof Error ? current.message : String(current);
}
