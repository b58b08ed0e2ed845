// The machines of npm start -- --lab N: started beside the daemon, with its settings, and ended by it.
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { connect, readConnection } from '../../machinedb/cli/connect.ts';
import { writeFileDurably } from '../../machinedb/durable-file.ts';
import { runLab } from './lab.ts';

const { values } = parseArgs({
  options: {
    machines: { type: 'string' },
    state: { type: 'string' },
    'every-ms': { type: 'string', default: '20000' },
    'lasts-ms': { type: 'string', default: '300000' },
  },
});
const ending = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => ending.abort());

/** The same at each start of a lab, so that its machines are the nodes that they were. */
function secretIn(directory: string): string {
  const file = join(directory, 'lab-secret');
  if (!existsSync(file)) writeFileDurably(file, `${randomBytes(32).toString('hex')}\n`, 0o600);
  return readFileSync(file, 'utf8').trim();
}

try {
  const connection = readConnection(process.env);
  const client = connect(connection);
  const machines = Number(values.machines);
  const { token } = await client.call('createJoinToken', { body: { uses: machines, expires_in: 86_400 } });
  await runLab({
    ...{ machines, client, joinToken: token },
    door: { url: connection.url.href, connection },
    secret: secretIn(values.state ?? '.'),
    boot: `lab-${Date.now()}`,
    everyMs: Number(values['every-ms']),
    lastsMs: Number(values['lasts-ms']),
    random: Math.random,
    say: (text) => process.stdout.write(`lab: ${text}\n`),
    signal: ending.signal,
  });
} catch (error) {
  if (!ending.signal.aborted) {
    process.stderr.write(`lab: ${(error as Error).message}\n`);
    process.exit(1);
  }
}
process.exit(0);
