// Writes small databases in the MaxMind DB format, version 2.0, as others' tools do.

type Data = string | number | boolean | readonly Data[] | { readonly [key: string]: Data };

export interface MmdbOptions {
  readonly recordBits?: 24 | 28 | 32;
  readonly ipVersion?: 4 | 6;
}

const bitsOf = (bytes: readonly number[], length: number) =>
  Array.from({ length }, (_, bit) => ((bytes[bit >> 3] ?? 0) >> (7 - (bit & 7))) & 1);

/** The bits of a network; `2001:db8::/32` has to be written with `::` at its end. */
function networkBits(network: string, ipVersion: 4 | 6): number[] {
  const [address = '', prefix = ''] = network.split('/');
  if (address.includes('.')) {
    const bits = bitsOf(address.split('.').map(Number), Number(prefix));
    return ipVersion === 6 ? [...Array.from({ length: 96 }, () => 0), ...bits] : bits;
  }
  const bytes = address
    .replace(/::$/, '')
    .split(':')
    .flatMap((group) => [parseInt(group, 16) >> 8, parseInt(group, 16) & 255]);
  return bitsOf(bytes, Number(prefix));
}

interface Node {
  children: [Node | undefined, Node | undefined];
  /** What the leaf holds, as an index into the records. */
  data?: number;
}

/** A database in which each network of `records` has its data. Networks must not lie within each other. */
export function makeMmdb(
  records: Readonly<Record<string, Data>>,
  { recordBits = 24, ipVersion = 6 }: MmdbOptions = {},
): Buffer {
  const root: Node = { children: [undefined, undefined] };
  Object.keys(records).forEach((network, index) => {
    let node = root;
    for (const bit of networkBits(network, ipVersion)) {
      node = node.children[bit as 0 | 1] ??= { children: [undefined, undefined] };
    }
    node.data = index;
  });
  const nodes: Node[] = [];
  const number = (node: Node) => {
    if (node.data !== undefined) return;
    nodes.push(node);
    for (const child of node.children) if (child !== undefined) number(child);
  };
  number(root);

  // The first value is a text that others point to, as real databases share theirs.
  const shared = encode('iso_code');
  const offsets: number[] = [];
  const chunks = [shared];
  let offset = shared.length;
  for (const data of Object.values(records)) {
    const bytes = encode(data, { iso_code: 0 });
    offsets.push(offset);
    chunks.push(bytes);
    offset += bytes.length;
  }

  const valueOf = (child: Node | undefined) => {
    if (child === undefined) return nodes.length;
    return child.data === undefined ? nodes.indexOf(child) : nodes.length + 16 + (offsets[child.data] ?? 0);
  };
  const tree = nodes.map(({ children: [left, right] }) => pair(valueOf(left), valueOf(right), recordBits));
  const metadata = encode({
    node_count: nodes.length,
    record_size: recordBits,
    ip_version: ipVersion,
    database_type: 'Test-Country',
    languages: ['en'],
    binary_format_major_version: 2,
    binary_format_minor_version: 0,
    build_epoch: 1_700_000_000,
    description: { en: 'x'.repeat(300) },
  });
  const marker = Buffer.from('\xab\xcd\xefMaxMind.com', 'latin1');
  return Buffer.concat([...tree, Buffer.alloc(16), ...chunks, marker, metadata]);
}

/** A country's record as GeoLite2-Country has it. */
export const country = (code: string): Data => ({
  continent: { code: 'AS' },
  country: { iso_code: code, names: { en: `The country ${code}` } },
  registered_country: { iso_code: 'ZZ' },
});

function pair(left: number, right: number, bits: number): Buffer {
  if (bits === 28) {
    const bytes = Buffer.alloc(7);
    bytes.writeUIntBE(left & 0xff_ffff, 0, 3);
    bytes.writeUInt8(((left >> 24) << 4) | (right >> 24), 3);
    bytes.writeUIntBE(right & 0xff_ffff, 4, 3);
    return bytes;
  }
  const bytes = Buffer.alloc(bits / 4);
  bytes.writeUIntBE(left, 0, bits / 8);
  bytes.writeUIntBE(right, bits / 8, bits / 8);
  return bytes;
}

function head(type: number, size: number): Buffer {
  const [low, more] =
    size < 29 ? [size, []] : size < 285 ? [29, [size - 29]] : [30, [(size - 285) >> 8, (size - 285) & 255]];
  return Buffer.from(type < 8 ? [(type << 5) | low, ...more] : [low, type - 7, ...more]);
}

function encode(data: Data, pointers: Readonly<Record<string, number>> = {}): Buffer {
  if (typeof data === 'string') {
    const at = pointers[data];
    if (at !== undefined) return Buffer.from([(1 << 5) | (at >> 8), at & 255]);
    const bytes = Buffer.from(data);
    return Buffer.concat([head(2, bytes.length), bytes]);
  }
  if (typeof data === 'boolean') return head(14, data ? 1 : 0);
  if (typeof data === 'number') {
    const hex = data.toString(16);
    const bytes =
      data === 0 ? Buffer.alloc(0) : Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex');
    return Buffer.concat([head(6, bytes.length), bytes]);
  }
  if (Array.isArray(data)) {
    return Buffer.concat([head(11, data.length), ...data.map((item: Data) => encode(item, pointers))]);
  }
  const entries = Object.entries(data as Readonly<Record<string, Data>>);
  return Buffer.concat([
    head(7, entries.length),
    ...entries.flatMap(([key, value]) => [encode(key, pointers), encode(value, pointers)]),
  ]);
}
