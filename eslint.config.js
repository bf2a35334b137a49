// Lint: strict and type-aware, with few rules of our own. Formatting is Prettier's, imports are
// dependency-cruiser's.
import svelte from 'eslint-plugin-svelte';
import { defineConfig, globalIgnores } from 'eslint/config';
import globals from 'globals';
import ts from 'typescript-eslint';

const MOST_LINES = 400;

/** Where types are not known to the linter; tsc and svelte-check still see them. */
const UNSAFE_OFF = Object.fromEntries(
  ['argument', 'assignment', 'call', 'member-access', 'return'].map((what) => [
    `@typescript-eslint/no-unsafe-${what}`,
    'off',
  ]),
);

export default defineConfig(
  globalIgnores(['node_modules', 'web/dist*', 'data', '.cache', 'tests/output', 'sfu/worker/subprojects']),
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  {
    files: ['**/*.{ts,svelte}'],
    extends: [ts.configs.strictTypeChecked],
    languageOptions: {
      parserOptions: { projectService: true, extraFileExtensions: ['.svelte'] },
    },
    rules: {
      'max-lines': ['error', { max: MOST_LINES }],
      'no-restricted-syntax': [
        'error',
        {
          selector: 'TSEnumDeclaration, TSModuleDeclaration[declare!=true]',
          message: 'Node runs these files by erasing their types: no enums, no namespaces.',
        },
      ],
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      // Numbers and booleans read well in messages.
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      // `() => socket.close()` is how a callback says that nobody waits for the result.
      '@typescript-eslint/no-confusing-void-expression': [
        'error',
        { ignoreArrowShorthand: true, ignoreVoidReturningFunctions: true },
      ],
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_', ignoreRestSiblings: true },
      ],
      // `async` keeps a port's shape where one adapter has nothing to wait for.
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/no-invalid-void-type': 'off',
      // Ports are interfaces with methods, made of closures: nothing is lost when one is handed on.
      '@typescript-eslint/unbound-method': 'off',
      // A type parameter that names what a caller gets is worth its line.
      '@typescript-eslint/no-unnecessary-type-parameters': 'off',
      // Libraries compare their enums with strings in their own examples.
      '@typescript-eslint/no-unsafe-enum-comparison': 'off',
      // `String(error)` is how anything that was thrown becomes a text.
      '@typescript-eslint/no-base-to-string': 'off',
      // Splitting a name into its characters is meant.
      '@typescript-eslint/no-misused-spread': 'off',
      // It does not see that a state may change while a function awaits.
      '@typescript-eslint/no-unnecessary-condition': 'off',
    },
  },
  {
    files: ['**/*.{js,mjs,cjs}'],
    languageOptions: { globals: globals.node },
  },
  {
    files: ['**/*.svelte', '**/*.svelte.ts'],
    extends: [svelte.configs.recommended],
    languageOptions: {
      globals: globals.browser,
      parserOptions: { parser: ts.parser },
    },
    rules: {
      // Props are rebound: `let { … } = $props()`.
      'prefer-const': 'off',
      // `void name` in an effect says what it depends on.
      '@typescript-eslint/no-meaningless-void-operator': 'off',
      // It takes every Date and Map for state, also those that live within one call.
      'svelte/prefer-svelte-reactivity': 'off',
    },
  },
  { files: ['**/*.svelte'], rules: UNSAFE_OFF },
  {
    // The engine runs without a page: what it needs of the browser comes through its ports.
    files: ['web/engine/**/*.ts'],
    rules: {
      'no-restricted-globals': [
        'error',
        ...['window', 'document', 'navigator', 'location', 'history', 'localStorage', 'sessionStorage'].map(
          (name) => ({
            name,
            message: 'web/engine knows no page: take it through a port (web/engine/ports.ts).',
          }),
        ),
      ],
    },
  },
  {
    files: ['tests/**/*.ts'],
    rules: {
      // What comes over the wire is compared with what is expected, field by field.
      ...UNSAFE_OFF,
      '@typescript-eslint/restrict-plus-operands': 'off',
      // A test that finds nothing there should fail right where it looks.
      '@typescript-eslint/no-non-null-assertion': 'off',
      // node:test's functions return promises that the runner awaits.
      '@typescript-eslint/no-floating-promises': [
        'error',
        {
          allowForKnownSafeCalls: [
            { from: 'package', name: ['test', 'it', 'describe', 'suite'], package: 'node:test' },
          ],
        },
      ],
    },
  },
);
