import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach } from 'vitest';
import type { ApplyOptions } from '../apply/apply.ts';
import type { Wanted } from '../apply/sections.ts';
import type { Result, Run } from '../command.ts';
import { type Facts, observeEach } from '../facts.ts';
import { observers } from '../sections/index.ts';
import { openSystem } from '../system.ts';

export const line = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ7YTq3s2n7y1n1p0P8m0Vj2v5m3c9bXv0oQ8e3dQfKq ann';
export const wanted: Wanted = {
  hostname: { hostname: 'web1', fqdn: 'web1.example.org' },
  network: {
    interfaces: { eth0: { mtu: 9000, addresses: { '10.1.0.5/24': {} }, gateway: '10.1.0.1' } },
    dns: { servers: { '10.1.0.53': true }, search: { 'example.org': true } },
  },
  ssh: { password_authentication: false, authorized_keys: { root: { 'SHA256:k': {} } } },
  repos: {
    apt: {
      base: {
        uris: { 'http://deb.example.org/debian': true },
        suites: { bookworm: true },
        components: { main: true, contrib: true },
        signed_by: '/etc/apt/keyrings/machinedb-base.asc',
      },
    },
  },
  material: { 'SHA256:k': line, '/etc/apt/keyrings/machinedb-base.asc': 'KEY\n' },
};

export const links = { interfaces: [], renderer: 'networkd' as const, links: { before: {}, after: {} }, mtus: {} };

/** The kernel has the wanted route. */
export const ASKED = 'ip -4 route show exact 0.0.0.0/0 table main';
export const ROUTE = { [ASKED]: { stdout: 'default via 10.1.0.1 dev eth0 proto static \n' } };

/** A machine before its first apply, as files, and what was run on it; each test has a new one. */
export const machine = {
  root: '',
  state: '',
  commands: [] as string[],
  /** What a command answers, by its first words; all else succeeds. */
  answers: {} as Record<string, Partial<Result>>,
};

beforeEach(() => {
  machine.root = mkdtempSync(join(tmpdir(), 'machinedb-apply-'));
  machine.state = mkdtempSync(join(tmpdir(), 'machinedb-apply-state-'));
  machine.commands = [];
  machine.answers = { ...ROUTE };
  const files = {
    'etc/hostname': 'localhost\n',
    'etc/hosts': '127.0.0.1\tlocalhost\n::1\tlocalhost\n',
    'etc/passwd': 'root:x:0:0:root:/root:/bin/bash\n',
    'root/.ssh/authorized_keys': 'ssh-rsa AAAA somebody\n',
    'etc/apt/sources.list.d/theirs.sources': 'Types: deb\n',
    'proc/sys/kernel/hostname': 'localhost\n',
    'run/systemd/resolve/resolv.conf': '',
  };
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(machine.root, path)), { recursive: true });
    writeFileSync(join(machine.root, path), text);
  }
});
afterEach(() => {
  for (const folder of [machine.root, machine.state]) rmSync(folder, { recursive: true });
});

/** Notes a command, and answers it. */
export const run: Run = (command, args) => {
  const text = [command, ...args].join(' ');
  machine.commands.push(text);
  const [, answer] = Object.entries(machine.answers).find(([start]) => text.startsWith(start)) ?? [];
  return { status: 0, stdout: '', stderr: '', ...answer };
};

/** What the machine reports once it is as wanted; before, its files only. */
export const asWanted = (): Facts =>
  ({
    sections: {
      ...observeEach({ hostname: observers.hostname }, openSystem(machine.root)).sections,
      hostname: { hostname: 'web1', domain: 'example.org', fqdn: 'web1.example.org' },
      network: {
        interfaces: { eth0: { mtu: 9000, addresses: { '10.1.0.5/24': { family: 'ipv4' } }, gateway: '10.1.0.1' } },
        dns: wanted.network!.dns,
      },
      ssh: { password_authentication: false, authorized_keys: { root: { 'SHA256:k': { type: 'ssh-ed25519' } } } },
      repos: wanted.repos,
      nics: { '52:54:00:00:00:01': { name: 'eth0', mac: '52:54:00:00:00:01' } },
    },
    errors: {},
  }) as unknown as Facts;

/** An apply on it, with what a test says otherwise. */
export function options(more: Partial<ApplyOptions> = {}): ApplyOptions {
  let now = 0;
  return {
    root: machine.root,
    state: machine.state,
    run,
    wanted,
    generation: 7,
    mode: 'enforce',
    observe: asWanted,
    probe: async () => undefined,
    host: '192.0.2.1',
    ask: async () => true,
    deadlineMs: 5000,
    clock: () => now,
    sleep: async (ms) => {
      now += ms;
    },
    ...more,
  };
}

/** A server that answers before the change, and then as `later` says: 1 is the first time of it. */
export function afterwards(later: (time: number) => void): () => Promise<void> {
  let calls = 0;
  return async () => {
    calls += 1;
    if (calls > 1) later(calls - 1);
  };
}

/** Its files. */
export function tree(): Record<string, string> {
  const files = (readdirSync(machine.root, { recursive: true }) as string[]).filter((path) =>
    statSync(join(machine.root, path)).isFile(),
  );
  return Object.fromEntries(files.sort().map((path) => [path, readFileSync(join(machine.root, path), 'utf8')]));
}
