/** What is wished of a settings file of somebody else. Types alone. */

export type JsonValue = string | number | boolean | null | JsonValue[] | { [key: string]: JsonValue };

export type Edit =
  /** A property of an object; one that is there already is the user's, and is kept. */
  | { format: 'json'; path: readonly string[]; value: JsonValue }
  /** An item of a list, unless one has this text in it. */
  | { format: 'json-item'; path: readonly string[]; value: JsonValue; mark: string }
  /** A table of strings and lists of strings. */
  | { format: 'toml'; table: string; value: Readonly<Record<string, string | string[]>> }
  /** An entry of a mapping; one that is there already is the user's, and is kept. */
  | { format: 'yaml'; path: readonly string[]; value: JsonValue }
  /** An item of a list, unless one has this text in it. */
  | { format: 'yaml-item'; path: readonly string[]; value: JsonValue; mark: string }
  /** A file of our own altogether, whose first line is the mark. */
  | { format: 'file'; text: string; mark: string }
  /** Prose between markers. */
  | { format: 'text'; block: string };
