import { readFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { floorClock } from './client/clock.ts';
import type { AgentOptions } from './duty.ts';
import { type Facts, observeAll, observeEach } from './facts.ts';
import { printText } from './output.ts';
import { asker } from './questions.ts';
import { observers } from './sections/index.ts';
import { formatFacts } from './summary.ts';
import { openSystem } from './system.ts';
import { milliseconds, parse, readConfig, STATE, UsageError, usage, type Values } from './usage.ts';
import { releasedAt, version } from './version.ts';

// It works for moments and idles for hours: compilers that optimise cost more time and memory than they save. Set here, not in
// build.ts: started so, Node takes nothing of what it and we have compiled beforehand.
for (const compiler of ['--no-opt', '--no-maglev']) setFlagsFromString(compiler);

/** Exit code of discover: the machine has a system of its own. */
const STARTS_DISK = 10;

/** Exit code of rescue: it is over. */
const RESCUE_OVER = 11;

async function main(argv: string[]): Promise<void> {
  const { values, positionals } = parse(argv);
  const [command, ...rest] = positionals;
  if (values.version === true) print(version);
  else if (values.help === true) print(usage);
  else if (command === 'facts') await showFacts(values, rest);
  else if (command === 'capture') await captureTo(values, rest);
  else if (command === 'run' && rest.length === 0) await observe(values);
  else if (command === 'manage' && rest.length === 0) await manage(values);
  else if (command === 'seed' && rest.length === 0) await seed(values);
  else if (command === 'recover' && rest.length === 0) await recover(values);
  else if (command === 'apply' && rest.length === 0) await showApply(values);
  else if (command === 'probe' && rest.length === 0) await probeServer(values);
  else if (command === 'owned' && rest.length === 0) await showOwned(values);
  else if (command === 'release') await release(values, rest);
  else if (command === 'discover' && rest.length === 0) await discover(values);
  else if (command === 'rescue' && rest.length === 0) await rescue(values);
  else
    throw new UsageError(
      command === undefined ? 'a command is missing' : `there is no command "${positionals.join(' ')}"`,
    );
}

/** What a single look asks the machine. */
const ask = asker(() => performance.now());

async function showFacts(values: Values, wanted: string[]): Promise<void> {
  const unknown = wanted.find((name) => !(name in observers));
  if (unknown !== undefined)
    throw new UsageError(`there is no section "${unknown}": there are ${Object.keys(observers).join(', ')}`);
  const sections = wanted.length === 0 ? Object.keys(observers) : wanted;
  const system = await ask(openSystem(values.root ?? ''), sections);
  // Only what is asked for is looked at.
  const table = Object.fromEntries(Object.entries(observers).filter(([name]) => sections.includes(name)));
  const facts = observeEach(table, system) as Facts;
  if (values.json === true) print(JSON.stringify(facts, null, 2));
  else printText(formatFacts(facts));
}

async function captureTo({ blank, root }: Values, [file, ...more]: string[]): Promise<void> {
  if (file === undefined || more.length > 0) throw new UsageError('capture needs one FILE');
  const { capture } = await import('./capture.ts');
  const { entries } = capture(observeAll, file, await ask(openSystem(root ?? '')), blank === true);
  const holds =
    blank === true
      ? 'serial numbers and MACs are replaced by others; read it before you give it away'
      : 'it holds serial numbers, so it is for you alone';
  process.stderr.write(`${file}: ${entries} files, links and folders; ${holds} (mode 0600)\n`);
}

/** What every command that speaks with the server needs. SIGINT and SIGTERM end it. */
async function optionsOf(values: Values): Promise<AgentOptions> {
  const { server, pin, state } = values;
  if (server === undefined || state === undefined) throw new UsageError('--server and --state are needed');
  const { parseServer } = await import('./client/http.ts');
  const url = parseServer(server);
  const pins = (pin ?? '').split(',').filter((text) => text !== '');
  if (url.protocol === 'https:' && pins.length === 0)
    throw new UsageError('--pin is needed: the server could be anyone');
  const wrong = pins.find((text) => !/^[0-9a-f]{64}$/.test(text));
  if (wrong !== undefined) throw new UsageError(`--pin "${wrong}" is not 64 hexadecimal digits`);
  const ending = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => ending.abort());
  const system = openSystem();
  const tokenFile = values['join-token-file'];
  return {
    system,
    url,
    pins,
    directory: state,
    joinToken: tokenFile === undefined ? undefined : readFileSync(tokenFile, 'utf8').trim(),
    clock: floorClock(Date.now, releasedAt),
    random: Math.random,
    firstBeatMs: milliseconds(values, 'first-beat-ms'),
    observeMs: milliseconds(values, 'observe-ms'),
    bootId: system.read('/proc/sys/kernel/random/boot_id')?.trim() ?? 'unknown',
    // Microseconds since this boot: a restarted agent begins above where it ended, without keeping a file.
    firstSeq: Math.floor(Number(process.hrtime.bigint() / 1000n)),
    log: (message) => process.stderr.write(`machinedb-agent: ${message}\n`),
    signal: ending.signal,
  };
}

/** The network's modules are loaded by the commands that speak with a server: `facts` starts in half the time without them. */
async function observe(values: Values): Promise<void> {
  const options = await optionsOf(values);
  const { runAgent } = await import('./run.ts');
  const { giveWay } = await import('./priority.ts');
  giveWay();
  await runAgent(options);
}

/** Modules that change a machine are loaded by the commands that do, and by no other. */
async function discover(values: Values): Promise<void> {
  const options = await optionsOf(values);
  const files = URL.parse(values.files ?? '');
  // From the kernel's command line, and so from whoever answered the boot: a place that could be this machine's own is none.
  if (files === null || !/^https?:$/.test(files.protocol))
    throw new UsageError('discover needs --files http://HOST:PORT/files');
  const { discoveryDuty } = await import('./discover.ts');
  const { run } = await import('./command.ts');
  const ending = new AbortController();
  const left = Promise.withResolvers<number>();
  const duty = discoveryDuty({
    files,
    devices: values.devices,
    directory: options.directory,
    server: options.url,
    pins: options.pins,
    bootId: options.bootId,
    run,
    patienceMs: milliseconds(values, 'patience-ms'),
    sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    random: options.random,
    log: options.log,
    leave: (why) => {
      left.resolve(why === 'installed' ? 0 : STARTS_DISK);
      ending.abort();
    },
  });
  const { runAgent } = await import('./run.ts');
  await runAgent({ ...options, discovery: true, duty, signal: AbortSignal.any([options.signal, ending.signal]) });
  // Ended by a signal, it is to be run again.
  process.exitCode = await Promise.race([left.promise, Promise.resolve(1)]);
}

async function rescue(values: Values): Promise<void> {
  const options = await optionsOf(values);
  const { rescueHere } = await import('./rescue/here.ts');
  await rescueHere(options);
  // Ended by a signal, it is to be run again.
  process.exitCode = options.signal.aborted ? 1 : RESCUE_OVER;
}

async function manage(values: Values): Promise<void> {
  if (values.config === undefined) throw new UsageError('manage needs --config');
  const { server, pins } = readConfig(values.config);
  const options = await optionsOf({ ...values, server, pin: pins.join(',') });
  const { managementDuty } = await import('./manage.ts');
  const { moveToServer } = await import('./vrf.ts');
  const { run } = await import('./command.ts');
  const place = { root: '', state: options.directory, system: options.system };
  const move = () => moveToServer(place, options.log);
  move();
  const duty = managementDuty({
    root: '',
    state: options.directory,
    probeCommand: [process.execPath, 'probe', '--config', values.config, '--state', options.directory],
    move,
    system: options.system,
    run,
    bootId: options.bootId,
    deadlineMs: milliseconds(values, 'deadline-ms'),
    clock: options.clock,
    sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    log: options.log,
  });
  const { runAgent } = await import('./run.ts');
  await runAgent({ ...options, duty });
}

async function seed(values: Values): Promise<void> {
  const { server, pins } = readConfig(values.config);
  const { directory, url, clock, bootId, log, signal } = await optionsOf({
    ...values,
    server,
    pin: pins.join(','),
    state: values.state ?? STATE,
  });
  const { serveSeed, SEED_PORT } = await import('./seed/serve.ts');
  const port = values.port === undefined ? SEED_PORT : Number(values.port);
  if (!Number.isInteger(port) || port < 0 || port > 65535) throw new UsageError(`--port "${values.port}" is no port`);
  const serving = await serveSeed({ state: directory, url, pins, clock, bootId, port, log });
  log(`cloud-init is served at ${serving.url}`);
  await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
  await serving.close();
}

async function showApply(values: Values): Promise<void> {
  if (values['dry-run'] !== true) throw new UsageError('apply needs --dry-run: the agent that runs applies by itself');
  const { pins } = readConfig(values.config);
  const { dryRun } = await import('./local.ts');
  const { run } = await import('./command.ts');
  print(dryRun({ root: '', state: values.state ?? STATE, system: openSystem(), run, pins }));
}

async function probeServer({ config, state = STATE, from }: Values): Promise<void> {
  const { server, pins } = readConfig(config);
  const { probe } = await import('./local.ts');
  const { parseServer } = await import('./client/http.ts');
  const clock = floorClock(Date.now, releasedAt);
  await probe({ state, pins }, { url: parseServer(server), clock }, from);
}

async function showOwned({ state = STATE }: Values): Promise<void> {
  const { listOwned } = await import('./local.ts');
  print(listOwned({ state }));
}

async function release({ state = STATE, back }: Values, sections: string[]): Promise<void> {
  const { releaseFiles } = await import('./local.ts');
  print(releaseFiles({ root: '', state }, sections, back === true));
}

async function recover(values: Values): Promise<void> {
  const { state } = values;
  if (state === undefined) throw new UsageError('recover needs --state');
  const reason = 'the machine or the agent ended before the change was confirmed';
  const { restore } = await import('./apply/snapshot.ts');
  const { undo } = await import('./apply/apply.ts');
  const { dropStaged, takeStaged } = await import('./apply/next-boot.ts');
  const { run } = await import('./command.ts');
  const undone =
    values.reload === true ? undo({ root: '', state, run }, reason) : restore('', state, reason) !== undefined;
  const bootId = openSystem().read('/proc/sys/kernel/random/boot_id')?.trim() ?? 'unknown';
  if (undone) dropStaged(state);
  const began = !undone && values.reload !== true && takeStaged('', state, bootId);
  const did = undone
    ? 'the files before the change are back'
    : began
      ? 'the change that waited for this boot is made'
      : 'nothing is to be undone';
  process.stderr.write(`machinedb-agent: ${did}\n`);
}

function print(text: string): void {
  printText(`${text}\n`);
}

main(process.argv.slice(2)).then(
  () => process.exit(),
  (error: Error) => {
    const isUsage = error instanceof UsageError;
    process.stderr.write(`machinedb-agent: ${error.message}\n${isUsage ? `${usage}\n` : ''}`);
    process.exit(isUsage ? 2 : 1);
  },
);
