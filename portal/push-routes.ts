/** How a page asks for pushes, and takes that back. Who asks was let in before; a link for one session asks for none. */
import { Hono, type Context } from 'hono';
import * as v from 'valibot';
import type { Principal } from './access.ts';
import { type Env, readJsonBody } from './http.ts';
import { type Push, subscriptionSchema } from './push.ts';

const BODY_BYTES_MAX = 4 * 1024;
const endpointSchema = v.object({ endpoint: v.string() });

export interface PushRoutesOptions {
  push: Push;
  principalOf: (c: Context<Env>) => Principal | undefined;
}

export function createPushRoutes({ push, principalOf }: PushRoutesOptions): Hono<Env> {
  const app = new Hono<Env>();
  app.use(async (c, next) => {
    const principal = principalOf(c);
    if (principal === undefined) return c.json({ error: 'unauthorized', message: 'Log in first.' }, 401);
    if (principal.session !== undefined) return c.json({ error: 'forbidden', message: 'Not by this link.' }, 403);
    return next();
  });
  app.get('/key', (c) => c.json({ publicKey: push.publicKey }));
  app.post('/subscribe', async (c) => {
    const asked = v.safeParse(subscriptionSchema, await readJsonBody(c.req.raw, BODY_BYTES_MAX));
    const origin = c.req.header('origin') ?? '';
    if (!asked.success || !origin.startsWith('https://')) {
      return c.json({ error: 'bad_request', message: 'That is not a subscription of a page on HTTPS.' }, 400);
    }
    push.subscribe(asked.output, origin);
    return c.json({ subscribed: true });
  });
  app.post('/unsubscribe', async (c) => {
    const asked = v.safeParse(endpointSchema, await readJsonBody(c.req.raw, BODY_BYTES_MAX));
    if (!asked.success) return c.json({ error: 'bad_request', message: 'That is not a subscription.' }, 400);
    push.unsubscribe(asked.output.endpoint);
    return c.json({ subscribed: false });
  });
  return app;
}
