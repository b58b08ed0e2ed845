// Makes dist/machinedb-agent: one executable that needs no Node.js on the machine. node agent/build.ts
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import seaModule, { type SeaOptions } from '@yao-pkg/pkg/lib-es5/sea.js';
import { bundleAgent } from './bundle.ts';

// The package is CommonJS, so its default export may arrive as a member.
const sea = (seaModule as unknown as { default: (entry: string, options: SeaOptions) => Promise<void> }).default;
const root = join(import.meta.dirname, '..');
const dist = join(root, 'dist');
const target = join(dist, 'machinedb-agent');
const stamp = join(dist, 'machinedb-agent.inputs');
const runtime = createRequire(import.meta.url).resolve(`node-linux-${process.arch}/bin/node`);

/** Node's own settings of an executable (Node.js, "Single executable applications"). */
const seaConfig = {
  ...{ disableExperimentalSEAWarning: true, useSnapshot: false, useCodeCache: true },
  // It idles for all its life beside somebody's work: a small young generation, and no threads that wait to collect garbage.
  execArgv: ['--max-semi-space-size=1', '--v8-pool-size=0'],
};

/** What the executable is made of: when this is unchanged, so is the executable. */
function inputs(): string {
  const hash = createHash('sha256').update(process.version).update(process.arch);
  const files = [
    'package-lock.json',
    ...globSync('{agent,shared}/**/*.ts', { cwd: root })
      .filter((file) => !/\.test\.ts$|testing\//.test(file))
      .sort(),
  ];
  for (const file of files) hash.update(file).update(readFileSync(join(root, file)));
  return hash.digest('hex');
}

async function make(work: string): Promise<void> {
  const bundle = join(work, 'agent.cjs');
  await bundleAgent(bundle);
  const node = join(work, 'node');
  copyFileSync(runtime, node);
  // Symbols are a seventh of the size. Without binutils the executable is larger, and works the same.
  spawnSync('strip', [node]);
  const output = join(work, 'machinedb-agent');
  await sea(bundle, {
    targets: [{ platform: 'linux', arch: process.arch as 'x64', nodeRange: 'node24', output }],
    nodePath: node,
    seaConfig,
  });
  renameSync(output, target);
}

const wanted = inputs();
if (existsSync(target) && existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) process.exit(0);
const started = performance.now();
mkdirSync(dist, { recursive: true });
const work = mkdtempSync(join(dist, 'build-'));
try {
  await make(work);
} finally {
  rmSync(work, { recursive: true, force: true });
}
execFileSync(target, ['--version']);
writeFileSync(stamp, wanted);
const digest = createHash('sha256').update(readFileSync(target)).digest('hex');
const seconds = ((performance.now() - started) / 1000).toFixed(1);
process.stderr.write(
  `built dist/machinedb-agent: ${(statSync(target).size / 1e6).toFixed(0)} MB, sha256 ${digest}, in ${seconds} s\n`,
);
