import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { LabNetwork } from '../lab/network.ts';

/** Servers of a bench, each a process of its own in a network of its own, ended by their process ids. */
export class Servers {
  readonly #inside: string[];
  readonly #children: ChildProcess[] = [];

  constructor(network: Pick<LabNetwork, 'inside'>) {
    this.#inside = network.inside;
  }

  /** Starts a program; answers its process id. */
  start(program: string, args: string[], environment: Record<string, string> = {}): number {
    return this.#spawn(program, args, environment).pid!;
  }

  /** Starts one of our own, and waits for its first line, which it says when it serves. */
  async startOwn(script: string, args: string[]): Promise<{ pid: number; line: string }> {
    const child = this.#spawn(process.execPath, [script, ...args]);
    const [line] = (await once(createInterface({ input: child.stdout! }), 'line')) as [string];
    return { pid: child.pid!, line };
  }

  /** Runs a program to its end; answers what it wrote. Throws when it fails. */
  async run(program: string, args: string[], environment: Record<string, string> = {}): Promise<string> {
    const child = this.#spawn(program, args, environment);
    let text = '';
    for (const stream of [child.stdout!, child.stderr!])
      stream.on('data', (chunk: Buffer) => {
        text += String(chunk);
      });
    const [code] = (await once(child, 'close')) as [number];
    if (code !== 0) throw new Error(`${program} ended with ${code}: ${text}`);
    return text;
  }

  async close(): Promise<void> {
    for (const child of this.#children.filter(({ exitCode }) => exitCode === null)) {
      child.kill('SIGTERM');
      await once(child, 'close');
    }
  }

  #spawn(program: string, args: string[], environment: Record<string, string> = {}): ChildProcess {
    // `ip netns exec` becomes the program: its process id is the program's.
    const child = spawn(this.#inside[0]!, [...this.#inside.slice(1), program, ...args], {
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [child.stdout, child.stderr]) stream.resume();
    this.#children.push(child);
    return child;
  }
}
