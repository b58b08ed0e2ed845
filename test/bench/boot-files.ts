import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../pxe/testing.ts';
import { startNginx } from '../lab/nginx.ts';
import { alternate, show, showRatio, time } from './measure.ts';
import { processorTime } from './processor.ts';
import { Servers } from './servers.ts';

const ROUNDS = 5;
const BYTES = 256 * 1024 * 1024;
const FETCHES = 8;
const AT_ONCE = 4;

/** Image files by HTTP: our own server, nginx with the same file, and nginx before our server. */
export async function bootFiles(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'machinedb-bench-'));
  const files = join(directory, 'files');
  mkdirSync(files);
  const image = Buffer.alloc(BYTES, randomBytes(4096));
  const name = createHash('sha256').update(image).digest('hex');
  writeFileSync(join(files, name), image);
  const servers = new Servers({ inside: ['env'] });
  const [front, alone] = [await freePort(), await freePort()];
  const own = await servers.startOwn(join(import.meta.dirname, 'serve-boot-http.ts'), ['0', files]);
  const script = join(import.meta.dirname, 'serve-boot-http.ts');
  const behind = await servers.startOwn(script, ['0', files, `http://127.0.0.1:${front}`]);
  const more = `server { listen 127.0.0.1:${alone}; sendfile on; tcp_nopush on; location /files/ { alias ${files}/; } }`;
  const nginx = await startNginx(join(directory, 'nginx'), { port: front, upstream: Number(behind.line), files, more });
  try {
    const [worker] = readFileSync(`/proc/${nginx.pid}/task/${nginx.pid}/children`, 'utf8').split(' ').map(Number);
    const processor: Record<'own' | 'alone' | 'through', number[]> = { own: [], alone: [], through: [] };
    const fetch = async (what: keyof typeof processor, port: number, pids: number[]) => {
      const used = () => pids.reduce((sum, pid) => sum + processorTime(pid), 0);
      const before = used();
      const targets = Array.from({ length: FETCHES }, () => [
        '-o',
        '/dev/null',
        `http://127.0.0.1:${port}/files/${name}`,
      ]);
      const ms = await time(() => servers.run('curl', ['-sSfZ', '--parallel-max', `${AT_ONCE}`, ...targets.flat()]));
      processor[what].push((BYTES * FETCHES) / 1000 / (used() - before));
      return (BYTES * FETCHES) / 1000 / ms;
    };
    const run = {
      own: () => fetch('own', Number(own.line), [own.pid]),
      alone: () => fetch('alone', alone, [worker!]),
      through: () => fetch('through', front, [worker!, behind.pid]),
    };
    for (const work of Object.values(run)) await work();
    for (const list of Object.values(processor)) list.length = 0;
    const rates = await alternate(ROUNDS, run);
    show(`our own server, ${AT_ONCE} at once`, rates.own, 'MB/s');
    show('nginx alone', rates.alone, 'MB/s');
    show('nginx before our server', rates.through, 'MB/s');
    showRatio('own / nginx alone', rates.own, rates.alone);
    showRatio('through nginx / nginx alone', rates.through, rates.alone);
    show('per second of processor, our own server', processor.own, 'MB');
    show('per second of processor, nginx alone', processor.alone, 'MB');
    show('per second of processor, nginx and our server', processor.through, 'MB');
    showRatio('processor: own / nginx alone, bytes', processor.own, processor.alone);
  } finally {
    await nginx.close();
    await servers.close();
    rmSync(directory, { recursive: true });
  }
}
