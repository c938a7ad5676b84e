/** Edits of settings that are somebody else's: whatever stood there stays, byte for byte. */
import { parse as parseJsonc } from 'jsonc-parser';
import fc from 'fast-check';
import { parse as parseToml } from 'smol-toml';
import { describe, expect, it } from 'vitest';
import { parse as parseYaml } from 'yaml';
import { applyEdit, revertEdit } from '../../lib/agents/edit.ts';
import type { Edit } from '../../lib/agents/wish.ts';

const SERVER: Edit = { format: 'json', path: ['mcpServers', 'stackmemory'], value: { command: 'sm', args: ['mcp'] } };
const HOOK: Edit = {
  format: 'json-item',
  path: ['hooks', 'SessionStart'],
  value: { hooks: [{ type: 'command', command: 'sm hook session-start --agent claude' }] },
  mark: 'hook session-start --agent claude',
};
const TABLE: Edit = { format: 'toml', table: 'mcp_servers.stackmemory', value: { command: 'sm', args: ['mcp'] } };
const ENTRY: Edit = { format: 'yaml', path: ['mcp_servers', 'stackmemory'], value: { command: 'sm', args: ['mcp'] } };
const ITEM: Edit = {
  format: 'yaml-item',
  path: ['hooks', 'pre_llm_call'],
  value: { command: 'sm hook session-start --agent hermes', timeout: 5 },
  mark: 'hook session-start --agent hermes',
};
const OTHER_ITEM: Edit = {
  format: 'yaml-item',
  path: ['hooks', 'pre_verify'],
  value: { command: 'sm hook turn-end --agent hermes', timeout: 5 },
  mark: 'hook turn-end --agent hermes',
};
const BLOCK: Edit = { format: 'text', block: '## Memory\n\nRecall first.\n' };

const JSON_TEXTS: Record<string, string> = {
  empty: '',
  'nothing in it': '{}',
  'nothing in it but room': '{\n}\n',
  'one line': '{"a":1,"b":[1,2]}',
  'odd spacing': '{ "a" :1 ,\n\n    "b":   [ 1,2 ] }\n\n',
  tabs: '{\n\t"a": {\n\t\t"b": 1\n\t}\n}\n',
  'four spaces': '{\n    "a": 1\n}',
  'line ends of Windows': '{\r\n  "a": 1\r\n}\r\n',
  'a mark of byte order': '\uFEFF{\n  "a": 1\n}\n',
  comments: '// first\n{\n  // of a, with a comma\n  "a": 1 // last, not least\n  /* end, */\n}\n// after\n',
  'trailing commas': '{\n  "a": {"x": 1,},\n  "b": [1, 2,],\n}\n',
  'a trailing comma and a comment': '{\n  "a": 1, // why, oh why\n}\n',
  'others there':
    '{\n  "mcpServers": {\n    "other": {"command": "x"}\n  },\n  "hooks": {"SessionStart": [{"hooks": []}]}\n}\n',
  'others there, commented':
    '{\n  "mcpServers": {\n    "other": {"command": "x"}, // mine\n  },\n  "hooks": {\n    "SessionStart": [\n      // none yet\n    ]\n  }\n}\n',
  'only comments in it': '{\n  // todo\n}\n',
};

function isSubsequence(part: string, whole: string): boolean {
  let at = 0;
  for (const character of part) {
    at = whole.indexOf(character, at) + 1;
    if (at === 0) return false;
  }
  return true;
}

const parsed = (text: string): unknown => parseJsonc(text.replace(/^\uFEFF/, ''), [], { allowTrailingComma: true });

describe.each(Object.entries(JSON_TEXTS))('JSON: %s', (_name, text) => {
  it('[A8] gets the entries, keeps every byte, and gets them once', () => {
    const after = applyEdit(applyEdit(text, SERVER), HOOK);
    expect(isSubsequence(text, after)).toBe(true);
    expect(after.startsWith(text.slice(0, 1))).toBe(true);
    const before = (parsed(text) ?? {}) as Record<string, Record<string, unknown>>;
    expect(parsed(after)).toEqual({
      ...before,
      mcpServers: { ...before['mcpServers'], stackmemory: { command: 'sm', args: ['mcp'] } },
      hooks: {
        ...before['hooks'],
        SessionStart: [
          ...((before['hooks']?.['SessionStart'] ?? []) as unknown[]),
          { hooks: [{ type: 'command', command: 'sm hook session-start --agent claude' }] },
        ],
      },
    });
    expect(applyEdit(applyEdit(after, SERVER), HOOK)).toBe(after);
    if (text.includes('\r\n')) expect(after.replaceAll('\r\n', '')).not.toContain('\n');
  });

  it('[A8] loses them again, and nothing else', () => {
    const after = revertEdit(revertEdit(applyEdit(applyEdit(text, SERVER), HOOK), HOOK), SERVER);
    const before = parsed(text) ?? {};
    expect(parsed(after)).toEqual(before);
    for (const comment of text.match(/\/\/.*|\/\*.*?\*\//g) ?? []) {
      expect(after).toContain(comment);
    }
  });
});

it('[A8] any JSON, however it is written, keeps what it says', () => {
  const indents = fc.constantFrom(undefined, 1, 2, 4, '\t');
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), indents, (value, indent) => {
      delete value['mcpServers'];
      const text = JSON.stringify(value, null, indent);
      const after = applyEdit(text, SERVER);
      expect(JSON.parse(after)).toEqual({
        ...(JSON.parse(text) as object),
        mcpServers: { stackmemory: { command: 'sm', args: ['mcp'] } },
      });
      expect(isSubsequence(text, after)).toBe(true);
      expect(JSON.parse(revertEdit(after, SERVER))).toEqual(JSON.parse(text));
    }),
  );
});

it('[A8] an entry of that name that the user has made is kept, also when ours is taken back', () => {
  const own = '{"mcpServers": {"stackmemory": {"command": "/my/own"}}}';
  expect(applyEdit(own, SERVER)).toBe(own);
  expect(revertEdit(own, SERVER)).toBe(own);
  const table = '[mcp_servers.stackmemory]\ncommand = "/my/own"\n';
  expect(applyEdit(table, TABLE)).toBe(table);
  expect(revertEdit(table, TABLE)).toBe(table);
  const entry = 'mcp_servers:\n  stackmemory:\n    command: /my/own\n';
  expect(applyEdit(entry, ENTRY)).toBe(entry);
  expect(revertEdit(entry, ENTRY)).toBe(entry);
});

it.each<[string, Edit]>([
  ['{"a": 1', SERVER],
  ['[1]', SERVER],
  ['"x"', SERVER],
  ['{"mcpServers": []}', SERVER],
  ['{"hooks": {"SessionStart": {}}}', HOOK],
  ['a = ', TABLE],
  ['mcp_servers = 1', TABLE],
  ['mcp_servers = { other = { command = "x" } }', TABLE],
  ['a: [', ENTRY],
  ['- a', ENTRY],
  ['mcp_servers: {a: {}}', ENTRY],
  ['mcp_servers: x', ENTRY],
  ['mcp_servers: &all {}\nb: *all', ENTRY],
  ['a: 1\n...\n', ENTRY],
  ['hooks: [x]', ITEM],
  ['hooks:\n  pre_llm_call: x', ITEM],
  ['hooks:\n  pre_llm_call: [{command: x}]', ITEM],
  ['hooks: {pre_llm_call: []}', ITEM],
])('[A8] what cannot be edited safely is refused: %s', (text, edit) => {
  expect(() => applyEdit(text, edit)).toThrow();
});

it.each([
  ['', ''],
  ['plain', 'model = "x"  # odd   spacing\n\n[features]\na = true\n'],
  ['without an end', '[a]\nb = 1'],
  ['line ends of Windows', '[a]\r\nb = 1\r\n'],
  ['other servers', '[mcp_servers.other]\ncommand = "x"\n'],
])('[A8] TOML %s: the table is added at the end, once, and taken away', (_name, text) => {
  const after = applyEdit(text, TABLE);
  expect(after.startsWith(text)).toBe(true);
  const before = parseToml(text) as { mcp_servers?: object };
  expect(parseToml(after)).toEqual({
    ...before,
    mcp_servers: { ...before.mcp_servers, stackmemory: { command: 'sm', args: ['mcp'] } },
  });
  expect(applyEdit(after, TABLE)).toBe(after);
  expect(revertEdit(after, TABLE).trimEnd()).toBe(text.trimEnd());
});

it.each([
  ['empty', ''],
  ['others', '# mine\nmodel:\n    default: x   # odd\n'],
  ['without an end', 'a: 1'],
  ['other servers', 'mcp_servers:\n    # first\n    other:\n        command: x\nlast: 1\n'],
  ['line ends of Windows', 'mcp_servers:\r\n  other:\r\n    command: x\r\n'],
])('[A8] YAML %s: the entry is added in its place, once, and taken away', (_name, text) => {
  const after = applyEdit(text, ENTRY);
  expect(isSubsequence(text, after)).toBe(true);
  const before = (parseYaml(text) ?? {}) as { mcp_servers?: object };
  expect(parseYaml(after)).toEqual({
    ...before,
    mcp_servers: { ...before.mcp_servers, stackmemory: { command: 'sm', args: ['mcp'] } },
  });
  expect(applyEdit(after, ENTRY)).toBe(after);
  expect(revertEdit(after, ENTRY).trimEnd()).toBe(text.trimEnd());
});

it.each([
  ['empty', ''],
  ['no hooks', 'model: a\n'],
  ['no event', 'hooks:\n    # mine\n    on_session_end:\n        - command: x   # odd\nlast: 1\n'],
  ['nothing in it', 'hooks:\nmodel: a\n'],
  ['nothing in it, in words', 'hooks: null   # none yet\nmodel: a\n'],
  ['nothing in it, in braces', 'mcp_servers: {}\nhooks: {}  # none yet\nmodel: a\n'],
  ['nothing in it, at the end', 'model: a\nhooks: {}'],
  ['an event with nothing', 'hooks:\n  pre_llm_call: []\n  pre_verify:\n'],
  [
    'others of the event',
    'hooks:\n  pre_llm_call:\n    # first\n    - command: x\n      timeout: 3\n    - command: y\n',
  ],
  ['a list that is not indented', 'hooks:\n  pre_llm_call:\n  - command: x\n  pre_verify:\n  -   command: y\n'],
  ['line ends of Windows', 'hooks:\r\n  pre_llm_call:\r\n    - command: x\r\nmodel: a\r\n'],
  ['a mark of byte order', '\uFEFFhooks: {}\n'],
])('[A8] YAML %s: hooks are added in their places, once, and taken away', (_name, text) => {
  type Hooks = Record<string, unknown[] | null> | null;
  const all = [ENTRY, ITEM, OTHER_ITEM];
  const apply = (given: string) => all.reduce((sofar, edit) => applyEdit(sofar, edit), given);
  const valueOf = (given: string) => (parseYaml(given.replace('\uFEFF', '')) ?? {}) as Record<string, unknown>;
  const after = apply(text);
  const before = valueOf(text);
  const hooks = before['hooks'] as Hooks;
  expect(valueOf(after)).toEqual({
    ...before,
    mcp_servers: { stackmemory: { command: 'sm', args: ['mcp'] } },
    hooks: {
      ...hooks,
      pre_llm_call: [
        { command: 'sm hook session-start --agent hermes', timeout: 5 },
        ...(hooks?.['pre_llm_call'] ?? []),
      ],
      pre_verify: [{ command: 'sm hook turn-end --agent hermes', timeout: 5 }, ...(hooks?.['pre_verify'] ?? [])],
    },
  });
  expect(isSubsequence(text.replaceAll(/ null| \{\}| \[\]/g, ''), after)).toBe(true);
  expect(apply(after)).toBe(after);
  if (text.includes('\r\n')) expect(after.replaceAll('\r\n', '')).not.toContain('\n');
  const left = all.toReversed().reduce((sofar, edit) => revertEdit(sofar, edit), after);
  const said = (given: string) =>
    JSON.stringify(valueOf(given), (_key, value: unknown) => (isNothing(value) ? undefined : value));
  expect(said(left)).toBe(said(text));
  for (const comment of text.match(/#.*/g) ?? []) expect(left).toContain(comment.trimEnd());
});

function isNothing(value: unknown): boolean {
  return value === null || (typeof value === 'object' && Object.values(value).every((inner) => isNothing(inner)));
}

it.each(['', '# Rules\n', '# Rules', '\uFEFF# Rules\r\n\r\nUse tabs.\r\n', 'a\n\n\n'])(
  '[A8] prose %j gets the block once, a newer block replaces it, and without it the rest is as it was',
  (text) => {
    const after = applyEdit(text, BLOCK);
    expect(after.startsWith(text)).toBe(true);
    expect(applyEdit(after, BLOCK)).toBe(after);
    const newer = applyEdit(after, { format: 'text', block: '## Other\n' });
    expect(newer).not.toContain('Recall first.');
    expect(newer.match(/stackmemory:begin/g)).toHaveLength(1);
    expect(revertEdit(after, BLOCK).trimEnd()).toBe(text.trimEnd());
    expect(applyEdit(`${after}\nlater\n`, BLOCK)).toBe(`${after}\nlater\n`);
  },
);
