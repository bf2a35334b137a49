import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLogLines } from '../../../bin/log-lines.ts';

function log(format: 'json' | 'pretty') {
  const out: string[] = [];
  return { out, lines: createLogLines(format, { write: (text: string) => out.push(text) }) };
}

const ROOM = JSON.stringify({
  level: 'info',
  atMs: Date.parse('2026-03-01T12:04:05'),
  service: 'sfu',
  msg: 'room opened',
  lesson: 'l_1',
});

test('a person reads one short line: when, who, what, and the facts', () => {
  const { out, lines } = log('pretty');
  lines.write(ROOM, 'sfu');
  assert.deepEqual(out, ['12:04:05 sfu      room opened lesson=l_1\n']);
});

test('a machine gets the line as it was written', () => {
  const { out, lines } = log('json');
  lines.write(ROOM, 'sfu');
  assert.deepEqual(out, [`${ROOM}\n`]);
});

test('what is no JSON, such as a warning of Node, can still be parsed by a machine', () => {
  const { out, lines } = log('json');
  lines.write('(node:1) Warning: beware', 'gateway');
  const { level, service, msg } = JSON.parse(out[0]!) as Record<string, unknown>;
  assert.deepEqual(
    { level, service, msg },
    { level: 'warn', service: 'gateway', msg: '(node:1) Warning: beware' },
  );
});

test('an error brings its stack, a warning only its reason', () => {
  const { out, lines } = log('pretty');
  const err = { type: 'Error', message: 'no room', stack: 'Error: no room\n    at there' };
  lines.write(JSON.stringify({ level: 'error', service: 'sfu', msg: 'request failed', err }));
  lines.write(JSON.stringify({ level: 'warn', service: 'sfu', msg: 'retrying', err }));
  assert.match(out[0]!, /error request failed \nError: no room\n {4}at there\n$/);
  assert.match(out[1]!, /warn retrying no room\n$/);
});

test('values with spaces are quoted, so that a line can be read back', () => {
  const { out, lines } = log('pretty');
  lines.write(
    JSON.stringify({ level: 'info', service: 'school', msg: 'lesson made', title: 'The Cell', n: 2 }),
  );
  assert.match(out[0]!, /lesson made title="The Cell" n=2\n$/);
});
