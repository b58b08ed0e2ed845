import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { readSubnets } from './subnets.ts';

function written(content: unknown): string {
  const directory = mkdtempSync(join(tmpdir(), 'machinedb-subnets-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'subnets.json');
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
  return file;
}

const rack = { cidr: '10.88.1.0/24', relays: ['10.88.1.1'] };

test('networks are read as they are described', () => {
  const more = {
    pool: '10.88.1.100-10.88.1.200',
    router: '10.88.1.1',
    dns: ['10.77.0.2'],
    lease_s: 600,
    ports: [{ circuit_id: 'ge-0/0/7', address: '10.88.1.7' }],
  };
  expect(
    readSubnets(
      written([
        { ...rack, ...more },
        { cidr: '10.88.2.0/24', relays: ['10.88.2.1'] },
      ]),
    ),
  ).toEqual([
    { ...rack, ...more, pool: { first: '10.88.1.100', last: '10.88.1.200' } },
    { cidr: '10.88.2.0/24', relays: ['10.88.2.1'], ports: [] },
  ]);
});

test('all that is wrong in the file is told at once', () => {
  const file = written([
    { ...rack, cidr: '10.88.1.5/24', pool: '10.88.1.200-10.88.1.100', router: '10.9.9.9' },
    {
      ...{ cidr: '10.88.2.0/24', relays: ['10.88.2.1'], pool: '10.88.2.1-10.88.2.9' },
      ports: [
        { circuit_id: 'a', address: '10.88.2.5' },
        { circuit_id: 'b', address: '10.88.3.5' },
        { remote_id: 'c', address: '10.88.2.77' },
        { remote_id: 'd', address: '10.88.2.77' },
      ],
    },
    { cidr: '10.88.2.128/25', relays: ['10.88.2.129'] },
  ]);
  expect(() => readSubnets(file)).toThrow(
    `${file}: ${[
      "0.cidr: 10.88.1.5/24 is an address in a network: write the network's first address",
      '0.pool: 10.88.1.200-10.88.1.100 must lie in 10.88.1.5/24, in order',
      '0.router: 10.9.9.9 is not in 10.88.1.5/24',
      "1.pool: it holds 10.88.2.1, which is a relay agent's or the router's",
      '1.ports.0.address: 10.88.2.5 is of the pool: keep one outside of it',
      '1.ports.1.address: 10.88.3.5 is not in 10.88.2.0/24',
      '1.ports.3.address: 10.88.2.77 is kept for another port, too',
      '2.cidr: 10.88.2.128/25 overlaps 10.88.2.0/24',
    ].join('; ')}`,
  );
});

test.each([
  [
    [{ cidr: '10.88.1.0', relays: [] }],
    '0.cidr: expected a network such as 10.88.0.0/24; 0.relays: expected the address of a relay agent',
  ],
  [[{ ...rack, ports: [{ address: '10.88.1.7' }] }], '0.ports.0: expected circuit_id, remote_id or both'],
  [[{ ...rack, gateway: '10.88.1.1' }], '0: Unrecognized key: "gateway"'],
])('%j is refused', (content, message) => {
  const file = written(content);
  expect(() => readSubnets(file)).toThrow(`${file}: ${message}`);
});

test('a file that is none is named', () => {
  expect(() => readSubnets('/nosuch/subnets.json')).toThrow(
    "/nosuch/subnets.json cannot be read (ENOENT: no such file or directory, open '/nosuch/subnets.json'): expected a JSON list of networks",
  );
});
