import { z } from 'zod';
import { text } from './fields.ts';

/** The operating system that runs. */
export const os = {
  observed: z.looseObject({
    distribution: text.optional().describe('ID of os-release(5): debian, ubuntu, rhel'),
    version: text.optional().describe('VERSION_ID of os-release(5)'),
    codename: text.optional(),
    name: text.optional().describe('Name for people'),
    image_id: text.optional().describe('IMAGE_ID of os-release(5): the golden image'),
    image_version: text.optional(),
    discovery: z.boolean().optional().describe('It is the discovery image, in memory: nothing of it is configured'),
    kernel: text.optional().describe('Kernel release'),
    kernel_build: text.optional().describe('Kernel version string: build number, flags, date'),
    architecture: text.optional().describe("As uname's machine: x86_64, aarch64"),
    command_line: z.string().max(4096).optional().describe("Kernel's command line; secrets are masked"),
    init: text.optional().describe('Name of process 1'),
    installation_id: text
      .optional()
      .describe('Id of this installation, derived from machine-id and not usable to learn it'),
  }),
};
export type Os = z.infer<typeof os.observed>;
