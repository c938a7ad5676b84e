/**
 * RFC 8785 from its text, with none of the project's code: the oracle for the hash of an entry. Slow and plain.
 */

/** Canonical JSON of a JSON value; object members that are undefined are left out. */
export function canonicalise(value: unknown): string {
  if (value === null || typeof value === 'boolean') return String(value);
  if (typeof value === 'number') return canonicalNumber(value);
  if (typeof value === 'string') return canonicalString(value);
  if (Array.isArray(value)) return `[${value.map(canonicalise).join(',')}]`;
  const members = Object.entries(value as Record<string, unknown>).filter(([, member]) => member !== undefined);
  // Section 3.2.3: names are sorted by their UTF-16 code units, which is how `<` compares strings.
  members.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return `{${members.map(([name, member]) => `${canonicalString(name)}:${canonicalise(member)}`).join(',')}}`;
}

/** Section 3.2.2.2: short escapes, else \u00xx below U+0020, else the character itself. */
function canonicalString(text: string): string {
  const short: Record<string, string> = {
    '\b': '\\b',
    '\t': '\\t',
    '\n': '\\n',
    '\f': '\\f',
    '\r': '\\r',
    '"': '\\"',
    '\\': '\\\\',
  };
  let out = '"';
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    if (code >= 0xd800 && code <= 0xdfff) throw new Error('a lone surrogate has no canonical form');
    out += short[character] ?? (code < 0x20 ? `\\u${code.toString(16).padStart(4, '0')}` : character);
  }
  return `${out}"`;
}

/** Section 3.2.2.3: ECMAScript's Number::toString, written out from its digits and exponent. */
function canonicalNumber(value: number): string {
  if (!Number.isFinite(value)) throw new Error(`${value} has no canonical form`);
  if (value === 0) return '0';
  if (value < 0) return `-${canonicalNumber(-value)}`;
  const [mantissa = '', exponentText = ''] = value.toExponential().split('e');
  const digits = mantissa.replace('.', '');
  const point = Number(exponentText) + 1; // The decimal point is after so many digits.
  if (digits.length <= point && point <= 21) return digits + '0'.repeat(point - digits.length);
  if (point > 0 && point <= 21) return `${digits.slice(0, point)}.${digits.slice(point)}`;
  if (point > -6 && point <= 0) return `0.${'0'.repeat(-point)}${digits}`;
  const exponent = `e${point > 0 ? '+' : '-'}${Math.abs(point - 1)}`;
  return digits.length === 1 ? digits + exponent : `${digits.slice(0, 1)}.${digits.slice(1)}${exponent}`;
}
