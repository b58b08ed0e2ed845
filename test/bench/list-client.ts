// Asks a daemon for paths, one after the other, in a thread of its own: the bench's own heap has a fleet in it, and its collector would
// stand still for longer than an answer takes.
import { parentPort, Worker, workerData } from 'node:worker_threads';
import { ask } from './fetch.ts';

type Daemon = Parameters<typeof ask>[0];

/** Milliseconds that each answer took, until it was read. */
export async function askApart({ connection, url }: Daemon, paths: string[]): Promise<number[]> {
  const { promise, resolve, reject } = Promise.withResolvers<number[]>();
  const { ca, token } = connection;
  const asked = { daemon: { connection: { ca, token }, url }, paths };
  new Worker(new URL(import.meta.url), { workerData: asked }).once('message', resolve).once('error', reject);
  return await promise;
}

if (parentPort !== null) {
  const { daemon, paths } = workerData as { daemon: Daemon; paths: string[] };
  const took: number[] = [];
  for (const path of paths) took.push((await ask(daemon, path)).whole);
  parentPort.postMessage(took);
}
