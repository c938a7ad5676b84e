/** The page: ties terminal, connection, keys and dialogs together. Text of programs is only ever shown as text. */
import type { Problem, ServerMessage } from '../protocol.ts';
import { CopyConsent, readClipboard } from './clipboard.ts';
import { byId, elementOf, plainLine } from './dom.ts';
import { KeyBar } from './keys.ts';
import { keepScreen, takeKeptScreen } from './kept-screen.ts';
import { Link, type LinkState } from './link.ts';
import { MissedLines } from './missed-lines.ts';
import { Notices } from './notices.ts';
import { Screen } from './screen.ts';
import { Search } from './search.ts';
import { sentenceOf, SessionsDialog } from './sessions.ts';
import { bindSettings, keepSettings, loadSettings, themeOf } from './settings.ts';
import './base.css';
import './style.css';
import { THEMES } from './themes.ts';

const BELL_MS = 400;
/** How often it is asked whether another session rang, while somebody looks at the page. */
const WATCH_MS = 10_000;

const settings = loadSettings();
let isReadOnly = false;
let isTmux = true;

document.documentElement.dataset['theme'] = themeOf(settings);
const screen = new Screen(byId('screen'), settings.sizePoints, THEMES[themeOf(settings)], {
  typed: (text) => type(keys.apply(text)),
  typedBytes: (bytes) => isReadOnly || link.inputBytes(bytes),
  resized: (columns, rows) => link.send({ t: 'resize', columns, rows }),
  sizeChosen: (points) => {
    settings.sizePoints = Math.round(points);
    applySettings();
  },
  titled: (text) => notices.titled(text),
  rang: ring,
  copyAsked: (text) => copies.ask(text),
  searched: (index, count) => search.counted(index, count),
  isOwnKey,
});

const link = new Link(screen, {
  state: showState,
  message: take,
  stopped: (problem) => showProblem(problem),
  loggedOut: () => location.reload(),
});

const notices = new Notices({ session: () => link.session, wantsNotifications: () => settings.isNotifying });
const missed = new MissedLines((message) => {
  link.send(message);
  screen.terminal.focus();
});
const keys = new KeyBar(byId('keys'), {
  send: (text) => type(text),
  paste: () => void paste(),
  isApplicationCursor: () => screen.terminal.modes.applicationCursorKeysMode,
});
const copies = new CopyConsent(() => screen.terminal.focus());
const dialog = new SessionsDialog({
  send: (message) => link.send(message),
  choose: (name) => connect(name),
  closed: () => screen.terminal.focus(),
});
const settingsFields = bindSettings(settings, () => {
  applySettings();
  notices.askForPush();
});
notices.askForPush();

byId('sessions-button').addEventListener('click', () => dialog.open(link.session ?? ''));
byId('settings-button').addEventListener('click', () => {
  settingsFields.refresh();
  elementOf(HTMLDialogElement, 'settings').showModal();
});
byId('settings').addEventListener('close', () => screen.terminal.focus());
byId('take').addEventListener('click', () => {
  link.send({ t: 'take' });
  screen.terminal.focus();
});
byId('over-button').addEventListener('click', () => connect(link.session));
const search = new Search(screen, {
  findInHistory: () => isTmux && !isReadOnly,
  find: (text, direction) => link.send({ t: 'find', text, direction }),
});
matchMedia('(prefers-color-scheme: light)').addEventListener('change', applySettings);
visualViewport?.addEventListener('resize', fitToKeyboard);
setInterval(() => document.visibilityState === 'visible' && link.send({ t: 'list' }), WATCH_MS);
addEventListener('pagehide', keepForReload);
applySettings();
fitToKeyboard();
start();

function start(): void {
  const named = decodeURIComponent(location.hash.slice(1));
  const kept = takeKeptScreen();
  if (kept !== undefined) screen.write(new TextEncoder().encode(kept.text), () => undefined);
  link.open(named === '' ? undefined : named, kept?.place);
  screen.terminal.focus();
}

function connect(session: string | undefined): void {
  byId('over').hidden = true;
  missed.show(0);
  link.close();
  link.open(session);
  screen.terminal.focus();
}

function type(text: string): void {
  missed.show(0);
  if (!isReadOnly) link.input(text);
}

async function paste(): Promise<void> {
  const text = await readClipboard();
  if (text !== '') screen.terminal.paste(text);
  screen.terminal.focus();
}

function take(message: ServerMessage): void {
  switch (message.t) {
    case 'attached':
      isReadOnly = message.isReadOnly;
      isTmux = message.isTmux;
      screen.terminal.options.disableStdin = isReadOnly;
      byId('over').hidden = true;
      byId('looking').hidden = !isReadOnly;
      byId('to-brain').hidden = isReadOnly;
      byId('viewer').textContent = message.viewer === undefined ? '' : `Here as ${plainLine(message.viewer, 200)}.`;
      applySettings();
      return showSession(message.session);
    case 'size':
      byId('take').hidden =
        isReadOnly || message.isOwner || (message.columns === screen.columns && message.rows === screen.rows);
      return;
    case 'sessions':
      byId('elsewhere').hidden = !message.sessions.some(
        ({ name, attention }) => attention !== undefined && name !== link.session,
      );
      return dialog.show(message.sessions, message.canChange);
    case 'attention':
      if (message.session !== link.session) byId('elsewhere').hidden = false;
      return notices.tell(message.session, sentenceOf(message.attention));
    case 'missed':
      return missed.show(message.lines);
    case 'found':
      return search.found(message.isFound);
    case 'renamed':
      return showSession(link.session ?? message.to);
    case 'ended':
      return showOver(
        message.reason === 'detached' ? 'Detached' : 'The session has ended',
        message.reason === 'detached'
          ? 'The session goes on without this page.'
          : 'Its program has ended, or the session was ended.',
        message.reason === 'detached' ? 'Attach again' : 'Start it again',
      );
    case 'problem':
      if (dialog.isOpen) dialog.problem([message.message, message.hint].filter(Boolean).join(' '));
      return;
    case 'took':
    case 'pong':
  }
}

function showSession(name: string): void {
  byId('session-name').textContent = name;
  history.replaceState(null, '', `/#${encodeURIComponent(name)}`);
  notices.showTitle();
}

function showState(state: LinkState, roundTripMs: number | undefined): void {
  const words = { connecting: 'connecting', open: 'connected', waiting: 'no connection, trying again', ended: 'ended' };
  const text =
    state === 'open' && roundTripMs !== undefined ? `${Math.max(1, Math.round(roundTripMs))} ms` : words[state];
  byId('state').dataset['state'] = state;
  if (byId('state-text').textContent !== text) byId('state-text').textContent = text;
  byId('state').title = words[state];
  document.body.classList.toggle('stale', state === 'waiting');
}

function showProblem({ message, hint }: Problem): void {
  showOver(message, hint ?? '', 'Try again');
}

function showOver(heading: string, text: string, action: string): void {
  byId('over-title').textContent = heading;
  byId('over-text').textContent = text;
  byId('over-button').textContent = action;
  byId('over').hidden = false;
  byId('over-button').focus();
}

function ring(): void {
  document.body.classList.add('bell');
  setTimeout(() => document.body.classList.remove('bell'), BELL_MS);
  // With tmux the portal tells of it, of every session.
  if (!isTmux) notices.tell(link.session ?? 'The terminal', 'rang');
}

function applySettings(): void {
  keepSettings(settings);
  const theme = themeOf(settings);
  document.documentElement.dataset['theme'] = theme;
  // The browser's own bars follow what was chosen, whatever the device prefers.
  for (const meta of document.querySelectorAll<HTMLMetaElement>('meta[name="theme-color"]')) {
    meta.content = THEMES[theme].background ?? '';
  }
  screen.terminal.options.theme = THEMES[theme];
  screen.terminal.options.screenReaderMode = settings.isForReaders;
  byId('keys').hidden = !settings.hasKeys || isReadOnly;
  screen.setSize(settings.sizePoints);
}

/** Keys of the page's own, which reach no program: leave the terminal, search, sessions. */
function isOwnKey(event: KeyboardEvent): boolean {
  if (event.type !== 'keydown') return false;
  const own =
    event.key === 'F6'
      ? () => byId('sessions-button').focus()
      : event.ctrlKey && event.shiftKey && event.code === 'KeyF'
        ? () => search.open()
        : event.ctrlKey && event.shiftKey && event.code === 'KeyS'
          ? () => dialog.open(link.session ?? '')
          : undefined;
  if (own === undefined) return false;
  event.preventDefault();
  own();
  return true;
}

/** The on-screen keyboard covers the page unless the page makes room. */
function fitToKeyboard(): void {
  const height = visualViewport?.height;
  if (height !== undefined) document.body.style.setProperty('--height', `${height}px`);
  scrollTo(0, 0);
}

/** With tmux there is nothing to keep: it paints the screen again. */
function keepForReload(): void {
  const { place } = link;
  if (!isTmux && place !== undefined) keepScreen({ place, text: screen.serialize() });
}
