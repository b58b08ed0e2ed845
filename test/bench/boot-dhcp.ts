import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openNetwork } from '../lab/network.ts';
import { unpacked } from '../lab/unpacked.ts';
import { median, show } from './measure.ts';
import { Servers } from './servers.ts';

const ROUNDS = 3;
const SECONDS = 3;
/** Exchanges that are asked for each second: more than any of them answers. */
const ASKED = 12_000;
/** Machines that ask: leases grow to as many. */
const MACHINES = [100, 1000];
/** Machines that are new, each second: our server takes no more, so that invented ones cannot use up the pool. */
const NEW_PER_SECOND = 40;
const [FIRST, LAST, RELAY] = ['10.79.64.0', '10.79.191.255', '10.79.0.9'];
type Server = 'machinedb' | 'dnsmasq' | 'kea';

/** DHCP exchanges by perfdhcp, which speaks as a relay, against kea and dnsmasq, and whether they decline as leases grow. */
export async function bootDhcp(): Promise<void> {
  const libraries = ['kea-common', 'kea-admin', 'liblog4cplus-2.0.5', 'libmariadb3'];
  const kea = unpacked('kea-dhcp4-server', ...libraries);
  const environment = { LD_LIBRARY_PATH: join(kea, 'usr/lib/x86_64-linux-gnu') };
  const rates: Record<string, number[]> = {};
  for (let round = 0; round < ROUNDS; round++)
    for (const server of ['machinedb', 'dnsmasq', 'kea'] as Server[]) {
      const directory = mkdtempSync(join(tmpdir(), 'machinedb-bench-'));
      const network = openNetwork('10.79.0.1/16');
      const relay = network.join(`${RELAY}/16`);
      const servers = new Servers(network);
      try {
        await start(servers, server, directory, kea, environment);
        for (const machines of MACHINES) {
          const ask = async (perSecond: number, seconds: number) => {
            const args = [
              '-4',
              '-l',
              'eth0',
              '-L',
              '67',
              '-r',
              `${perSecond}`,
              '-p',
              `${seconds}`,
              '-R',
              `${machines}`,
            ];
            const { stdout } = await relay(join(kea, 'usr/sbin/perfdhcp'), [...args, '10.79.0.1'], environment);
            return Number(/Rate: ([\d.]+)/.exec(stdout)?.[1] ?? 0);
          };
          // Each machine has its lease before it is measured.
          await ask(NEW_PER_SECOND, Math.ceil(machines / NEW_PER_SECOND));
          const rate = await ask(ASKED, SECONDS);
          const label = `${server}, ${machines} machines`;
          rates[label] = [...(rates[label] ?? []), rate];
        }
      } finally {
        await servers.close();
        network.close();
        rmSync(directory, { recursive: true });
      }
    }
  for (const [label, values] of Object.entries(rates)) show(`DHCP exchanges, ${label}`, values, '/s');
  for (const machines of MACHINES)
    for (const other of ['kea', 'dnsmasq']) {
      const of = (server: string) => median(rates[`${server}, ${machines} machines`]!);
      const ratio = (of('machinedb') / of(other)).toPrecision(3);
      console.log(`  machinedb / ${other}, ${machines} machines: ${ratio}`);
    }
}

async function start(
  servers: Servers,
  server: Server,
  directory: string,
  kea: string,
  environment: Record<string, string>,
): Promise<void> {
  if (server === 'machinedb') {
    const script = join(import.meta.dirname, 'serve-dhcp.ts');
    await servers.startOwn(script, [
      'br0',
      ...[FIRST, LAST].map((each) => each.replace('10.79.', '10.80.')),
      RELAY,
      directory,
    ]);
    return;
  }
  if (server === 'dnsmasq') {
    servers.start('dnsmasq', [
      ...['-k', '-C', '/dev/null', '--port=0', '--interface=br0', '--bind-interfaces', '--user=root', '--pid-file='],
      ...[`--dhcp-range=${FIRST},${LAST},255.255.0.0,1h`, `--dhcp-leasefile=${directory}/leases`, '--no-ping'],
      ...['--dhcp-lease-max=100000', '--dhcp-authoritative'],
    ]);
  } else {
    const config = {
      Dhcp4: {
        'interfaces-config': { interfaces: ['br0'], 'dhcp-socket-type': 'udp' },
        'lease-database': { type: 'memfile', persist: true, name: `${directory}/leases.csv`, 'lfc-interval': 0 },
        'valid-lifetime': 3600,
        subnet4: [{ subnet: '10.79.0.0/16', pools: [{ pool: `${FIRST}-${LAST}` }] }],
        loggers: [{ name: 'kea-dhcp4', severity: 'ERROR', output_options: [{ output: 'stderr' }] }],
      },
    };
    writeFileSync(join(directory, 'kea.json'), JSON.stringify(config));
    mkdirSync(join(directory, 'run'));
    servers.start(join(kea, 'usr/sbin/kea-dhcp4'), ['-c', join(directory, 'kea.json')], {
      ...environment,
      KEA_PIDFILE_DIR: join(directory, 'run'),
      KEA_LOCKFILE_DIR: join(directory, 'run'),
    });
  }
  // They say nothing when they serve.
  await new Promise((resolve) => setTimeout(resolve, 1500));
}
