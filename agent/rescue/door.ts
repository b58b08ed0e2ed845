import { enrol, fetchToken, type Token } from '../client/enrolment.ts';
import { type HttpRequest, type Server, ServerError, send } from '../client/http.ts';
import type { ClaimedHardware, Identity } from '../client/identity.ts';
import type { TrustStore } from '../client/trust-store.ts';

/** Whom the server lets in, and for how long. */
export interface Order {
  operator: string;
  /** Type and base64. */
  public_key: string;
  seconds_left: number;
}

/** How a machine in rescue speaks with the server. Both throw ServerError; status 403: the rescue is over. */
export interface RescueDoor {
  fetch(): Promise<Order>;
  /** The certificate of the SSH server's key, each as one line. */
  certify(hostKey: string): Promise<string>;
}

/** The door of this machine: it claims a key that is good for the rescue alone, again when the server has forgotten it. */
export function openRescueDoor(
  server: Server,
  identity: Identity,
  claim: { hardware: ClaimedHardware; bootId: string; trust: TrustStore },
): RescueDoor {
  let node: string | undefined;
  let token: Token | undefined;
  const login = async (): Promise<string> => {
    if (token !== undefined && token.renewAt > server.clock()) return token.value;
    node ??= (await enrol(server, identity, claim.hardware, claim.bootId, { rescue: true })).node;
    token = await fetchToken(server, identity, node);
    if (token === undefined) throw new ServerError(401, '', 'the server does not know the key of this rescue');
    claim.trust.learn(token.trust);
    return token.value;
  };
  const ask = async <Reply>(request: Omit<HttpRequest, 'token'>): Promise<Reply> => {
    for (let again = false; ; again = true) {
      try {
        return await send<Reply>(server, { ...request, token: await login() });
      } catch (error) {
        if (!(error instanceof ServerError && error.status === 401)) throw error;
        node = undefined;
        token = undefined;
        if (again) throw error;
      }
    }
  };
  return {
    fetch: () => ask<Order>({ method: 'GET', path: '/v1/self/rescue' }),
    async certify(hostKey) {
      const body = JSON.stringify({ public_key: hostKey });
      return (await ask<{ certificate: string }>({ method: 'POST', path: '/v1/self/rescue/host-key', body }))
        .certificate;
    },
  };
}
