import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type LeaseOptions, Leases } from './leases.ts';

const a = '52:54:00:00:00:0a';
const b = '52:54:00:00:00:0b';
const c = '52:54:00:00:00:0c';
const start = 1_700_000_000_000;

let directory: string;
let now: number;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'machinedb-leases-'));
  now = start;
});
afterEach(() => rmSync(directory, { recursive: true }));

function open(more: Partial<LeaseOptions> = {}): Leases {
  return new Leases({
    file: join(directory, 'leases.json'),
    pool: { first: '10.77.0.10', last: '10.77.0.11' },
    leaseSeconds: 600,
    now: () => now,
    ...more,
  });
}

/** Offered and taken. */
function lease(leases: Leases, mac: string, requested?: string, hostname?: string): string | undefined {
  const address = leases.offer(mac, requested);
  if (address !== undefined) leases.acknowledge(mac, hostname);
  return address;
}

test('each machine gets an address of its own, and the same one again', () => {
  const leases = open();
  expect([lease(leases, a), lease(leases, b), lease(leases, a), lease(leases, c)]).toEqual([
    '10.77.0.10',
    '10.77.0.11',
    '10.77.0.10',
    undefined,
  ]);
});

test('a machine gets the address that it asks for if that is free and of the pool', () => {
  const leases = open();
  expect(lease(leases, a, '10.77.0.11')).toBe('10.77.0.11');
  expect(lease(leases, b, '10.77.0.11')).toBe('10.77.0.10');
  expect(lease(open({ file: join(directory, 'other') }), c, '10.99.0.1')).toBe('10.77.0.10');
});

test('an acknowledged lease survives a restart, an offer does not', () => {
  const before = open();
  lease(before, b, undefined, 'node-b');
  before.offer(a, undefined);
  const after = open();
  expect(after.list()).toEqual({ [b]: { address: '10.77.0.10', until: start + 600_000, hostname: 'node-b' } });
  expect([after.held(b), after.held(a)]).toEqual(['10.77.0.10', undefined]);
  expect(readdirSync(directory)).toEqual(['leases.json']);
});

describe('the file', () => {
  const file = () => join(directory, 'leases.json');
  const lines = () => readFileSync(file(), 'utf8').split('\n').length - 1;

  test('grows by a line for each change, and is written anew after a thousand', async () => {
    const leases = open();
    lease(leases, a);
    lease(leases, b);
    leases.release(b);
    expect(lines()).toBe(3);
    for (let i = 0; i < 2000; i++) leases.acknowledge(a, undefined);
    expect(lines()).toBeLessThan(1002);
    await leases.flushed();
    await leases.close();
    expect(open().list()).toEqual({ [a]: { address: '10.77.0.10', until: start + 600_000 } });
  });

  test('is read without the last line when a power cut left a part of it, and goes on', () => {
    const before = open();
    lease(before, a);
    lease(before, b);
    writeFileSync(file(), readFileSync(file(), 'utf8').slice(0, -7));
    const after = open();
    expect([after.held(a), after.held(b)]).toEqual(['10.77.0.10', undefined]);
    lease(after, c);
    expect(Object.keys(open().list())).toEqual([a, c]);
  });

  test('is on the disk for all who wait for it', async () => {
    const leases = open();
    await leases.flushed();
    lease(leases, a);
    const waiting = [leases.flushed()];
    lease(leases, b);
    waiting.push(leases.flushed());
    await Promise.all(waiting);
    expect(Object.keys(open().list())).toEqual([a, b]);
    await leases.close();
  });
});

test('an expired address goes to another machine, and its last owner gets another', () => {
  const leases = open();
  lease(leases, a);
  lease(leases, b);
  now += 600_001;
  expect(lease(leases, c)).toBe('10.77.0.10');
  expect(lease(leases, a)).toBe('10.77.0.11');
  expect(lease(leases, b)).toBeUndefined();
});

test('an expired machine that is offered its address again has it for itself', () => {
  const leases = open();
  lease(leases, a);
  now += 600_001;
  expect(leases.offer(a, undefined)).toBe('10.77.0.10');
  expect(leases.offer(b, '10.77.0.10')).toBe('10.77.0.11');
});

test('an offer that nobody takes is free again after a minute', () => {
  const leases = open({ pool: { first: '10.77.0.10', last: '10.77.0.10' } });
  leases.offer(a, undefined);
  expect(leases.offer(b, undefined)).toBeUndefined();
  now += 60_001;
  expect(leases.offer(b, undefined)).toBe('10.77.0.10');
});

test('a released address is free, a declined one only ten minutes later', () => {
  const leases = open({ pool: { first: '10.77.0.10', last: '10.77.0.10' } });
  lease(leases, a);
  leases.release(a);
  expect(lease(leases, b)).toBe('10.77.0.10');
  leases.decline(b);
  expect(open({ pool: { first: '10.77.0.10', last: '10.77.0.10' } }).offer(c, undefined)).toBe('10.77.0.10');
  expect(leases.offer(c, undefined)).toBeUndefined();
  now += 600_001;
  expect(leases.offer(c, undefined)).toBe('10.77.0.10');
});

describe('an address that is kept for a machine', () => {
  test('is given to nobody else once it is known, and stays after a restart', () => {
    const leases = open();
    expect(leases.reserve(a, '10.77.0.10')).toBe(true);
    leases.acknowledge(a, undefined);
    expect(lease(leases, b, '10.77.0.10')).toBe('10.77.0.11');
    expect(open().held(a)).toBe('10.77.0.10');
  });

  test('may lie outside of the pool', () => {
    const leases = open();
    expect(leases.reserve(a, '10.77.0.200')).toBe(true);
    leases.acknowledge(a, undefined);
    expect(leases.list()).toEqual({ [a]: { address: '10.77.0.200', until: start + 600_000 } });
  });

  test('is not taken from a machine that has it, until its time is over', () => {
    const leases = open();
    lease(leases, b, '10.77.0.10');
    expect(leases.reserve(a, '10.77.0.10')).toBe(false);
    now += 600_001;
    expect(leases.reserve(a, '10.77.0.10')).toBe(true);
  });

  test('frees the one that the machine had of the pool', () => {
    const leases = open({ pool: { first: '10.77.0.10', last: '10.77.0.10' } });
    lease(leases, a);
    leases.reserve(a, '10.77.0.200');
    expect(leases.offer(b, undefined)).toBe('10.77.0.10');
  });
});

test('8 a hostile hostname is kept escaped, and makes no file', () => {
  lease(open(), a, undefined, '../x;\u0000\u001b[31m\u009b');
  expect(open().list()[a]!.hostname).toBe('../x;\\x00\\x1b[31m\\x9b');
  expect(readdirSync(directory)).toEqual(['leases.json']);
});

test('11 of 100,000 invented machines a few get an address, and those that are known always do', () => {
  const leases = open({ pool: { first: '10.77.0.1', last: '10.77.15.254' }, newPerSecond: 10 });
  lease(leases, a);
  const invented = (i: number) => `02:00:${i.toString(16).padStart(8, '0').match(/../g)!.join(':')}`;
  let given = 0;
  for (let i = 0; i < 100_000; i++) {
    now += 0.1;
    if (leases.offer(invented(i), undefined) !== undefined) given += 1;
    if (i % 1000 === 0) expect(leases.offer(a, undefined)).toBe('10.77.0.1');
  }
  expect(given).toBeLessThanOrEqual(10 * (10 + 4));
  expect(Object.keys(leases.list()).length).toBe(given + 1);
});

test('103 a clock that jumps back does not stop new machines', () => {
  const leases = open({ newPerSecond: 1, pool: { first: '10.77.0.10', last: '10.77.0.200' } });
  for (let i = 0; i < 4; i++) leases.offer(`02:00:00:00:00:0${i}`, undefined);
  now -= 10 * 365 * 86_400_000;
  expect(leases.offer(a, undefined)).toBeUndefined();
  now += 2000;
  expect(leases.offer(a, undefined)).toBe('10.77.0.14');
});

test('104 an address that cannot be written down is not acknowledged', () => {
  const leases = open({ file: join(directory, 'absent/leases.json') });
  leases.offer(a, undefined);
  expect(() => leases.acknowledge(a, undefined)).toThrow('ENOENT');
});

test.each([
  '{"a":',
  '{}\n[]\n{}\n',
  '[]',
  'null',
  '{"52:54:00:00:00:0a":{"address":7}}',
  '{"x":{"address":"10.77.0.10","until":1}}',
])('a file that holds no leases is named, with the way out: %s', (text) => {
  writeFileSync(join(directory, 'leases.json'), text);
  expect(() => open()).toThrow(
    new RegExp(`^${directory}/leases.json holds no leases .*: remove it, and machines get addresses anew$`, 's'),
  );
  expect(readFileSync(join(directory, 'leases.json'), 'utf8')).toBe(text);
});
