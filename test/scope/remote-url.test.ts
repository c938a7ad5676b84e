/** The name of a repository by its address (lib/scope/remote-url.ts). */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { normaliseRemoteUrl, parseRemoteUrl } from '../../lib/scope/remote-url.ts';

test.each([
  'git@github.com:Acme/App.git',
  'github.com:acme/app',
  'git@github.com:/acme/app.git/',
  'org-1234@github.com:acme/app.git',
  'ssh://git@github.com/acme/app.git',
  'ssh://git@github.com:22/acme/app',
  'ssh://git@ssh.github.com:443/acme/app.git',
  '[git@ssh.github.com:443]:acme/app.git',
  'git@github.com-work:acme/app.git',
  'git+ssh://git@github.com/acme/app',
  'git://github.com/acme/app.git',
  'https://github.com/acme/app',
  'https://github.com/acme/app.git/',
  'https://github.com:443/acme//app.git',
  'https://GitHub.com./Acme/APP.GIT',
  'https://www.github.com/acme/app/.git',
  'https://ada:s3cret@github.com/acme/app.git',
  'https://x-access-token:ghp_abc%40@github.com/acme/app.git',
  'https://github.com/acme/app.git?token=abc#readme',
  'http://github.com:80/%61cme/app',
  '  https://github.com/acme/app.git\n',
])('[W6] %j is github.com/acme/app', (url) => {
  expect(normaliseRemoteUrl(url)).toBe('github.com/acme/app');
});

test.each([
  ['git@gitlab.com:Group/Sub/Deep/App.git', 'https://gitlab.com/group/sub/deep/app', 'gitlab.com/group/sub/deep/app'],
  ['ssh://git@altssh.gitlab.com:443/a/b.git', 'https://gitlab.com/a/b', 'gitlab.com/a/b'],
  [
    'ssh://git@git.corp.example:2222/Team/App.git',
    'https://git.corp.example:8443/Team/App',
    'git.corp.example/Team/App',
  ],
  ['git@[2001:DB8:0::1]:team/app', 'https://[2001:db8::1]:8443/team/app', '[2001:db8::1]/team/app'],
  ['ssh://[::1]:22/srv/app.git', 'http://[0:0:0:0:0:0:0:1]/srv/app', '[::1]/srv/app'],
  ['git@git.example.org:~ada/app', 'https://git.example.org/~ada/app', 'git.example.org/~ada/app'],
  ['git@git.example.org:a b/50%.git', 'https://git.example.org/a%20b/50%25', 'git.example.org/a%20b/50%25'],
  ['git@git.example.org:münze/ä', 'https://git.example.org/m%C3%BCnze/%C3%A4', 'git.example.org/münze/ä'],
  [
    'git@ssh.dev.azure.com:v3/Org/Proj/App',
    'https://Org@dev.azure.com/Org/Proj/_git/App',
    'dev.azure.com/org/proj/_git/app',
  ],
  [
    'Org@vs-ssh.visualstudio.com:v3/Org/App/App',
    'https://org.visualstudio.com/DefaultCollection/_git/App',
    'dev.azure.com/org/app/_git/app',
  ],
  [
    'ssh://git@bb.example.org:7999/PROJ/app.git',
    'https://ada@bb.example.org/scm/PROJ/app.git',
    'bb.example.org/PROJ/app',
  ],
])('[W6] %j and %j are one repository', (ssh, https, name) => {
  expect(normaliseRemoteUrl(ssh)).toBe(name);
  expect(normaliseRemoteUrl(https)).toBe(name);
});

test('[W6] case tells repositories apart where the host may do so', () => {
  expect(normaliseRemoteUrl('https://git.example.org/A/b')).not.toBe(normaliseRemoteUrl('https://git.example.org/a/b'));
});

test.each([
  '/srv/git/app.git',
  './app',
  '../app',
  'app',
  'a/b:c',
  '~/app.git',
  'file:///srv/git/app.git',
  'FILE://localhost/srv/app',
  'C:\\repos\\app',
  'C:/repos/app',
  'c:app',
  '\\\\server\\share\\app.git',
  '//server/share/app',
])('[W7] %j is a place on one machine and no name', (url) => {
  expect(parseRemoteUrl(url).kind).toBe('local');
  expect(normaliseRemoteUrl(url)).toBeUndefined();
});

test.each([
  '',
  ' ',
  'https://',
  'https:///acme/app',
  'https://github.com',
  'https://github.com/',
  'https://github.com/.git',
  'https://user@/acme',
  'ssh://git@ho st/acme/app',
  'ext::ssh -i /key git@host %S acme/app',
  'codecommit::eu-west-1://ada@app',
  'keybase://team/acme/app',
  'ada:s3cret@github.com/acme/app.git',
])('[W7] %j is an address that is never named', (url) => {
  expect(parseRemoteUrl(url)).toEqual({ kind: 'unknown' });
});

test('[W7] the path of a file address is decoded', () => {
  expect(parseRemoteUrl('file:///srv/my%20app.git')).toEqual({ kind: 'local', path: '/srv/my app.git' });
});

describe('laws', () => {
  const host = fc.oneof(
    fc.constantFrom(
      'github.com',
      'GitLab.com',
      'bitbucket.org',
      'dev.azure.com',
      'acme.visualstudio.com',
      'git.corp',
      '[::1]',
      '10.0.0.1',
    ),
    fc.domain(),
  );
  const segment = fc.oneof(
    fc.constantFrom('scm', 'v3', '_git', 'app.git', '.git', 'defaultcollection', '~ada', 'a%b', 'a?b', 'a#b'),
    fc.stringMatching(/^[A-Za-z0-9._~-]{1,12}$/),
    fc.string({ unit: 'grapheme', minLength: 1, maxLength: 8 }).filter((text) => !/[/@:\\]|^\s|\s$/.test(text)),
  );
  const path = fc.array(segment, { minLength: 1, maxLength: 5 });
  const encoded = (segments: string[]): string => segments.map(encodeURIComponent).join('/');

  test('[W6] ssh, scp-like and https forms agree, whatever port, user and ending they carry', () => {
    const ending = fc.constantFrom('', '.git', '/', '.git/', '/.git');
    const port = fc.constantFrom('', ':22', ':443', ':8443');
    const user = fc.constantFrom('', 'git@', 'ada:pw@', 'a%40b:c%3A@');
    fc.assert(
      fc.property(host, path, ending, port, user, (at, segments, end, number, who) => {
        const name = normaliseRemoteUrl(`https://${at}/${encoded(segments)}`);
        expect(normaliseRemoteUrl(`https://${who}${at}${number}/${encoded(segments)}${end}`)).toBe(name);
        expect(normaliseRemoteUrl(`ssh://${who}${at}${number}/${encoded(segments)}${end}`)).toBe(name);
        expect(normaliseRemoteUrl(`git@${at}:${segments.join('/')}${end}`)).toBe(name);
      }),
    );
  });

  test('[W6] a name is the name of its own address', () => {
    const anyUrl = fc.oneof(
      fc.string(),
      fc.webUrl({ withQueryParameters: true, withFragments: true, validSchemes: ['https', 'http', 'ssh', 'git'] }),
      fc.tuple(host, fc.string({ unit: 'binary' })).map(([at, rest]) => `https://${at}/${rest}`),
      fc.tuple(host, fc.string({ unit: 'binary' })).map(([at, rest]) => `git@${at}:${rest}`),
      fc.tuple(host, path).map(([at, segments]) => `ssh://${at}/${segments.join('/')}`),
    );
    fc.assert(
      fc.property(anyUrl, (url) => {
        const name = normaliseRemoteUrl(url);
        if (name === undefined) return;
        expect(normaliseRemoteUrl(`https://${name}`)).toBe(name);
        expect(normaliseRemoteUrl(`ssh://git@${name}`)).toBe(name);
      }),
    );
  });

  test('[W7] credentials never enter a name', () => {
    const secret = fc.stringMatching(/^[A-Za-z0-9!$&'()*+,;=:@%._~?#-]{3,20}$/).map((text) => `S3CRET${text}`);
    fc.assert(
      fc.property(
        fc.constantFrom('https', 'http', 'ssh', 'git', 'ftp', 'x-helper'),
        secret,
        secret,
        path,
        (scheme, user, password, segments) => {
          for (const url of [
            `${scheme}://${user}:${password}@git.example.org/${encoded(segments)}`,
            `${scheme}://${user}@git.example.org/${encoded(segments)}`,
            `https://git.example.org/${encoded(segments)}?token=${password}`,
            `${user.replaceAll(':', '')}@git.example.org:${encoded(segments)}`,
          ]) {
            expect(normaliseRemoteUrl(url) ?? '').not.toMatch(/s3cret/i);
          }
        },
      ),
    );
  });
});
