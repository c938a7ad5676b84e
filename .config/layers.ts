/**
 * Which part may import which: the rules for dependency-cruiser, made from one list of layers. Arrows go down only;
 * type imports count, and so do imports of parts that are yet to be written.
 */
import type { IRegularForbiddenRuleType } from 'dependency-cruiser';

/** From the top down. */
export const LAYERS = [
  'bin',
  'portal',
  'server-stub',
  'lib/server',
  'lib/mcp',
  'lib/agents',
  'lib/index.ts',
  'lib/host',
  'lib/embeddings',
  'lib/sync',
  'lib/brain',
  'lib/secrets',
  'lib/recall',
  'lib/store',
  'lib/protocol',
  'lib/core',
] as const;

/** Stands beside the layers: which directory is whose is asked at the rim, and never below the host. */
const SCOPE = 'lib/scope';
const SCOPE_IMPORTERS = ['bin', 'lib/index.ts', 'lib/host', SCOPE];

/** Everything is in a layer: a folder that nobody placed would be bound by no rule. */
const PLACED = [...LAYERS, SCOPE];

function pathOf(layers: readonly string[]): string {
  return `^(?:${layers.map((layer) => (layer.endsWith('.ts') ? layer.replace('.', '\\.') : `${layer}/`)).join('|')})`;
}

function forbid(
  name: string,
  from: IRegularForbiddenRuleType['from'],
  to: IRegularForbiddenRuleType['to'],
): IRegularForbiddenRuleType {
  return { name, severity: 'error', from, to };
}

const arrows = LAYERS.slice(1).map((layer, index) =>
  forbid(
    `nothing-above-${layer.replace('lib/', '')}`,
    { path: pathOf([layer]) },
    { path: pathOf(LAYERS.slice(0, index + 1)) },
  ),
);

export const forbidden = [
  ...arrows,
  forbid('a-layer-for-everything', { path: '^(?:bin|portal|server-stub|lib)/', pathNot: pathOf(PLACED) }, {}),
  forbid('core-is-pure', { path: '^lib/core/' }, { pathNot: '^lib/core/|^node_modules/valibot/' }),
  forbid(
    'scope-knows-core-only',
    { path: pathOf([SCOPE]) },
    { path: '^(?:bin|portal|server-stub|lib)/', pathNot: pathOf([SCOPE, 'lib/core']) },
  ),
  forbid(
    'scope-is-asked-at-the-rim',
    { path: '^(?:bin|portal|server-stub|lib)/', pathNot: pathOf(SCOPE_IMPORTERS) },
    { path: pathOf([SCOPE]) },
  ),
  forbid('commands-go-through-the-host', { path: '^bin/' }, { path: pathOf(['lib/store', 'lib/recall']) }),
  forbid(
    'one-importer-of-locks',
    { pathNot: '^lib/host/lock\\.ts$|^node_modules/' },
    { path: '^node_modules/fs-native-extensions/' },
  ),
  forbid(
    'one-room-for-the-database',
    { pathNot: '^lib/store/|^node_modules/' },
    { path: '^node_modules/@electric-sql/' },
  ),
  forbid('no-cycles', {}, { circular: true }),
  forbid(
    'no-orphans',
    { orphan: true, pathNot: '\\.d\\.ts$|^node_modules/|^portal/(?:page/enter|worker/push-worker)\\.ts$' },
    {},
  ),
  forbid('resolvable', {}, { couldNotResolve: true }),
];
