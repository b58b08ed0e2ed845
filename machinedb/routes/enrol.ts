import type { Handlers } from '../context.ts';
import { enrol } from '../enrol/enrol.ts';
import { Problem } from '../http/problem.ts';
import { CARRIED_FOR } from '../relays/carried-for.ts';
import { exchangeAssertion } from '../trust/assertion.ts';
import { makeNonce } from '../trust/nonce.ts';

/** Anybody may send one, so it is kept small. */
const CLAIM_LIMIT = 64 * 1024;

export const enrolRoutes = {
  getNonce: async ({ keys, config, now }) => ({
    nonce: makeNonce(keys, now()),
    expires_in: Math.floor(config.nonceLifeMs / 1000),
  }),
  enrol: async (context, { input, raw, remote, headers }) => {
    if (raw.length > CLAIM_LIMIT) {
      throw new Problem(
        'too_large',
        `a claim is larger than ${CLAIM_LIMIT} bytes: send only what identifies the machine`,
      );
    }
    const site = headers[CARRIED_FOR] as string | undefined;
    return await enrol(context, input.body, remote, site);
  },
  getToken: async (context, { input }) => {
    const { token, expiresInS } = await exchangeAssertion(context, input.body.client_assertion);
    return {
      ...{ access_token: token, token_type: 'Bearer' as const, expires_in: expiresInS },
      ...{ trust: context.keys.trust(), trust_signatures: context.keys.trustSignatures() },
    };
  },
  getTrust: async ({ keys }) => ({
    ...keys.trust(),
    certificates: keys.authorities().map(({ certificate }) => certificate),
  }),
  getSelf: async ({ db }, { caller }) => {
    if (caller.kind !== 'node') throw new Problem('forbidden', 'only a node asks for itself');
    const row = await db
      .selectFrom('node')
      .innerJoin('node_now', 'node_now.node', 'node.id')
      .select(['node.id', 'state', 'level', 'hashes', 'generation'])
      .where('node.id', '=', caller.node)
      .executeTakeFirstOrThrow();
    return { node: row.id, state: row.state, level: caller.level, hashes: row.hashes, generation: row.generation };
  },
} satisfies Partial<Handlers>;
