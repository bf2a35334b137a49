// Who is the owner, and who only says so.
import assert from 'node:assert/strict';
import { after, before, describe, it, mock } from 'node:test';
import { Sessions } from '../../../school/people/sessions.ts';
import { codeOf, startTestSchool, API_KEY, type TestSchool } from './support.ts';

const OURS = { 'sec-fetch-site': 'same-origin' };

/** Signs in with the owner link. Returns the cookie. */
async function signIn(school: TestSchool, headers: Record<string, string> = {}): Promise<string> {
  const answer = await school.call('POST', '/session', { key: school.secrets.owner }, headers);
  return answer.headers.get('set-cookie')?.split(';', 1)[0] ?? '';
}

describe('signing in', () => {
  let school: TestSchool;
  let cookie: string;
  let setCookie: string;
  before(async () => {
    school = await startTestSchool();
    const answer = await school.call('POST', '/session', { key: school.secrets.owner });
    assert.deepEqual(answer.body, { role: 'owner' });
    setCookie = answer.headers.get('set-cookie') ?? '';
    cookie = setCookie.split(';', 1)[0] ?? '';
  });
  after(() => school.close());

  it('trades the key of the owner link for a cookie that scripts cannot read', () => {
    assert.match(setCookie, /^lectern_session=/);
    for (const attribute of ['HttpOnly', 'Secure', 'SameSite=Lax', 'Path=/', 'Max-Age=2592000']) {
      assert.ok(setCookie.includes(attribute), `${attribute} in ${setCookie.replace(/=[^;]+/, '=…')}`);
    }
  });

  it('leaves Secure out where people come over plain http', async () => {
    const plain = await startTestSchool({ LECTERN_PUBLIC_URL: 'http://localhost:8080' });
    try {
      const answer = await plain.call('POST', '/session', { key: plain.secrets.owner });
      assert.ok(!answer.headers.get('set-cookie')?.includes('Secure'));
    } finally {
      await plain.close();
    }
  });

  it('knows the owner by the cookie and by the API key, and nobody else', async () => {
    const role = async (headers: Record<string, string>) =>
      (await school.call('GET', '/session', undefined, headers)).body;
    assert.deepEqual(await role({ cookie }), { role: 'owner' });
    assert.deepEqual(await role({ authorization: `Bearer ${API_KEY}` }), { role: 'owner' });
    assert.deepEqual(await role({}), { role: 'anonymous' });
    assert.deepEqual(await role({ cookie: `${cookie}x` }), { role: 'anonymous' });
    assert.deepEqual(await role({ cookie: 'lectern_session=' }), { role: 'anonymous' });
  });

  it('refuses a wrong key of either kind', async () => {
    const wrong = await school.call('POST', '/session', { key: 'x'.repeat(43) });
    assert.equal(wrong.status, 401);
    assert.equal(codeOf(wrong), 'unauthorized');
    assert.equal(wrong.headers.get('set-cookie'), null);
    for (const authorization of ['Bearer nothing-like-the-key', `Basic ${API_KEY}`, API_KEY, 'Bearer ', '']) {
      const answer = await school.call('GET', '/lessons', undefined, { authorization });
      assert.equal(codeOf(answer), 'unauthorized', authorization);
    }
    assert.equal(codeOf(await school.call('GET', '/lessons')), 'unauthorized');
    assert.equal(codeOf(await school.call('POST', '/lessons', { title: 'x' })), 'unauthorized');
  });

  it('takes no API key where none is set', async () => {
    const bare = await startTestSchool({ LECTERN_API_KEY: '' });
    try {
      for (const authorization of ['Bearer undefined', 'Bearer ', `Bearer ${bare.secrets.owner}`]) {
        const answer = await bare.call('GET', '/lessons', undefined, { authorization });
        assert.equal(codeOf(answer), 'unauthorized');
      }
    } finally {
      await bare.close();
    }
  });

  it('lets our own pages change things with the cookie, and no other site’s', async () => {
    const create = (headers: Record<string, string>) =>
      school.call('POST', '/lessons', { title: 'From a page' }, { cookie, ...headers });
    const ours: Record<string, string>[] = [
      { 'sec-fetch-site': 'same-origin' },
      { origin: 'https://class.example.org' },
      // At another of its addresses, as the door says.
      { origin: 'http://192.168.1.5:8080', 'x-forwarded-host': '192.168.1.5:8080' },
    ];
    for (const headers of ours) assert.equal((await create(headers)).status, 201, JSON.stringify(headers));
    const others: Record<string, string>[] = [
      {},
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site', origin: 'https://class.example.org' },
      { 'sec-fetch-site': 'none' },
      { origin: 'https://evil.example.org' },
      { origin: 'https://class.example.org.evil.example' },
      { origin: 'null' },
    ];
    for (const headers of others) {
      const answer = await create(headers);
      assert.equal(codeOf(answer), 'forbidden', JSON.stringify(headers));
    }
    const { id } = await school.createLesson();
    for (const [method, path] of [
      ['DELETE', `/lessons/${id}`],
      ['POST', `/lessons/${id}/end`],
      ['DELETE', '/session'],
    ] as const) {
      const answer = await school.call(method, path, undefined, { cookie, 'sec-fetch-site': 'cross-site' });
      assert.equal(codeOf(answer), 'forbidden', `${method} ${path}`);
    }
    const read = await school.call('GET', '/lessons', undefined, { cookie, 'sec-fetch-site': 'cross-site' });
    assert.equal(read.status, 200);
  });

  it('ends a sign-in for every copy of its cookie', async () => {
    const [leaves, stays] = [await signIn(school), await signIn(school)];
    const answer = await school.call('DELETE', '/session', undefined, { cookie: leaves, ...OURS });
    assert.equal(answer.status, 204);
    assert.match(answer.headers.get('set-cookie') ?? '', /^lectern_session=; Max-Age=0/);
    const list = (copy: string) => school.call('GET', '/lessons', undefined, { cookie: copy });
    assert.equal(codeOf(await list(leaves)), 'unauthorized');
    const created = await school.call('POST', '/lessons', { title: 'x' }, { cookie: leaves, ...OURS });
    assert.equal(codeOf(created), 'unauthorized');
    assert.equal((await list(stays)).status, 200);
    // Signing out is over when it is done, however often it is asked for.
    for (const headers of [{ cookie: leaves, ...OURS }, OURS]) {
      assert.equal((await school.call('DELETE', '/session', undefined, headers)).status, 204);
    }
    await school.restart();
    assert.deepEqual([(await list(leaves)).status, (await list(stays)).status], [401, 200]);
  });

  it('ends the sign-in that a browser had when it signs in again', async () => {
    const former = await signIn(school);
    const next = await signIn(school, { cookie: former });
    assert.notEqual(next, former);
    const status = async (copy: string) =>
      (await school.call('GET', '/lessons', undefined, { cookie: copy })).status;
    assert.deepEqual([await status(former), await status(next)], [401, 200]);
  });

  it('takes no cookie from before the owner link was replaced', async () => {
    const token = (await signIn(school)).split('=')[1] ?? '';
    const db = await school.openDatabase();
    const isGood = (owner: string) => new Sessions(db, { ...school.secrets, owner }, Date.now).isGood(token);
    assert.deepEqual(
      [await isGood(school.secrets.owner), await isGood('another-owner-key'.padEnd(43, 'x'))],
      [true, false],
    );
    await db.destroy();
  });

  it('signs out everywhere, from a page of ours or with the API key', async () => {
    const everywhere = (headers: Record<string, string>) =>
      school.call('DELETE', '/sessions', undefined, headers);
    for (const who of ['page', 'script']) {
      await school.call('DELETE', '/sessions', undefined, { authorization: `Bearer ${API_KEY}` });
      const copies = [await signIn(school), await signIn(school), await signIn(school)];
      const [mine = ''] = copies;
      assert.equal(codeOf(await everywhere({})), 'unauthorized');
      assert.equal(codeOf(await everywhere({ cookie: mine, 'sec-fetch-site': 'cross-site' })), 'forbidden');
      const headers = who === 'page' ? { cookie: mine, ...OURS } : { authorization: `Bearer ${API_KEY}` };
      const answer = await everywhere(headers);
      assert.deepEqual([answer.status, answer.body], [200, { ended: 3 }]);
      for (const copy of copies) {
        assert.equal((await school.call('GET', '/lessons', undefined, { cookie: copy })).status, 401);
      }
      if (who === 'page') assert.equal(codeOf(await everywhere(headers)), 'unauthorized');
    }
    // The key of the owner link is as good as before.
    assert.equal(
      (await school.call('GET', '/lessons', undefined, { cookie: await signIn(school) })).status,
      200,
    );
  });

  it('does not believe X-Forwarded-For from a stranger', async () => {
    const open = await startTestSchool({ LECTERN_TRUSTED_PROXIES: '10.0.0.1' });
    try {
      let last = 0;
      for (let tries = 0; tries < 30; tries += 1) {
        const headers = { 'x-forwarded-for': `203.0.113.${tries}` };
        last = (await open.call('POST', '/session', { key: 'x'.repeat(43) }, headers)).status;
      }
      assert.equal(last, 429);
    } finally {
      await open.close();
    }
  });

  it('writes no secret into its log', () => {
    const spoken = school.lines.join('');
    for (const secret of [...Object.values(school.secrets), API_KEY, cookie.split('=')[1] ?? '']) {
      assert.ok(secret.length > 10 && !spoken.includes(secret));
    }
  });
});

describe('signing in, over time', () => {
  let school: TestSchool;
  before(async () => {
    // The clock moves when it is told to, so that no allowance grows however slow the machine is.
    mock.timers.enable({ apis: ['Date'], now: Date.now() });
    school = await startTestSchool();
  });
  after(async () => {
    mock.timers.reset();
    await school.close();
  });

  it('ends after thirty days, and keeps nothing of it', async () => {
    const copy = await signIn(school);
    const status = async () => (await school.call('GET', '/lessons', undefined, { cookie: copy })).status;
    mock.timers.tick(30 * 86_400_000 - 1_000);
    assert.equal(await status(), 200);
    mock.timers.tick(2_000);
    assert.equal(await status(), 401);
    const latest = await signIn(school);
    const db = await school.openDatabase();
    const rows = await db.selectFrom('session').select('id').execute();
    await db.destroy();
    assert.equal(rows.length, 1, 'only the newest has not expired');
    assert.ok(!JSON.stringify(rows).includes(latest.split('=')[1] ?? ''), 'the database signs nobody in');
  });

  it('slows down one address that tries keys, but not the right one from there, and not others', async () => {
    const link = (ip: string, key = 'x'.repeat(43)) =>
      school.call('POST', '/session', { key }, { 'x-forwarded-for': ip });
    const api = (ip: string, key = 'an-old-key-of-a-script') =>
      school.call('GET', '/lessons', undefined, { 'x-forwarded-for': ip, authorization: `Bearer ${key}` });
    const statuses: number[] = [];
    for (let tries = 0; tries < 15; tries += 1) {
      statuses.push((await link('203.0.113.9')).status, (await api('203.0.113.9')).status);
    }
    assert.deepEqual(statuses, [...Array<number>(20).fill(401), ...Array<number>(10).fill(429)]);
    for (const refused of [await link('203.0.113.9'), await api('203.0.113.9')]) {
      assert.equal(codeOf(refused), 'rate-limited');
      assert.equal(refused.headers.get('retry-after'), '2');
    }
    // A school is one address: who has the right key comes in, and as often as they like.
    for (let times = 0; times < 30; times += 1) {
      assert.equal((await link('203.0.113.9', school.secrets.owner)).status, 200);
      assert.equal((await api('203.0.113.9', API_KEY)).status, 200);
    }
    assert.deepEqual([(await link('203.0.113.10')).status, (await api('203.0.113.10')).status], [401, 401]);
    mock.timers.tick(2_000);
    assert.deepEqual([(await api('203.0.113.9')).status, (await api('203.0.113.9')).status], [401, 429]);

    const metrics = await (await fetch(`${school.url}/metrics`)).text();
    assert.match(metrics, /^lectern_school_wrong_keys_total\{kind="owner",\S*\} 17$/m);
    assert.match(metrics, /^lectern_school_wrong_keys_total\{kind="api",\S*\} 19$/m);
    const lines = school.lines.filter((line) => line.includes('"msg":"a wrong key was refused"'));
    assert.equal(lines.length, 23, 'one for each that was not limited');
    assert.match(lines[0] ?? '', /"kind":"owner","address":"203\.0\.113\.9"/);
    assert.ok(!lines.join('').includes('an-old-key-of-a-script'));
  });
});
