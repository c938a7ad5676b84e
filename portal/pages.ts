/**
 * What the portal says where it has no terminal to show: the login with what was wrong, and refusals with their remedy; as a
 * page to browsers, as a line to programs. All texts are its own: nothing that a request holds is ever in them.
 */
import type { Assets } from './assets.ts';

export interface Notice {
  title: string;
  text: string;
  /** Whether the terminal may be had at this address all the same. */
  hasWayBack?: boolean;
}

export const NOTICES = {
  host: {
    title: 'This is not a name of this portal',
    text: 'Ask for it by its address, or make the name known where it is started: sm portal start --host-name <name>.',
  },
  origin: { title: 'Not from there', text: 'A page of another origin asked, and only the portal’s own pages may.' },
  account: {
    title: 'Not for this account',
    text: 'Only tailnet accounts that were named with --allow may come in.',
  },
  linkOnly: { title: 'This link is for one session only', text: 'The brain is not part of it.', hasWayBack: true },
  usedLink: {
    title: 'This link has been used, or has expired',
    text: 'Each works once. Ask for a new one: sm portal share makes it.',
  },
  nothing: { title: 'There is nothing here', text: 'The address leads nowhere.', hasWayBack: true },
  failed: {
    title: 'The portal failed',
    text: 'The reason is in its log: ~/.stackmemory/portal/portal.log, or where it was started.',
    hasWayBack: true,
  },
} as const satisfies Record<string, Notice>;

export const LOGIN_PROBLEMS = {
  wrong: 'That is not the token. It may have been changed since: “sm portal token” shows the current one.',
  limited: 'Too many wrong tokens. Try again in a minute.',
} as const;

const TITLE = '<!--title-->';
const TEXT = '<!--text-->';
const WAY_BACK = '<!--way back-->';
const PROBLEM = '<!--problem-->';

export function loginPage(assets: Assets, problem: string | undefined): string {
  const told = problem === undefined ? '' : `<p id="problem" role="alert">${problem}</p>`;
  return textOf(assets, 'login.html').replace(PROBLEM, told);
}

export function noticePage(assets: Assets, { title, text, hasWayBack = false }: Notice): string {
  return textOf(assets, 'notice.html')
    .replaceAll(TITLE, escaped(title))
    .replace(TEXT, escaped(text))
    .replace(WAY_BACK, hasWayBack ? '<p><a class="button" href="/">Open the terminal</a></p>' : '');
}

export function noticeLine({ title, text }: Notice): string {
  return `${title}. ${text}\n`;
}

function textOf(assets: Assets, name: string): string {
  const asset = assets.get(name);
  if (asset === undefined) throw new Error(`the page ${name} was not built`);
  return asset.body.toString('utf8');
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
