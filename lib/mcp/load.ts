/** Loads the MCP server's bundle into a command. Nothing of it is loaded otherwise. */
import { createRequire } from 'node:module';
import { assetPath } from '../store/assets.ts';
import type * as Bundle from './main.ts';

export function loadMcp(): typeof Bundle {
  return createRequire(import.meta.url)(assetPath('mcp.cjs')) as typeof Bundle;
}
