import { expect, test } from 'vitest';
import { type DhcpPacket, encodePacket, none, parsePacket } from './packet.ts';
import { type Place, placeOf } from './place.ts';
import { relayAgentOf } from './relay-agent.ts';

function packet(more: Partial<DhcpPacket>, option?: Buffer): DhcpPacket {
  const zero = {
    ciaddr: none,
    yiaddr: none,
    siaddr: none,
    giaddr: none,
    sname: '',
    file: '',
    secs: 0,
    broadcast: false,
  };
  const options = new Map(option === undefined ? [] : [[82, option]]);
  return { op: 1, hops: 0, xid: 1, mac: '52:54:00:00:00:0a', ...zero, options, ...more };
}

/** Sub-options: code and value. */
function agent(...parts: [number, string | number[]][]): Buffer {
  return Buffer.concat(
    parts.map(([code, value]) => {
      const bytes = Buffer.from(value as string);
      return Buffer.concat([Buffer.from([code, bytes.length]), bytes]);
    }),
  );
}

test.each([
  ['text', agent([1, 'ge-0/0/7'], [2, 'leaf1']), { circuit: 'ge-0/0/7', remote: 'leaf1' }],
  ['bytes', agent([1, [0, 4, 0, 7]]), { circuit: '0x00040007' }],
  ['a link', agent([5, [10, 88, 2, 0]]), { link: '10.88.2.0' }],
  ['a link of another length', agent([5, [10, 88]]), {}],
  ['the first of two', agent([1, 'a'], [1, 'b']), { circuit: 'a' }],
  ['a terminal’s escape', agent([1, '\u001b[2J']), { circuit: '0x1b5b324a' }],
  ['others', agent([9, 'x'], [151, 'vrf']), {}],
  ['nothing', Buffer.alloc(0), {}],
])('what a relay agent says is read: %s', (_, option, said) => {
  expect(relayAgentOf(packet({}, option))).toEqual(said);
});

test.each([
  ['past its end', Buffer.from([1, 1, 65, 2, 9, 66])],
  ['without a length', Buffer.from([1, 1, 65, 2])],
  ['of more than 255 bytes', agent([1, 'a'], [9, 'x'.repeat(253)])],
  ['of parts in parts, 1,000 deep', parsePacket(encodePacket(packet({}, nested(1000))))!.options.get(82)!],
])('10 an option 82 %s says nothing', (_, option) => {
  expect(relayAgentOf(packet({}, option))).toEqual({});
});

function nested(depth: number): Buffer {
  let inner = Buffer.alloc(0);
  for (let i = 0; i < depth; i++) inner = Buffer.concat([Buffer.from([82, inner.length & 255]), inner]);
  return inner;
}

const places: [Place, ...Place[]] = [
  { address: '10.77.0.1', prefixLength: 24, relays: [] },
  { address: '10.88.1.0', prefixLength: 24, relays: ['10.88.1.1', '10.255.0.1'] },
  { address: '10.88.2.0', prefixLength: 24, relays: ['10.88.2.1', '10.255.0.1'] },
];

test.each([
  ['no relay agent', {}, undefined, '10.77.0.1'],
  ['its relay agent', { giaddr: '10.88.2.1' }, undefined, '10.88.2.0'],
  ['a relay agent of several networks, which names one', { giaddr: '10.255.0.1' }, [10, 88, 2, 0], '10.88.2.0'],
  ['a relay agent of several networks, which names none', { giaddr: '10.255.0.1' }, undefined, '10.88.1.0'],
  ['a relay agent that names a network of another', { giaddr: '10.88.1.1' }, [10, 88, 2, 0], undefined],
  ['9 a relay agent that nobody configured', { giaddr: '10.99.0.1' }, undefined, undefined],
  ['9 one that pretends to be us', { giaddr: '10.77.0.1' }, undefined, undefined],
  ['a broadcast of a machine that has an address elsewhere', { ciaddr: '10.88.1.50' }, undefined, '10.77.0.1'],
])('a client’s network: %s', (_, more, link, address) => {
  const option = link === undefined ? undefined : agent([5, link]);
  expect(placeOf(packet(more, option), places, false)?.address).toBe(address);
});

test.each([
  ['10.88.1.50', '10.88.1.0'],
  ['10.1.1.1', '10.77.0.1'],
])('a machine that renews %s with us directly is in its own network', (ciaddr, address) => {
  expect(placeOf(packet({ ciaddr }), places, true)?.address).toBe(address);
});
