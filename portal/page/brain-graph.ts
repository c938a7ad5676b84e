/** What was recorded when, as stacked bars: an SVG made here, with the same figures as a table for who cannot see it. */
import { ENTRY_KINDS } from '../../lib/core/vocabulary.ts';
import type { ActivityCount } from './brain-api.ts';
import { h } from './brain-parts.ts';

const SVG = 'http://www.w3.org/2000/svg';
const WEEK_STEPS = 7;
const WIDTH = 600;
const HEIGHT = 140;
const GAP = 6;
/** Distinct colours; further agents share the last. */
const SERIES_MAX = 5;

export interface Activity {
  sinceMs: number;
  stepMs: number;
  steps: number;
  counts: readonly ActivityCount[];
}

/** A bar a week, the parts of it by kind or by agent. */
export function graph({ sinceMs, stepMs, steps, counts }: Activity, by: 'kind' | 'agent'): Node[] {
  const totals = new Map<string, number>();
  for (const each of counts) totals.set(each[by], (totals.get(each[by]) ?? 0) + each.count);
  // A kind has its colour wherever it is shown; agents have theirs by how much they recorded.
  const byCount = [...totals].toSorted((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).map(([name]) => name);
  const names: readonly string[] = by === 'kind' ? ENTRY_KINDS : byCount;
  const series = names.length <= SERIES_MAX ? names : [...names.slice(0, SERIES_MAX - 1), OTHERS];
  const seriesOf = (name: string): number => (series.includes(name) ? series.indexOf(name) : SERIES_MAX - 1);
  const weeks = Math.ceil(steps / WEEK_STEPS);
  const bars = Array.from({ length: weeks }, () => series.map(() => 0));
  for (const each of counts) {
    const bar = bars[Math.floor(each.step / WEEK_STEPS)];
    const index = seriesOf(each[by]);
    if (bar !== undefined) bar[index] = (bar[index] ?? 0) + each.count;
  }
  const most = Math.max(1, ...bars.map((bar) => bar.reduce((sum, count) => sum + count, 0)));
  const startOf = (week: number): string =>
    new Date(sinceMs + week * WEEK_STEPS * stepMs).toLocaleDateString('en', { month: 'short', day: 'numeric' });

  const picture = svg('svg', { viewBox: `0 0 ${WIDTH} ${HEIGHT + 18}`, 'aria-hidden': 'true' });
  const barWidth = WIDTH / weeks - GAP;
  bars.forEach((bar, week) => {
    let bottom = HEIGHT;
    const x = week * (WIDTH / weeks) + GAP / 2;
    bar.forEach((count, index) => {
      const height = (count / most) * (HEIGHT - 14);
      bottom -= height;
      if (count > 0)
        picture.append(svg('rect', { x, y: bottom, width: barWidth, height, class: `series-${index}`, rx: 1 }));
    });
    const total = bar.reduce((sum, count) => sum + count, 0);
    if (total > 0) picture.append(label(x + barWidth / 2, bottom - 3, String(total)));
    if (week % 3 === 0) picture.append(label(x + barWidth / 2, HEIGHT + 14, startOf(week)));
  });
  const legend = h(
    'p.legend',
    ...series.map((name, index) => h('span', h(`i.series-${index}`), `${name} ${sumOf(bars, index)}`)),
  );
  const table = h(
    'table.unseen',
    h('tr', h('th', 'Week of'), ...series.map((name) => h('th', name))),
    ...bars.map((bar, week) => h('tr', h('td', startOf(week)), ...bar.map((count) => h('td', String(count))))),
  );
  return [picture, legend, table];
}

const OTHERS = 'others';

function sumOf(bars: readonly number[][], index: number): number {
  return bars.reduce((sum, bar) => sum + (bar[index] ?? 0), 0);
}

function label(x: number, y: number, text: string): SVGElement {
  const element = svg('text', { x, y, 'text-anchor': 'middle' });
  element.textContent = text;
  return element;
}

function svg(name: string, attributes: Record<string, string | number>): SVGElement {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
  return element;
}
