/**
 * Rows as one parameter, for `json_to_recordset`. As bytes, because a text of a megabyte is measured character by character,
 * twice, before PGlite encodes it; and with each content as the JSON that it is, not quoted once more as a text in JSON.
 */

/** A row whose `content` is canonical JSON: a column of type json gives back these very characters. */
export interface JsonRow {
  content: string;
  [column: string]: unknown;
}

/** UTF-8 of a JSON array with an object for each row. */
export function toJsonRows(rows: readonly JsonRow[]): Buffer {
  return Buffer.from(`[${rows.map(toObject).join(',')}]`, 'utf8');
}

function toObject({ content, ...columns }: JsonRow): string {
  return `${JSON.stringify(columns).slice(0, -1)},"content":${content}}`;
}
