import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { checkPxe } from '../../pxe/check/check.ts';
import { checks, type Finding } from '../../pxe/check/finding.ts';
import { printable } from '../../shared/printable.ts';
import { readConfig } from '../config.ts';
import { isAlive } from '../lock.ts';
import { exitCodes, Failure } from './failure.ts';
import type { Terminal } from './run.ts';

const usage = `usage: machinedb pxe check [INTERFACE] [--url URL]... [--wait SECONDS] [--json]

Looks for what keeps machines from booting: an interface without carrier or address, ports that are taken, other DHCP servers and
what they name to boot, certificates that iPXE cannot read, the clock, disks, loaders. It changes nothing, and may run beside the
boot service. Its settings are the daemon's (MACHINEDB_PXE and its like); INTERFACE takes the place of MACHINEDB_PXE.

--url URL       a URL that machines are to boot from, such as of a server for images; may be given several times
--wait SECONDS  how long other DHCP servers are waited for (6)

Exit codes: 0 no error (warnings may be), 1 an error, 2 usage or settings.`;

/** machinedb pxe check: on the machine of the boot service, with its settings. */
export async function runPxeCheck(
  argv: string[],
  environment: Record<string, string | undefined>,
  terminal: Terminal,
): Promise<void> {
  const { values, positionals } = parse(argv);
  if (values.help === true) return terminal.out(usage);
  const wait = Number(values.wait ?? 6);
  if (positionals.length > 1 || !(wait >= 0 && wait <= 600)) throw new Failure(usage, exitCodes.usage);
  const urls = (values.url ?? []).map((text) => {
    const url = URL.parse(text);
    if (url === null || !/^https?:$/.test(url.protocol))
      throw new Failure(`--url is "${text}": expected http://... or https://...`, exitCodes.usage);
    return url;
  });
  const [name] = positionals;
  const { config, pxe } = settings({ ...environment, ...(name === undefined ? {} : { MACHINEDB_PXE: name }) });
  const findings = await checkPxe({
    ...{
      interface: pxe.interface,
      dhcp: pxe.dhcp,
      httpPort: pxe.httpPort,
      loader: pxe.loader,
      loaders: pxe.loaders,
      urls,
    },
    folders: [
      { path: config.stateDirectory, what: 'state', setting: 'MACHINEDB_STATE' },
      { path: config.imageDirectory, what: 'images', setting: 'MACHINEDB_IMAGES' },
    ],
    own: runningDaemon(config.stateDirectory),
    serverTime: await timeAt(environment.MACHINEDB_URL ?? `https://${config.host}:${config.port}`),
    waitMs: wait * 1000,
    now: Date.now,
    random: Math.random,
  });
  if (values.json === true) terminal.out(JSON.stringify({ interface: pxe.interface, findings }, null, 2));
  else
    terminal.out(
      findings.length === 0 ? `no fault found; looked at: ${checks.join(', ')}` : findings.map(text).join('\n'),
    );
  const errors = findings.filter(({ level }) => level === 'error').length;
  if (errors > 0) throw new Failure(`${errors} of ${findings.length} findings keep machines from booting`);
}

function parse(argv: string[]) {
  const options = {
    url: { type: 'string', multiple: true },
    wait: { type: 'string' },
    json: { type: 'boolean' },
    help: { type: 'boolean', short: 'h' },
  } as const;
  try {
    return parseArgs({ args: argv, options, allowPositionals: true });
  } catch (error) {
    throw new Failure(`${(error as Error).message.split('. ')[0]}\n${usage}`, exitCodes.usage);
  }
}

function settings(environment: Record<string, string | undefined>) {
  try {
    const config = readConfig(environment);
    if (config.pxe !== undefined) return { config, pxe: config.pxe };
  } catch (error) {
    throw new Failure((error as Error).message, exitCodes.usage);
  }
  throw new Failure(`MACHINEDB_PXE is not set: name the interface\n${usage}`, exitCodes.usage);
}

function text({ level, check, what, cause, way }: Finding): string {
  return [`${level}  ${check}: ${what}`, `  cause: ${cause}`, `  way out: ${way}`].map(printable).join('\n');
}

/** The daemon that has the state directory, by the id in its lock. */
function runningDaemon(stateDirectory: string): number | undefined {
  try {
    const pid = Number.parseInt(readFileSync(join(stateDirectory, 'lock'), 'utf8'), 10);
    return pid > 0 && isAlive(pid) ? pid : undefined;
  } catch {
    return undefined;
  }
}

/** The time at a server, of any of its answers; unverified, for a wrong clock finds every certificate wrong. */
async function timeAt(address: string): Promise<number | undefined> {
  const url = URL.parse('/healthz', address);
  if (url === null) return undefined;
  const { promise, resolve } = Promise.withResolvers<number | undefined>();
  const request = (url.protocol === 'http:' ? http : https).get(
    url,
    { timeout: 5_000, agent: false, rejectUnauthorized: false },
    (response) => {
      response.resume();
      resolve(Date.parse(response.headers.date ?? '') || undefined);
    },
  );
  request.on('timeout', () => request.destroy());
  request.on('error', () => resolve(undefined));
  request.on('close', () => resolve(undefined));
  return await promise;
}
