import { expect, test } from 'vitest';
import type { BootAnswer, ImageManifest } from '../../shared/boot.ts';
import { type BootNode, decideBoot, RESCUE_WORD } from './decide.ts';
import { isUsed } from './once.ts';

const file = (digit: string) => ({ sha256: digit.repeat(64), size: 1 });
const files = { kernel: file('a'), initrd: file('b'), loader: file('c'), rescue: file('d') };
const discovery = { files } as ImageManifest;
const now = Date.parse('2026-11-21T12:00:00Z');
const open = { operator: 'ann', until: now + 1 };
const over = { operator: 'ann', until: now };
const once = (target: 'local' | 'discovery', more: object = {}) => ({ target, until: now + 1, used: false, ...more });

function node(more: Partial<BootNode>): BootNode {
  return {
    ...{ id: 'n1', name: 'web1', state: 'active', level: 'approved', revoked: false, held: false },
    ...{ reinstall: 1, installed: 1, progress: null, startsDisk: false, addresses: [], rescue: null, once: null },
    ...more,
  };
}
const decide = (each: BootNode, image = discovery): BootAnswer =>
  decideBoot({ nodes: [each], discovery: image, arguments: ['quiet'], now });
const answer = (more: Partial<BootNode>, image?: ImageManifest) => {
  const { spec, reason } = decide(node(more), image);
  return { spec, reason };
};

const { loader: _, ...linux } = { kernel: 'a'.repeat(64), initrd: 'b'.repeat(64), loader: '' };
const rescue = { kind: 'linux', ...linux, overlays: ['d'.repeat(64)], arguments: ['quiet', RESCUE_WORD] };

test('a rescue is the discovery image with its SSH server, until its time is over', () => {
  expect(answer({ rescue: open })).toEqual({ spec: rescue, reason: 'rescue by ann' });
  expect(answer({ rescue: over })).toEqual(answer({}));
  for (const state of ['broken', 'maintenance', 'installing', 'approved'] as const)
    expect(answer({ state, rescue: open, reinstall: 2, once: once('local') }).spec).toEqual(rescue);
});

test('without an image that has an SSH server a node in rescue starts its disk, and no install begins', () => {
  const old = { files: { ...files, rescue: undefined } } as ImageManifest;
  expect(answer({ rescue: open, reinstall: 2 }, old)).toEqual({
    spec: { kind: 'local' },
    reason:
      'rescue by ann, but there is no discovery image that has an SSH server: machinedb image build discovery makes it',
  });
});

test('one boot goes the way that was asked for, and the next ones as before', () => {
  const loader = { kind: 'local', loader: 'c'.repeat(64) };
  expect(answer({ once: once('discovery') })).toEqual({
    spec: { kind: 'linux', ...linux, arguments: ['quiet'] },
    reason: 'discovery is asked for, for one boot',
  });
  expect(answer({ reinstall: 2, once: once('local') })).toEqual({
    spec: loader,
    reason: 'local is asked for, for one boot',
  });
  expect(answer({ reinstall: 0, installed: 0, once: once('local') }).spec).toEqual({ kind: 'local' });
  for (const spent of [once('discovery', { used: true }), once('discovery', { until: now })])
    expect(answer({ once: spent })).toEqual(answer({}));
});

test('one boot is used when the node beats in another one, or claims with a new key; an answer uses nothing', () => {
  const asked = {
    ...({ target: 'local', by: 'ann', reason: 'x', at: '2026-11-21T12:00:00.000Z', until: '' } as const),
    boot_id: 'b1',
  };
  const before = new Date('2026-11-21T11:59:59Z');
  expect(isUsed(asked, { bootId: 'b1', keyAt: before })).toBe(false);
  expect(isUsed(asked, { bootId: 'b2', keyAt: before })).toBe(true);
  expect(isUsed(asked, { bootId: 'b1', keyAt: new Date('2026-11-21T12:00:01Z') })).toBe(true);
  expect(isUsed({ ...asked, boot_id: null }, { bootId: null, keyAt: null })).toBe(false);
  expect(isUsed({ ...asked, boot_id: null }, { bootId: 'b1', keyAt: null })).toBe(true);
});

const table = [...combinations()];

function* combinations(): Generator<BootNode> {
  const states = ['discovered', 'approved', 'installing', 'configuring', 'active', 'maintenance', 'broken', 'retired'];
  const failed = { generation: 2, phase: 'failed', message: 'no disk', attempts: 3, at: '' } as const;
  for (const state of states as BootNode['state'][])
    for (const level of ['claimed', 'approved'] as const)
      for (const [reinstall, installed, progress] of [
        ...[[0, 0, null] as const, [1, 1, null] as const, [2, 1, null] as const, [2, 1, failed] as const],
      ])
        for (const revoked of [false, true])
          for (const held of [false, true])
            for (const startsDisk of [false, true])
              for (const asked of [null, open, over])
                for (const way of [null, once('local'), once('discovery'), once('discovery', { used: true })])
                  yield node({
                    ...{ state, level, reinstall, installed, progress, revoked, held, startsDisk },
                    ...{ rescue: asked, once: way },
                  });
}

/** What a node is after the boot that the answer starts. A rescue is ended there; an install is done; a disk is told of. */
function afterBoot(before: BootNode, { spec }: BootAnswer): BootNode {
  const after = { ...before, once: before.once === null ? null : { ...before.once, used: true } };
  if (spec.kind !== 'linux') return after;
  if (spec.arguments.includes(RESCUE_WORD)) return { ...after, rescue: null };
  const due = before.reinstall > before.installed && !before.held && before.level === 'approved';
  if (due && before.progress === null) return { ...after, installed: before.reinstall, state: 'configuring' };
  return after;
}

test('a node that finished never loops, whatever is asked for', () => {
  expect(table).toHaveLength(8 * 2 * 4 * 2 * 2 * 2 * 3 * 4);
  const wrong: unknown[] = [];
  for (const first of table) {
    let each = first;
    const way: string[] = [];
    for (let boot = 0; boot < 4; boot++) {
      const reply = decide(each);
      way.push(reply.reason);
      each = afterBoot(each, reply);
    }
    const plain = { ...each, rescue: null, once: null };
    // What is asked for is gone by then: it boots as if nothing had been asked for.
    const { spec } = decide(each);
    if (JSON.stringify(spec) !== JSON.stringify(decide(plain).spec)) wrong.push([way, spec]);
    const finished = each.installed > 0 && each.installed === each.reinstall;
    const own = each.startsDisk && each.installed === each.reinstall;
    const ends = finished || own || each.revoked || each.state === 'retired';
    if (ends && spec.kind !== 'local') wrong.push([way, spec]);
  }
  expect(wrong).toEqual([]);
});

test('nothing that is asked for starts a node that was revoked or retired', () => {
  const untrusted = table.filter(({ revoked, state }) => revoked || state === 'retired');
  expect(new Set(untrusted.map((each) => decide(each).spec.kind))).toEqual(new Set(['local']));
});
