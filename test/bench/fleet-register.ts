import https from 'node:https';
import { hardwareOf } from '../../agent/client/hardware.ts';
import { makeClaim } from '../../agent/client/identity.ts';
import { createJoinToken } from '../../machinedb/trust/join-token.ts';
import { makeNonce } from '../../machinedb/trust/nonce.ts';
import { identityOf } from '../fleet/identity.ts';
import { makeMachine } from '../fleet/machine.ts';
import type { Harness } from '../harness.ts';
import { request } from '../simulated-node.ts';
import type { Seeded } from './fleet-seed.ts';
import { each, time } from './measure.ts';

const MOST = 10_000;
const AT_ONCE = 32;
/** Numbers of machines that are not in the fleet. */
const NEW = 500_000;

/** Claims of machines that nobody has seen, beside the fleet that is there: that wait for approval, and that a join token approves. */
export async function fleetRegister(harness: Harness, seeded: Seeded, size: number): Promise<void> {
  const count = Math.min(size, MOST);
  https.globalAgent.maxSockets = AT_ONCE;
  await register(harness, seeded, { first: NEW, count });
  const { site, model } = makeMachine(0).place;
  const options = { uses: count, expiresInS: 3600, by: 'bench', site, role: model.role };
  const { token } = await createJoinToken(seeded.db, options);
  await register(harness, seeded, { first: NEW + count, count, joinToken: token });
}

interface Claimants {
  first: number;
  count: number;
  joinToken?: string;
}

/** Keys and signatures are made before. */
async function register(harness: Harness, { keys }: Seeded, { first, count, joinToken }: Claimants): Promise<void> {
  const claims = Array.from({ length: count }, (_, i) => {
    const hardware = hardwareOf({ sections: makeMachine(first + i).sections, errors: {} } as never);
    const nonce = makeNonce(keys, Date.now());
    return JSON.stringify(makeClaim(identityOf('bench', first + i), { nonce, hardware, bootId: 'b', joinToken }));
  });
  const ms = await time(() =>
    each(claims, AT_ONCE, (claim, i) => request(harness.daemons[(i % 2) as 0 | 1], 'POST', '/v1/enrol', claim)),
  );
  const rate = (count * 1000) / ms;
  console.log(
    `  first registrations of ${count}${joinToken === undefined ? '' : ', approved by a join token'}, two daemons: ${rate.toFixed(0)}/s; of 10,000: ${(MOST / rate).toFixed(0)} s (aim 60)`,
  );
}
