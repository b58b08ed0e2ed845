import type { DhcpPacket } from './packet.ts';

/** What a relay agent, or a switch, says of where a client is (RFC 3046; `link`: RFC 3527). */
export interface RelayAgent {
  /** The port that the client is at. Text as it is; bytes that are no text as 0x and their digits. */
  circuit?: string;
  /** The relay agent, or the switch, itself. */
  remote?: string;
  /** An address of the network that the client is in, where that is not the relay agent's own. */
  link?: string;
}

const OPTION = 82;
const [CIRCUIT, REMOTE, LINK] = [1, 2, 5];
/** An answer must have room for it (RFC 3046, section 2.2). */
export const RELAY_AGENT_BYTES = 255;

/** Reads option 82. What goes past its end, or is too long to be one, says nothing at all. */
export function relayAgentOf(packet: DhcpPacket): RelayAgent {
  const option = packet.options.get(OPTION);
  if (option === undefined || option.length > RELAY_AGENT_BYTES) return {};
  const parts = new Map<number, Buffer>();
  for (let at = 0; at < option.length; ) {
    const [code, length] = [option[at]!, option[at + 1]];
    if (length === undefined || at + 2 + length > option.length) return {};
    if (!parts.has(code)) parts.set(code, option.subarray(at + 2, at + 2 + length));
    at += 2 + length;
  }
  const [circuit, remote, link] = [CIRCUIT, REMOTE, LINK].map((code) => parts.get(code!));
  return {
    ...(circuit === undefined ? {} : { circuit: text(circuit) }),
    ...(remote === undefined ? {} : { remote: text(remote) }),
    ...(link?.length === 4 ? { link: [...link].join('.') } : {}),
  };
}

function text(bytes: Buffer): string {
  return /^[ -~]+$/.test(bytes.toString('latin1')) ? bytes.toString('latin1') : `0x${bytes.toString('hex')}`;
}
