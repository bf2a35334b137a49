// AMF0: what RTMP commands and FLV metadata are written in.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeAmf0, encodeAmf0, isAmfObject, type AmfValue } from '#shared/media/amf0.ts';
import { MalformedError } from '#shared/media/bytes.ts';

const hex = (text: string) => new Uint8Array(Buffer.from(text.replaceAll(' ', ''), 'hex'));
const plain = (values: AmfValue[]) => structuredClone(values);

test("a publisher's connect command is written byte for byte as the specification says", () => {
  assert.deepEqual(
    encodeAmf0('connect', 1, { app: 'live' }),
    hex('02 0007 636f6e6e656374' + '00 3ff0000000000000' + '03 0003 617070 02 0004 6c697665 000009'),
  );
});

test('every type survives the round trip', () => {
  const values = [
    3.5,
    true,
    false,
    'text',
    '讲台',
    null,
    undefined,
    [1, 'a', [null]],
    new Date(1_000),
    { a: { b: 1 } },
  ];
  assert.deepEqual(plain(decodeAmf0(encodeAmf0(...values))), values);
  const long = 'x'.repeat(70_000);
  assert.deepEqual(decodeAmf0(encodeAmf0(long)), [long]);
});

test('a Map is an ECMA array, and reads as an object', () => {
  const bytes = encodeAmf0(new Map<string, AmfValue>([['width', 1280]]));
  assert.deepEqual(bytes, hex('08 00000001 0005 7769647468 00 4094000000000000 000009'));
  const [value] = decodeAmf0(bytes);
  assert.ok(isAmfObject(value));
  assert.equal(value['width'], 1280);
});

test('an ECMA array whose count lies or whose end is missing is still read', () => {
  const [value] = decodeAmf0(hex('08 000000ff 0001 61 05'));
  assert.ok(isAmfObject(value));
  assert.deepEqual({ ...value }, { a: null });
});

test('no key reaches a prototype', () => {
  const [value] = decodeAmf0(encodeAmf0({ ['__proto__']: { polluted: true } }));
  assert.ok(isAmfObject(value));
  assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
  assert.deepEqual(Object.keys(value), ['__proto__']);
});

test('what is nested too deep, too many or of a Flash type is refused', () => {
  assert.throws(() => decodeAmf0(hex('03 0001 61'.repeat(40))), MalformedError);
  assert.throws(() => decodeAmf0(new Uint8Array(5_000).fill(5)), MalformedError);
  assert.throws(() => decodeAmf0(hex('0a ffffffff 05')), MalformedError);
  assert.throws(() => decodeAmf0(hex('11')), MalformedError);
  let deep: AmfValue = 1;
  for (let i = 0; i < 40; i += 1) deep = [deep];
  assert.throws(() => encodeAmf0(deep), RangeError);
});
