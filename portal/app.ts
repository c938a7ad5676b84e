/**
 * What the portal answers over HTTP: the page, its files, logging in and out. (The WebSocket has its gate.) Refuses by host,
 * origin and login, and sets the headers that keep the page to itself. Never listens by itself.
 */
import type { IncomingMessage } from 'node:http';
import { Hono, type Context } from 'hono';
import { getCookie, setCookie, deleteCookie } from 'hono/cookie';
import { SmError } from '../lib/core/errors.ts';
import type { Access, Principal } from './access.ts';
import type { AuditLog } from './audit.ts';
import type { Asset, Assets } from './assets.ts';
import { createBrainRoutes } from './brain-routes.ts';
import type { BrainWindow } from './brain-window.ts';
import { type Env, readBody } from './http.ts';
import { isHostAllowed, isOriginAllowed, plainAddress, type KnownNames } from './names.ts';
import { LOGIN_PROBLEMS, loginPage, type Notice, noticeLine, noticePage, NOTICES } from './pages.ts';
import type { Push } from './push.ts';
import { createPushRoutes } from './push-routes.ts';
import type { RateLimits } from '../lib/server/rate-limits.ts';

const FORM_BYTES_MAX = 1024;

const HEADERS: Readonly<Record<string, string>> = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; " +
    "connect-src 'self'; manifest-src 'self'; worker-src 'self'; form-action 'self'; base-uri 'none'; " +
    "frame-ancestors 'none'",
  // Not `no-referrer`: with it a browser's own forms come from the origin "null". This names the host and no more.
  'Referrer-Policy': 'strict-origin',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Permissions-Policy': 'camera=(), microphone=(), geolocation=(), clipboard-read=(self), clipboard-write=(self)',
  'Cache-Control': 'no-store',
};

export interface AppOptions {
  access: Access;
  assets: Assets;
  audit: AuditLog;
  limits: RateLimits;
  names: KnownNames;
  brain: BrainWindow;
  push: Push;
  nowMs(): number;
  /** Nobody who reaches the portal may change anything. */
  isReadOnly: boolean;
  /** Everybody who reaches the portal may do everything. */
  isOpenToAll: boolean;
  /** The cookie's name; it differs by port, since cookies do not. */
  cookieName: string;
  /** Whether the tailnet's account of this peer is one that was named; true where none was. */
  isAccountAllowed(request: IncomingMessage): Promise<boolean>;
}

export function createPortalApp(options: AppOptions): Hono<Env> {
  const { access, assets, audit, limits, names } = options;
  const app = new Hono<Env>();

  app.use(async (c, next) => {
    for (const [name, value] of Object.entries(HEADERS)) c.header(name, value);
    const host = c.req.header('host');
    if (!isHostAllowed(host, names)) return say(c, 403, NOTICES.host);
    const origin = c.req.header('origin');
    const isChange = !['GET', 'HEAD'].includes(c.req.method);
    if (isChange && (origin === undefined || !isOriginAllowed(origin, host))) return say(c, 403, NOTICES.origin);
    if (!(await options.isAccountAllowed(c.env.incoming))) return say(c, 403, NOTICES.account);
    return next();
  });

  app.get('/', async (c) => {
    const { token, share } = c.req.query();
    if (share !== undefined) return takeSecret(c, share, 'share');
    if (token !== undefined) return takeSecret(c, token, 'token');
    return principalOf(c) === undefined ? askToLogIn(c) : page(c, 'index.html');
  });

  app.get('/brain', (c) => {
    const principal = principalOf(c);
    if (principal === undefined) return askToLogIn(c);
    if (principal.session !== undefined) return say(c, 403, NOTICES.linkOnly);
    return page(c, 'brain.html');
  });

  app.route(
    '/api/brain',
    createBrainRoutes({
      brain: options.brain,
      principalOf,
      peerOf: (c) => plainAddress(c.env.incoming.socket.remoteAddress ?? ''),
      onChange: (fields) => audit.write('brain changed', fields),
      nowMs: () => options.nowMs(),
    }),
  );

  app.route('/api/push', createPushRoutes({ push: options.push, principalOf }));

  app.post('/login', async (c) => {
    const text = await readBody(c.req.raw, FORM_BYTES_MAX);
    const token = text === undefined ? null : new URLSearchParams(text).get('token');
    return takeSecret(c, (token ?? '').trim(), 'token');
  });

  app.post('/logout', (c) => {
    deleteCookie(c, options.cookieName, { path: '/' });
    return c.redirect('/', 303);
  });

  for (const [name, asset] of assets) {
    if (asset.type.startsWith('text/html')) continue;
    app.get(`/${name}`, (c) => serveAsset(c, asset));
  }
  app.notFound((c) => say(c, 404, NOTICES.nothing));
  app.onError((error, c) => {
    if (error instanceof SmError && error.code === 'rate_limited') return askToLogIn(c, 'limited');
    return say(c, 500, NOTICES.failed);
  });
  return app;

  function principalOf(c: Context<Env>): Principal | undefined {
    const principal = options.isOpenToAll
      ? access.fullPrincipal()
      : access.principalOf(getCookie(c, options.cookieName));
    return principal === undefined || !options.isReadOnly ? principal : { ...principal, isReadOnly: true };
  }

  /** Exchanges a secret for a cookie, and leads to the page whose address has none. */
  async function takeSecret(c: Context<Env>, secret: string, kind: 'token' | 'share') {
    const peer = plainAddress(c.env.incoming.socket.remoteAddress ?? '');
    const present = principalOf(c);
    // Who is in already needs no link, and must not use up somebody else's.
    if (present !== undefined && (kind === 'share' ? !present.isReadOnly : secret === '')) return page(c, 'enter.html');
    await limits.requireFewFailures(peer);
    const principal =
      kind === 'share' ? access.useShare(secret) : access.isToken(secret) ? access.fullPrincipal() : undefined;
    if (principal === undefined) {
      await limits.countFailure(peer);
      audit.write('login refused', { peer, kind });
      return kind === 'share' ? say(c, 401, NOTICES.usedLink) : askToLogIn(c, 'wrong');
    }
    setCookie(c, options.cookieName, access.cookieOf(principal), {
      path: '/',
      httpOnly: true,
      sameSite: 'Strict',
      // Behind a proxy that speaks HTTPS; a browser keeps a secure cookie off plain HTTP.
      secure: c.req.header('x-forwarded-proto') === 'https',
      maxAge: Math.max(0, Math.floor((principal.expiresMs - Date.now()) / 1000)),
    });
    audit.write('login', { peer, kind, readOnly: principal.isReadOnly, agent: c.req.header('user-agent') });
    // Not a redirect: after one that began on another site the browser would hold the new cookie back.
    return page(c, 'enter.html');
  }

  function page(c: Context<Env>, name: string) {
    const asset = assets.get(name);
    if (asset === undefined) throw new Error(`the page ${name} was not built`);
    return serveAsset(c, asset);
  }

  function askToLogIn(c: Context<Env>, problem?: keyof typeof LOGIN_PROBLEMS) {
    const html = loginPage(assets, problem === undefined ? undefined : LOGIN_PROBLEMS[problem]);
    return c.html(html, problem === 'limited' ? 429 : 401);
  }

  /** Browsers get a page, programs a line. */
  function say(c: Context<Env>, status: 401 | 403 | 404 | 500, notice: Notice) {
    const isBrowser = (c.req.header('accept') ?? '').includes('text/html');
    return isBrowser ? c.html(noticePage(assets, notice), status) : c.text(noticeLine(notice), status);
  }
}

function serveAsset(c: Context<Env>, { body, gzipped, type, isImmutable }: Asset) {
  c.header('Content-Type', type);
  if (!type.startsWith('text/html')) {
    c.header('Cache-Control', isImmutable ? 'public, max-age=31536000, immutable' : 'no-cache');
  }
  c.header('Vary', 'Accept-Encoding');
  const isPacked = gzipped !== undefined && /\bgzip\b/.test(c.req.header('accept-encoding') ?? '');
  if (isPacked) c.header('Content-Encoding', 'gzip');
  return c.body(new Uint8Array(isPacked ? gzipped : body));
}
