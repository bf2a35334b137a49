// What a link is worth: a seat in the room, a place in the audience, a replay; and when it is worth nothing.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { SignJWT } from 'jose';
import { LinkReplaced, PlaybackIssued, TicketIssued, type Lesson } from '#shared/contract/rest.ts';
import { INVITE_AUDIENCE, TICKET_AUDIENCE } from '#shared/contract/tickets.ts';
import { ROLE_PERMISSIONS } from '#shared/domain/permissions.ts';
import { checkPublishKey } from '#server/publish-key.ts';
import { ticketVerifier } from '../../../sfu/signalling/ticket.ts';
import { codeOf, inviteIn, startTestSchool, API_KEY, type TestSchool } from './support.ts';

describe('invitations', () => {
  let school: TestSchool;
  let lesson: Lesson;
  before(async () => {
    school = await startTestSchool();
    lesson = await school.createLesson();
  });
  after(() => school.close());

  const askTicket = (link: string, ticket?: string, id = lesson.id) =>
    school.call('POST', `/lessons/${id}/tickets`, { invite: inviteIn(link), ...(ticket && { ticket }) });
  const getTicket = async (link: string, ticket?: string) =>
    TicketIssued.parse((await askTicket(link, ticket)).body);
  const open = (ticket: string) => ticketVerifier(school.secrets.ticket)(ticket);
  const forge = (claims: Record<string, unknown>, audience: string, expires: number, secret: string) =>
    new SignJWT(claims)
      .setProtectedHeader({ alg: 'HS256' })
      .setAudience(audience)
      .setExpirationTime(expires)
      .sign(Buffer.from(secret));
  const soon = () => Math.floor(Date.now() / 1_000) + 60;

  it('give the teacher a ticket that the room accepts, and the links to hand out', async () => {
    const issued = await getTicket(lesson.links.teacher);
    assert.equal(issued.role, 'teacher');
    assert.deepEqual(issued.links, { student: lesson.links.student, watch: lesson.links.watch });
    const ticket = await open(issued.ticket);
    assert.equal(ticket.room, lesson.id);
    assert.equal(ticket.channel, lesson.channel);
    assert.equal(ticket.title, lesson.title);
    assert.ok(ticket.permissions.includes('broadcast:control'));
    assert.ok(Math.abs(ticket.exp - Date.now() / 1_000 - 12 * 3_600) < 60);
  });

  it('give a student the permissions of a student, and no links', async () => {
    const issued = await getTicket(lesson.links.student);
    assert.equal(issued.links, null);
    const ticket = await open(issued.ticket);
    assert.equal(ticket.role, 'student');
    assert.deepEqual(ticket.permissions, ROLE_PERMISSIONS.student);
    assert.equal(ticket.invite, 'student.0');
  });

  it('make each newcomer another person, and who reloads the same', async () => {
    const first = await getTicket(lesson.links.student);
    const other = await getTicket(lesson.links.student);
    const reloaded = await getTicket(lesson.links.student, first.ticket);
    const { sub } = await open(first.ticket);
    assert.notEqual((await open(other.ticket)).sub, sub);
    assert.equal((await open(reloaded.ticket)).sub, sub);
  });

  it('do not carry a person over from another room, nor from a forged ticket', async () => {
    const elsewhere = await school.createLesson('Another');
    const answer = await askTicket(elsewhere.links.student, undefined, elsewhere.id);
    const { ticket } = TicketIssued.parse(answer.body);
    const { sub } = await open(ticket);
    const forged = await forge(
      { ...(await open(ticket)), room: lesson.id },
      TICKET_AUDIENCE,
      soon(),
      'x'.repeat(43),
    );
    for (const earlier of [ticket, forged, 'not-a-ticket']) {
      const issued = await getTicket(lesson.links.student, earlier);
      assert.notEqual((await open(issued.ticket)).sub, sub);
    }
  });

  it('let the owner in as the teacher without one', async () => {
    const answer = await school.owner('POST', `/lessons/${lesson.id}/tickets`, {});
    assert.equal(TicketIssued.parse(answer.body).role, 'teacher');
    const anonymous = await school.call('POST', `/lessons/${lesson.id}/tickets`, { invite: '' });
    assert.equal(codeOf(anonymous), 'unauthorized');
  });

  it('tell the teacher alone where a page publishes to what it encodes itself', async () => {
    const { publish } = await getTicket(lesson.links.teacher);
    const { pathname, searchParams, protocol } = new URL(publish ?? '');
    assert.match(protocol, /^wss?:$/);
    assert.equal(pathname, `/publish/${lesson.channel}`);
    const key = searchParams.get('key') ?? '';
    assert.deepEqual(checkPublishKey(school.secrets.playback, lesson.channel, key, 0), { lesson: lesson.id });
    assert.equal((await getTicket(lesson.links.student)).publish, null);
  });

  it('do not let the audience into the room', async () => {
    assert.equal(codeOf(await askTicket(lesson.links.watch)), 'forbidden');
  });

  it('are refused when they are for another lesson, forged, altered, expired or something else', async () => {
    const other = await school.createLesson('Another');
    const { ticket: secret } = school.secrets;
    const claims = { lesson: lesson.id, role: 'teacher' };
    const good = inviteIn(lesson.links.student);
    const [head, , signature] = good.split('.');
    const promoted = Buffer.from(JSON.stringify({ ...claims, aud: INVITE_AUDIENCE, exp: soon() }));
    const unsigned = Buffer.from('{"alg":"none"}').toString('base64url');
    const cases: [string, string, string][] = [
      ['for another lesson', inviteIn(other.links.student), 'ticket-invalid'],
      [
        'signed with another secret',
        await forge(claims, INVITE_AUDIENCE, soon(), 'x'.repeat(43)),
        'ticket-invalid',
      ],
      ['with a better role', `${head}.${promoted.toString('base64url')}.${signature}`, 'ticket-invalid'],
      ['unsigned', `${unsigned}.${promoted.toString('base64url')}.`, 'ticket-invalid'],
      ['a ticket', (await getTicket(lesson.links.teacher)).ticket, 'ticket-invalid'],
      [
        'of no known role',
        await forge({ ...claims, role: 'owner' }, INVITE_AUDIENCE, soon(), secret),
        'ticket-invalid',
      ],
      ['no token', 'nonsense', 'ticket-invalid'],
      ['expired', await forge(claims, INVITE_AUDIENCE, soon() - 120, secret), 'ticket-expired'],
    ];
    for (const [what, invite, code] of cases) {
      for (const exchange of ['tickets', 'playback']) {
        const answer = await school.call('POST', `/lessons/${lesson.id}/${exchange}`, { invite });
        assert.equal(codeOf(answer), code, `${exchange}: ${what}`);
        assert.equal(answer.status, 401);
      }
    }
    const long = await school.call('POST', `/lessons/${lesson.id}/tickets`, { invite: 'x'.repeat(2_001) });
    assert.equal(codeOf(long), 'bad-request');
  });

  it('open playback to everyone who was invited, in any role', async () => {
    for (const link of Object.values(lesson.links)) {
      const answer = await school.call('POST', `/lessons/${lesson.id}/playback`, { invite: inviteIn(link) });
      const issued = PlaybackIssued.parse(answer.body);
      assert.deepEqual(issued.lesson, { id: lesson.id, title: lesson.title, state: 'scheduled' });
      assert.match(issued.play.hls, new RegExp(`/live/${lesson.channel}/index\\.m3u8\\?expires=`));
      assert.deepEqual(issued.recordings, []);
    }
    const owner = await school.owner('POST', `/lessons/${lesson.id}/playback`, {});
    assert.equal(owner.status, 200);
  });

  it('lead to the replay, not to the room, once class has ended', async () => {
    const over = await school.createLesson('Over');
    await school.owner('POST', `/lessons/${over.id}/end`);
    const refused = await askTicket(over.links.student, undefined, over.id);
    assert.equal(codeOf(refused), 'room-closed');
    assert.equal(refused.status, 410);
    // The same invitation tells the page what to offer instead.
    const invite = inviteIn(over.links.student);
    const answer = await school.call('POST', `/lessons/${over.id}/playback`, { invite });
    assert.equal(PlaybackIssued.parse(answer.body).lesson.state, 'ended');
  });

  it('are worth nothing once their link was replaced, except to those who may still be inside', async () => {
    const { id, links } = await school.createLesson('Replaced');
    const ask = (link: string, ticket?: string) => askTicket(link, ticket, id);
    const inside = TicketIssued.parse((await ask(links.student)).body).ticket;
    const replace = (link: string, invite: string) =>
      school.call('POST', `/lessons/${id}/links/${link}`, { invite });
    for (const link of [links.student, links.watch]) {
      assert.equal(codeOf(await replace('student', inviteIn(link))), 'forbidden');
    }
    assert.equal(codeOf(await replace('teacher', inviteIn(links.teacher))), 'forbidden');
    assert.equal(codeOf(await replace('student', '')), 'unauthorized');
    assert.equal((await replace('other', inviteIn(links.teacher))).status, 404);

    const { url, applied } = LinkReplaced.parse((await replace('student', inviteIn(links.teacher))).body);
    assert.equal(applied, true);
    assert.deepEqual(school.sfu.told.get(id)?.at(-1), {
      links: { teacher: 0, assistant: 0, student: 1, watch: 0 },
      asksConsent: false,
    });
    const refused = await ask(links.student);
    assert.equal(codeOf(refused), 'link-replaced');
    assert.equal(refused.status, 403);
    const playback = { invite: inviteIn(links.student) };
    assert.equal(codeOf(await school.call('POST', `/lessons/${id}/playback`, playback)), 'link-replaced');
    const reloaded = TicketIssued.parse((await ask(links.student, inside)).body).ticket;
    assert.equal((await open(reloaded)).invite, 'student.0', 'the room decides on this one');
    assert.equal((await open(reloaded)).sub, (await open(inside)).sub);
    // A ticket of the teacher's link is none of the student's.
    const { ticket: teaching } = TicketIssued.parse((await ask(links.teacher)).body);
    assert.equal(codeOf(await ask(links.student, teaching)), 'link-replaced');
    const fresh = TicketIssued.parse((await ask(url)).body).ticket;
    assert.equal((await open(fresh)).invite, 'student.1');
    const { links: handedOut } = TicketIssued.parse((await ask(links.teacher)).body);
    assert.equal(handedOut?.student, url);
  });

  it('of the teacher are replaced by the owner, and of the audience with their addresses', async () => {
    const { id, links, channel } = await school.createLesson('Leaked');
    const replace = async (link: string) =>
      LinkReplaced.parse((await school.owner('POST', `/lessons/${id}/links/${link}`, {})).body).url;
    const teacher = await replace('teacher');
    assert.equal(codeOf(await askTicket(links.teacher, undefined, id)), 'link-replaced');
    assert.equal((await askTicket(teacher, undefined, id)).status, 200);
    const watch = await replace('watch');
    const playback = (link: string) =>
      school.call('POST', `/lessons/${id}/playback`, { invite: inviteIn(link) });
    assert.equal(codeOf(await playback(links.watch)), 'link-replaced');
    assert.match(PlaybackIssued.parse((await playback(watch)).body).play.hls, /epoch=1/);
    const told = school.gateway.told.get(channel)?.at(-1) as { epoch: number };
    assert.equal(told.epoch, 1, 'who watches by the old addresses is cut off');
    assert.equal((await playback(links.student)).status, 200);
  });

  it('are replaced for the room as soon as it answers again', async () => {
    const { id } = await school.createLesson('Patience');
    await school.sfu.stop();
    const answer = await school.owner('POST', `/lessons/${id}/links/student`, {});
    assert.equal(LinkReplaced.parse(answer.body).applied, false);
    await school.sfu.start();
    const told = () => school.sfu.told.get(id)?.at(-1) as { links: { student: number } } | undefined;
    for (const end = Date.now() + 10_000; told()?.links.student !== 1;) {
      assert.ok(Date.now() < end, 'the room was not told');
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  });

  it('are worth nothing once the lesson is deleted', async () => {
    const gone = await school.createLesson('Gone');
    await school.owner('DELETE', `/lessons/${gone.id}`);
    assert.equal(codeOf(await askTicket(gone.links.teacher, undefined, gone.id)), 'not-found');
  });

  it('let a whole class in at the same minute from one address', async () => {
    const before = Date.now();
    const answers = await Promise.all(Array.from({ length: 120 }, () => askTicket(lesson.links.student)));
    assert.ok(
      answers.every(({ status }) => status === 200),
      `${Date.now() - before} ms`,
    );
  });

  it('cannot be asked for without end by one address', async () => {
    const statuses = new Set<number>();
    for (let round = 0; round < 8; round += 1) {
      const answers = await Promise.all(
        Array.from({ length: 150 }, () =>
          school.call(
            'POST',
            `/lessons/${lesson.id}/tickets`,
            { invite: 'x' },
            { 'x-forwarded-for': '203.0.113.7' },
          ),
        ),
      );
      for (const { status } of answers) statuses.add(status);
    }
    assert.deepEqual([...statuses].sort(), [401, 429]);
    const { status } = await school.call('GET', '/lessons', undefined, {
      authorization: `Bearer ${API_KEY}`,
    });
    assert.equal(status, 200);
  });

  it('are there for those of an address at which somebody else asks without end', async () => {
    const { id, links } = await school.createLesson('Noisy');
    const ask = (invite: string, ticket?: string) =>
      school.call(
        'POST',
        `/lessons/${id}/tickets`,
        { invite, ...(ticket === undefined ? {} : { ticket }) },
        { 'x-forwarded-for': '203.0.113.11' },
      );
    const invite = inviteIn(links.student);
    const [loud, quiet] = [
      TicketIssued.parse((await ask(invite)).body).ticket,
      TicketIssued.parse((await ask(invite)).body).ticket,
    ];
    const statuses = new Set<number>();
    for (let round = 0; round < 5; round += 1) {
      const answers = await Promise.all(
        Array.from({ length: 300 }, (_, index) => (index % 2 === 0 ? ask('x') : ask(invite, loud))),
      );
      for (const { status } of answers) statuses.add(status);
    }
    assert.deepEqual([...statuses].sort(), [200, 401, 429]);
    assert.equal((await ask(invite, quiet)).status, 200);
    assert.equal((await ask(invite)).status, 200);
  });

  it('are limited for new people by one link at one address; other addresses, reloads and the teacher go on', async () => {
    const { id, links } = await school.createLesson('Crowded');
    const ask = (link: string, ip: string, ticket?: string) =>
      school.call(
        'POST',
        `/lessons/${id}/tickets`,
        { invite: inviteIn(link), ...(ticket === undefined ? {} : { ticket }) },
        { 'x-forwarded-for': ip },
      );
    const answers = await Promise.all(Array.from({ length: 300 }, () => ask(links.student, '203.0.113.9')));
    const good = answers.filter(({ status }) => status === 200);
    assert.ok(good.length >= 200 && good.length < 260, `${good.length} tickets`);
    const { ticket } = TicketIssued.parse(good[0]?.body);
    assert.equal((await ask(links.student, '203.0.113.9', ticket)).status, 200);
    assert.equal((await ask(links.student, '203.0.113.10')).status, 200);
    assert.equal((await ask(links.teacher, '203.0.113.9')).status, 200);
    for (let round = 0; round < 5; round += 1) {
      await Promise.all(Array.from({ length: 150 }, () => ask(links.student, '203.0.113.9')));
    }
    assert.equal((await ask(links.teacher, '203.0.113.9')).status, 200);
  });
});
