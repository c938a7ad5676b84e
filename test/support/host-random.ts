/** Chance for the simulations, by a seed that a failing test's title shows: SIM_SEED repeats it, SIM_ROUNDS prolongs it. */

export const SEED = Number(process.env['SIM_SEED'] ?? Date.now() % 1_000_000_000);
export const ROUNDS = Number(process.env['SIM_ROUNDS'] ?? 7);

/** A number in [0, 1), by mulberry32. */
export function createRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** A whole number from 0 to `max`, both included. */
export function integer(random: () => number, max: number): number {
  return Math.floor(random() * (max + 1));
}
