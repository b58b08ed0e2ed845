import { openSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Answering, answerTo } from '../http/answer.ts';
import type { Files } from '../http/files.ts';
import { firstGrub, GRUB_FIRST, GRUB_QUESTION, renderGrub } from '../http/grub.ts';
import { pausesOf } from '../http/pauses.ts';
import type { OpenFile } from './open-file.ts';

export interface AnswerOptions extends Answering {
  /** Address of the boot service. */
  server: string;
  /** Files by their SHA-256. */
  files: Files;
  /** Folder for what an answer's text is read from; nothing stays in it. */
  scratch: string;
  /** Words for the kernel that only this boot service knows. */
  arguments: () => string[];
}

let made = 0;

/**
 * What is served by TFTP besides the loaders, to a GRUB with a signature, which knows nothing else: its first configuration, answers
 * to its question, and the images' files by their SHA-256, each checked as they are for HTTP.
 */
export function grubAnswers(
  options: AnswerOptions,
): (name: string, client: string) => Promise<OpenFile | undefined> | undefined {
  return (name, client) => {
    const plain = name.replace(/^\/+/, '');
    if (plain === GRUB_FIRST) return Promise.resolve(first(options));
    if (plain.startsWith(GRUB_QUESTION)) return configuration(options, plain.slice(GRUB_QUESTION.length), client);
    const sha256 = /^files\/([0-9a-f]{64})$/.exec(plain)?.[1];
    return sha256 === undefined ? undefined : options.files.open(sha256);
  };
}

const first = ({ scratch, server, random }: AnswerOptions) => openText(scratch, firstGrub(server, pausesOf(random)));

async function configuration(options: AnswerOptions, query: string, client: string): Promise<OpenFile> {
  const asked = new URLSearchParams(query);
  const answer = await answerTo(asked, 'efi', client, options);
  const mac = answer.spec.kind === 'linux' ? asked.get('mac')?.toLowerCase() : undefined;
  return openText(options.scratch, renderGrub(answer, { server: options.server, mac, arguments: options.arguments() }));
}

/** A file with a text and without a name: it is gone when it was read. */
function openText(folder: string, text: string): OpenFile {
  const path = join(folder, `.answer-${process.pid}-${made++}`);
  const fd = openSync(path, 'wx+', 0o600);
  unlinkSync(path);
  writeFileSync(fd, text);
  return { fd, size: Buffer.byteLength(text) };
}
