import { join } from 'node:path';
import { build, type Metafile } from 'esbuild';

/** Bundles the agent into one file. Returns which sources it holds, and what they ask of Node. */
export async function bundleAgent(outfile: string): Promise<Metafile> {
  const { metafile } = await build({
    entryPoints: [join(import.meta.dirname, 'main.ts')],
    outfile,
    bundle: true,
    minify: true,
    platform: 'node',
    format: 'cjs',
    target: 'node24',
    // ws asks for these only to be faster, and lives without them.
    external: ['bufferutil', 'utf-8-validate'],
    logLevel: 'warning',
    metafile: true,
  });
  return metafile;
}
