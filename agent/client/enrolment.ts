import type { z } from 'zod';
import type { enrolReply, Trust } from '../../shared/api/agent.ts';
import { isTrustSigned, type TrustSignature } from '../../shared/signed-trust.ts';
import { type Server, ServerError, send } from './http.ts';
import { type ClaimedHardware, type Identity, makeAssertion, makeClaim } from './identity.ts';

export type Enrolled = z.output<typeof enrolReply>;

interface Nonce {
  nonce: string;
}

/** Claims to be this machine. The answer is the same when it is said again. */
export async function enrol(
  server: Server,
  identity: Identity,
  hardware: ClaimedHardware,
  bootId: string,
  how: { joinToken?: string | undefined; rescue?: true } = {},
): Promise<Enrolled> {
  const { nonce } = await send<Nonce>(server, { method: 'POST', path: '/v1/nonce' });
  const claim = makeClaim(identity, { nonce, hardware, bootId, ...how });
  return await send<Enrolled>(server, { method: 'POST', path: '/v1/enrol', body: JSON.stringify(claim) });
}

interface TokenReply {
  access_token: string;
  expires_in: number;
  trust: Trust;
  trust_signatures: TrustSignature[];
}

/** Over plain HTTP, on loopback, no CA is pinned, and the server is believed. */
function checkTrust({ url, pins }: Server, { trust, trust_signatures = [] }: TokenReply): void {
  if (url.protocol === 'http:' || isTrustSigned(trust, trust_signatures, pins())) return;
  throw new Error('what is to be trusted is not signed by a pinned CA: a relay on the way may not be one of ours');
}

export interface Token {
  value: string;
  /** Milliseconds since 1970, by the agent's clock: when a new one should be had. */
  renewAt: number;
  trust: Trust;
}

/** Exchanges the node's signature for a short-lived token (RFC 7523). Undefined: the server does not know the key. */
export async function fetchToken(server: Server, identity: Identity, node: string): Promise<Token | undefined> {
  const { nonce } = await send<Nonce>(server, { method: 'POST', path: '/v1/nonce' });
  const body = JSON.stringify({
    grant_type: 'client_credentials',
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: makeAssertion(identity, node, nonce),
  });
  try {
    const reply = await send<TokenReply>(server, {
      method: 'POST',
      path: '/v1/token',
      body,
    });
    checkTrust(server, reply);
    return { value: reply.access_token, renewAt: server.clock() + reply.expires_in * 800, trust: reply.trust };
  } catch (error) {
    if (error instanceof ServerError && error.status === 401) return undefined;
    throw error;
  }
}

/** How long one round trip may take, milliseconds: a connection may hang on an address that is just going. */
const ROUND_TRIP_MS = 5_000;

/**
 * A fresh signed round trip to the server on a new connection; throws when it fails.
 *
 * @param localAddress address of this machine that it comes from
 */
export async function roundTrip(
  server: Server,
  identity: Identity,
  node: string,
  localAddress?: string,
): Promise<void> {
  const soon = { ...server, timeoutMs: ROUND_TRIP_MS, localAddress };
  if ((await fetchToken(soon, identity, node)) === undefined)
    throw new Error('the server does not know the key of this node');
}
