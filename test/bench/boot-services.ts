import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openNetwork } from '../lab/network.ts';
import { unpacked } from '../lab/unpacked.ts';
import { alternate, median, show } from './measure.ts';
import { Servers } from './servers.ts';

const ROUNDS = 3;
const MS = 1500;
const ADDRESS = '127.0.0.1';
const files = { large: 8_000_000, small: 20_000 };
/** dnsmasq knows no other port than 69. */
const ports = { machinedb: 6969, dnsmasq: 69, 'tftpd-hpa': 6970, atftpd: 6971 };
type Server = keyof typeof ports;
const names = Object.keys(ports) as Server[];

/** TFTP: throughput and small files with 1, 10 and 100 clients, against dnsmasq, tftpd-hpa and atftpd. */
export async function bootServices(): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'machinedb-bench-'));
  for (const [name, size] of Object.entries(files))
    writeFileSync(join(root, name), Buffer.alloc(size, 7), { mode: 0o644 });
  const network = openNetwork('10.79.0.1/24');
  const servers = new Servers(network);
  try {
    await startAll(servers, root);
    const load = async (server: Server, file: keyof typeof files, clients: number, window: number) => {
      const numbers = [files[file], clients, MS, window].map(String);
      const script = join(import.meta.dirname, 'tftp-load.ts');
      const text = await servers.run(process.execPath, [script, ADDRESS, `${ports[server]}`, file, ...numbers]);
      return JSON.parse(text) as { bytes: number; files: number };
    };
    for (const clients of [1, 10, 100]) {
      const all = (window: number) =>
        alternate(
          ROUNDS,
          each(async (server) => (await load(server, 'large', clients, window)).bytes / MS / 1000),
        );
      const plain = await all(1);
      compare(`TFTP, ${clients} client(s)`, plain, plain, 'MB/s');
      compare(`TFTP, ${clients} client(s), windowsize 16`, await all(16), plain, 'MB/s');
      const small = await alternate(
        ROUNDS,
        each(async (server) => ((await load(server, 'small', clients, 1)).files * 1000) / MS),
      );
      compare(`TFTP, files of 20 kB, ${clients} client(s)`, small, small, '/s');
    }
  } finally {
    await servers.close();
    network.close();
    rmSync(root, { recursive: true });
  }
}

const each = (work: (server: Server) => Promise<number>) =>
  Object.fromEntries(names.map((name) => [name, () => work(name)])) as Record<Server, () => Promise<number>>;

/** Ours against the best of the others, and against the best of them without windows. */
function compare(label: string, got: Record<Server, number[]>, plain: Record<Server, number[]>, unit: string): void {
  for (const name of names) show(`${label}, ${name}`, got[name], unit);
  const best = (of: Record<Server, number[]>) => Math.max(...names.slice(1).map((name) => median(of[name])));
  const ours = median(got.machinedb);
  console.log(`  ${label}: machinedb / best ${(ours / best(got)).toPrecision(3)}`);
  if (plain !== got) console.log(`  ${label}: machinedb / best without windows ${(ours / best(plain)).toPrecision(3)}`);
}

async function startAll(servers: Servers, root: string): Promise<void> {
  await servers.startOwn(join(import.meta.dirname, 'serve-tftp.ts'), [ADDRESS, `${ports.machinedb}`, root]);
  servers.start('dnsmasq', [
    ...['-k', '-C', '/dev/null', '--port=0', '--enable-tftp', `--tftp-root=${root}`, '--tftp-max=1000', '--user=root'],
    ...[`--listen-address=${ADDRESS}`, '--bind-interfaces', '--pid-file='],
  ]);
  servers.start(join(unpacked('tftpd-hpa'), 'usr/sbin/in.tftpd'), [
    ...['-L', '-a', `${ADDRESS}:${ports['tftpd-hpa']}`, '-u', 'root', '-s', root],
  ]);
  servers.start(join(unpacked('atftpd'), 'usr/sbin/atftpd'), [
    ...['--daemon', '--no-fork', '--user', 'root', '--group', 'root', '--port', `${ports.atftpd}`],
    ...['--bind-address', ADDRESS, '--maxthread', '1000', '--logfile', '/dev/null', root],
  ]);
  // The others say nothing when they serve.
  await new Promise((resolve) => setTimeout(resolve, 1000));
}
