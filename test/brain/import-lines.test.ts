/** From a foreign line to a change: always the same ids, nothing invented, nothing silently dropped. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseImportLine } from '../../lib/brain/import-lines.ts';
import { SmError } from '../../lib/core/errors.ts';
import { hashContent } from '../../lib/protocol/hash.ts';
import { entryOf } from '../bin/fakes.ts';

const PLACE = { scope: { workspaceId: 'w', projectId: 'p' }, fallbackTimeMs: 1_700_000_000_000 };
const parse = (value: unknown, place = PLACE) => parseImportLine(JSON.stringify(value), place);

describe('plain records', () => {
  it('[X18] the same line gives the same ids; another scope, content or title other ones', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, maxLength: 30 }), fc.nat(4e12), (word, createdAt) => {
        const record = { title: `t${word}`, createdAt };
        const line = parse(record);
        expect(parse(record)).toEqual(line);
        const other = parse(record, { ...PLACE, scope: { workspaceId: 'w', projectId: 'q' } });
        expect(other.changeId).not.toBe(line.changeId);
        expect(other.entry.entryId).not.toBe(line.entry.entryId);
        expect(parse({ ...record, summary: 'x' }).changeId).not.toBe(line.changeId);
      }),
    );
  });

  it('[X18] the entry id is a UUIDv7 that bears the time of creation', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 48 - 1 }), (createdAt) => {
        const { entryId } = parse({ title: 't', createdAt }).entry;
        expect(entryId).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
        expect(Number.parseInt(entryId.replaceAll('-', '').slice(0, 12), 16)).toBe(createdAt);
      }),
    );
  });

  it('[X18] the fallback time is in no id', () => {
    const later = { ...PLACE, fallbackTimeMs: PLACE.fallbackTimeMs + 1 };
    expect(parse({ title: 't' }, later).changeId).toBe(parse({ title: 't' }).changeId);
    expect(parse({ title: 't' }, later).entry.entryId).toBe(parse({ title: 't' }).entry.entryId);
    expect(parse({ title: 't' }).entry.createdAt).toBe(PLACE.fallbackTimeMs);
  });

  it('[X18] a record with an id of its own stays one entry when it changes', () => {
    const before = parse({ id: 'bd-1', title: 'a', created_at: '2025-01-01T00:00:00Z' });
    const after = parse({
      id: 'bd-1',
      title: 'b',
      created_at: '2025-01-01T00:00:00Z',
      updated_at: '2025-02-01T00:00:00Z',
    });
    expect(after.entry.entryId).toBe(before.entry.entryId);
    expect(after.changeId).not.toBe(before.changeId);
    expect(after.entry.updatedAt).toBeGreaterThan(before.entry.updatedAt);
    const uuid = '01980c2e-7f3a-7abc-8def-0123456789ab';
    expect(parse({ id: uuid, title: 'a' }).entry.entryId).toBe(uuid);
  });

  it('[X18] an empty title is taken from the summary, a foreign status is no status', () => {
    expect(parse({ title: ' ', summary: '\n first line \nsecond' }).entry.title).toBe('first line');
    expect(parse({ title: 't', status: 'Accepted' }).entry.status).toBe('active');
    expect(parse({ title: 't', status: 'retracted' }).entry.status).toBe('retracted');
  });

  it('[X18] times are ISO 8601, UTC where they name no zone, or milliseconds', () => {
    const created = (created_at: unknown) => parse({ title: 't', created_at }).entry.createdAt;
    expect(created('2025-10-14T21:43:06.864Z')).toBe(Date.UTC(2025, 9, 14, 21, 43, 6, 864));
    expect(created('2025-10-14 21:43:06')).toBe(Date.UTC(2025, 9, 14, 21, 43, 6));
    expect(created('2025-10-14')).toBe(Date.UTC(2025, 9, 14));
    expect(created(1_760_000_000_000)).toBe(1_760_000_000_000);
  });

  it.each([
    ['[]', 'one JSON object'],
    ['{', 'not JSON'],
    ['{"title":1}', 'title'],
    ['{"title":"t","created_at":"soon"}', 'created_at'],
    ['{"title":"t","confidence":"high"}', 'confidence'],
    ['{"title":"t","tags":"a"}', 'tags'],
    ['{"title":"t","kind":"adr"}', 'kind'],
    ['{"title":"t","summary":{}}', 'summary'],
  ])('[X17] %s is refused with the reason', (line, reason) => {
    expect(() => parseImportLine(line, PLACE)).toThrow(reason);
  });

  it('[X17] any line gives a change or an SmError', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          fc.json(),
          fc.object().map((value) => JSON.stringify({ title: 't', ...value })),
        ),
        (line) => {
          try {
            expect(parseImportLine(line, PLACE).entry.title).not.toBe('');
          } catch (error) {
            expect(error).toBeInstanceOf(SmError);
          }
        },
      ),
    );
  });
});

describe('export lines', () => {
  const { updatedAt, ...content } = entryOf();
  const line = {
    stackmemory: 1,
    changeId: '00000000-0000-4000-9000-000000000001',
    base: null,
    replicaId: '00000000-0000-4000-8000-000000000001',
    hash: hashContent(content),
    receivedAt: 1,
    origin: 'local',
    entry: { ...content, updatedAt },
  };

  it('[X16] an export line comes back as it was', () => {
    const { changeId, base, replicaId, entry } = line;
    expect(parse(line)).toEqual({ changeId, base, replicaId, entry });
  });

  it('[X17] a line whose content was changed, or of a newer format, is refused', () => {
    expect(() => parse({ ...line, entry: { ...line.entry, title: 'forged' } })).toThrow('hash');
    expect(() => parse({ ...line, changeId: 'x' })).toThrow('changeId');
    expect(() => parse({ ...line, base: 'x' })).toThrow('base');
    expect(() => parse({ ...line, stackmemory: 3 })).toThrow('not known to this version');
    expect(() => parse({ ...line, entry: undefined })).toThrow(SmError);
  });
});
