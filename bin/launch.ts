/**
 * What Node starts: runs the command (command.cjs) from V8's compiled form, which it keeps in `~/.stackmemory/cache`.
 * Compiling the command anew would cost every start more than all that the command itself does. Owns the cache; a cache
 * that is missing, damaged, of another build or another V8, or that cannot be written is never a failure, only slower.
 * V8 crashes on damaged bytes, so that none reach it whose checksum is not right.
 */
import fs from 'node:fs';
import Module from 'node:module';
import path from 'node:path';
import vm from 'node:vm';
import { crc32 } from 'node:zlib';

/** The content hash of command.cjs, put in by the build: the cache of another build is another file. */
declare const __SM_BUILD__: string;

const CHECKSUM_BYTES = 4;

const program = path.join(__dirname, 'command.cjs');
const home = process.env['STACKMEMORY_HOME'] || path.join(process.env['HOME'] ?? '', '.stackmemory');
const cacheDirectory = path.join(home, 'cache');
const cacheFile = path.join(cacheDirectory, `command-${__SM_BUILD__}-${process.versions.v8}-${process.arch}`);

const cachedData = readIfSound(cacheFile);
const script = new vm.Script(Module.wrap(withoutShebang(fs.readFileSync(program, 'utf8'))), {
  filename: program,
  ...(cachedData === undefined ? {} : { cachedData }),
});
if (cachedData === undefined || script.cachedDataRejected === true) process.once('exit', keepCompiled);

// As Node itself runs a CommonJS file: with a require of its own, in a module of its own.
const commandModule = { exports: {} };
const run = script.runInThisContext() as (...values: unknown[]) => void;
run(commandModule.exports, Module.createRequire(program), commandModule, program, __dirname);

/** The checksum, then what V8 made. */
function readIfSound(file: string): Buffer | undefined {
  try {
    const bytes = fs.readFileSync(file);
    const data = bytes.subarray(CHECKSUM_BYTES);
    return bytes.readUInt32LE(0) === crc32(data) ? data : undefined;
  } catch {
    return undefined; // Missing, unreadable or hardly begun: the command is compiled.
  }
}

/** At the end, when V8 has compiled what a command really uses. Only where there is a home already. */
function keepCompiled(): void {
  const partial = `${cacheFile}.${process.pid}`;
  try {
    if (!fs.existsSync(home)) return;
    if (!fs.existsSync(cacheDirectory)) fs.mkdirSync(cacheDirectory, { mode: 0o700 });
    const descriptor = fs.openSync(partial, 'wx', 0o600);
    const data = script.createCachedData();
    const checksum = Buffer.alloc(CHECKSUM_BYTES);
    checksum.writeUInt32LE(crc32(data));
    fs.writeFileSync(descriptor, Buffer.concat([checksum, data]));
    fs.closeSync(descriptor);
    fs.renameSync(partial, cacheFile);
    removeOthers();
  } catch {
    // A full disk or a read-only home: the next command compiles again. What there is of it would take the last of the room.
    discard(partial);
  }
}

function discard(file: string): void {
  try {
    fs.rmSync(file, { force: true });
  } catch {
    // A read-only home has nothing of it.
  }
}

function removeOthers(): void {
  for (const name of fs.readdirSync(cacheDirectory)) {
    if (name.startsWith('command-') && name !== path.basename(cacheFile)) fs.rmSync(path.join(cacheDirectory, name));
  }
}

function withoutShebang(source: string): string {
  return source.startsWith('#!') ? source.slice(source.indexOf('\n')) : source;
}
