/** Loads what sets agents up into a command; nothing of it is loaded otherwise. Its errors are made the caller's. */
import { rethrowAsOurs } from '../core/errors.ts';
import { loadBundle } from '../store/assets.ts';
import type * as Bundle from './main.ts';

export function loadAgents(): typeof Bundle {
  const agents = loadBundle('agents.cjs') as typeof Bundle;
  const ours = <T>(act: () => T): T => {
    try {
      return act();
    } catch (error) {
      return rethrowAsOurs(error);
    }
  };
  return {
    ...agents,
    planSetup: (request) => ours(() => agents.planSetup(request)),
    carryOut: (request, planned) => ours(() => agents.carryOut(request, planned)),
  };
}
