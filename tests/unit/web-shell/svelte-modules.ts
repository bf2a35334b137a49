// Lets node:test import the page's `*.svelte.ts` modules: Svelte's compiler turns their runes into plain
// values (its server output), which is all that a test of their logic needs. Import it first.
import { readFileSync } from 'node:fs';
import { registerHooks, stripTypeScriptTypes } from 'node:module';
import { fileURLToPath } from 'node:url';
import { compileModule } from 'svelte/compiler';

registerHooks({
  load(url, context, next) {
    if (!url.endsWith('.svelte.ts')) return next(url, context);
    const filename = fileURLToPath(url);
    const source = stripTypeScriptTypes(readFileSync(filename, 'utf8'));
    const { js } = compileModule(source, { filename, generate: 'server' });
    return { format: 'module', source: js.code, shortCircuit: true };
  },
});
