import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import tls from 'node:tls';
import { expect, test } from 'vitest';
import { checkPeer } from '../agent/client/pins.ts';
import { transaction } from '../machinedb/db.ts';
import { withDatabase } from '../machinedb/testing/database.ts';
import { openKeys } from '../machinedb/trust/keys.ts';
import { openServerTls } from '../machinedb/trust/server-tls.ts';

const { db } = await withDatabase();

/** A daemon's TLS: its keys, and a server that takes each new certificate while it runs. */
async function daemon(kek: string) {
  const stateDirectory = mkdtempSync(join(tmpdir(), 'machinedb-tls-'));
  const keys = await openKeys(db, kek, Date.now);
  const server = tls.createServer((socket) => void socket.on('error', () => undefined));
  const material = await openServerTls({
    keys,
    names: ['daemon.example.org'],
    stateDirectory,
    now: Date.now,
    onChange: (certificate) => server.setSecureContext({ ...certificate, minVersion: 'TLSv1.3' }),
    onError: (error) => {
      throw error;
    },
  });
  server.setSecureContext({ ...material.certificate, minVersion: 'TLSv1.3' });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    keys,
    stateDirectory,
    accepts: async (pin: string) => {
      const socket = tls.connect({ port, host: '127.0.0.1', servername: 'machinedb', rejectUnauthorized: false });
      await once(socket, 'secureConnect');
      try {
        checkPeer(socket, [pin], Date.now());
        return true;
      } catch {
        return false;
      } finally {
        socket.destroy();
      }
    },
    close: async () => {
      await material.close();
      keys.close();
      server.close();
      rmSync(stateDirectory, { recursive: true });
    },
  };
}

test('a rotation changes the certificate of all running daemons; agents with the old pin go on', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'machinedb-kek-'));
  const kek = join(directory, 'kek');
  const a = await daemon(kek);
  const b = await daemon(kek);
  try {
    const first = a.keys.trust().pins[0]!;
    expect(await a.accepts(first)).toBe(true);
    expect(await b.accepts(first)).toBe(true);
    await transaction(db, (tx) => a.keys.rotate(tx));
    await a.keys.refresh();
    const second = a.keys.trust().pins[0]!;
    for (const each of [a, b]) {
      await expect.poll(() => each.accepts(second), { timeout: 3000 }).toBe(true);
      expect(await each.accepts(first)).toBe(true);
      expect(readFileSync(join(each.stateDirectory, 'ca.pem'), 'utf8').match(/BEGIN CERTIFICATE/g)).toHaveLength(2);
    }
    await transaction(db, (tx) => b.keys.rotate(tx));
    await expect.poll(() => a.accepts(first), { timeout: 3000 }).toBe(false);
    expect(await a.accepts(second)).toBe(true);
  } finally {
    await a.close();
    await b.close();
    rmSync(directory, { recursive: true });
  }
});
