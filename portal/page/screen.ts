/**
 * The terminal on the page: xterm with its addons, kept as large as its place, scrolled by touch, sized by pinch. Owns
 * what the program in it may do to the page: a title, a bell, a link, a copy that was agreed to; and nothing else.
 */
import { FitAddon } from '@xterm/addon-fit';
import { SearchAddon } from '@xterm/addon-search';
import { SerializeAddon } from '@xterm/addon-serialize';
import { UnicodeGraphemesAddon } from '@xterm/addon-unicode-graphemes';
import { WebLinksAddon } from '@xterm/addon-web-links';
import { WebglAddon } from '@xterm/addon-webgl';
import { type ITheme, Terminal } from '@xterm/xterm';
import '@xterm/xterm/css/xterm.css';
import { ask } from './ask.ts';
import type { LinkScreen } from './link.ts';
import { SIZE_POINTS } from './settings.ts';

export interface ScreenEvents {
  typed(text: string): void;
  /** Bytes that are no text, such as a mouse report in the old encoding. */
  typedBytes(bytes: Uint8Array): void;
  resized(columns: number, rows: number): void;
  sizeChosen(points: number): void;
  titled(title: string): void;
  rang(): void;
  /** The program asks to put this on the clipboard. */
  copyAsked(text: string): void;
  searched(index: number, count: number): void;
  /** Whether a key is the page's and not the terminal's. */
  isOwnKey(event: KeyboardEvent): boolean;
}

const SCROLLBACK_LINES = 10_000;
const COPY_CHARACTERS_MAX = 1_000_000;
const SERIALIZED_LINES = 1_000;
/** Of text on its ground: what WCAG AA asks for. A program's colours were chosen for another ground than the light one. */
const CONTRAST_LEAST = 4.5;
/** A finger that moved less has tapped. */
const TAP_PIXELS_MAX = 8;
const FONT =
  "ui-monospace, 'SF Mono', Menlo, 'Cascadia Mono', Consolas, 'DejaVu Sans Mono', 'Noto Sans Mono', monospace";

export class Screen implements LinkScreen {
  readonly terminal: Terminal;
  readonly #fit = new FitAddon();
  readonly #search = new SearchAddon();
  readonly #serialize = new SerializeAddon();
  readonly #events: ScreenEvents;
  readonly #place: HTMLElement;

  constructor(place: HTMLElement, sizePoints: number, theme: ITheme, events: ScreenEvents) {
    this.#events = events;
    this.#place = place;
    this.terminal = new Terminal({
      allowProposedApi: true,
      fontFamily: FONT,
      fontSize: sizePoints,
      theme,
      scrollback: SCROLLBACK_LINES,
      cursorBlink: !matchMedia('(prefers-reduced-motion: reduce)').matches,
      macOptionIsMeta: true,
      minimumContrastRatio: CONTRAST_LEAST,
      linkHandler: { activate: (_event, address) => void openLink(address), allowNonHttpProtocols: false },
    });
    const { terminal } = this;
    terminal.loadAddon(this.#fit);
    terminal.loadAddon(this.#search);
    terminal.loadAddon(this.#serialize);
    terminal.loadAddon(new UnicodeGraphemesAddon());
    terminal.loadAddon(new WebLinksAddon((_event, address) => void openLink(address)));
    terminal.parser.registerOscHandler(52, (data) => this.#askToCopy(data));
    terminal.onData((text) => events.typed(text));
    terminal.onBinary((text) =>
      events.typedBytes(Uint8Array.from(text, (character) => character.charCodeAt(0) & 0xff)),
    );
    terminal.onTitleChange((title) => events.titled(title));
    terminal.onBell(() => events.rang());
    terminal.attachCustomKeyEventHandler((event) => !events.isOwnKey(event));
    this.#search.onDidChangeResults(({ resultIndex, resultCount }) => events.searched(resultIndex, resultCount));
    terminal.open(place);
    this.#fit.fit();
    this.#drawByGraphicsCard();
    terminal.onResize(({ cols, rows }) => events.resized(cols, rows));
    new ResizeObserver(() => this.fit()).observe(place);
    this.#listenToFingers(place);
  }

  get columns(): number {
    return this.terminal.cols;
  }

  get rows(): number {
    return this.terminal.rows;
  }

  reset(): void {
    this.terminal.reset();
  }

  write(bytes: Uint8Array, parsed: () => void): void {
    this.terminal.write(bytes, parsed);
  }

  fit(): void {
    // A place of no size, as of a page in the background, is none to fit to.
    if (this.#place.clientWidth > 0 && this.#place.clientHeight > 0) this.#fit.fit();
  }

  setSize(points: number): void {
    const size = Math.min(SIZE_POINTS.most, Math.max(SIZE_POINTS.least, Math.round(points)));
    if (size === this.terminal.options.fontSize) return;
    this.terminal.options.fontSize = size;
    this.fit();
  }

  search(text: string, direction: 'next' | 'previous', isIncremental: boolean): void {
    const decorations = {
      matchOverviewRuler: '#e5c07b',
      activeMatchColorOverviewRuler: '#7dd3a8',
      matchBackground: '#6b5a2e',
      activeMatchBackground: '#2e6b4c',
    };
    if (text === '') this.#search.clearDecorations();
    else if (direction === 'next') this.#search.findNext(text, { incremental: isIncremental, decorations });
    else this.#search.findPrevious(text, { decorations });
  }

  clearSearch(): void {
    this.#search.clearDecorations();
    this.terminal.clearSelection();
  }

  /** What is shown and a good part of what was, as text that makes the same again. */
  serialize(): string {
    return this.#serialize.serialize({ scrollback: SERIALIZED_LINES });
  }

  /** The text is the program's own, so it is only ever asked for, and reading is not answered at all. */
  #askToCopy(data: string): boolean {
    const encoded = data.slice(data.indexOf(';') + 1);
    if (encoded === '?' || encoded.length > COPY_CHARACTERS_MAX) return true;
    try {
      const bytes = Uint8Array.from(atob(encoded), (character) => character.charCodeAt(0));
      this.#events.copyAsked(new TextDecoder().decode(bytes));
    } catch {
      // Not Base64: nothing to copy.
    }
    return true;
  }

  /**
   * By the graphics card, where it is told of true pixels: under a browser's emulation of another device it is not, and what
   * it draws is several times too large. Without it xterm draws by itself, more slowly.
   */
  #drawByGraphicsCard(): void {
    let webgl: WebglAddon | undefined;
    const drop = () => {
      webgl?.dispose();
      webgl = undefined;
    };
    const observer = new ResizeObserver((entries) => {
      if (!entries.every(isTrueToPixels)) return drop();
      if (webgl !== undefined) return;
      try {
        webgl = new WebglAddon();
        webgl.onContextLoss(() => {
          observer.disconnect();
          drop();
        });
        this.terminal.loadAddon(webgl);
      } catch {
        observer.disconnect(); // There is none.
      }
    });
    try {
      observer.observe(this.#place, { box: 'device-pixel-content-box' });
    } catch {
      observer.observe(this.#place); // Safari does not count them, and neither does xterm there.
    }
  }

  /** xterm knows no touch: one finger turns the wheel, two change the size. */
  #listenToFingers(place: HTMLElement): void {
    let last: Touch | undefined;
    let pixels = 0;
    let moved = 0;
    let pinch: { distance: number; points: number } | undefined;
    place.addEventListener(
      'touchstart',
      ({ touches }) => {
        last = touches.length === 1 ? touches[0] : undefined;
        moved = 0;
        pixels = 0;
        pinch =
          touches.length === 2
            ? { distance: distanceOf(touches), points: this.terminal.options.fontSize ?? 13 }
            : undefined;
      },
      { passive: true },
    );
    place.addEventListener(
      'touchmove',
      (event) => {
        const { touches } = event;
        if (pinch !== undefined && touches.length === 2) {
          event.preventDefault();
          this.#events.sizeChosen((pinch.points * distanceOf(touches)) / pinch.distance);
          return;
        }
        const touch = touches[0];
        if (last === undefined || touch === undefined) return;
        event.preventDefault();
        moved += Math.abs(touch.clientY - last.clientY);
        pixels += last.clientY - touch.clientY;
        last = touch;
        if (moved < TAP_PIXELS_MAX) return;
        const rowPixels = place.clientHeight / this.terminal.rows;
        const rows = Math.trunc(pixels / rowPixels);
        pixels -= rows * rowPixels;
        this.#turnWheel(rows, touch);
      },
      { passive: false },
    );
    place.addEventListener('touchend', (event) => {
      // A finger that scrolled must not also press.
      if (moved >= TAP_PIXELS_MAX || pinch !== undefined) event.preventDefault();
      if (event.touches.length === 0) pinch = undefined;
    });
  }

  #turnWheel(rows: number, { clientX, clientY }: Touch): void {
    const target = this.terminal.element?.querySelector('.xterm-screen') ?? this.terminal.element;
    const turn = { deltaY: Math.sign(rows), deltaMode: WheelEvent.DOM_DELTA_LINE, clientX, clientY };
    for (let row = 0; row < Math.min(Math.abs(rows), this.terminal.rows); row += 1) {
      target?.dispatchEvent(new WheelEvent('wheel', { ...turn, bubbles: true, cancelable: true }));
    }
  }
}

/** Whether an element's pixels, as the graphics card is told of them, are those that the page reckons with. */
function isTrueToPixels({ contentRect, devicePixelContentBoxSize }: ResizeObserverEntry): boolean {
  const told = (devicePixelContentBoxSize as readonly ResizeObserverSize[] | undefined)?.[0]?.inlineSize;
  return told === undefined || Math.abs(told - contentRect.width * devicePixelRatio) <= 2;
}

function distanceOf(touches: TouchList): number {
  const [one, other] = [touches[0], touches[1]];
  if (one === undefined || other === undefined) return 1;
  return Math.max(1, Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY));
}

/** Only to the web; and what is opened knows nothing of this page. */
async function openLink(address: string): Promise<void> {
  if (!/^https?:\/\//i.test(address) || !URL.canParse(address)) return;
  const { href } = new URL(address);
  const answer = await ask({ title: 'Open this address?', text: href, yes: 'Open' });
  if (answer !== undefined) window.open(href, '_blank', 'noopener,noreferrer');
}
