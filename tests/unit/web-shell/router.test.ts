import assert from 'node:assert/strict';
import { test } from 'node:test';
import './svelte-modules.ts';

const { parseRoute, Router } = await import('../../../web/state/router.svelte.ts');
const at = (path: string) => parseRoute(new URL(path, 'https://class.example.org'));

test('each page has its address', () => {
  assert.deepEqual(at('/'), { name: 'home' });
  assert.deepEqual(at('/owner#key=abc'), { name: 'owner', key: 'abc' });
  assert.deepEqual(at('/room/abcdefgh#invite=a.b-c'), { name: 'room', lesson: 'abcdefgh', invite: 'a.b-c' });
  assert.deepEqual(at('/watch/abcdefgh/#invite=x'), { name: 'watch', lesson: 'abcdefgh', invite: 'x' });
  assert.deepEqual(at('/watch/abcdefgh?player=hls'), { name: 'watch', lesson: 'abcdefgh', invite: '' });
  assert.deepEqual(at('/access'), { name: 'access', lesson: null });
  assert.deepEqual(at('/access/abcdefgh'), { name: 'access', lesson: 'abcdefgh' });
  assert.deepEqual(at('/replay/abcdefgh#invite=x'), { name: 'replay', recording: 'abcdefgh', invite: 'x' });
});

test('what is no page of ours is not found', () => {
  const strange = [
    '/nope',
    '/room',
    '/room/short',
    '/access/short',
    '/access/abcdefgh/x',
    '/room/UPPERCASE',
    '/room/abcdefgh/x',
    '/watch/..%2fowner',
  ];
  for (const path of [...strange, '/owner/x', '/replay/<script>'])
    assert.equal(at(path).name, 'not-found', path);
});

function historyOf(start: string) {
  const entries = [new URL(start, 'https://class.example.org')];
  let onChange: () => void = () => undefined;
  const current = () => entries.at(-1)!;
  return {
    entries,
    current,
    push: (path: string) => void entries.push(new URL(path, current())),
    replace: (path: string) => void entries.splice(-1, 1, new URL(path, current())),
    onChange(listener: () => void) {
      onChange = listener;
      return () => (onChange = () => undefined);
    },
    back() {
      entries.pop();
      onChange();
    },
  };
}

test('the owner signs in and the key is gone from the address and from the history', () => {
  const history = historyOf('/owner#key=secret');
  const router = new Router(history);
  assert.equal(router.route.name, 'owner');
  router.replace('/');
  assert.equal(router.route.name, 'home');
  assert.ok(history.entries.every((entry) => !entry.href.includes('secret')));
});

test('a viewer goes to the replay and back', () => {
  const history = historyOf('/watch/abcdefgh#invite=x');
  const router = new Router(history);
  router.go('https://class.example.org/replay/ijklmnop#invite=x');
  assert.equal(router.route.name, 'replay');
  history.back();
  assert.equal(router.route.name, 'watch');
  router.close();
});
