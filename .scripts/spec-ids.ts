/** Holds the rules of docs/SPEC.md against the titles of the tests. Pure. */

export interface SpecFindings {
  untested: string[];
  unknown: { id: string; file: string }[];
  repeated: string[];
  withheld: { file: string; line: number }[];
  untitled: { file: string; line: number }[];
}

const RULE = /^- \*\*([A-Z]\d+)\*\* /;
const TITLE = /\b(?:it|test)(?:\.\w+(?:\([^)]*\))?)*\(\s*(['"`])((?:\\.|(?!\1).)*)\1/;
const WITHHELD = /\b(?:it|test|describe)\.(?:only|todo|fails)\b|\b(?:it|test|describe)\.skip\(/;

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
    source.split('\n').forEach((line, index) => {
      if (WITHHELD.test(line)) findings.withheld.push({ file, line: index + 1 });
    });
    for (const match of source.matchAll(new RegExp(TITLE, 'gs'))) {
      const title = match[2] ?? '';
      const ids = idsOf(title);
      if (ids.length === 0) findings.untitled.push({ file, line: source.slice(0, match.index).split('\n').length });
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
