import { readText } from './files.ts';

/** The sections that are applied, in the order in which that is done: the network late, since it may cut us off. */
export const order = ['hostname', 'time', 'repos', 'ssh', 'network', 'bgp'] as const;
export type Section = (typeof order)[number];

/** One file as it is and as it should be; `undefined`: there is none. */
export interface Change {
  section: Section;
  path: string;
  before: string | undefined;
  after: string | undefined;
  mode: number;
}

/** What a section's files should be, by path. */
export type Files = Record<string, { text: string; mode: number }>;

/** First line of every file of ours whose format has comments: who wrote it, and how to change it. */
export const header = '# Written by machinedb-agent. Changes here are undone: change the intent, machinedb intent put.';

/** What has to change so that the files are these; `gone` are paths of ours that should not be there. */
export function changesTo(root: string, section: Section, files: Files, gone: string[] = []): Change[] {
  const wanted = Object.entries(files).map(([path, { text, mode }]) => ({
    path,
    after: text as string | undefined,
    mode,
  }));
  const unwanted = gone.map((path) => ({ path, after: undefined, mode: 0o644 }));
  return [...wanted, ...unwanted]
    .map(({ path, after, mode }) => ({ section, path, before: readText(root, path), after, mode }))
    .filter(({ before, after }) => before !== after);
}

/** A change as people read it: the path, and the lines that go and come. */
export function describeChange({ path, before, after }: Change): string {
  const lines = (text: string | undefined) => (text === undefined ? [] : text.replace(/\n$/, '').split('\n'));
  const [old, now] = [lines(before), lines(after)];
  const going = old.filter((line) => !now.includes(line)).map((line) => `- ${line}`);
  const coming = now.filter((line) => !old.includes(line)).map((line) => `+ ${line}`);
  return [path, ...going, ...coming].join('\n').slice(0, 4000);
}
