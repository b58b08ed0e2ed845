import { type Answering, answerTo } from '../http/answer.ts';
import type { Files } from '../http/files.ts';
import { firstGrub, GRUB_FIRST, GRUB_QUESTION, renderGrub } from '../http/grub.ts';
import { pausesOf } from '../http/pauses.ts';
import { type Content, contentOf, contentOfText } from './content.ts';

export interface AnswerOptions extends Answering {
  /** Address of the boot service. */
  server: string;
  /** Files by their SHA-256. */
  files: Files;
  /** Words for the kernel that only this boot service knows. */
  arguments: () => string[];
}

/**
 * What is served by TFTP besides the loaders, to a GRUB with a signature, which knows nothing else: its first configuration, answers
 * to its question, and the images' files by their SHA-256, each checked as they are for HTTP.
 */
export function grubAnswers(
  options: AnswerOptions,
): (name: string, client: string) => Promise<Content | undefined> | undefined {
  return (name, client) => {
    const plain = name.replace(/^\/+/, '');
    if (plain === GRUB_FIRST) return Promise.resolve(first(options));
    if (plain.startsWith(GRUB_QUESTION)) return configuration(options, plain.slice(GRUB_QUESTION.length), client);
    const sha256 = /^files\/([0-9a-f]{64})$/.exec(plain)?.[1];
    return sha256 === undefined ? undefined : image(options, sha256);
  };
}

const first = ({ server, random }: AnswerOptions) => contentOfText(firstGrub(server, pausesOf(random)));

async function image({ files }: AnswerOptions, sha256: string): Promise<Content | undefined> {
  const file = await files.open(sha256);
  return file && contentOf(file);
}

async function configuration(options: AnswerOptions, query: string, client: string): Promise<Content> {
  const asked = new URLSearchParams(query);
  const answer = await answerTo(asked, 'efi', client, options);
  const mac = answer.spec.kind === 'linux' ? asked.get('mac')?.toLowerCase() : undefined;
  return contentOfText(renderGrub(answer, { server: options.server, mac, arguments: options.arguments() }));
}
