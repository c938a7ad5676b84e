/**
 * The one failure type of the project. Owns the list of error codes and what each means to a shell (exit code) and to
 * a peer (HTTP status). A failure that is not an SmError is a bug.
 * Invariant: every SmError says what happened (`message`) and, where there is one, what to do (`hint`).
 */

/** Exit code and HTTP status for every code. The exit codes are part of the command line's contract (docs/CLI.md). */
export const ERROR_TABLE = {
  internal: { exitCode: 1, httpStatus: 500 },
  bad_request: { exitCode: 2, httpStatus: 400 },
  not_found: { exitCode: 3, httpStatus: 404 },
  ambiguous: { exitCode: 3, httpStatus: 404 },
  exists: { exitCode: 4, httpStatus: 409 },
  conflict: { exitCode: 4, httpStatus: 409 },
  workspace_exists: { exitCode: 4, httpStatus: 409 },
  clock_ahead: { exitCode: 4, httpStatus: 409 },
  change_id_reused: { exitCode: 4, httpStatus: 409 },
  /** Another brain has pushed in this replica's name: it was copied. */
  forked: { exitCode: 4, httpStatus: 409 },
  /** The server remembers more of this replica than it has: it was restored from a backup. */
  replica_behind: { exitCode: 4, httpStatus: 409 },
  /** The server remembers less of this replica than it believes: push again from `details.seq`. */
  replica_ahead: { exitCode: 4, httpStatus: 409 },
  too_large: { exitCode: 4, httpStatus: 413 },
  unsupported_media: { exitCode: 4, httpStatus: 415 },
  unsupported_protocol: { exitCode: 4, httpStatus: 422 },
  upgrade_needed: { exitCode: 4, httpStatus: 422 },
  unavailable: { exitCode: 5, httpStatus: 503 },
  rate_limited: { exitCode: 5, httpStatus: 429 },
  unauthorized: { exitCode: 6, httpStatus: 401 },
  forbidden: { exitCode: 6, httpStatus: 403 },
  config_invalid: { exitCode: 7, httpStatus: 503 },
  disk_full: { exitCode: 7, httpStatus: 503 },
  host_unresponsive: { exitCode: 7, httpStatus: 503 },
  host_failed: { exitCode: 7, httpStatus: 503 },
  no_permission: { exitCode: 7, httpStatus: 503 },
  not_durable: { exitCode: 7, httpStatus: 503 },
  store_damaged: { exitCode: 7, httpStatus: 503 },
  store_failed: { exitCode: 7, httpStatus: 503 },
  store_foreign: { exitCode: 7, httpStatus: 503 },
  store_locked: { exitCode: 7, httpStatus: 503 },
  store_newer: { exitCode: 7, httpStatus: 503 },
  store_older: { exitCode: 7, httpStatus: 503 },
  store_restarted: { exitCode: 7, httpStatus: 503 },
  interrupted: { exitCode: 130, httpStatus: 503 },
} as const;

export type ErrorCode = keyof typeof ERROR_TABLE;

export interface SmErrorFields {
  code: ErrorCode;
  /** What happened, one sentence, no trailing stack. */
  message: string;
  /** What the user can do about it. */
  hint?: string;
  /** Machine-readable extras, such as the field at fault or the candidates of an ambiguous id. JSON values only. */
  details?: Record<string, unknown>;
  cause?: unknown;
}

/** A failure that a caller can understand and act on. `toJSON` is what crosses sockets and what `--json` prints. */
export class SmError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly details: Record<string, unknown> | undefined;

  constructor({ code, message, hint, details, cause }: SmErrorFields) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'SmError';
    this.code = code;
    this.hint = hint;
    this.details = details;
  }

  get exitCode(): number {
    return ERROR_TABLE[this.code].exitCode;
  }

  toJSON(): SmErrorJson {
    return {
      error: this.code,
      message: this.message,
      ...(this.hint === undefined ? {} : { hint: this.hint }),
      ...(this.details === undefined ? {} : { details: this.details }),
    };
  }
}

/** The wire and `--json` shape of an error: `{ error, message, hint?, details? }`. */
export interface SmErrorJson {
  error: ErrorCode;
  message: string;
  hint?: string;
  details?: Record<string, unknown>;
}

/** Rebuilds the error that `toJSON` described. An unknown code (a newer peer's) becomes `internal`, its text kept. */
export function errorFromJson(json: SmErrorJson): SmError {
  return new SmError({
    code: Object.hasOwn(ERROR_TABLE, json.error) ? json.error : 'internal',
    message: json.message,
    ...(json.hint === undefined ? {} : { hint: json.hint }),
    ...(json.details === undefined ? {} : { details: json.details }),
  });
}

/** An SmError of another bundle, whose class is its own, as one of this; anything else as it is. */
function asOurs(error: unknown): unknown {
  const isForeign = error instanceof Error && error.name === 'SmError' && !(error instanceof SmError);
  return isForeign ? errorFromJson((error as Error & { toJSON(): SmErrorJson }).toJSON()) : error;
}

/** For what a bundle that was loaded rejects with. */
export function rethrowAsOurs(error: unknown): never {
  throw asOurs(error);
}

/** An SmError as it is; anything else as `internal` with the original as its cause. */
export function toSmError(thrown: unknown): SmError {
  const error = asOurs(thrown);
  if (error instanceof SmError) return error;
  const text = error instanceof Error ? error.message : String(error);
  return new SmError({
    code: 'internal',
    message: `Unexpected failure: ${text}`,
    hint: 'This is a bug. Run the command again with SM_DEBUG=1 and report what it prints.',
    cause: error,
  });
}
