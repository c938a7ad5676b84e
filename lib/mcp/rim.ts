/**
 * What the MCP server needs of the world around it: a brain, where it works, and how times are read. Types alone; the
 * command line has one such world, another transport may have its own.
 */
import type { Brain, Scope } from '../brain/contract.ts';
import type { Provenance } from '../core/provenance.ts';

export interface McpRim {
  readonly version: string;
  /** Opened when it is first needed; one that could not be opened is tried again. @throws SmError */
  brain(): Promise<Brain>;
  /** Asked at each call, so that a login or another project counts at once. @throws SmError */
  scope(): Promise<Scope>;
  /** Where, under which name and from what place the client's entries are recorded. `clientName` is what it calls itself. */
  author(clientName: string | undefined): Promise<{ scope: Scope; agent: string; provenance: Provenance }>;
  /** A fresh UUID. */
  newId(): string;
  /** Random, of letters and digits: recorded text cannot know it. */
  newFence(): string;
  /** Milliseconds since the epoch. @throws SmError `bad_request` where the text is no time */
  sinceMs(text: string): number;
  /** The same; of a day its last millisecond. */
  untilMs(text: string): number;
  /** A time or a commit of the repository. */
  asOfMs(text: string): Promise<number>;
}
