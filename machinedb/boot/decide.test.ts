import { expect, test } from 'vitest';
import type { ImageManifest } from '../../shared/boot.ts';
import type { InstallProgress } from '../schema.ts';
import { type BootNode, decideBoot } from './decide.ts';

const file = (digit: string) => ({ sha256: digit.repeat(64), size: 1 });
const discovery = { files: { kernel: file('a'), initrd: file('b'), loader: file('c') } } as ImageManifest;
const words = ['quiet', 'machinedb.pin=aa'];
const linux = { kind: 'linux', kernel: 'a'.repeat(64), initrd: 'b'.repeat(64), arguments: words };

function node(more: Partial<BootNode> = {}): BootNode {
  return {
    ...{ id: 'n1', name: 'web1', state: 'active', level: 'approved', revoked: false, held: false },
    ...{ reinstall: 0, installed: 0, progress: null, startsDisk: false, addresses: ['10.0.0.5/24'] },
    ...{ rescue: null, once: null },
    ...more,
  };
}
const now = Date.parse('2026-11-21T12:00:00Z');
const answer = (more: Partial<BootNode>) => decideBoot({ nodes: [node(more)], discovery, arguments: words, now });

test('42 an unknown machine is looked at, and told nothing else', () => {
  expect(decideBoot({ nodes: [], discovery, arguments: words, now })).toEqual({
    spec: linux,
    reason: 'unknown machine: it is looked at',
  });
});

test.each<[string, Partial<BootNode>, string, string]>([
  ['discovered', { state: 'discovered', level: 'claimed' }, 'linux', 'it is discovered, and has nothing on its disk'],
  [
    'brownfield',
    { state: 'discovered', level: 'claimed', startsDisk: true },
    'local',
    'it has an operating system of its own',
  ],
  ['approved', { state: 'approved' }, 'linux', 'it is approved, and has nothing on its disk'],
  ['asked', { state: 'active', reinstall: 2, installed: 1 }, 'linux', 'install 2 is asked for'],
  ['asked, brownfield', { state: 'approved', reinstall: 1, startsDisk: true }, 'linux', 'install 1 is asked for'],
  [
    'asked, held',
    { reinstall: 1, held: true },
    'local',
    'an install is asked for, but the node or the fleet is on hold',
  ],
  ['done', { state: 'configuring', reinstall: 1, installed: 1 }, 'local', 'install 1 is done'],
  ['active', {}, 'local', 'it is active'],
  ['maintenance', { state: 'maintenance', reinstall: 1 }, 'local', 'it is in state maintenance'],
  ['revoked', { revoked: true, reinstall: 1 }, 'local', 'it was revoked'],
])('%s', (_, more, kind, reason) => {
  expect(answer(more)).toMatchObject({ spec: { kind }, reason, node: 'n1', name: 'web1', addresses: ['10.0.0.5/24'] });
});

test('an answer tells which node it is of, and its state; an image that lacks a part starts nothing', () => {
  const { spec: _, reason: __, ...told } = answer({ state: 'maintenance' });
  expect(told).toEqual({ node: 'n1', name: 'web1', state: 'maintenance', addresses: ['10.0.0.5/24'] });
  for (const part of ['kernel', 'initrd'] as const) {
    const files = { ...discovery.files, [part]: undefined };
    const { spec } = decideBoot({ nodes: [], discovery: { ...discovery, files }, arguments: [], now });
    expect(spec).toEqual({ kind: 'local' });
  }
});

test("only a disk of ours is started by our loader: how somebody else's starts is the firmware's to know", () => {
  expect(answer({ installed: 1, reinstall: 1 }).spec).toEqual({ kind: 'local', loader: 'c'.repeat(64) });
  expect(answer({ startsDisk: true }).spec).toEqual({ kind: 'local' });
});

test('an install that failed is tried again, three times at most; then the machine waits for a person', () => {
  const progress = (attempts: number): InstallProgress => ({
    ...{ generation: 1, phase: 'failed', message: 'no disk', attempts, at: '2026-11-21T00:00:00Z' },
  });
  expect(answer({ reinstall: 1, progress: progress(2) }).spec).toEqual(linux);
  expect(answer({ reinstall: 1, progress: progress(3) })).toMatchObject({
    spec: { kind: 'wait', seconds: 60 },
    reason: 'install 1 failed 3 times (no disk): ask for it again with machinedb reinstall, or take it back',
  });
  expect(answer({ reinstall: 2, progress: progress(3) }).spec).toEqual(linux);
  expect(answer({ reinstall: 1, progress: { ...progress(3), phase: 'writing' } }).spec).toEqual(linux);
});

test('a MAC of two nodes starts nothing but the disk; without a discovery image so does every machine', () => {
  expect(decideBoot({ nodes: [node(), node({ id: 'n2' })], discovery, arguments: [], now })).toEqual({
    spec: { kind: 'local' },
    reason: 'several nodes have this MAC (n1, n2): a person must look',
  });
  expect(decideBoot({ nodes: [], discovery: undefined, arguments: [], now })).toEqual({
    spec: { kind: 'local' },
    reason:
      'unknown machine: it is looked at, but there is no discovery image: machinedb image build discovery makes it',
  });
});
