/** What the bundle dist/server.cjs offers to the command line, which loads it only where a server is wanted. */
export { administer } from './administer.ts';
export { serve } from './serving.ts';
