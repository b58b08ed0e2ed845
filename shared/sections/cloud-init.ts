import { z } from 'zod';
import { templateProblem } from '../template.ts';
import { name } from './name.ts';
import { recordOf } from './record.ts';

/** cloud-init keeps a text of any size, but each node asks for it at each boot; EC2 allows 16 kB. */
const MOST_BYTES = 256 * 1024;
const MOST_SECRETS = 32;

const data = z
  .string()
  .refine((text) => Buffer.byteLength(text) <= MOST_BYTES, {
    error: `it is larger than ${MOST_BYTES} bytes: let it fetch what is large (#include, or a package)`,
    abort: true,
  })
  .superRefine((text, context) => {
    const message = templateProblem(text);
    if (message !== undefined) context.addIssue({ code: 'custom', message });
  });

/** What cloud-init on the machine gets, beside its name and its network. */
export const cloudInit = {
  intended: z.strictObject({
    user_data: data
      .optional()
      .describe('#cloud-config, a script or what else cloud-init takes, with fields as {{ fqdn }}'),
    vendor_data: data.optional().describe("The same, which user_data's keys override"),
    secrets: recordOf(
      name,
      z.strictObject({ secret: name.describe('Name of the secret, as machinedb secret put has it') }),
    )
      .optional()
      .refine((value) => Object.keys(value ?? {}).length <= MOST_SECRETS, `there are at most ${MOST_SECRETS}`)
      .describe('Name → secret that the node may fetch once, at its first boot'),
  }),
};
export type CloudInitIntended = z.infer<typeof cloudInit.intended>;
