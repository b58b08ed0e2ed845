import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { ImageManifest, SignedImage } from '../../shared/boot.ts';
import type { Client } from '../../shared/client.ts';
import { doubtOf } from '../../shared/signed-image.ts';
import { exitCodes, Failure } from './failure.ts';
import type { Terminal } from './run.ts';

const root = join(import.meta.dirname, '../..');

const usage = `usage: machinedb image build discovery|base-os [--site SITE] [--name NAME] [--level 1..19]
                             [--suite bullseye|bookworm|trixie] [--include PACKAGE,...] [--json]
       machinedb image verify NAME

build   makes an image on this machine, in the folder of images of the boot service (MACHINEDB_IMAGES, or images in
        MACHINEDB_STATE), and takes it into the catalogue, signed
verify  checks signature, digests, and that a disk image holds no key or identity`;

/** image build and image verify: the work is done here, by the builder; the catalogue is the service's. */
export async function runImage(
  client: () => Client,
  argv: string[],
  environment: Record<string, string | undefined>,
  terminal: Terminal,
): Promise<void> {
  const options = {
    site: { type: 'string' },
    name: { type: 'string' },
    level: { type: 'string' },
    suite: { type: 'string' },
    include: { type: 'string' },
    json: { type: 'boolean' },
    help: { type: 'boolean', short: 'h' },
  } as const;
  let parsed: ReturnType<typeof parseArgs<{ options: typeof options; allowPositionals: true }>>;
  try {
    parsed = parseArgs({ args: argv, options, allowPositionals: true });
  } catch (error) {
    throw new Failure(`${(error as Error).message.split('. ')[0]}\n${usage}`, exitCodes.usage);
  }
  const { values, positionals } = parsed;
  const [command, subject] = positionals;
  if (values.help === true) return terminal.out(usage);
  if (positionals.length !== 2 || subject === undefined) throw new Failure(usage, exitCodes.usage);
  const directory = resolve(
    environment.MACHINEDB_IMAGES ?? join(environment.MACHINEDB_STATE ?? './.machinedb', 'images'),
  );
  if (command === 'build') {
    const name = values.name ?? (await freeName(client(), subject, values.site));
    const given = (['level', 'suite', 'include'] as const).flatMap((flag) =>
      values[flag] === undefined ? [] : [`--${flag}`, values[flag]],
    );
    const manifest = builder(['build', subject, '--directory', directory, '--name', name, ...given]) as ImageManifest;
    const reply = await client().call('putImage', { params: { image: name }, body: manifest });
    terminal.out(values.json === true ? JSON.stringify(reply, null, 2) : `${name} is in the catalogue`);
    return;
  }
  const image = await client().call('getImage', { params: { image: subject } });
  const wrong = [...(await checkSignature(client(), image)), ...checkFiles(directory, image.manifest)];
  if (wrong.length > 0) throw new Failure(`image ${subject} is not good:\n  ${wrong.join('\n  ')}`);
  terminal.out(`image ${subject} is good: signature, ${Object.keys(image.manifest.files).length} files, seal`);
}

/** `[site-]recipe-yyyy.mm[.n]`: the first that the catalogue does not have. */
async function freeName(client: Client, recipe: string, site: string | undefined): Promise<string> {
  const month = new Date().toISOString().slice(0, 7).replace('-', '.');
  const base = `${site === undefined ? '' : `${site}-`}${recipe}-${month}`;
  const { items } = await client.call('listImages', { query: { limit: 1000 } });
  const taken = new Set(items.map(({ name }) => name));
  for (let n = 0; ; n++) {
    const name = n === 0 ? base : `${base}.${n}`;
    if (!taken.has(name)) return name;
  }
}

function builder(args: string[]): unknown {
  const { status, stdout } = spawnSync(process.execPath, [join(root, 'images/main.ts'), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  if (status !== 0) throw new Failure('the image was not built; see above');
  return JSON.parse(stdout);
}

async function checkSignature(client: Client, image: SignedImage): Promise<string[]> {
  const doubt = doubtOf(image, (await client.call('getTrust', {})).wanted_keys);
  return doubt === undefined ? [] : [doubt];
}

function checkFiles(directory: string, manifest: ImageManifest): string[] {
  const work = mkdtempSync(join(tmpdir(), 'machinedb-verify-'));
  try {
    const file = join(work, 'manifest.json');
    writeFileSync(file, JSON.stringify(manifest));
    return builder(['verify', '--directory', directory, '--manifest', file]) as string[];
  } finally {
    rmSync(work, { recursive: true });
  }
}
