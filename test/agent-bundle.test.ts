import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Metafile } from 'esbuild';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bundleAgent } from '../agent/bundle.ts';

const root = join(import.meta.dirname, '..');
const directory = mkdtempSync(join(tmpdir(), 'machinedb-bundle-'));
const out = join(directory, 'agent.cjs');
let metafile: Metafile;
beforeAll(async () => {
  metafile = await bundleAgent(out);
});
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const read = (file: string) => readFileSync(join(root, file), 'utf8');

/** Functions of node:fs that leave the file system as it is. */
const harmless = /^(exists|lstat|readdir|readFile|readlink|read|realpath|stat|fstat|close)Sync$|^constants$/;

/** The functions of node:fs by which a source of the bundle could change something. */
function writers(file: string): string[] {
  const source = read(file);
  const lists = [...source.matchAll(/^import \{([^}]*)\} from 'node:fs'/gm)];
  const mentions = [...source.matchAll(/['"](?:node:)?fs(?:\/promises)?['"]/g)];
  if (mentions.length !== lists.length) return ['all of fs'];
  const names = lists.flatMap(([, names]) => names!.split(',').map((name) => name.trim()));
  return names.filter((name) => name !== '' && !harmless.test(name)).sort();
}

/** What an agent that observes loads when it needs it: `run` and `capture`, the way to a server, and the optional tools. */
const later = ['run', 'capture', 'client/http', 'priority', 'tools'].map((name) => `agent/${name}.ts`);

/** Sources that an observing agent can run, without those that a command which changes something loads for itself. */
function observing(): string[] {
  const found = new Set(['agent/main.ts', ...later]);
  for (const file of found)
    for (const { path, kind, external } of metafile.inputs[file]!.imports)
      if (kind !== 'dynamic-import' && external !== true) found.add(path);
  return [...found];
}

/** Modules of Node and optional packages that these sources ask for. */
function modulesOf(files: string[]): string[] {
  const asked = files.flatMap((file) => metafile.inputs[file]!.imports.filter(({ external }) => external === true));
  return [...new Set(asked.map(({ path }) => path.replace('node:', '')))].sort();
}

test('an observing agent reaches nothing that applies or installs', () => {
  const files = observing();
  expect(modulesOf(files)).toEqual([
    ...[
      'buffer',
      'bufferutil',
      'child_process',
      'crypto',
      'events',
      'fs',
      'http',
      'https',
      'net',
      'os',
      'path',
      'querystring',
    ],
    ...['stream', 'tls', 'url', 'utf-8-validate', 'util', 'v8', 'zlib'],
  ]);
  expect(files.filter((file) => /^agent\/(install|apply)\/|^agent\/(command|discover|manage)/.test(file))).toEqual([]);
  expect(readFileSync(out, 'utf8')).not.toMatch(/getBuiltinModule|createRequire|process\.(binding|dlopen)/);
});

test('an observing agent can start five optional tools and no other process; what applies has a source of its own', () => {
  const starting = (files: string[]) => files.filter((file) => modulesOf([file]).includes('child_process'));
  expect(starting(Object.keys(metafile.inputs)).sort()).toEqual(['agent/command.ts', 'agent/tools.ts']);
  expect(starting(observing())).toEqual(['agent/tools.ts']);
  const source = read('agent/tools.ts');
  expect(/^const tools = (.*) as const;$/m.exec(source)?.[1]).toBe(
    "['nvidia-smi', 'smartctl', 'lldpctl', 'ipmitool', 'ethtool']",
  );
  expect(source.match(/import .* from 'node:child_process'|spawn\(|find\(name[^)]*\)/g)).toEqual([
    "import { spawn } from 'node:child_process'",
    'find(name, folders)',
    'spawn(',
    'find(name: string, folders: string[])',
  ]);
});

test('the bundle holds ws and no other package, so not zod', () => {
  const packages = Object.keys(metafile.inputs).flatMap((file) => /node_modules\/([^/]+)/.exec(file)?.[1] ?? []);
  expect([...new Set(packages)]).toEqual(['ws']);
});

test('facts are told without the modules of a network, of processes, and of a session', () => {
  const found = new Set(['agent/main.ts']);
  for (const file of found)
    for (const { path, kind, external } of metafile.inputs[file]!.imports)
      if (kind !== 'dynamic-import' && external !== true) found.add(path);
  const modules = [...found].flatMap((file) =>
    metafile.inputs[file]!.imports.flatMap(({ path, kind, external }) =>
      external === true && kind !== 'dynamic-import' ? path : [],
    ),
  );
  expect(modules).toContain('node:fs');
  for (const module of ['child_process', 'http', 'https', 'net', 'tls', 'zlib'])
    expect(modules).not.toContain(`node:${module}`);
});

test('of an observing agent only the state directory and the archive of a capture are written', () => {
  const writing = observing()
    .map((file) => [file, writers(file)] as const)
    .filter(([, names]) => names.length > 0);
  expect(Object.fromEntries(writing)).toEqual({
    'agent/capture.ts': ['writeFileSync'],
    'agent/durable-file.ts': ['fsyncSync', 'openSync', 'renameSync', 'writeFileSync'],
    'agent/client/identity.ts': ['chmodSync', 'mkdirSync', 'rmSync'],
    'agent/priority.ts': ['writeFileSync'],
    'agent/output.ts': ['writeSync'],
    'agent/regular-file.ts': ['openSync'],
    // A question to the TPM is bytes written to its device; tpm/commands.ts has those that change nothing.
    'agent/tpm/device.ts': ['close', 'open', 'read', 'write'],
  });
  // Its own place among those that are ended when memory is short.
  expect(read('agent/priority.ts').match(/writeFileSync\([^,]*/g)).toEqual([
    "writeFileSync('/proc/self/oom_score_adj'",
  ]);
  const printing = read('agent/output.ts');
  expect(printing).toContain('const STANDARD_OUTPUT = 1;');
  expect(printing.match(/writeSync\([^,]*/g)).toEqual(['writeSync(STANDARD_OUTPUT']);
  const reading = read('agent/regular-file.ts');
  expect(reading).toContain('const CAREFULLY = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;');
  expect([...reading.matchAll(/openSync\((.*?)\)/g)].map(([, args]) => args)).toEqual([
    'place, CAREFULLY',
    'place, follow ? CAREFULLY : CAREFULLY | constants.O_NOFOLLOW',
  ]);
  const device = read('agent/tpm/device.ts');
  expect([...device.matchAll(/openFile\((.*?)\)/g)].map(([, args]) => args)).toEqual([
    'device, constants.O_RDWR | constants.O_NOCTTY',
  ]);
  expect(device).toContain("const DEVICE = '/dev/tpmrm0';");
  const codes = [...read('agent/tpm/commands.ts').matchAll(/command\((0x[0-9a-f]+)/g)].map(([, code]) => code);
  // GetCapability, NV_ReadPublic, ReadPublic, NV_Read, CreatePrimary (kept nowhere).
  expect(codes).toEqual(['0x17a', '0x169', '0x173', '0x14e', '0x131']);
});
