// Relays over REST: whose they are, what may be asked, and that they end with the lesson.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestSchool, type TestSchool } from './support.ts';

const PUSH = { url: 'rtmp://live.example.com/app/key' };

describe('relays of a lesson', () => {
  let school: TestSchool;
  before(async () => {
    school = await startTestSchool();
  });
  after(() => school.close());

  it('are for the owner alone', async () => {
    const { id } = await school.createLesson();
    for (const method of ['GET', 'PUT']) {
      const body = method === 'PUT' ? { push: [], pull: null } : undefined;
      assert.equal((await school.call(method, `/lessons/${id}/relays`, body)).status, 401);
    }
  });

  it('go to the gateway, which answers what became of them', async () => {
    const { id, channel, title } = await school.createLesson();
    const put = await school.owner('PUT', `/lessons/${id}/relays`, { push: [PUSH], pull: null });
    assert.equal(put.status, 200);
    assert.deepEqual(school.gateway.relays.get(channel), {
      lesson: id,
      title,
      wanted: { push: [PUSH], pull: null },
    });
    assert.deepEqual((await school.owner('GET', `/lessons/${id}/relays`)).body, { push: [], pull: null });
  });

  it('take the addresses of streaming servers and nothing else', async () => {
    const { id } = await school.createLesson();
    for (const body of [
      { push: [{ url: 'file:///etc/passwd' }], pull: null },
      { push: [{ url: 'http://example.com/live' }], pull: null },
      { push: [], pull: { url: 'udp://239.0.0.1:1234' } },
      { push: [] },
      { push: Array(17).fill(PUSH), pull: null },
    ]) {
      const { status } = await school.owner('PUT', `/lessons/${id}/relays`, body);
      assert.equal(status, 400, JSON.stringify(body).slice(0, 80));
    }
    assert.equal((await school.owner('GET', '/lessons/nosuchlesson/relays')).status, 404);
  });

  it('end with the lesson, and there are none after it', async () => {
    const { id, channel } = await school.createLesson();
    await school.owner('POST', `/lessons/${id}/end`);
    assert.ok(school.gateway.asked.includes(`DELETE /internal/channels/${channel}/relays`));
    const late = await school.owner('PUT', `/lessons/${id}/relays`, { push: [PUSH], pull: null });
    assert.equal(late.status, 410);
  });
});
