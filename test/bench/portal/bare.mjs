/** The yardstick: the least that shows a terminal in a browser. No flow control, no login, no tmux, nothing kept. */
import { createRequire } from 'node:module';
import { WebSocketServer } from 'ws';

const [port, file, ...args] = process.argv.slice(2);
const { spawn } = createRequire(import.meta.url)('@lydell/node-pty');
const server = new WebSocketServer({ port: Number(port), host: '127.0.0.1' });
server.on('connection', (socket) => {
  const pty = spawn(file, args, { name: 'xterm-256color', cols: 120, rows: 40, env: process.env, encoding: null });
  pty.onData((bytes) => socket.send(bytes));
  pty.onExit(() => socket.close());
  socket.on('message', (bytes) => pty.write(Buffer.from(bytes).toString('utf8')));
  socket.on('close', () => pty.kill());
});
server.on('listening', () => console.log('listening'));
