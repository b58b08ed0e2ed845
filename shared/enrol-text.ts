import type { z } from 'zod';
import type { enrolBody } from './api/agent.ts';
import { canonical } from './canonical.ts';

type Claim = Omit<z.input<typeof enrolBody>, 'signature' | 'previous'>;

/**
 * What a claim's signatures are over, by the new key and by the key before: everything that is claimed, and the node it
 * says it is, but none of the signatures.
 */
export function enrolText(claim: Claim, previousNode: string | undefined): string {
  const { nonce, kind, public_key, hardware, boot_id, join_token, rescue } = claim;
  return `machinedb-enrol\n${canonical({ nonce, kind, public_key, hardware, boot_id, join_token, rescue, previous: previousNode })}`;
}
