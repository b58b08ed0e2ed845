import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { DaemonProcess } from './harness.ts';
import { root, surroundings } from './program.ts';

/** A relay as a process of its own; agents and simulated nodes reach it as they reach a daemon. */
export interface RelayProcess extends Pick<DaemonProcess, 'url' | 'connection'> {
  process: ChildProcess;
  bootUrl: string;
  directory: string;
  log: string[];
  kill(signal?: NodeJS.Signals): Promise<void>;
}

const loopback = { '--address': '127.0.0.1', '--port': '0', '--agents-port': '0' };

/**
 * Starts `machinedb pxe --upstream` before a daemon and waits until its doors are open.
 *
 * @param directory state of the relay; it may be there from before
 * @param credential the token, as relay create shows it; undefined: the one of before
 * @param where program and arguments before its own (`ip netns exec NAME`), and the flags that say where it serves
 */
export async function startRelayProcess(
  daemon: DaemonProcess,
  directory: string,
  credential: string | undefined,
  more: string[] = [],
  where: { inside?: string[]; place?: Record<string, string> } = {},
): Promise<RelayProcess> {
  const { inside = [], place = loopback } = where;
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const tokenFile = join(directory, 'token');
  if (credential !== undefined) writeFileSync(tokenFile, `${credential}\n`, { mode: 0o600 });
  const caFile = join(daemon.stateDirectory, 'ca.pem');
  const given = {
    ...{ '--upstream': daemon.url, '--state': join(directory, 'state'), '--token-file': tokenFile },
    ...{ '--ca-file': caFile, '--heartbeat-ms': '1000', '--sync-ms': '1000', ...place },
  };
  const args = ['pxe', ...Object.entries(given).flat(), ...more];
  const [program, ...words] = [...inside, process.execPath, join(root, 'machinedb/cli/main.ts'), ...args];
  const child = spawn(program!, words, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: surroundings,
  });
  const log: string[] = [];
  const said = new Map<string, PromiseWithResolvers<string>>(
    ['boot service', 'listening'].map((message) => [message, Promise.withResolvers<string>()]),
  );
  createInterface({ input: child.stderr }).on('line', (line) => log.push(line));
  createInterface({ input: child.stdout }).on('line', (line) => {
    log.push(line);
    const { msg, url } = JSON.parse(line) as { msg: string; url?: string };
    if (url !== undefined) said.get(msg)?.resolve(url);
  });
  const ended = once(child, 'exit').then(([code]) => {
    throw new Error(`the relay ended with ${String(code)}:\n${log.slice(-20).join('\n')}`);
  });
  ended.catch(() => undefined);
  const bootUrl = await Promise.race([said.get('boot service')!.promise, ended]);
  const url = await Promise.race([said.get('listening')!.promise, ended]);
  return {
    ...{ process: child, bootUrl, url, directory, log },
    connection: { ...daemon.connection, url: new URL(url) },
    kill: async (signal = 'SIGKILL') => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = once(child, 'exit');
      child.kill(signal);
      await gone;
    },
  };
}
