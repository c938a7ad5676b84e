/** The parser of git's configuration files, held against git itself (lib/scope/git-config.ts). */
import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseGitConfig } from '../../lib/scope/git-config.ts';

/** `name=value` lines as git lists them; undefined where git refuses the file. */
function askGit(text: string): string[] | undefined {
  try {
    const listing = execFileSync('git', ['config', '--file', '-', '--list', '--null'], {
      input: text,
      encoding: 'utf8',
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    return listing.split('\0').slice(0, -1);
  } catch {
    return undefined;
  }
}

/** The same lines from the parser under test. */
function askParser(text: string): string[] | undefined {
  return parseGitConfig(text)?.map(({ section, subsection, key, value }) => {
    const name = [section, ...(subsection === undefined ? [] : [subsection]), key].join('.');
    return value === true ? name : `${name}\n${value}`;
  });
}

test.each([
  ['', []],
  [
    '[remote "origin"]\n\turl = git@h:a/b.git\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n',
    ['remote.origin.url\ngit@h:a/b.git', 'remote.origin.fetch\n+refs/heads/*:refs/remotes/origin/*'],
  ],
  ['\uFEFF[a]\r\nb = c\r\n', ['a.b\nc']],
  ['[REMOTE "Origin"] URL=x', ['remote.Origin.url\nx']],
  ['[remote.ORIGIN]\nurl = x # why\n', ['remote.origin.url\nx']],
  ['[a "q\\"\\\\z"]\nb = " x ; y" # z\nc\nd =\n', ['a.q"\\z.b\n x ; y', 'a.q"\\z.c', 'a.q"\\z.d\n']],
  ['[a]\nb = one\\\n  two  \\\n three ; no \\\nc = 1', ['a.b\none  two   three', 'a.c\n1']],
  ['[a]b=x  ""\nc = "a"b"c"\nd=\\t\\n\\"\\\\', ['a.b\nx  ', 'a.c\nabc', 'a.d\n\t\n"\\']],
])('[W8] %j is read as git reads it', (text, lines) => {
  expect(askParser(text)).toEqual(lines);
  expect(askGit(text)).toEqual(lines);
});

test.each([
  'x = 1',
  '[a',
  '[a "b]',
  '[a]\n1x = 2',
  '[a]\nb = "open',
  '[a]\nb = \\q',
  '[a]\nb c',
  '[a b]',
  '[]',
  '[a"b"]',
  '[a]\nb = \0',
  '[a]\nb\rc',
])('[W8] %j is left to git', (text) => {
  expect(parseGitConfig(text)).toBeUndefined();
});

test('[W8] whatever the parser answers, git answers', () => {
  const header = fc.constantFrom('[remote "origin"]', '[a]', '[A.b]', '[x "y z"]', '[x "\\""]', '[a', '[b "c]', '[B] ');
  const key = fc.constantFrom('url', ' key-1 ', 'X', '1x', '#', '; y', '');
  const part = fc.oneof(
    fc.constantFrom('git@h:a/b', ' ', '  ', '"', '" "', '""', '\\\\', '\\"', '\\n', '\\b', '\\\n', '\\\r\n', '\\q'),
    fc.constantFrom('#', ';', '=', ']', '[', 'ü', '\u00a0', '\v', '\r'),
    fc.string({ maxLength: 3 }),
  );
  const value = fc.array(part, { maxLength: 6 }).map((parts) => parts.join(''));
  const line = fc.oneof(
    { weight: 3, arbitrary: fc.tuple(key, fc.constantFrom('=', ' = '), value).map((texts) => texts.join('')) },
    { weight: 1, arbitrary: fc.oneof(header, key, fc.constant('')) },
  );
  const file = fc.tuple(header, fc.array(line, { maxLength: 5 }), fc.constantFrom('\n', '\r\n'));
  fc.assert(
    fc.property(file, ([first, lines, lineBreak]) => {
      // Git before 2.45 turned a tab within a value into a blank, so the law leaves tabs out.
      const text = [first, ...lines].join(lineBreak).replaceAll('\t', ' ');
      const parsed = askParser(text);
      if (parsed !== undefined) expect(askGit(text)).toEqual(parsed);
    }),
  );
});
