import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { SignedImage } from '../../shared/boot.ts';
import type { Client } from '../../shared/client.ts';
import { builder, checkSignature } from './builder.ts';
import { readConnection, readSecretFile } from './connect.ts';
import { exitCodes, Failure } from './failure.ts';

export interface IsoFlags {
  out?: string | undefined;
  /** Name of a discovery image; the newest when undefined. */
  image?: string | undefined;
  files?: string | undefined;
  'join-token-file'?: string | undefined;
  argument?: string[] | undefined;
}

/** Where the boot service's files are when nothing is said: on the service's host, by the default of MACHINEDB_PXE_PORT. */
const FILES_PORT = 4281;

/** Makes a medium of a discovery image whose signature holds, with what it needs to find this service and be let in. */
export async function makeIso(
  client: Client,
  flags: IsoFlags,
  environment: Record<string, string | undefined>,
  directory: string,
): Promise<{ out: string }> {
  if (flags.out === undefined) throw new Failure('image iso needs --out FILE', exitCodes.usage);
  const { url } = readConnection(environment);
  if (/^(127\.|\[::1\]$|localhost$)/.test(url.hostname))
    throw new Failure(
      `MACHINEDB_URL is ${url.origin}, which other machines cannot reach: set it to the address that they reach the service by`,
      exitCodes.usage,
    );
  const tokenFile = flags['join-token-file'];
  const joinToken = tokenFile === undefined ? undefined : readSecretFile(tokenFile);
  if (tokenFile !== undefined && joinToken === undefined) throw new Failure(`there is no file ${tokenFile}`);
  const image = await discoveryImage(client, flags.image);
  const wrong = await checkSignature(client, image);
  if (wrong.length > 0) throw new Failure(`image ${image.manifest.name} is not good:\n  ${wrong.join('\n  ')}`);
  const { pins } = await client.call('getTrust', {});
  const files = flags.files ?? `http://${url.hostname}:${FILES_PORT}/files`;
  const out = resolve(flags.out);
  const work = mkdtempSync(join(tmpdir(), 'machinedb-iso-'));
  try {
    const put = (name: string, value: object) => {
      const file = join(work, name);
      writeFileSync(file, JSON.stringify(value), { mode: 0o600 });
      return file;
    };
    const manifest = put('manifest.json', image.manifest);
    const told = put('told.json', { url: url.origin, pins, files, joinToken });
    const words = (flags.argument ?? []).flatMap((word) => ['--argument', word]);
    builder(['iso', '--directory', directory, '--manifest', manifest, '--told', told, '--out', out, ...words]);
  } finally {
    rmSync(work, { recursive: true });
  }
  return { out };
}

async function discoveryImage(client: Client, name: string | undefined): Promise<SignedImage> {
  if (name !== undefined) return await client.call('getImage', { params: { image: name } });
  const { items } = await client.call('listImages', { query: { limit: 1000 } });
  const newest = items.filter(({ kind }) => kind === 'discovery').sort((a, b) => (a.built_at < b.built_at ? 1 : -1))[0];
  if (newest === undefined) throw new Failure('there is no discovery image: machinedb image build discovery makes it');
  return await client.call('getImage', { params: { image: newest.name } });
}
