/** Entries about a place in the code: those that its commits, its names and the keys in its history lead to. */
import { findByRefs } from '../recall/refs.ts';
import { withSuccessors } from '../recall/successors.ts';
import type { Database } from '../store/database.ts';
import type { WhyHit, WhyRequest } from './recall-contract.ts';

export async function why(database: Database, { scope, limit, ...place }: WhyRequest): Promise<WhyHit[]> {
  const found = await findByRefs(database, scope, place);
  return withSuccessors(database, found, { scope, limit, past: new Map() });
}
