import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LabNetwork } from './network.ts';

export interface Repository {
  uri: string;
  /** The key that signs it, armoured. */
  key: string;
  close(): void;
}

const PORT = 8080;

/** A signed Debian repository without packages, served inside the lab's network. */
export function openRepository(network: LabNetwork, directory: string, address: string): Repository {
  const home = join(directory, 'gnupg');
  mkdirSync(home, { mode: 0o700 });
  const gpg = (args: string[], input = '') =>
    execFileSync('gpg', ['--homedir', home, '--batch', '--quiet', ...args], { input, encoding: 'utf8' });
  gpg(['--passphrase', '', '--quick-generate-key', 'lab@example.org', 'ed25519', 'sign', 'never']);
  const folder = join(directory, 'repository');
  const suite = join(folder, 'dists/lab');
  mkdirSync(join(suite, 'main/binary-amd64'), { recursive: true });
  writeFileSync(join(suite, 'main/binary-amd64/Packages'), '');
  const digest = createHash('sha256').update('').digest('hex');
  const release = [
    'Origin: lab',
    'Suite: lab',
    'Codename: lab',
    'Architectures: amd64',
    'Components: main',
    `Date: ${new Date(0).toUTCString().replace('GMT', 'UTC')}`,
    'SHA256:',
    ` ${digest} 0 main/binary-amd64/Packages`,
    '',
  ].join('\n');
  writeFileSync(join(suite, 'InRelease'), gpg(['--clearsign'], release));
  const script = `const http=require('node:http'),fs=require('node:fs'),path=require('node:path');
http.createServer((q,r)=>{const f=path.join(process.argv[1],path.normalize(decodeURI(q.url)));
fs.readFile(f,(e,d)=>{r.writeHead(e?404:200);r.end(d)})}).listen(${PORT},'${address}')`;
  const server = spawn(network.inside[0]!, [...network.inside.slice(1), process.execPath, '-e', script, folder], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const reap = () => server.kill('SIGKILL');
  process.once('exit', reap);
  return {
    uri: `http://${address}:${PORT}`,
    key: gpg(['--armor', '--export', 'lab@example.org']),
    close: () => {
      reap();
      process.removeListener('exit', reap);
    },
  };
}
