import type { Reply } from '../../shared/api.ts';
import type { Client } from '../../shared/client.ts';
import { printable } from '../../shared/printable.ts';
import { exitCodes, Failure } from './failure.ts';
import { parseFlags } from './flags.ts';
import { plain } from './render.ts';
import type { Terminal } from './run.ts';

const usage = 'usage: machinedb boot preview NODE [--platform efi|pcbios] [--loader ipxe|grub] [--json]';

/** `machinedb boot preview NODE`: what it would get if it booted now. Nothing happens by it. */
export async function runBootPreview(client: () => Client, argv: string[], terminal: Terminal): Promise<void> {
  const own = {
    json: { type: 'boolean' },
    platform: { type: 'string' },
    loader: { type: 'string' },
    help: { type: 'boolean', short: 'h' },
  } as const;
  const parsed = parseFlags(argv, new Map(), own);
  if (parsed.own.help === true) return terminal.out(usage);
  const [node, ...more] = parsed.positionals;
  const { platform, loader } = parsed.own;
  const isKnown =
    [undefined, 'efi', 'pcbios'].includes(platform as string) && [undefined, 'ipxe', 'grub'].includes(loader as string);
  if (node === undefined || more.length > 0 || !isKnown) throw new Failure(usage, exitCodes.usage);
  const query = { platform: platform as 'efi' | 'pcbios' | undefined, loader: loader as 'ipxe' | 'grub' | undefined };
  const preview = await client().call('previewBoot', { params: { node }, query });
  terminal.out(parsed.own.json === true ? JSON.stringify(preview, null, 2) : previewText(preview));
}

/** A preview as people read it: each document under its name, as the node would get it. */
export function previewText({ instance_id, reason, script, documents, secrets }: Reply<'previewBoot'>): string {
  const parts = [
    ['boot script', `# ${plain(reason)}\n${script}`] as const,
    ...Object.entries(documents).map(
      ([name, { text, problem }]) => [name, problem === undefined ? (text ?? '') : `(none: ${problem})`] as const,
    ),
    ...Object.entries(secrets).map(([name, masked]) => [`secret/${name}, once`, masked] as const),
  ];
  const shown = parts.map(([name, text]) => `==> ${plain(name)} <==\n${lines(text === '' ? '(empty)' : text)}`);
  return [`instance ${plain(instance_id)}`, ...shown].join('\n\n');
}

const lines = (text: string) => text.trimEnd().split('\n').map(printable).join('\n');
