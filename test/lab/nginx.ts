import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { root } from '../program.ts';
import { unpacked } from './unpacked.ts';

const shipped = join(root, 'machinedb/integrations/nginx/machinedb-boot.conf');

export interface Nginx {
  pid: number;
  close(): Promise<void>;
}

/**
 * Starts Debian's nginx on loopback with our configuration as it ships, but for the three things that people put in.
 *
 * @param directory where it writes what it must
 * @param more a server that the same nginx is besides
 */
export async function startNginx(
  directory: string,
  { port, upstream, files, more = '' }: { port: number; upstream: number; files: string; more?: string },
): Promise<Nginx> {
  const ours = readFileSync(shipped, 'utf8')
    .replace('server 127.0.0.1:4281;', `server 127.0.0.1:${upstream};`)
    .replace('listen 10.20.0.1:4281 ', `listen 127.0.0.1:${port} `)
    .replace('/var/lib/machinedb/images/files/', `${files}/`);
  const own = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((what) => `${what}_temp_path ${directory}/${what};`)
    .join('\n');
  const config = join(directory, 'nginx.conf');
  mkdirSync(directory, { recursive: true });
  writeFileSync(
    config,
    `${process.getuid?.() === 0 ? 'user root;\n' : ''}worker_processes 1;
daemon off;
pid ${directory}/nginx.pid;
error_log stderr warn;
events { worker_connections 8192; }
http {
access_log off;
${own}
${ours}
${more}
}
`,
  );
  const child = spawn(join(unpacked('nginx'), 'usr/sbin/nginx'), ['-p', directory, '-e', 'stderr', '-c', config], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said += String(chunk);
  });
  const ended = once(child, 'exit');
  for (let tries = 0; ; tries++) {
    if (await answers(port)) break;
    if (child.exitCode !== null || tries === 200) throw new Error(`nginx does not start: ${said}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return {
    pid: child.pid!,
    async close() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

async function answers(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  const { promise, resolve } = Promise.withResolvers<boolean>();
  socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
  const found = await promise;
  socket.destroy();
  return found;
}
