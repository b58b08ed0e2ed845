import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bigMachine } from '../../agent/testing/big-machine.ts';
import { unrollTree } from '../../agent/testing/unroll.ts';
import { median, show } from './measure.ts';

const ROUNDS = 5;
const executable = join(import.meta.dirname, '../../dist/machinedb-agent');

/** Whole processes that tell what a machine is, each as its users start it. */
const tools: Record<string, string[]> = {
  'machinedb-agent': [executable, 'facts', '--json'],
  'lshw -json': ['lshw', '-json'],
  'lspci -vvv': ['lspci', '-vvv'],
  lstopo: ['lstopo-no-graphics', '--of', 'xml'],
  facter: ['facter', '--json'],
  'ansible setup': ['ansible', 'localhost', '-m', 'setup', '-c', 'local'],
  ohai: ['ohai'],
  hwinfo: ['hwinfo', '--all'],
};

interface Cost {
  wall: number;
  cpu: number;
  peak: number;
}

/** Wall, processor, peak memory and processes of each that is installed, and which of our facts are in its output. */
export async function facts(): Promise<void> {
  const there = Object.entries(tools).filter(([, [program]]) => isThere(program!));
  if (!isThere('/usr/bin/time') || !isThere('strace')) throw new Error('apt-get install time strace');
  const costs = new Map(there.map(([name]) => [name, [] as Cost[]]));
  for (let round = 0; round < ROUNDS; round++) for (const [name, words] of there) costs.get(name)!.push(measure(words));
  const ours = costs.get('machinedb-agent')!;
  const told = leaves(JSON.parse(output(tools['machinedb-agent']!)).sections);
  for (const [name, words] of there) {
    const of = (key: keyof Cost, from = costs.get(name)!) => from.map((cost) => cost[key]);
    show(`${name}, wall`, of('wall'), 'ms');
    show(`${name}, processor`, of('cpu'), 'ms');
    show(`${name}, peak of one process`, of('peak'), 'MiB');
    console.log(`  ${`${name}, programs started beside itself`.padEnd(46)} ${programs(words)}`);
    console.log(`  ${`${name}, of our facts in its output`.padEnd(46)} ${inOutput(told, output(words))}`);
    if (name !== 'machinedb-agent') {
      const ratio = (key: keyof Cost) => (median(of(key, ours)) / median(of(key))).toPrecision(3);
      console.log(
        `  ${`agent / ${name}: wall, processor, peak`.padEnd(46)} ${ratio('wall')}, ${ratio('cpu')}, ${ratio('peak')}`,
      );
    }
  }
  bigTree();
}

const isThere = (program: string) => spawnSync('sh', ['-c', 'command -v "$1"', 'sh', program]).status === 0;

// facter and ansible may end with an error though they told what they know.
const output = ([program, ...args]: string[]) =>
  spawnSync(program!, args, { encoding: 'utf8', maxBuffer: 256 * 1024 * 1024, stdio: ['ignore', 'pipe', 'ignore'] })
    .stdout;

/** By GNU time(1), which counts the processes that were started and waited for, too. */
function measure(words: string[]): Cost {
  return inFolder((folder) => {
    const file = join(folder, 'cost');
    const began = performance.now();
    const { error } = spawnSync('/usr/bin/time', ['-q', '-o', file, '-f', '%U %S %M', ...words], { stdio: 'ignore' });
    const wall = performance.now() - began;
    if (error !== undefined) throw error;
    const [user = 0, kernel = 0, kib = 0] = readFileSync(file, 'utf8')
      .trim()
      .split('\n')
      .at(-1)!
      .split(' ')
      .map(Number);
    return { wall, cpu: (user + kernel) * 1000, peak: kib / 1024 };
  });
}

function inFolder<T>(work: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'machinedb-bench-facts-'));
  try {
    return work(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Programs that were executed after the first. */
function programs(words: string[]): number {
  return inFolder((folder) => {
    const trace = join(folder, 'trace');
    const options = ['-f', '-qq', '-e', 'trace=execve', '-e', 'status=successful', '-o', trace];
    spawnSync('strace', [...options, ...words], { stdio: 'ignore' });
    return Math.max(0, (readFileSync(trace, 'utf8').match(/execve\(/g)?.length ?? 0) - 1);
  });
}

/** Section → texts of its values that are long enough to be found by chance nowhere. */
function leaves(sections: Record<string, unknown>): Map<string, string[]> {
  const texts = (value: unknown): string[] => {
    if (value !== null && typeof value === 'object') return Object.values(value).flatMap(texts);
    return typeof value === 'boolean' ? [] : [String(value)];
  };
  return new Map(
    Object.entries(sections).map(([name, section]) => [name, texts(section).filter((text) => text.length > 3)]),
  );
}

function inOutput(told: Map<string, string[]>, text: string): string {
  const lower = text.toLowerCase();
  // Most tools write ids without 0x.
  const isIn = (value: string) => lower.includes(value.toLowerCase().replace(/^0x/, ''));
  return [...told].map(([name, values]) => `${name} ${values.filter(isIn).length}/${values.length}`).join(', ');
}

/** The processor time of a machine of 300 PCI functions and 256 CPUs, less that of one without any. */
function bigTree(): void {
  inFolder((folder) => {
    unrollTree(join(folder, 'big'), bigMachine({ functions: 300, cpus: 256 }));
    unrollTree(join(folder, 'none'), { '/proc/version': '' });
    const cost = (name: string) =>
      Array.from({ length: ROUNDS }, () => measure([executable, 'facts', '--json', '--root', join(folder, name)]).cpu);
    const [big, none] = [cost('big'), cost('none')];
    show('300 functions, 256 CPUs, from a captured tree', big, 'ms');
    show('nothing, from a captured tree', none, 'ms');
    console.log(`  ${'processor time of the observation'.padEnd(46)} ${(median(big) - median(none)).toFixed(0)} ms`);
  });
}
