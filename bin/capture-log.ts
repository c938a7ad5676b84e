/** The completion library prints by console.log; this hands the text back instead, so that it takes the one way out. */
export function captureLog(run: () => void): string {
  const log = console.log;
  const lines: string[] = [];
  console.log = (line: unknown) => void lines.push(String(line));
  try {
    run();
  } finally {
    console.log = log;
  }
  return `${lines.join('\n')}\n`;
}
