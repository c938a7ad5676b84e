/**
 * What crosses the WebSocket besides the terminal's bytes, see docs/PORTAL.md: JSON text frames, each validated here.
 * Shared by server and page; the page takes types and numbers only. Raise PROTOCOL_VERSION where an older page would
 * misunderstand.
 */

export const PROTOCOL_VERSION = 1;

/** A text frame to the server. */
export const MESSAGE_BYTES_MAX = 4 * 1024;
/** A binary frame to the server: keys, or a slice of a paste. */
export const INPUT_FRAME_BYTES_MAX = 64 * 1024;
/** What a page may have sent that the program has not taken. */
export const INPUT_CREDIT_BYTES = 128 * 1024;
/** The server tells what was taken at least after so much; less than the credit, so that none waits for the other. */
export const INPUT_REPORT_BYTES = 32 * 1024;
/** A page that sends on without credit is ended at this. */
export const INPUT_BYTES_MAX = 1024 * 1024;

/** What is looked for. */
export const FIND_CHARACTERS_MAX = 200;

/** How the server ends a WebSocket. */
export const CLOSE = {
  /** The viewer's terminal or session is at its end; the message before it says why. */
  done: 1000,
  /** The portal is being restarted: come back. */
  restarting: 1012,
  protocolError: 1002,
  refused: 1008,
  /** What was sent is not read: come back when it can be. */
  unread: 1013,
  /** The login is no longer good: the token was rotated, or the link has expired. */
  loggedOut: 4401,
  /** The same attachment was resumed by another connection, which has it now. */
  taken: 4409,
} as const;

export interface Hello {
  t: 'hello';
  version: number;
  /** Absent: the one that the portal shows first, or the link is for. */
  session?: string;
  columns: number;
  rows: number;
  /** Only look: leave the size alone until asked. */
  watch?: boolean;
  resume?: { id: string; key: string; seq: number };
}

export type ClientMessage =
  | Hello
  | { t: 'ack'; seq: number }
  | { t: 'resize'; columns: number; rows: number }
  | { t: 'take' }
  | { t: 'ping'; id: number }
  | { t: 'list' }
  | { t: 'rename'; name: string; to: string }
  | { t: 'end'; name: string }
  /** Looks for a text in what the session has said, from where it is; without one it goes back to the end. */
  | { t: 'find'; text: string; direction: 'older' | 'newer' }
  /** Shows what was on the screen so many lines ago. */
  | { t: 'back'; lines: number };

export interface SessionInfo {
  name: string;
  createdMs: number;
  activityMs: number;
  /** Of this portal, not of other tmux clients. */
  viewers: number;
  /** What it wants, until somebody types there or opens it. */
  attention?: Attention;
}

/** Why a session wants somebody. */
export interface Attention {
  /** `notice`: a notification of its program. `waits`: a question stands on its screen. `quiet`: it worked, and stopped. */
  kind: 'bell' | 'notice' | 'waits' | 'quiet';
  /** The notification or the question, as one line; else empty. */
  text: string;
  atMs: number;
}

export interface Problem {
  code: string;
  message: string;
  hint?: string;
}

export type ServerMessage =
  | {
      t: 'attached';
      version: number;
      id: string;
      key: string;
      /** The number of the next byte of output. */
      seq: number;
      /** `exact`: what was missed follows. `fresh`: begin with an empty screen, a whole one follows. */
      mode: 'exact' | 'fresh';
      session: string;
      isReadOnly: boolean;
      isTmux: boolean;
      /** Who this is by the tailnet's account, where that is known. */
      viewer?: string;
    }
  | { t: 'size'; isOwner: boolean; columns: number; rows: number; viewers: number }
  | { t: 'took'; bytes: number }
  | { t: 'pong'; id: number }
  | { t: 'sessions'; sessions: SessionInfo[]; canChange: boolean }
  | { t: 'renamed'; name: string; to: string }
  | { t: 'found'; isFound: boolean }
  /** So many lines have left the screen since this viewer was heard of last. */
  | { t: 'missed'; lines: number }
  | { t: 'attention'; session: string; attention: Attention }
  | { t: 'ended'; reason: 'ended' | 'detached'; exitCode: number }
  | ({ t: 'problem' } & Problem);

/** Of a session and of nothing else: it is handed to tmux and shown everywhere. */
export const SESSION_NAME = /^[A-Za-z0-9_][A-Za-z0-9_-]{0,63}$/;
