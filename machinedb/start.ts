// npm start: MachineDB with its own PostgreSQL, and this very machine enrolled in it by the shipped agent; with --lab N, N simulated
// machines instead.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { pino } from 'pino';
import { interfaceOf } from '../pxe/pxe.ts';
import { readConfigOrExit } from './config.ts';
import type { Daemon } from './daemon.ts';
import { serve } from './serve.ts';
import { createJoinToken } from './trust/join-token.ts';

const root = join(import.meta.dirname, '..');
const agentPath = join(root, 'dist/machinedb-agent');

function buildAgent(): void {
  const { status, stdout } = spawnSync(process.execPath, [join(root, 'agent/build.ts')], {
    stdio: ['ignore', 'pipe', 2],
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`the agent could not be built; see the message above\n${stdout}`);
}

/** Runs the shipped agent in observe mode; this start vouches for the machine it runs on by a join token for one use. */
async function startAgent(daemon: Daemon, directory: string, ending: AbortSignal): Promise<ChildProcess> {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const args = ['run', '--server', daemon.url, '--pin', daemon.pins.join(','), '--state', directory];
  // A machine that is known does not use the token; one whose identity or database was lost needs it.
  const tokenFile = join(directory, 'join-token');
  const { token } = await createJoinToken(daemon.context.db, { uses: 1, expiresInS: 600, by: 'npm start' });
  writeFileSync(tokenFile, token, { mode: 0o600 });
  args.push('--join-token-file', tokenFile);
  // A process group of its own: the terminal's Ctrl-C reaches us, and we stop it in order.
  const agent = spawn(agentPath, args, { stdio: ['ignore', 'ignore', 'inherit'], detached: true });
  agent.once('exit', (code, signal) => {
    if (!ending.aborted)
      process.stderr.write(`machinedb: this machine's agent ended (${signal ?? code}); start again to have it back\n`);
  });
  return agent;
}

/** Runs the machines of the lab, which are a program of their own: nothing of them is in the daemon. */
function startLab(daemon: Daemon, state: string, machines: number, ending: AbortSignal): ChildProcess {
  const args = [join(root, 'test/fleet/main.ts'), '--machines', `${machines}`, '--state', state];
  const env = { ...process.env, MACHINEDB_URL: daemon.url, MACHINEDB_STATE: state };
  const lab = spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit'], detached: true, env });
  lab.once('exit', (code, signal) => {
    if (!ending.aborted)
      process.stderr.write(`machinedb: the lab ended (${signal ?? code}); start again to have it back\n`);
  });
  return lab;
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  const force = setTimeout(() => child.kill('SIGKILL'), 5_000);
  await ended;
  clearTimeout(force);
}

/** The first node that has reported, within 30 s. */
async function waitForNode(daemon: Daemon, signal: AbortSignal): Promise<{ id: string; name: string } | undefined> {
  for (let i = 0; i < 150 && !signal.aborted; i++) {
    const row = await daemon.context.db
      .selectFrom('node_now')
      .innerJoin('node', 'node.id', 'node_now.node')
      .select(['node', 'fqdn', 'observed_name'])
      .where('observed_at', 'is not', null)
      .where('state', 'in', ['approved', 'active', 'configuring'])
      .orderBy('node.created_at')
      .executeTakeFirst();
    if (row !== undefined) return { id: row.node, name: row.fqdn ?? row.observed_name ?? row.node };
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  return undefined;
}

function say(daemon: Daemon, node: { id: string; name: string } | undefined, state: string): void {
  const here = (path: string) => relative(process.cwd(), path) || '.';
  const command = here(join(root, 'machinedb/bin/machinedb'));
  const inventory = here(join(root, 'machinedb/integrations/ansible/machinedb-inventory'));
  const own = state === join(root, '.machinedb') ? '' : `export MACHINEDB_STATE=${state}\n  `;
  const url = daemon.url === 'https://127.0.0.1:4280' ? '' : `export MACHINEDB_URL=${daemon.url}\n  `;
  process.stdout.write(`
MachineDB runs at ${daemon.url}
The operator token is in ${here(join(state, 'operator.token'))}, the CA certificate in ${here(join(state, 'ca.pem'))}
${node === undefined ? 'This machine has not reported yet; its agent tells why above.' : `This machine is in the inventory: ${node.name}`}

Try, in another terminal:
  ${own}${url}${command} nodes
  ${command} show ${node?.name ?? 'NODE'}
  ${command} site put ams1
  ${command} rack put ams1 r1 --height 42
  ${command} role put web
  ${command} assign ${node?.id ?? 'NODE'} --site ams1 --rack r1 --unit 12 --role web --tags blue --reason 'first node'
  ansible-inventory -i ${inventory} --graph

Ctrl-C stops everything.
`);
}

function sayLab(daemon: Daemon, machines: number, state: string): void {
  const here = (path: string) => relative(process.cwd(), path) || '.';
  const command = here(join(root, 'machinedb/bin/machinedb'));
  process.stdout.write(`
MachineDB runs at ${daemon.url}, with a lab of ${machines} simulated machines, which join now. Nothing of them is real.
All of it is in ${here(state)}: remove that when you are done with it.

Look, in another terminal:
  export MACHINEDB_STATE=${state} MACHINEDB_URL=${daemon.url}
  ${command} nodes                        # --role gpu, --health drifted
  ${command} rack list                    # rack show r2, rack power r2 --fail A
  ${command} findings
  ${command} events --follow
  ansible-inventory -i ${here(join(root, 'machinedb/integrations/ansible/machinedb-inventory'))} --graph

What happens in the lab is told here. Ctrl-C stops everything; the same machines are there again at the next start.

`);
}

/** Where a lab keeps everything unless told otherwise: its machines are not to be among real ones. */
const LAB_STATE = './.machinedb-lab';

/**
 * --pxe IFACE is the setting MACHINEDB_PXE, and machines that boot there reach this service by that interface. Answers how many
 * machines the lab shall have; undefined: none.
 */
function takeFlags(argv: string[]): number | undefined {
  const { values } = parseArgs({ args: argv, options: { pxe: { type: 'string' }, lab: { type: 'string' } } });
  if (values.pxe !== undefined) {
    process.env.MACHINEDB_PXE = values.pxe;
    process.env.MACHINEDB_LISTEN ??= `${interfaceOf(values.pxe).address}:4280`;
  }
  if (values.lab === undefined) return undefined;
  if (!/^[1-9]\d{0,3}$/.test(values.lab))
    throw new Error(`--lab is "${values.lab}": expected how many machines, 1 to 9999`);
  process.env.MACHINEDB_STATE ??= LAB_STATE;
  return Number(values.lab);
}

let machines: number | undefined;
try {
  machines = takeFlags(process.argv.slice(2));
} catch (error) {
  process.stderr.write(
    `machinedb: ${(error as Error).message}\nusage: npm start [-- --pxe INTERFACE | --lab MACHINES]\n`,
  );
  process.exit(2);
}
const config = readConfigOrExit();
const log = pino({ level: config.logLevel === 'info' ? 'warn' : config.logLevel }, pino.destination(2));
await serve(config, log, process.env.PATH ?? '', async ({ daemon, state, signal, atEnd }) => {
  if (machines !== undefined) {
    sayLab(daemon, machines, state.directory);
    const lab = startLab(daemon, state.directory, machines, signal);
    return atEnd(() => stop(lab));
  }
  buildAgent();
  const agent = await startAgent(daemon, join(state.directory, 'agent'), signal);
  atEnd(() => stop(agent));
  say(daemon, await waitForNode(daemon, signal), state.directory);
});
