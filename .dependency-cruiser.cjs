// Who may import whom. `npm run check` runs this over all of the code; docs/architecture.md says why.

/** @param {string} name @param {string} comment @param {object} from @param {object} to */
const forbid = (name, comment, from, to) => ({ name, comment, severity: 'error', from, to });

const TYPES = ['type-only'];
const PARTS = 'sfu|gateway|school|web';

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    forbid(
      'no-cycles',
      'Two files that need each other are one file, or need a third.',
      {},
      {
        circular: true,
        // Types are erased: nothing is loaded in a circle.
        viaOnly: { dependencyTypesNot: TYPES },
      },
    ),
    forbid(
      'resolvable',
      'An import that leads nowhere is checked by no other rule.',
      {},
      { couldNotResolve: true },
    ),
    forbid(
      'shared-is-pure',
      'shared imports zod alone: no Node, no DOM, no other part.',
      { path: '^shared/' },
      { pathNot: ['^shared/', '^node_modules/zod/'] },
    ),
    forbid(
      'server-is-common',
      'server/ is below the services.',
      { path: '^server/' },
      { path: `^(${PARTS}|bin|tests)/` },
    ),
    forbid(
      'parts-are-apart',
      'Services and the web speak over the contract in shared/, never by import.',
      { path: `^(${PARTS})/` },
      { path: `^(${PARTS}|bin|tests)/`, pathNot: '^$1/' },
    ),
    forbid(
      'web-is-no-server',
      'The browser has no server/ and no Node.',
      { path: '^web/' },
      { path: '^server/' },
    ),
    forbid('web-has-no-node', 'The browser has no Node.', { path: '^web/' }, { dependencyTypes: ['core'] }),
    forbid(
      'room-has-ports',
      'sfu/room imports itself and shared; mediasoup, sockets and Node stand behind its ports.',
      { path: '^sfu/room/' },
      { pathNot: ['^sfu/room/', '^shared/', '^node_modules/zod/'], dependencyTypesNot: TYPES },
    ),
    forbid(
      'channel-has-ports',
      'gateway/channel imports itself, shared and zlib, which only computes; sockets, files and Node stand behind its ports.',
      { path: '^gateway/channel/' },
      {
        pathNot: ['^gateway/channel/', '^shared/', '^zlib$', '^node_modules/zod/'],
        dependencyTypesNot: TYPES,
      },
    ),
    forbid(
      'engine-is-headless',
      'web/engine knows no Svelte, no view and no state.',
      { path: '^web/engine/' },
      { path: ['^node_modules/svelte/', '^web/(view|state|platform)/', '\\.svelte(\\.ts)?$'] },
    ),
    forbid(
      'view-knows-state',
      'web/view imports web/state, other views and translations; of anything else only types.',
      { path: '^web/view/' },
      {
        pathNot: ['^web/(view|state|i18n|features)/', '^shared/', '^node_modules/(svelte|esm-env|clsx)/'],
        dependencyTypesNot: TYPES,
      },
    ),
    forbid(
      'features-are-engine-and-view',
      'A feature is its engine, headless as web/engine, and what shows it, which knows what web/view may know.',
      { path: '^web/features/', pathNot: '/engine\\.ts$' },
      {
        pathNot: ['^web/(view|state|i18n|features)/', '^shared/', '^node_modules/(svelte|esm-env|clsx)/'],
        dependencyTypesNot: TYPES,
      },
    ),
    forbid(
      'feature-engines-are-headless',
      'The engine of a feature knows web/engine and shared.',
      { path: '^web/features/.*/engine\\.ts$' },
      { pathNot: ['^web/engine/', '^shared/'] },
    ),
    forbid(
      'features-are-apart',
      'A feature on the page knows no other.',
      { path: '^web/features/([^/]+)/' },
      { path: '^web/features/([^/]+)/', pathNot: '^web/features/$1/' },
    ),
    forbid(
      'engine-and-state-know-no-feature',
      'Features are given to them.',
      { path: '^web/(engine|state|platform)/' },
      { path: '^web/features/' },
    ),
    forbid(
      'state-is-below-view',
      'web/state knows no view.',
      { path: '^web/state/' },
      { path: '^web/view/' },
    ),
    forbid(
      'mediasoup-in-one-place',
      'Only sfu/media imports mediasoup.',
      { path: '^(sfu|gateway|school|server|web)/', pathNot: '^sfu/media/' },
      { path: '^node_modules/mediasoup/', dependencyTypesNot: TYPES },
    ),
    forbid(
      'node-media-server-in-one-file',
      'One file imports node-media-server, and says what of it is replaced and why.',
      { path: '^(sfu|gateway|school|server|web)/', pathNot: '^gateway/servers/rtmp/nms-adapter\\.ts$' },
      { path: '^node_modules/node-media-server/' },
    ),
    forbid(
      'no-tests-in-code',
      'Code does not import tests.',
      { path: `^(${PARTS}|server|shared)/` },
      { path: '^(tests|bin)/' },
    ),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: ['^web/dist', '^sfu/worker/'] },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['svelte', 'import', 'require', 'node', 'default', 'types'],
      extensions: ['.ts', '.js', '.mjs', '.cjs', '.svelte', '.d.ts'],
      mainFields: ['module', 'main', 'types'],
    },
  },
};
