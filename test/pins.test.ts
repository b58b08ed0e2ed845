import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import tls from 'node:tls';
import { expect, test } from 'vitest';
import { checkPeer, pinOf } from '../agent/client/pins.ts';
import { type Authority, createAuthority, issueServer, type ServerCertificate } from '../machinedb/trust/ca.ts';

const NOW = Date.UTC(2026, 5, 1);

async function makeAuthority(generation: number, previous?: Authority): Promise<Authority> {
  const { value, public: details } = await createAuthority(NOW, previous);
  return { generation, createdAt: new Date(NOW), cross: undefined, key: value, ...details };
}

/** What the agent says of a server with this certificate, over a real connection. */
async function visit(server: ServerCertificate, pins: string[], now = NOW): Promise<string> {
  const listener = tls.createServer({ ...server, minVersion: 'TLSv1.3' }, (socket) => socket.on('error', () => {}));
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  const socket = tls.connect({ port, host: '127.0.0.1', servername: 'machinedb', rejectUnauthorized: false });
  try {
    await once(socket, 'secureConnect');
    checkPeer(socket, pins, now);
    return 'trusted';
  } catch (error) {
    return (error as Error).message;
  } finally {
    socket.destroy();
    listener.close();
  }
}

/** Whether OpenSSL's own check accepts it, as the command line uses it. */
async function verified(server: ServerCertificate, ca: string, host: string): Promise<boolean> {
  const listener = tls.createServer({ ...server, minVersion: 'TLSv1.3' }, (socket) => socket.on('error', () => {}));
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  const socket = tls.connect({ port, host: '127.0.0.1', servername: host, ca });
  try {
    await once(socket, 'secureConnect');
    return socket.authorized;
  } catch {
    return false;
  } finally {
    socket.destroy();
    listener.close();
  }
}

const first = await makeAuthority(1);
const second = await makeAuthority(2, first);
const third = await makeAuthority(3, second);
const old = await issueServer([first], ['10.0.0.7', 'db1.example.org', 'fd00::7'], NOW);
const rotated = await issueServer([second, first], [], NOW);
const twice = await issueServer([third, second], [], NOW);

test('a server of the pinned CA is trusted, by an address of any kind', async () => {
  expect(await visit(old, [first.pin])).toBe('trusted');
  expect(pinOf(new X509Certificate(first.certificate))).toBe(first.pin);
  const leaf = new X509Certificate(old.cert);
  expect(leaf.subjectAltName).toContain('IP Address:10.0.0.7');
  expect(leaf.subjectAltName).toContain('DNS:db1.example.org');
  expect(leaf.checkIP('fd00::7')).toBe('fd00::7');
});

test('after a rotation an agent that pins only the old CA goes on, and one that pins only the new', async () => {
  expect(await visit(rotated, [first.pin])).toBe('trusted');
  expect(await visit(rotated, [second.pin])).toBe('trusted');
  // OpenSSL judges by the real clock.
  const fresh = await issueServer([second, first], [], Date.now());
  expect(await verified(fresh, first.certificate, 'machinedb')).toBe(true);
  expect(await verified(fresh, second.certificate, 'machinedb')).toBe(true);
  expect(await verified(fresh, `${second.certificate}\n${first.certificate}\n`, 'localhost')).toBe(true);
});

test('the next rotation retires the oldest CA', async () => {
  expect(await visit(twice, [second.pin])).toBe('trusted');
  expect(await visit(twice, [first.pin])).toBe(
    `the server's certificate is not signed by a pinned CA (${first.pin}): compare the pin with "machinedb ca show"`,
  );
});

test('a server of another CA is refused, also one that shows the pinned CA behind its own certificate', async () => {
  const stranger = await makeAuthority(1);
  const forged = await issueServer([stranger], [], NOW);
  const borrowed = { key: forged.key, cert: `${forged.cert}\n${first.certificate}` };
  const refused = `the server's certificate is not signed by a pinned CA (${first.pin}): compare the pin with "machinedb ca show"`;
  expect(await visit(forged, [first.pin])).toBe(refused);
  expect(await visit(borrowed, [first.pin])).toBe(refused);
  expect(await visit(old, [])).toBe(
    'the server\'s certificate is not signed by a pinned CA (none is pinned): compare the pin with "machinedb ca show"',
  );
});

test("a CA's own certificate is no server's", async () => {
  const key = `-----BEGIN PRIVATE KEY-----\n${first.key.toString('base64')}\n-----END PRIVATE KEY-----`;
  expect(await visit({ key, cert: first.certificate }, [first.pin])).toBe(
    "the server's certificate is not for the name machinedb: something else answers at this address",
  );
});

test('certificates are backdated to 1970, and end', async () => {
  expect(await visit(old, [first.pin], 1000)).toBe('trusted');
  expect(await visit(old, [first.pin], NOW + 91 * 86_400_000)).toBe(
    "the server's certificate is valid from Jan  1 00:00:00 1970 GMT to Aug 30 00:00:00 2026 GMT, and this machine's clock says 2026-08-31T00:00:00.000Z: set the clock",
  );
});
