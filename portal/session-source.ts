/** How sessions come to be and are reached: what the hub needs of tmux, or of a terminal without it (sources.ts). Types only. */
import type { History } from './absences.ts';
import type { SessionInfo } from './protocol.ts';
import type { Terminal } from './session.ts';

/** A session as its source knows it. */
export interface SourceSession extends Omit<SessionInfo, 'viewers' | 'attention'>, History {
  /** Its bell rang while no client of tmux was there. */
  hasRung: boolean;
}

/** How sessions come to be; `sources.ts` has the one over tmux, and the one without. */
export interface SessionSource {
  readonly isTmux: boolean;
  /** Makes the session where it is missing. @throws SmError that says what to do */
  ensure(name: string, columns: number, rows: number): Promise<void>;
  attach(name: string, options: AttachOptions): Terminal;
  list(): Promise<SourceSession[]>;
  has(name: string): Promise<boolean>;
  rename(name: string, to: string): Promise<void>;
  end(name: string): Promise<void>;
  /** Which session each attached process shows at the moment, as far as that is known. */
  attached(): Promise<ReadonlyMap<number, string>>;
  find(name: string, text: string, direction: 'older' | 'newer'): Promise<boolean>;
  back(name: string, lines: number): Promise<void>;
  setIgnoresSize(pid: number, ignoresSize: boolean): Promise<void>;
}

export interface AttachOptions {
  columns: number;
  rows: number;
  isReadOnly: boolean;
  ignoresSize: boolean;
}
