/**
 * Rows as one parameter, for `json_to_recordset`. As bytes, because a text of a megabyte is measured character by character,
 * twice, before PGlite encodes it; and with each content as the JSON that it is, not quoted once more as a text in JSON.
 */

/** The columns of a row but its content, and that as canonical JSON: a column of type json gives back these very characters. */
export type JsonRow = [columns: Record<string, unknown>, content: string];

/** UTF-8 of a JSON array with an object for each row. */
export function toJsonRows(rows: readonly JsonRow[]): Buffer {
  return joinJsonRows(rows.map(([columns, content]) => toJsonRow(columns, content)));
}

/** The same of rows that are JSON already. */
export function joinJsonRows(rows: readonly string[]): Buffer {
  return Buffer.from(`[${rows.join(',')}]`, 'utf8');
}

export function toJsonRow(columns: Record<string, unknown>, content: string): string {
  return `${JSON.stringify(columns).slice(0, -1)},"content":${content}}`;
}
