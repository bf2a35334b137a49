// What a client takes of the forms in which an answer can be had.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isTaken } from '#server/negotiation.ts';

const GZIP = ['gzip', 'x-gzip', '*'];
const SDP = ['application/sdp', 'application/*', '*/*'];

test('an answer is gzip for those alone who take it', () => {
  for (const header of ['gzip', 'br, gzip', 'deflate;q=1, GZIP;q=0.5', '*', 'x-gzip', 'gzip ; Q=0.001']) {
    assert.equal(isTaken(header, GZIP), true, header);
  }
  for (const header of ['', 'br', 'gzip;q=0', 'gzip; q=0.000, br', '*;q=0', 'gzip;q=0, *', 'gzip;q=x']) {
    assert.equal(isTaken(header, GZIP), false, header);
  }
});

test('of several ranges that hold a media type the most specific one decides', () => {
  for (const header of [
    'application/sdp',
    'text/html, Application/SDP;q=0.1',
    'application/*;q=0, application/sdp',
    '*/*;q=0, application/*',
    'application/json, */*;q=0.01',
  ]) {
    assert.equal(isTaken(header, SDP), true, header);
  }
  for (const header of [
    'text/html',
    'application/sdp;q=0',
    'application/sdp; q=0.0, */*',
    '*/*, application/*;q=0',
    'application/sdp;level=1;q=0',
  ]) {
    assert.equal(isTaken(header, SDP), false, header);
  }
});
