// Who is the owner, and who only says so.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { codeOf, startTestSchool, API_KEY, type TestSchool } from './support.ts';

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

  it('signs out', async () => {
    const answer = await school.call('DELETE', '/session', undefined, {
      cookie,
      'sec-fetch-site': 'same-origin',
    });
    assert.equal(answer.status, 204);
    assert.match(answer.headers.get('set-cookie') ?? '', /^lectern_session=; Max-Age=0/);
  });

  it('slows down one address that tries keys, and not the others', async () => {
    const trial = (ip: string) =>
      school.call('POST', '/session', { key: 'x'.repeat(43) }, { 'x-forwarded-for': ip });
    const statuses = new Set<number>();
    for (let tries = 0; tries < 30; tries += 1) statuses.add((await trial('203.0.113.9')).status);
    const refused = await trial('203.0.113.9');
    assert.deepEqual([...statuses], [401, 429]);
    assert.equal(codeOf(refused), 'rate-limited');
    assert.ok(Number(refused.headers.get('retry-after')) >= 1);
    assert.equal((await trial('203.0.113.10')).status, 401);
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
