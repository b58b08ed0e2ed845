import { z } from 'zod';
import { text } from './fields.ts';

const hash = text.regex(/^[0-9a-f]{64}$/);

/** The trusted platform module. What it measures changes with each boot and is no fact. */
export const tpm = {
  observed: z.looseObject({
    version: text.optional().describe('1.2 or 2.0'),
    revision: text.optional().describe('Of the library specification: 1.59'),
    manufacturer: text.optional().describe('As the TCG names it: IFX, INTC, AMD, NTC, IBM'),
    vendor: text.optional().describe("The vendor's own text"),
    firmware: text.optional().describe('7.85.4555'),
    interface: text.optional().describe('Kernel driver: tpm_tis, tpm_crb, tpm_vtpm_proxy'),
    endorsement: z
      .record(
        text,
        z.looseObject({
          certificate_sha256: hash.optional().describe("SHA-256 of the vendor's certificate of it (DER)"),
          key_sha256: hash.optional().describe('SHA-256 of the public key (SubjectPublicKeyInfo, DER)'),
        }),
      )
      .optional()
      .describe('Endorsement keys by kind: rsa-2048, ecc-p256'),
  }),
};
export type Tpm = z.infer<typeof tpm.observed>;
