import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { fixturePath } from './fixture.ts';

/** What hwloc expects of a tree. */
export interface Expected {
  packages: number;
  cores: number;
  threads: number;
  /** Node → its memory, as it is printed. */
  nodes: Map<string, Size>;
  /** Node → node → distance; undefined where the expectation has none. */
  distances: Map<string, Map<string, number>> | undefined;
}

/** Memory in bytes, and the unit to which it was rounded. */
interface Size {
  value: number;
  unit: number;
}

/** A test of hwloc's own suite: NAME.test names the tree, the expectation and the options of lstopo. */
export interface HwlocTest {
  name: string;
  source: string;
  target: string;
  options: string;
  env: string;
}

/** Every test that is among the captured machines; none where they are not there. */
export function hwlocTests(): HwlocTest[] {
  const folder = fixturePath('hwloc');
  if (!existsSync(folder)) return [];
  const tests = readdirSync(folder).filter((name) => name.endsWith('.test'));
  return tests.map((file) => {
    const text = readFileSync(`${folder}/${file}`, 'utf8');
    const all = (key: string) => [...text.matchAll(new RegExp(`^${key}:\\s*(.+)$`, 'gm'))].map(([, value]) => value!);
    return {
      name: basename(file, '.test'),
      source: `hwloc/${all('source')[0]}`,
      target: `${folder}/${all('target')[0]}`,
      options: all('options').join(' '),
      env: all('env').join('\n'),
    };
  });
}

/** Reads an expectation, of lstopo's console or XML. */
export function expectedOf({ target }: HwlocTest): Expected {
  const text = readFileSync(target, 'utf8');
  return target.endsWith('.xml') ? ofXml(text) : ofConsole(text);
}

function ofXml(text: string): Expected {
  const many = (type: string) => text.match(new RegExp(`<object type="(${type})"`, 'g'))?.length ?? 0;
  const nodes = [...text.matchAll(/<object type="NUMANode" os_index="(\d+)".*? local_memory="(\d+)"/g)];
  const matrix = /<distances2 type="NUMANode"[\s\S]*?<\/distances2>/.exec(text)?.[0];
  const numbers = (tag: string) =>
    [...(matrix ?? '').matchAll(new RegExp(`<${tag} [^>]*>([^<]*)<`, 'g'))].flatMap(([, row]) =>
      row!.trim().split(/\s+/),
    );
  return {
    packages: many('Package|Socket'),
    cores: many('Core'),
    threads: many('PU'),
    nodes: new Map(nodes.map(([, id, bytes]) => [id!, { value: Number(bytes), unit: 1 }])),
    distances: matrix === undefined ? undefined : table(numbers('indexes'), numbers('u64values').map(Number)),
  };
}

function ofConsole(text: string): Expected {
  const many = (type: string) => text.match(new RegExp(`^ *${type} L#`, 'gm'))?.length ?? 0;
  const nodes = [...text.matchAll(/^ *NUMANode L#\d+ \(P#(\d+)(?: local=(\d+)([KMGT])i?B)?/gm)];
  const matrix = /^Relative latency matrix.*NUMANodes.*\n index.*\n((?: +\d+(?: +\d+)+\n)+)/m.exec(text)?.[1];
  const rows = matrix
    ?.trimEnd()
    .split('\n')
    .map((row) => row.trim().split(/\s+/).slice(1).map(Number));
  return {
    packages: many('(?:Package|Socket)'),
    cores: many('Core'),
    threads: many('PU'),
    nodes: new Map(
      nodes.map(([, id, value, unit]) => {
        const bytes = 1024 ** ('KMGT'.indexOf(unit ?? 'K') + 1);
        return [id!, { value: Number(value ?? 0) * bytes, unit: bytes }];
      }),
    ),
    distances:
      rows &&
      table(
        nodes.map(([, id]) => id!),
        rows.flat(),
      ),
  };
}

function table(ids: string[], values: number[]): Map<string, Map<string, number>> {
  return new Map(
    ids.map((id, row) => [id, new Map(ids.map((other, column) => [other, values[row * ids.length + column]!]))]),
  );
}

/** Bytes as hwloc rounds them to the unit of an expectation (hwloc_memory_size_printf_value). */
export function rounded(bytes: number, { unit }: Size = { value: 0, unit: 1 }): number {
  return unit === 1 ? bytes : Math.floor((Math.floor(bytes / (unit / 2)) + 1) / 2) * unit;
}

/**
 * CPUs that the captured tree's own process might use, as hwloc finds them: its cgroup's list, in whichever hierarchy has the
 * cpuset controller. Undefined where nothing restricts it.
 */
export function allowedCpus(root: string): string | undefined {
  const read = (path: string) => (existsSync(root + path) ? readFileSync(root + path, 'utf8') : '');
  const group =
    /^\d+:(?:[^:]*\bcpuset\b[^:]*|):(.*)$/m.exec(read('/proc/self/cgroup'))?.[1] ?? read('/proc/self/cpuset');
  if (group.trim() === '' || group.trim() === '/') return undefined;
  const mounts = [...read('/proc/mounts').matchAll(/^\S+ (\S+) (?:cgroup2?|cpuset) /gm)].map(([, at]) => at);
  const files = mounts.flatMap((at) => globSync(`${root}${at}${group.trim()}/{cpuset.,}cpus{.effective,}`));
  const [file] = files;
  return file === undefined ? undefined : readFileSync(file, 'utf8').trim();
}
