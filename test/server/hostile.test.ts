/** Rubbish and malice at every address: the right status, the one shape of errors, and a server that lives on. */
import { connect } from 'node:net';
import zlib from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ERROR_TABLE } from '../../lib/core/errors.ts';
import { type ListeningServer, listen } from '../../lib/server/listen.ts';
import { createTestServer, type TestServer } from '../support/server-app.ts';
import { flatChange } from '../support/server-changes.ts';

let server: TestServer;
let listening: ListeningServer;
beforeAll(async () => {
  server = await createTestServer({ adminToken: 'the-token' });
  listening = await listen(server.app, { host: '127.0.0.1', port: 0 });
});
afterAll(async () => {
  await listening.close();
  await server.close();
});

const POSTS = ['push', 'pull', 'digest', 'history'].map((name) => `/v1/brain/${name}`);
const OPEN_POSTS = ['/v1/setup', '/v1/setup/reset'];

async function send(path: string, init: RequestInit): Promise<{ status: number; body: Record<string, unknown> }> {
  const response = await server.app.request(path, init);
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

function withKey(more: Record<string, string> = {}): Record<string, string> {
  return { Authorization: `Bearer ${server.key.apiKey}`, 'Content-Type': 'application/json', ...more };
}

/** An answer of the contract: a known status, and of an error exactly its shape. */
function expectShape({ status, body }: { status: number; body: Record<string, unknown> }): void {
  expect(status).toBeLessThan(500);
  if (status === 200) return;
  expect(Object.keys(ERROR_TABLE)).toContain(body['error']);
  expect(typeof body['message']).toBe('string');
  expect(JSON.stringify(body)).not.toMatch(/ {4}at |node_modules|SELECT|server_push|SQLSTATE/);
  const known = ['error', 'message', 'hint', 'details', 'workspaceId', 'projectId'];
  expect(Object.keys(body).filter((name) => !known.includes(name))).toEqual([]);
}

async function expectAlive(): Promise<void> {
  const { status, body } = await send('/v1/brain/health', {});
  expect({ status, storage: body['storage'] }).toEqual({ status: 200, storage: 'ok' });
  expect((await server.post('/v1/brain/pull', server.key.apiKey, { protocolVersion: 2, since: 0 })).status).toBe(200);
}

test('[V8] any JSON at any address gets an answer of the contract', async () => {
  const field = fc.constantFrom(
    ...['protocolVersion', 'clientId', 'workspaceId', 'projectId', 'since', 'limit', 'entries', 'changes', 'columns'],
    ...['replica', 'scope', 'format', 'ranges', 'parts', 'stampsMax', 'entryIds', 'until', 'email', 'invitation'],
    ...['__proto__', 'constructor', 'toString', 'seq', 'chain', 'headSeq', 'count', 'changeId', 'entryId', 'createdAt'],
  );
  const awkward: fc.Arbitrary<unknown> = fc.oneof(
    fc.constantFrom<unknown>(1, 2, 0, -1, 1e308, 2 ** 53, 1.5, '', '\0', '\ud800', 'null', true, null, [], {}),
    fc.constantFrom<unknown>("'; DROP TABLE changes; --", '{"a":1}', { toString: 1, valueOf: 1 }, [[]], [null], [{}]),
    fc.jsonValue({ maxDepth: 3 }),
  );
  const { tree } = fc.letrec((tie) => ({
    tree: fc.oneof(
      { maxDepth: 4, depthSize: 'medium' },
      awkward,
      fc.array(tie('tree'), { maxLength: 3 }),
      fc.array(fc.tuple(field, tie('tree')), { maxLength: 5 }).map((pairs) => Object.fromEntries(pairs)),
    ),
  }));
  const body = fc
    .tuple(fc.constantFrom(1, 2, undefined), tree)
    .map(([protocolVersion, value]) =>
      typeof value === 'object' && value !== null && !Array.isArray(value) && protocolVersion !== undefined
        ? { ...value, protocolVersion }
        : value,
    );
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...POSTS, ...OPEN_POSTS), body, async (path, value) => {
      expectShape(await send(path, { method: 'POST', headers: withKey(), body: JSON.stringify(value) ?? '' }));
    }),
    { numRuns: 600 },
  );
  await expectAlive();
});

test('[V8] any value in any field of a change or a column refuses that alone', async () => {
  const good = flatChange({ number: 1, title: 'a', updatedAt: 5, workspaceId: '', seq: 1 });
  const fields = Object.keys({ ...good, base: null, replaces: [], supersededBy: '' });
  const values: unknown[] = [null, -1, 1e308, '', '\0', '\ud800', [], {}, [[]], { toString: 1, valueOf: 1 }, true];
  for (const field of fields) {
    for (const value of values) {
      const headers = withKey();
      const changes = JSON.stringify({ protocolVersion: 2, clientId: 'h', changes: [{ ...good, [field]: value }] });
      const pushed = await send('/v1/brain/push', { method: 'POST', headers, body: changes });
      expect(pushed.status, `${field} ${JSON.stringify(value)}`).toBe(200);
      const columns = Object.fromEntries(
        Object.entries({ supersededBy: null, replaces: null, ...good, [field]: value }).map(([name, each]) => [
          name,
          [each],
        ]),
      );
      const inColumns = JSON.stringify({ protocolVersion: 2, clientId: 'h', columns: { ...columns, count: [1] } });
      const answer = await send('/v1/brain/push', { method: 'POST', headers, body: inColumns });
      expectShape(answer);
    }
  }
  await expectAlive();
});

test('[V8] random bytes, deep nesting and what is no JSON are bad requests', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...POSTS, ...OPEN_POSTS),
      fc.uint8Array({ maxLength: 200 }),
      async (path, bytes) => {
        expectShape(await send(path, { method: 'POST', headers: withKey(), body: new Uint8Array(bytes) }));
      },
    ),
    { numRuns: 150 },
  );
  const deep = `${'['.repeat(1_000_000)}${']'.repeat(1_000_000)}`;
  for (const body of [deep, `{"protocolVersion":2,"changes":${deep}}`, `{"a":`.repeat(100_000), '', '\ufeff{}']) {
    for (const path of POSTS) {
      const answer = await send(path, { method: 'POST', headers: withKey(), body });
      expectShape(answer);
    }
  }
  await expectAlive();
});

test('[V8] keys of prototypes are names like others', async () => {
  const body =
    '{"protocolVersion":2,"clientId":"h","__proto__":{"workspaceId":"x"},"constructor":1,"changes":[{"__proto__":{"kind":"note"}}]}';
  const { status, body: answer } = await send('/v1/brain/push', { method: 'POST', headers: withKey(), body });
  expect(status).toBe(200);
  expect(answer).toMatchObject({ accepted: 0, results: [{ outcome: 'refused', code: 'bad_request' }] });
  expect(({} as Record<string, unknown>)['workspaceId']).toBeUndefined();
});

test('[V8] a body that breaks off is the sender’s failure, and not the server’s', async () => {
  const part = new TextEncoder().encode('{"protocolVersion":');
  const broken = (): ReadableStream<Uint8Array> => {
    let pulls = 0;
    return new ReadableStream({
      pull: (controller) => {
        pulls += 1;
        if (pulls === 1) controller.enqueue(part);
        else controller.error(new Error('aborted'));
      },
    });
  };
  for (const path of POSTS) {
    const answer = await send(path, { method: 'POST', headers: withKey(), body: broken(), duplex: 'half' });
    expect(answer).toMatchObject({ status: 400, body: { error: 'bad_request' } });
  }
});

test('[S21] [V8] bombs are cut off at the bound, in every coding', async () => {
  const bomb = Buffer.alloc(200 * 1024 * 1024, 0x20);
  const packed = [
    ['gzip', zlib.gzipSync(bomb)],
    ['br', zlib.brotliCompressSync(bomb, { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 1 } })],
    ['deflate', zlib.deflateSync(bomb)],
  ] as const;
  for (const [coding, bytes] of packed) {
    const headers = withKey({ 'Content-Encoding': coding });
    const answer = await send('/v1/brain/push', { method: 'POST', headers, body: new Uint8Array(bytes) });
    expect(answer).toMatchObject({ status: 413, body: { error: 'too_large' } });
  }
  for (const [coding, status] of [
    ['gzip', 400],
    ['br', 400],
    ['compress', 415],
    ['gzip, gzip', 415],
  ] as const) {
    const headers = withKey({ 'Content-Encoding': coding });
    expectShape(await send('/v1/brain/push', { method: 'POST', headers, body: '{}' }));
    expect((await send('/v1/brain/push', { method: 'POST', headers, body: '{}' })).status).toBe(status);
  }
  await expectAlive();
});

test('[S21] [V8] a body of 100 MB is refused long before its end, told or not told', async () => {
  for (const isTold of [true, false]) {
    const mebibyte = Buffer.alloc(1024 * 1024, 0x20);
    const { port } = listening;
    const socket = connect(port, '127.0.0.1');
    const answer: string[] = [];
    let sent = 0;
    const ended = new Promise<void>((resolve) => socket.on('close', () => resolve()).on('error', () => undefined));
    socket.setEncoding('utf8').on('data', (text: string) => answer.push(text));
    const length = isTold ? `Content-Length: ${100 * mebibyte.length}` : 'Transfer-Encoding: chunked';
    const head = `POST /v1/brain/push HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${server.key.apiKey}\r\nContent-Type: application/json\r\n${length}\r\n\r\n`;
    socket.write(head);
    while (sent < 100 && !socket.destroyed && answer.length === 0) {
      const chunk = isTold ? mebibyte : Buffer.concat([Buffer.from('100000\r\n'), mebibyte, Buffer.from('\r\n')]);
      await new Promise<void>((resolve) => {
        socket.write(chunk, () => resolve());
        void ended.then(resolve);
      });
      sent += 1;
    }
    socket.end();
    await ended;
    expect(answer.join('')).toMatch(/^HTTP\/1\.1 413 /);
    expect(sent).toBeLessThan(100);
  }
  await expectAlive();
});

test('[V8] addresses, methods and types that are none are told so', async () => {
  const json = withKey();
  expect(await send('/v1/brain/nothing', { headers: json })).toMatchObject({
    status: 404,
    body: { error: 'not_found' },
  });
  expect(await send('/v1/admin/a/b/c', { method: 'POST', headers: json })).toMatchObject({ status: 404 });
  for (const [path, method] of [
    ['/v1/brain/push', 'GET'],
    ['/v1/brain/stream', 'POST'],
    ['/v1/setup', 'DELETE'],
    ['/metrics', 'PUT'],
  ] as const) {
    const response = await server.app.request(path, { method, headers: json });
    expect(response.status).toBe(405);
    expect(response.headers.get('allow')).toBe(method === 'POST' || method === 'PUT' ? 'GET' : 'POST');
    expect(await response.json()).toMatchObject({ error: 'bad_request' });
  }
  for (const type of ['text/plain', 'application/jsonp', 'multipart/form-data', '']) {
    for (const path of [...POSTS, ...OPEN_POSTS]) {
      const answer = await send(path, { method: 'POST', headers: withKey({ 'Content-Type': type }), body: '{}' });
      expect(answer).toMatchObject({ status: 415, body: { error: 'unsupported_media' } });
    }
  }
});

test('[V8] keys that are missing or malformed are unauthorised, at every address', async () => {
  const { apiKey } = server.key;
  const wrong = [
    '',
    'Bearer',
    'Bearer ',
    `Basic ${apiKey}`,
    apiKey,
    `Bearer ${apiKey}x`,
    `Bearer ${apiKey.slice(0, -1)}`,
  ];
  for (const authorization of [...wrong, `Bearer ${'x'.repeat(5_000)}`, `Bearer ${apiKey} ${apiKey}`]) {
    for (const path of POSTS) {
      const headers = { 'Content-Type': 'application/json', Authorization: authorization };
      expect(await send(path, { method: 'POST', headers, body: '{}' })).toMatchObject({
        status: 401,
        body: { error: 'unauthorized' },
      });
    }
    expect((await send('/v1/brain/stream', { headers: { Authorization: authorization } })).status).toBe(401);
    const admin = { method: 'POST', headers: { 'Content-Type': 'application/json', Authorization: authorization } };
    expect((await send('/v1/admin/key/list', { ...admin, body: '{}' })).status).toBe(401);
  }
});

test('[V8] every answer has a request id: the asker’s where it is sane', async () => {
  const idOfAnswer = async (given?: string): Promise<string | null> => {
    const headers = given === undefined ? {} : { 'X-Request-Id': given };
    return (await server.app.request('/v1/brain/health', { headers })).headers.get('x-request-id');
  };
  expect(await idOfAnswer('my-request.1')).toBe('my-request.1');
  for (const given of [undefined, 'a b', '<script>', 'x'.repeat(65)]) {
    expect(await idOfAnswer(given)).toMatch(/^[0-9a-f-]{36}$/);
  }
  const refused = await server.app.request('/nothing', { headers: { 'X-Request-Id': 'mine' } });
  expect(refused.headers.get('x-request-id')).toBe('mine');
});
