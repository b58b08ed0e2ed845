import { existsSync } from 'node:fs';
import { type LldpNeighbor, lldpText, parseLldpIds } from './parse/lldp.ts';
import { LLDP_NEIGHBORS, type System, textOf } from './system.ts';

const SOCKET = '/run/systemd/netif/io.systemd.Network';
const METHOD = 'io.systemd.Network.GetLLDPNeighbors';
const MOST_BYTES = 4 * 1024 * 1024;

/**
 * Asks systemd-networkd for its LLDP neighbours by varlink (a JSON object and a NUL, each way), since newer ones (257)
 * save them in no file.
 * @returns the system with the answer as its file LLDP_NEIGHBORS; without that file where nobody listens, and where the method
 * is unknown. Reading it throws when there was no answer, so that neighbours do not vanish with it.
 */
export async function askNeighbors(
  system: System,
  { socket = SOCKET, timeoutMs = 1000 }: { socket?: string; timeoutMs?: number } = {},
): Promise<System> {
  // A captured machine has its answer as a file.
  if (system.root !== '') return system;
  if (!existsSync(socket)) return system;
  const answer = await ask(socket, timeoutMs).catch((error: Error) => error);
  const readBytes = (path: string) => {
    if (path !== LLDP_NEIGHBORS) return system.readBytes(path);
    if (answer instanceof Error) throw answer;
    return answer;
  };
  return { ...system, readBytes, read: (path) => textOf(readBytes(path)) };
}

async function ask(path: string, timeoutMs: number): Promise<Buffer | undefined> {
  const { connect } = await import('node:net');
  return await new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    let size = 0;
    const connection = connect(path);
    const fail = (cause: string) => {
      connection.destroy();
      reject(new Error(`systemd-networkd does not tell its LLDP neighbours at ${path}: ${cause}`));
    };
    const timer = setTimeout(() => fail(`no answer within ${timeoutMs} ms`), timeoutMs);
    connection.on('connect', () => connection.write(`{"method":"${METHOD}","parameters":{}}\0`));
    connection.on('data', (part) => {
      size += part.length;
      const end = part.indexOf(0);
      parts.push(end === -1 ? part : part.subarray(0, end));
      if (size > MOST_BYTES) fail(`an answer longer than ${MOST_BYTES} bytes`);
      if (end === -1) return;
      connection.destroy();
      resolve(Buffer.concat(parts));
    });
    connection.on('error', (error: NodeJS.ErrnoException) =>
      // ENOENT: it does not run, or is older; ECONNREFUSED: it has ended.
      error.code === 'ENOENT' || error.code === 'ECONNREFUSED' ? resolve(undefined) : fail(error.message),
    );
    connection.on('close', () => {
      clearTimeout(timer);
      fail('the connection ended before an answer');
    });
  });
}

interface Answer {
  error?: string;
  parameters?: { Neighbors?: { InterfaceName?: string; Neighbors?: Asked[] }[] };
}

interface Asked {
  RawChassisID?: number[];
  RawPortID?: number[];
  PortDescription?: string;
  SystemName?: string;
}

/** Interface → its LLDP neighbours, as systemd-networkd answered; it tells neither VLANs nor management addresses. */
export function askedNeighbors(system: System): Map<string, LldpNeighbor[]> {
  const text = system.read(LLDP_NEIGHBORS);
  if (text === undefined) return new Map();
  const { error, parameters } = JSON.parse(text) as Answer;
  if (error === 'org.varlink.service.MethodNotFound') return new Map();
  if (error !== undefined) throw new Error(`systemd-networkd does not tell its LLDP neighbours: ${error}`);
  return new Map(
    (parameters?.Neighbors ?? []).map(({ InterfaceName, Neighbors }) => [
      InterfaceName ?? '',
      (Neighbors ?? []).flatMap(neighborOf),
    ]),
  );
}

function neighborOf({ RawChassisID = [], RawPortID = [], PortDescription, SystemName }: Asked): LldpNeighbor[] {
  if (RawChassisID.length < 2 || RawPortID.length < 2) return [];
  return [
    {
      ...parseLldpIds(Buffer.from(RawChassisID), Buffer.from(RawPortID)),
      system_name: unescaped(SystemName),
      port_description: unescaped(PortDescription),
    },
  ];
}

const escapes: Record<string, string> = { a: '\x07', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' };

// Texts come as in C's strings, byte for byte: 'ü' is '\303\274'.
function unescaped(text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const bytes = text.replace(/\\(?:([0-7]{3})|x([0-9a-f]{2})|(.))/g, (_, octal, hex, other) =>
    other === undefined
      ? String.fromCharCode(octal === undefined ? Number.parseInt(hex, 16) : Number.parseInt(octal, 8) & 255)
      : (escapes[other] ?? other),
  );
  return lldpText(Buffer.from(bytes, 'latin1'));
}
