// The builder of images: started by `machinedb image`. Prints a manifest (build) or what is wrong (verify) as JSON.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { imageManifest, kernelArgument } from '../shared/boot.ts';
import { packagesOf, type Suite } from './base-os/packages.ts';
import { buildImage, type Recipe, recipes } from './build.ts';
import { buildIso, type Told } from './iso/build.ts';
import { verifyImage } from './verify.ts';

const root = join(import.meta.dirname, '..');

async function main(argv: string[]): Promise<unknown> {
  const { values, positionals } = parseArgs({
    args: argv,
    allowPositionals: true,
    options: {
      directory: { type: 'string' },
      name: { type: 'string' },
      manifest: { type: 'string' },
      level: { type: 'string' },
      suite: { type: 'string', default: 'bookworm' },
      include: { type: 'string', default: '' },
      told: { type: 'string' },
      out: { type: 'string' },
      argument: { type: 'string', multiple: true, default: [] },
    },
  });
  const [command, recipe] = positionals;
  const { directory, name } = values;
  if (directory === undefined) throw new Error('--directory is needed');
  const manifest = () => imageManifest.parse(JSON.parse(readFileSync(values.manifest ?? '', 'utf8')));
  if (command === 'verify') return await verifyImage(directory, manifest());
  if (command === 'iso') {
    const { out, told = '' } = values;
    if (out === undefined) throw new Error('--out is needed');
    const words = values.argument.map((word) => kernelArgument.parse(word));
    await buildIso({ manifest: manifest(), directory, told: readTold(told), arguments: words, out });
    return { out };
  }
  if (command !== 'build' || name === undefined) throw new Error('usage: build RECIPE --directory DIR --name NAME');
  if (!recipes.includes(recipe as Recipe))
    throw new Error(`there is no recipe "${recipe}": there are ${recipes.join(' and ')}`);
  if (!(values.suite in packagesOf))
    throw new Error(`there is no suite "${values.suite}": there are ${Object.keys(packagesOf).join(', ')}`);
  const include = values.include.split(',').filter((each) => each !== '');
  const odd = include.find((each) => !/^[a-z0-9][a-z0-9+.-]+$/.test(each));
  if (odd !== undefined) throw new Error(`--include has "${odd}", which is no name of a package`);
  const started = performance.now();
  return await buildImage({
    recipe: recipe as Recipe,
    name,
    directory,
    agent: join(root, 'dist/machinedb-agent'),
    cache: join(root, 'node_modules/.cache/machinedb'),
    // The discovery image is small, and fetched at every boot; a disk image is large, and packed at every build.
    level: Number(values.level ?? (recipe === 'discovery' ? '19' : '9')),
    suite: values.suite as Suite,
    include,
    now: Date.now,
    log: (message) => process.stderr.write(`[${((performance.now() - started) / 1000).toFixed(1)} s] ${message}\n`),
  });
}

/** What the medium tells: of the command line, and so without a check of its own. */
function readTold(file: string): Told {
  return JSON.parse(readFileSync(file, 'utf8')) as Told;
}

main(process.argv.slice(2)).then(
  (result) => process.stdout.write(`${JSON.stringify(result)}\n`),
  (error: Error) => {
    process.stderr.write(`machinedb image: ${error.message}\n`);
    process.exit(1);
  },
);
