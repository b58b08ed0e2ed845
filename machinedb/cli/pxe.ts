import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { pino } from 'pino';
import { Files } from '../../pxe/http/files.ts';
import { IDLE_MS, startBootHttp } from '../../pxe/http/server.ts';
import { interfaceOf, startPxe } from '../../pxe/pxe.ts';
import type { RelayBoot } from '../../pxe/relay/options.ts';
import { startRelay } from '../../pxe/relay/relay.ts';
import { readSecretFile } from './connect.ts';
import { exitCodes, Failure } from './failure.ts';
import type { Terminal } from './run.ts';

const usage = `usage: machinedb pxe --upstream URL --state DIR --token-file FILE --ca-file FILE
                     (--interface NAME [--pool FIRST-LAST] [--router ADDRESS] [--dns ADDRESS,...] | --address ADDRESS)
                     [--port N] [--agents-port N] [--cache-limit BYTES] [--queue-limit BYTES]

Runs a rack's relay until it is stopped: boots the rack's machines, and carries their agents' sessions to the service at URL
over one connection. It goes on for known nodes while the service is away.

upstream     the service, https://HOST:PORT
state        folder of the relay's own: what it knows, image files, and what waits for the service
token-file   the credential, as machinedb relay create shows it (mode 0600)
ca-file      the service's CA certificate, for the first time: ca.pem of its state directory
interface    serves DHCP, TFTP and HTTP in this interface's network
address      serves HTTP and agents only, where another DHCP server sends machines here
port         of boot scripts and files, 4281
agents-port  of the agents' doors, 4280
cache-limit  bytes of image files at most; those that nobody used for the longest time go first
queue-limit  bytes at most of what waits for the service, 1073741824`;

const options = {
  upstream: { type: 'string' },
  state: { type: 'string' },
  'token-file': { type: 'string' },
  'ca-file': { type: 'string' },
  interface: { type: 'string' },
  address: { type: 'string' },
  pool: { type: 'string' },
  router: { type: 'string' },
  dns: { type: 'string' },
  port: { type: 'string', default: '4281' },
  'agents-port': { type: 'string', default: '4280' },
  'cache-limit': { type: 'string' },
  'queue-limit': { type: 'string', default: String(1024 ** 3) },
  loaders: { type: 'string' },
  'lease-s': { type: 'string', default: '3600' },
  'heartbeat-ms': { type: 'string', default: '30000' },
  'sync-ms': { type: 'string', default: '15000' },
  help: { type: 'boolean', short: 'h' },
} as const;

function parse(argv: string[]) {
  try {
    return parseArgs({ args: argv, options, allowPositionals: false }).values;
  } catch (error) {
    throw new Failure(`${(error as Error).message.split('. ')[0]}\n${usage}`, exitCodes.usage);
  }
}
type Values = ReturnType<typeof parse>;

/** machinedb pxe --upstream: resolves when a signal has ended it. */
export async function runPxe(argv: string[], terminal: Terminal): Promise<void> {
  const values = parse(argv);
  if (values.help === true) return terminal.out(usage);
  const { upstream, state, 'token-file': tokenFile } = values;
  const url = URL.parse(upstream ?? '');
  if (
    url === null ||
    state === undefined ||
    tokenFile === undefined ||
    (values.interface === undefined) === (values.address === undefined)
  )
    throw new Failure(usage, exitCodes.usage);
  if (url.protocol !== 'https:' && !/^http:\/\/(127\.|\[::1\]|localhost)/.test(url.href))
    throw new Failure(`--upstream is "${upstream}": expected https://HOST:PORT`, exitCodes.usage);
  if (url.protocol === 'https:' && values['ca-file'] === undefined)
    throw new Failure('--ca-file is needed: the service could be anyone', exitCodes.usage);
  const token = readSecretFile(tokenFile);
  if (token === undefined || !/^mdbr_\S+$/.test(token))
    throw new Failure(`${tokenFile} holds no relay's token: machinedb relay create shows one`, exitCodes.usage);
  const log = pino({ level: 'info' });
  const directory = resolve(state);
  const address = values.address ?? interfaceOf(values.interface!).address;
  const relay = await startRelay({
    ...{ upstream: url, token, directory, address, log, now: Date.now, random: Math.random, retryMs: 10_000 },
    ca: values['ca-file'] === undefined ? undefined : readFileSync(values['ca-file'], 'utf8'),
    port: number(values, 'agents-port'),
    cacheLimit: values['cache-limit'] === undefined ? undefined : number(values, 'cache-limit'),
    queueLimit: number(values, 'queue-limit'),
    heartbeatMs: number(values, 'heartbeat-ms'),
    syncMs: number(values, 'sync-ms'),
    startBoot: (boot) => startBoot(values, address, directory, boot, log),
  });
  log.info({ url: relay.bootUrl }, 'boot service');
  void relay.opened.then(() => log.info({ url: relay.agentsUrl() }, 'listening'));
  await new Promise<void>((done) => {
    for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.once(signal, () => done());
  });
  await relay.close();
}

async function startBoot(
  values: Values,
  address: string,
  directory: string,
  boot: RelayBoot,
  log: Parameters<typeof startPxe>[0]['log'],
): Promise<{ url: string; close(): Promise<void> }> {
  const port = number(values, 'port');
  if (values.interface === undefined) {
    const { files: folder, isKnown, origin } = boot;
    const files = new Files({ directory: folder, isKnown, origin, byNginx: false, patienceMs: IDLE_MS });
    return await startBootHttp({ ...boot, files, address, port, log, rackOf: (asker) => asker, random: Math.random });
  }
  const here = interfaceOf(values.interface);
  const [first, last] = values.pool?.split('-') ?? [];
  return await startPxe({
    ...boot,
    ...(values.loaders === undefined ? {} : { loaders: values.loaders }),
    interface: here,
    pool: first === undefined || last === undefined ? undefined : { first, last },
    router: values.router,
    dns: values.dns?.split(',') ?? [],
    leaseSeconds: number(values, 'lease-s'),
    directory: join(directory, 'pxe'),
    httpPort: port,
    log,
    now: Date.now,
    random: Math.random,
  });
}

function number(
  values: Values,
  name: 'port' | 'agents-port' | 'cache-limit' | 'queue-limit' | 'lease-s' | 'heartbeat-ms' | 'sync-ms',
): number {
  const text = values[name];
  if (text === undefined || !/^\d{1,15}$/.test(text))
    throw new Failure(`--${name} is "${text}": a whole number is expected`, exitCodes.usage);
  return Number(text);
}
