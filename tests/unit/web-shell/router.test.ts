import assert from 'node:assert/strict';
import { test } from 'node:test';
import './svelte-modules.ts';

const { pageKey, parseRoute, Router } = await import('../../../web/state/router.svelte.ts');
const { Invitations } = await import('../../../web/state/invitations.ts');

/** What one tab keeps; nothing where the browser forbids it. */
function invitations(kept: Map<string, string> | null = new Map()) {
  return new Invitations({
    get: (key) => kept?.get(key) ?? null,
    set(key, value) {
      if (value === null) kept?.delete(key);
      else kept?.set(key, value);
    },
  });
}

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
    /** What the address bar does with a link to the same path. */
    paste(path: string) {
      entries.push(new URL(path, current()));
      onChange();
    },
  };
}

test('the owner signs in and the key is gone from the address and from the history', () => {
  const history = historyOf('/owner#key=secret');
  const router = new Router(history, invitations());
  assert.equal(router.route.name, 'owner');
  router.replace('/');
  assert.equal(router.route.name, 'home');
  assert.ok(history.entries.every((entry) => !entry.href.includes('secret')));
});

test('a viewer goes to the replay and back', () => {
  const history = historyOf('/watch/abcdefgh#invite=x');
  const router = new Router(history, invitations());
  router.go('https://class.example.org/replay/ijklmnop#invite=x');
  assert.equal(router.route.name, 'replay');
  history.back();
  assert.equal(router.route.name, 'watch');
  router.close();
});

const TOKEN = `eyJhbGciOiJIUzI1NiJ9.eyJsZXNzb24iOiJ4In0.${'s'.repeat(42)}_`;
const ROOM = { name: 'room', lesson: 'abcdefgh2345', invite: TOKEN };

/** The route of an address, and the address that then stands in the bar. */
function opened(path: string) {
  const history = historyOf(path);
  const router = new Router(history, invitations());
  return { route: router.route, bar: history.current() };
}

test('a link is understood as mail programs, chats and hands deliver it', () => {
  const whole = `/room/abcdefgh2345#invite=${TOKEN}`;
  for (const path of [
    whole,
    ...[...'.,;:!?)]>}"\'*”’»。，）】》、'].map((sign) => whole + sign),
    `${whole}). `,
    `${whole}%3E`,
    `${whole}点击加入`,
    `${whole}_`,
    `/room/abcdefgh2345invite=${TOKEN}`,
    `/room/abcdefgh2345/invite=${TOKEN}`,
    `/room/abcdefgh2345%23invite=${TOKEN}`,
    `/room/abcdefgh2345%2523invite%253D${TOKEN}.`,
    `/room/abcdefgh2345?invite=${TOKEN}`,
    `/room/abcdefgh2345#invite%3D${TOKEN}`,
    `/room/abcdefgh2345##invite=${TOKEN}`,
    `/room/abcdefgh2345#invite=${TOKEN.slice(0, 30)}%C2%AD%0A${TOKEN.slice(30)}`,
  ]) {
    const { route, bar } = opened(path);
    assert.deepEqual(route, ROOM, path);
    assert.equal(bar.pathname + bar.search + bar.hash, whole, path);
  }
});

test('a link to any page is, and what else was asked for stays', () => {
  const watching = opened(`/watch/abcdefgh2345?player=hls#invite=${TOKEN},`);
  assert.deepEqual(watching.route, { ...ROOM, name: 'watch' });
  assert.equal(watching.bar.search, '?player=hls');
  assert.deepEqual(opened(`/replay/abcdefgh2345invite=${TOKEN}`).route, {
    name: 'replay',
    recording: 'abcdefgh2345',
    invite: TOKEN,
  });
  assert.deepEqual(opened('/owner%23key=abc-d_.').route, { name: 'owner', key: 'abc-d_' });
  assert.deepEqual(opened('/console.').route, { name: 'console' });
  assert.deepEqual(opened('/room/abcdefgh2345).').route, { ...ROOM, invite: '' });
  assert.equal(opened('/room/abcdefgh/x#invite=a').route.name, 'not-found');
  assert.equal(opened('/room/%').route.name, 'not-found');
});

test('another link in the same tab is another page, and the same link is not', () => {
  const history = historyOf('/room/abcdefgh2345#invite=eyJhbGci');
  const router = new Router(history, invitations());
  const cut = pageKey(router.route);
  history.paste(`#invite=${TOKEN}`);
  assert.deepEqual(router.route, ROOM);
  const student = pageKey(router.route);
  assert.notEqual(student, cut);
  history.paste(`/room/abcdefgh2345#invite=${TOKEN}.`);
  assert.equal(pageKey(router.route), student);
  history.paste('#invite=a.b.teacher');
  assert.notEqual(pageKey(router.route), student);
});

const inviteOf = (role: string) =>
  `eyJhbGciOiJIUzI1NiJ9.${Buffer.from(JSON.stringify({ lesson: 'abcdefgh2345', role })).toString('base64url')}.${'s'.repeat(43)}`;

test('an invitation to teach leaves the address bar and the history, and is there after a reload', () => {
  for (const role of ['teacher', 'assistant']) {
    const invite = inviteOf(role);
    const route = { name: 'room', lesson: 'abcdefgh2345', invite };
    const tab = new Map<string, string>();
    for (const open of [
      () => historyOf(`/room/abcdefgh2345#invite=${invite}`),
      () => historyOf('/'),
      () => historyOf(`/room/abcdefgh2345invite=${invite}.`),
    ]) {
      const history = open();
      const router = new Router(history, invitations(tab));
      if (router.route.name === 'home')
        router.go(`https://class.example.org/room/abcdefgh2345#invite=${invite}`);
      assert.deepEqual(router.route, route);
      assert.ok(
        history.entries.every(({ href }) => !href.includes(invite)),
        role,
      );
    }
    assert.deepEqual(new Router(historyOf('/room/abcdefgh2345'), invitations(tab)).route, route);
    assert.deepEqual(new Router(historyOf('/room/ijklmnop2345'), invitations(tab)).route, {
      ...route,
      lesson: 'ijklmnop2345',
      invite: '',
    });
  }
});

test('an invitation of a student or a viewer stays, as does any where the browser keeps nothing', () => {
  for (const [role, kept] of [
    ['student', new Map<string, string>()],
    ['audience', new Map<string, string>()],
    ['teacher', null],
  ] as const) {
    const history = historyOf(`/room/abcdefgh2345#invite=${inviteOf(role)}`);
    const { route } = new Router(history, invitations(kept));
    assert.equal(route.name === 'room' && route.invite, inviteOf(role));
    assert.equal(history.current().hash, `#invite=${inviteOf(role)}`);
  }
});

test('a page that holds on to its person is not left by going back, until it lets go', () => {
  const history = historyOf('/');
  const router = new Router(history, invitations());
  router.go(`/room/abcdefgh2345#invite=${TOKEN}`);
  let asked = 0;
  const letGo = router.hold(() => {
    asked += 1;
    return false;
  });
  history.back();
  assert.deepEqual(router.route, ROOM);
  assert.deepEqual(parseRoute(history.current()), ROOM, 'the address bar says so too');
  assert.equal(asked, 1);
  letGo();
  history.back();
  assert.equal(router.route.name, 'home');
});
