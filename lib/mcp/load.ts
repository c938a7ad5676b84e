/** Loads the MCP server's bundle into a command. Nothing of it is loaded otherwise. */
import { loadBundle } from '../store/assets.ts';
import type * as Bundle from './main.ts';

export function loadMcp(): typeof Bundle {
  return loadBundle('mcp.cjs') as typeof Bundle;
}
