import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { createAuthority, issueServer } from '../../machinedb/trust/ca.ts';

export interface Yardstick {
  url: string;
  pid: number;
  close(): Promise<void>;
}

/** A server's certificate like a daemon's, and its key, PEM. */
export async function makeCertificate(): Promise<{ key: string; cert: string }> {
  const now = Date.now();
  const { value, public: made } = await createAuthority(now);
  const authority = { ...made, cross: undefined, generation: 1, createdAt: new Date(now), key: value };
  return await issueServer([authority], [], now);
}

/**
 * Starts echo.ts as a process of its own, with a certificate like a daemon's.
 *
 * @param file text that GET /file answers
 */
export async function startYardstick(file = ''): Promise<Yardstick> {
  const directory = mkdtempSync(join(tmpdir(), 'machinedb-echo-'));
  const { key, cert } = await makeCertificate();
  const files = Object.entries({ key, cert, file }).map(([name, text]) => {
    writeFileSync(join(directory, name), text, { mode: 0o600 });
    return join(directory, name);
  });
  const child = spawn(process.execPath, [join(import.meta.dirname, 'echo.ts'), ...files], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [url] = (await once(createInterface({ input: child.stdout }), 'line')) as [string];
  return {
    url,
    pid: child.pid!,
    async close() {
      const gone = once(child, 'exit');
      child.kill('SIGTERM');
      await gone;
      rmSync(directory, { recursive: true });
    },
  };
}
