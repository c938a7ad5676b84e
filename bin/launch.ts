/**
 * What Node starts: runs the command (command.cjs) from V8's compiled form, which it keeps in `~/.stackmemory/cache`.
 * Compiling the command anew would cost every start more than all that the command itself does. Owns the cache; a cache
 * that is missing, of another build or another V8, or that cannot be written is never a failure, only slower.
 */
import fs from 'node:fs';
import Module from 'node:module';
import path from 'node:path';
import vm from 'node:vm';

/** The content hash of command.cjs, put in by the build: the cache of another build is another file. */
declare const __SM_BUILD__: string;

const program = path.join(__dirname, 'command.cjs');
const home = process.env['STACKMEMORY_HOME'] || path.join(process.env['HOME'] ?? '', '.stackmemory');
const cacheDirectory = path.join(home, 'cache');
const cacheFile = path.join(cacheDirectory, `command-${__SM_BUILD__}-${process.versions.v8}-${process.arch}`);

const cachedData = readIfThere(cacheFile);
const script = new vm.Script(Module.wrap(withoutShebang(fs.readFileSync(program, 'utf8'))), {
  filename: program,
  ...(cachedData === undefined ? {} : { cachedData }),
});
if (cachedData === undefined || script.cachedDataRejected === true) process.once('exit', keepCompiled);

// As Node itself runs a CommonJS file: with a require of its own, in a module of its own.
const commandModule = { exports: {} };
const run = script.runInThisContext() as (...values: unknown[]) => void;
run(commandModule.exports, Module.createRequire(program), commandModule, program, __dirname);

function readIfThere(file: string): Buffer | undefined {
  try {
    return fs.readFileSync(file);
  } catch {
    return undefined; // Missing or unreadable: the command is compiled.
  }
}

/** At the end, when V8 has compiled what a command really uses. Only where there is a home already. */
function keepCompiled(): void {
  try {
    if (!fs.existsSync(home)) return;
    fs.mkdirSync(cacheDirectory, { recursive: true, mode: 0o700 });
    const partial = `${cacheFile}.${process.pid}`;
    const descriptor = fs.openSync(partial, 'wx', 0o600);
    fs.writeSync(descriptor, script.createCachedData());
    fs.fsyncSync(descriptor); // V8 trusts what it reads: after a power cut there is all of it or nothing.
    fs.closeSync(descriptor);
    fs.renameSync(partial, cacheFile);
    removeOthers();
  } catch {
    // A full disk or a read-only home: the next command compiles again.
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
