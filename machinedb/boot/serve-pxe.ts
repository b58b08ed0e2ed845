import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { interfaceOf, type Pxe, startPxe } from '../../pxe/pxe.ts';
import type { Context } from '../context.ts';
import { knownFiles } from '../install/known-files.ts';
import { explainBoot } from './boot.ts';

/**
 * Runs the boot service of this machine's network in the daemon's process; undefined: the configuration asks for none.
 *
 * @param url where machines reach this daemon's API
 */
export async function servePxe(context: Context, stateDirectory: string, url: string): Promise<Pxe | undefined> {
  const { config, log, now } = context;
  if (config.pxe === undefined) return undefined;
  const here = interfaceOf(config.pxe.interface);
  const directory = join(stateDirectory, 'pxe');
  const files = join(config.imageDirectory, 'files');
  for (const folder of [directory, files]) mkdirSync(folder, { recursive: true });
  const pxe = await startPxe({
    ...config.pxe,
    interface: here,
    directory,
    files,
    isKnown: knownFiles(context),
    decide: (request) => explainBoot(context, request),
    arguments: (bootUrl) => [`machinedb.url=${url}`, `machinedb.files=${bootUrl}/files`],
    log: log.child({ part: 'pxe' }),
    now,
    random: Math.random,
  });
  log.info({ url: pxe.url, interface: here.name }, 'boot service');
  return pxe;
}
