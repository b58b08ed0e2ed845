import https from 'node:https';
import { hardwareOf } from '../../agent/client/hardware.ts';
import { makeClaim } from '../../agent/client/identity.ts';
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

/** Claims of machines that nobody has seen, beside the fleet that is there; keys and signatures are made before. */
export async function fleetRegister(harness: Harness, { keys }: Seeded, size: number): Promise<void> {
  const count = Math.min(size, MOST);
  const claims = Array.from({ length: count }, (_, i) => {
    const hardware = hardwareOf({ sections: makeMachine(NEW + i).sections, errors: {} } as never);
    const nonce = makeNonce(keys, Date.now());
    return JSON.stringify(makeClaim(identityOf('bench', NEW + i), { nonce, hardware, bootId: 'b' }));
  });
  https.globalAgent.maxSockets = AT_ONCE;
  const ms = await time(() =>
    each(claims, AT_ONCE, (claim, i) => request(harness.daemons[(i % 2) as 0 | 1], 'POST', '/v1/enrol', claim)),
  );
  const rate = (count * 1000) / ms;
  console.log(
    `  first registrations of ${count}, two daemons: ${rate.toFixed(0)}/s; of 10,000: ${(MOST / rate).toFixed(0)} s (aim 60)`,
  );
}
