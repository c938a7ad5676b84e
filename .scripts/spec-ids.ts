/**
 * Holds the rules of docs/SPEC.md against the titles of the tests. Pure. Reads the tests with the TypeScript parser:
 * titles on a line of their own, tables of cases and text that merely looks like a test are told apart.
 */
import ts from 'typescript';

export interface SpecFindings {
  untested: string[];
  unknown: { id: string; file: string }[];
  repeated: string[];
  withheld: { file: string; line: number }[];
  untitled: { file: string; line: number }[];
}

interface TestCall {
  /** The modifiers, as `only` and `each` in `it.only.each(table)(title, run)`. */
  modifiers: string[];
  isSuite: boolean;
  /** The text that the title begins with; undefined where it is no literal. */
  title: string | undefined;
  line: number;
}

const RULE = /^- \*\*([A-Z]\d+)\*\* /;
const TESTS = ['it', 'test'];
const SUITES = ['describe', 'suite'];
const WITHHOLDING = new Set(['only', 'todo', 'skip', 'fails']);
/** What makes another `test` of a test: its result is called in turn. */
const MAKERS = new Set(['extend', 'override', 'scoped', 'skipIf', 'runIf']);
/** The names under which a test's body gets its context, whose `skip()` leaves the test out while it runs. */
const CONTEXTS = new Set(['context', 'ctx']);

/** @param tests file name to source text */
export function compareSpec(spec: string, tests: ReadonlyMap<string, string>): SpecFindings {
  const rules = spec.split('\n').flatMap((line) => RULE.exec(line)?.[1] ?? []);
  const proven = new Set<string>();
  const findings: SpecFindings = {
    untested: [],
    unknown: [],
    repeated: rules.filter((id, index) => rules.indexOf(id) !== index),
    withheld: [],
    untitled: [],
  };
  for (const [file, source] of tests) {
    for (const { modifiers, isSuite, title, line } of testCalls(file, source)) {
      if (modifiers.some((name) => WITHHOLDING.has(name))) findings.withheld.push({ file, line });
      if (isSuite) continue;
      const ids = idsOf(title ?? '');
      if (ids.length === 0) findings.untitled.push({ file, line });
      for (const id of ids) {
        proven.add(id);
        if (!rules.includes(id)) findings.unknown.push({ id, file });
      }
    }
  }
  findings.untested = rules.filter((id) => !proven.has(id));
  return findings;
}

/** The rule ids at the head of a title: `[M1] …`, `[M1][C2] …`. */
function idsOf(title: string): string[] {
  const head = /^(?:\[[A-Z]\d+\]\s*)+/.exec(title)?.[0] ?? '';
  return [...head.matchAll(/\[([A-Z]\d+)\]/g)].map((match) => match[1] ?? '');
}

function testCalls(file: string, source: string): TestCall[] {
  const tree = ts.createSourceFile(file, source, ts.ScriptTarget.Latest, true);
  const tests = new Set(TESTS);
  const calls: TestCall[] = [];
  const lineOf = (node: ts.Node): number => tree.getLineAndCharacterOfPosition(node.getStart()).line + 1;
  const visit = (node: ts.Node): void => {
    if (ts.isVariableDeclaration(node) && ts.isIdentifier(node.name) && node.initializer !== undefined) {
      const made = chainOf(node.initializer);
      if (tests.has(made.root) && MAKERS.has(made.modifiers.at(-1) ?? '')) tests.add(node.name.text);
    }
    if (ts.isCallExpression(node) && !isCalledOn(node)) {
      const { root, modifiers } = chainOf(node);
      const isSuite = SUITES.includes(root);
      if (CONTEXTS.has(root) && modifiers.at(-1) === 'skip') {
        calls.push({ modifiers, isSuite: true, title: undefined, line: lineOf(node) });
      } else if ((isSuite || tests.has(root)) && !isMaking(node, modifiers)) {
        const title = headOf(node.arguments[0]);
        calls.push({ modifiers: [...modifiers, ...optionsOf(node)], isSuite, title, line: lineOf(node) });
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return calls;
}

/** `it.skipIf(x).each(table)(…)` as its root `it` and the names on the way, whatever was called between them. */
function chainOf(expression: ts.Expression): { root: string; modifiers: string[] } {
  if (ts.isIdentifier(expression)) return { root: expression.text, modifiers: [] };
  if (ts.isCallExpression(expression)) return chainOf(expression.expression);
  if (ts.isTaggedTemplateExpression(expression)) return chainOf(expression.tag);
  if (!ts.isPropertyAccessExpression(expression)) return { root: '', modifiers: [] };
  const { root, modifiers } = chainOf(expression.expression);
  return { root, modifiers: [...modifiers, expression.name.text] };
}

/** Whether the call is only a step of a longer chain: `it.each(table)` in `it.each(table)(title, run)`. */
function isCalledOn(node: ts.CallExpression): boolean {
  const { parent } = node;
  if (ts.isCallExpression(parent) || ts.isPropertyAccessExpression(parent)) return parent.expression === node;
  return ts.isTaggedTemplateExpression(parent);
}

/** Whether the call makes a `test` and runs none: `it.skipIf(x)` alone, not `it.skipIf(x)(title, run)`. */
function isMaking(node: ts.CallExpression, modifiers: string[]): boolean {
  return MAKERS.has(modifiers.at(-1) ?? '') && !ts.isCallExpression(node.expression);
}

/** The names that a test's options set, as `skip` in `it(title, { skip: true }, run)`. */
function optionsOf(node: ts.CallExpression): string[] {
  const options = node.arguments.find(ts.isObjectLiteralExpression);
  return (options?.properties ?? []).flatMap(({ name }) =>
    name !== undefined && ts.isIdentifier(name) ? [name.text] : [],
  );
}

function headOf(title: ts.Expression | undefined): string | undefined {
  if (title === undefined) return undefined;
  if (ts.isStringLiteralLike(title)) return title.text;
  if (ts.isTemplateExpression(title)) return title.head.text;
  if (ts.isBinaryExpression(title)) return headOf(title.left);
  return undefined;
}
