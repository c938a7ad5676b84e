/**
 * True and false examples. Secrets are made here of their parts, none has ever opened anything, and no scanner of
 * repositories takes this file for a leak.
 */

/** Letters and digits as chance would give them, the same each time. */
function random(
  length: number,
  alphabet = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789',
  seed = 7,
): string {
  let state = seed * 2_654_435_761 + length;
  return Array.from({ length }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return alphabet[Math.floor((state / 2 ** 32) * alphabet.length)];
  }).join('');
}

const HEX = '0123456789abcdef';
const UPPER = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789';
const OURS = 'abcdefghijkmnpqrstuvwxyz23456789';

const pem = (label: string) => (body: string) =>
  `Key:\n-----BEGIN ${label}-----\n${body}\n-----END ${label}-----\nas before`;
const pemBody = Array.from({ length: 6 }, (_, n) => random(64, undefined, n + 1)).join('\n');
const jwt = ['eyJ' + random(33), 'eyJ' + random(60), random(43)].join('.');

/** What must be masked: a sentence with its secret, as an agent would write it down. */
export const TRUE_EXAMPLES: readonly { name: string; secret: string; text: string }[] = [
  ['GitHub token', 'ghp_' + random(36)],
  ['GitHub fine-grained token', 'github_pat_' + random(22) + '_' + random(59)],
  ['GitHub Actions token', 'ghs_' + random(36)],
  ['GitLab token', 'glpat-' + random(20)],
  ['npm token', 'npm_' + random(36)],
  ['Anthropic key', 'sk-ant-api03-' + random(93) + 'AA'],
  ['OpenAI project key', 'sk-proj-' + random(58) + 'T3BlbkFJ' + random(58)],
  ['OpenAI key', 'sk-' + random(20) + 'T3BlbkFJ' + random(20)],
  ['OpenRouter key', 'sk-or-v1-' + random(64, HEX)],
  ['Slack bot token', 'xoxb-' + random(12, '0123456789') + '-' + random(13, '0123456789') + '-' + random(24)],
  [
    'Slack webhook',
    'https://hooks.slack.com/services/T' + random(8, UPPER) + '/B' + random(8, UPPER) + '/' + random(24),
  ],
  ['SendGrid key', 'SG.' + random(22) + '.' + random(43)],
  ['Stripe key', 'sk_live_' + random(24)],
  ['Google key', 'AIza' + random(35)],
  ['Hugging Face token', 'hf_' + random(34, 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ')],
  ['Linear key', 'lin_api_' + random(40)],
  ['Shopify token', 'shpat_' + random(32, HEX)],
  ['Groq key', 'gsk_' + random(52)],
  ['Notion token', 'ntn_' + random(11, '0123456789') + random(35)],
  ['Databricks token', 'dapi' + random(32, HEX)],
  ['Vault token', 'hvs.' + random(90)],
  ['DigitalOcean token', 'dop_v1_' + random(64, HEX)],
  ['PyPI token', 'pypi-AgEIcHlwaS5vcmc' + random(60)],
  ['Tailscale key', 'tskey-auth-' + random(11) + 'CNTRL-' + random(32)],
  ['age key', 'AGE-SECRET-KEY-1' + random(58, UPPER)],
  ['our own key', `sm_${random(8, OURS)}_${random(32, OURS)}`],
  ['our own invitation', `inv_${random(8, OURS)}_${random(32, OURS)}`],
  ['JSON web token', jwt],
  ['PostgreSQL address', `postgres://app:${random(14)}@db.internal.acme.io:5432/app`],
  ['MongoDB address', `mongodb+srv://app:${random(14)}@cluster0.acme.mongodb.net/app`],
  ['MySQL address', `mysql://root:${random(14)}@10.2.3.4/app`],
  ['address with a password', `https://deploy:${random(16)}@git.acme.io/app.git`],
]
  .map(([name = '', secret = '']) => ({ name, secret, text: `It failed until we set ${secret} and restarted.` }))
  .concat(
    [
      { name: 'AWS secret key', secret: random(40), wrap: (s: string) => `export AWS_SECRET_ACCESS_KEY=${s}` },
      { name: 'RSA private key', secret: pemBody, wrap: pem('RSA PRIVATE KEY') },
      { name: 'OpenSSH private key', secret: pemBody, wrap: pem('OPENSSH PRIVATE KEY') },
      { name: 'PKCS 8 private key', secret: pemBody, wrap: pem('PRIVATE KEY') },
      {
        name: 'private key in JSON',
        secret: pemBody.replaceAll('\n', String.raw`\n`),
        wrap: (s: string) => JSON.stringify({ private_key: pem('PRIVATE KEY')('@') }).replace('@', s),
      },
      {
        name: 'private key that was cut off',
        secret: pemBody.slice(0, 200),
        wrap: (s: string) => `It is\n-----BEGIN EC PRIVATE KEY-----\n${s}`,
      },
      { name: 'password in code', secret: random(16), wrap: (s: string) => `const password = "${s}";` },
      { name: 'key in an environment file', secret: random(32), wrap: (s: string) => `PAYMENT_API_KEY=${s}\nPORT=80` },
      { name: 'secret in JSON', secret: random(28), wrap: (s: string) => `{"client_secret": "${s}", "id": 4}` },
      { name: 'key in YAML', secret: random(30), wrap: (s: string) => `smtp:\n  secret_key: ${s}\n  port: 25` },
      { name: 'bearer token', secret: random(40), wrap: (s: string) => `curl -H "Authorization: Bearer ${s}" x.io` },
      { name: 'basic authorization', secret: random(32), wrap: (s: string) => `authorization: Basic ${s}` },
      {
        name: 'Azure storage key',
        secret: random(86) + '==',
        wrap: (s: string) => `AccountName=a;AccountKey=${s};X=1`,
      },
    ].map(({ name, secret, wrap }) => ({ name, secret, text: wrap(secret) })),
  );

/** What records are full of, and must stay as it is. */
export const FALSE_EXAMPLES: readonly string[] = [
  `Fixed in ${random(40, HEX)}; see also ${random(7, HEX)} and v1.2.3-rc.4.`,
  `The digest was sha256:${random(64, HEX)}, the image 3f4a.`,
  `integrity sha512-${random(86, undefined, 3)}==`,
  'Entry 01a20bca-4c8c-731c-aa29-32e0bb9c8747 was superseded by 018f2b6c-1234-7abc-8def-0123456789ab.',
  'Set GITHUB_TOKEN in the environment; never write ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx down.',
  'Use `Authorization: Bearer <token>` with the key from the portal.',
  'Authorization: Bearer $TOKEN is expanded by the shell, not by curl.',
  'const apiKey = process.env.PAYMENT_API_KEY;',
  'password = os.environ["DB_PASSWORD"]',
  'The prompt asks for a password: retry three times, then exit 6.',
  'API_KEY=your-api-key-goes-here-1234',
  'secret: changeme-before-production-2024',
  'password: "example-password-123"',
  'token = await getAccessToken({ scope: "repo", refresh: true })',
  'access_token: read from ~/.config/acme/credentials.json at start',
  'AWS_SECRET_ACCESS_KEY is masked in CI; AKIAIOSFODNN7EXAMPLE is the sample of the documentation.',
  'postgres://localhost:5432/app works without a password, postgres://$USER@db does not.',
  'The address was https://github.com/acme/app/pull/412#discussion_r1234567890.',
  'git clone git@github.com:acme/app.git && cd app && npm ci',
  'p95 went from 252 ms to 132 ms after `sk-learn` 1.4.2 was pinned; sk_test is no prefix of ours.',
  'The key of the map is `user:1234:session:5678`; its secret is that it expires.',
  'Public key: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIO1v3cJ0m4kKqk5Q2e8u7dXk9m2 laptop',
  'SHA256:uNiVztksCsDhcc0u9e8BrsNKCLKWZN2QG2ZB1QpJ1oY is the fingerprint of the host.',
  'A JWT has three parts (header.payload.signature); ours began with eyJhbGciOi and had no exp.',
  '-----BEGIN CERTIFICATE-----\nMIIDazCCAlOgAwIBAgIUEd\n-----END CERTIFICATE-----',
  'The hash in the lock file is 1c0ffee-dirty, key: value, api-key: header name only.',
  `data:image/png;base64,iVBORw0KGgoAAAANSUhEUg${random(60, undefined, 5)}`,
  'passphrase: "correct horse battery staple"',
  'private_key: /etc/ssl/private/server-2024.key',
  'We rotate the API key => see docs/adr/0012-rotate-keys.md',
  'api_key: string | undefined; secretKey: Uint8Array; authToken?: TokenSource',
  'password=hunter2 was the joke, 7 characters; auth_token: null',
];
