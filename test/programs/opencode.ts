/** OpenCode's own server, in a project, with a stand-in for the model behind it that notes what it is told. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { collect } from '../../bin/input.ts';

const BODY_BYTES_MAX = 8 * 1024 * 1024;

const CHUNK = { id: '1', object: 'chat.completion.chunk', created: 1, model: 'm' };
const ANSWER = [
  { ...CHUNK, choices: [{ index: 0, delta: { role: 'assistant', content: 'done' } }] },
  { ...CHUNK, choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] },
]
  .map((chunk) => `data: ${JSON.stringify(chunk)}\n\n`)
  .join('')
  .concat('data: [DONE]\n\n');

export interface StandInModel extends AsyncDisposable {
  url: string;
  /** Everything of the last request, its system prompt too. */
  heard(): string;
  /** What the user has said, as the last request tells it. */
  said(): string[];
}

interface Message {
  role: string;
  content: unknown;
}

/** Answers "done" to whatever it is asked, as a server that is compatible with OpenAI's streams it. */
export async function standInModel(): Promise<StandInModel> {
  let messages: Message[] = [];
  const server = http.createServer();
  server.on('request', (request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const hear = async (): Promise<void> => {
      const asked = JSON.parse(String(await collect(request, 'the request', BODY_BYTES_MAX))) as {
        messages: Message[];
      };
      // OpenCode asks for a title beside.
      if (!JSON.stringify(asked.messages).includes('Generate a title')) messages = asked.messages;
      response.end(ANSWER);
    };
    hear().catch(() => response.destroy());
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    heard: () => JSON.stringify(messages),
    said: () => messages.filter(({ role }) => role === 'user').map(({ content }) => JSON.stringify(content)),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export interface Opencode extends AsyncDisposable {
  /** Resolves when the turn is over. */
  say(text: string): Promise<void>;
}

export async function startOpencode(
  program: string,
  { project, env }: { project: string; env: NodeJS.ProcessEnv },
  modelUrl: string,
): Promise<Opencode> {
  const provider = {
    npm: '@ai-sdk/openai-compatible',
    options: { baseURL: modelUrl, apiKey: 'none' },
    models: { m: { name: 'm' } },
  };
  const settings = { model: 'fake/m', small_model: 'fake/m', provider: { fake: provider } };
  fs.writeFileSync(path.join(project, 'opencode.json'), JSON.stringify(settings));
  const child = spawn(program, ['serve', '--port', '0'], { cwd: project, env, stdio: ['ignore', 'pipe', 'ignore'] });
  let printed = '';
  for await (const chunk of child.stdout) {
    printed += String(chunk);
    if (/listening on \S+/.test(printed)) break;
  }
  const url = /listening on (\S+)/.exec(printed)?.[1] ?? '';
  const post = async (place: string, body: unknown): Promise<Record<string, unknown>> => {
    const answer = await fetch(`${url}${place}?directory=${encodeURIComponent(project)}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    return (await answer.json()) as Record<string, unknown>;
  };
  const { id } = await post('/session', {});
  return {
    say: async (text) => void (await post(`/session/${String(id)}/message`, { parts: [{ type: 'text', text }] })),
    async [Symbol.asyncDispose]() {
      child.kill();
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    },
  };
}
