/**
 * The type declarations of the library, complete in themselves: what they need of a bundled package is shipped beside
 * them, since it is not installed where the library is used, and a type that is not found silently becomes `any`.
 */
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';

const BARE_IMPORT = /(from |import\()(['"])(?!\.|node:)([^'"]+)\2/g;

/** The bundled packages whose types are part of the library's: name to the file that declares all of them. */
const SHIPPED: Readonly<Record<string, string>> = { valibot: 'node_modules/valibot/dist/index.d.mts' };

/** Writes the declarations of lib/index.ts, and of all that it leads to, to `target`. @throws where one is missing */
export async function emitTypes(root: string, target: string, installed: readonly string[]): Promise<void> {
  const compiler = path.join(root, 'node_modules/typescript/bin/tsc');
  const project = path.join(root, '.config/tsconfig.types.json');
  await promisify(execFile)(process.execPath, [compiler, '-p', project, '--outDir', target]).catch((cause: unknown) => {
    // The compiler tells its findings on stdout, which the error's message leaves out.
    throw new Error(`the types do not compile:\n${(cause as { stdout?: string }).stdout ?? ''}`, { cause });
  });
  const shipped = new Set<string>();
  for (const name of fs.readdirSync(target, { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.d.ts')) continue;
    const file = path.join(target, name);
    const source = fs.readFileSync(file, 'utf8');
    const own = source.replaceAll(BARE_IMPORT, (whole, before: string, quote: string, module: string) => {
      if (installed.some((known) => module === known || module.startsWith(`${known}/`))) return whole;
      if (!Object.hasOwn(SHIPPED, module))
        throw new Error(`${name} needs the types of ${module}, which are not shipped`);
      shipped.add(module);
      const toTarget = path.relative(path.dirname(file), target).split(path.sep).join('/');
      return `${before}${quote}${toTarget === '' ? '.' : toTarget}/${module}.js${quote}`;
    });
    if (own !== source) fs.writeFileSync(file, own);
  }
  for (const module of shipped) {
    fs.copyFileSync(path.join(root, SHIPPED[module] ?? ''), path.join(target, `${module}.d.ts`));
  }
}
