import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

export interface Guest {
  /** The serial console so far, a line each. */
  console: string[];
  /** The first line of the console that matches; throws with the console's end when none comes in time. */
  line(pattern: RegExp, ms: number): Promise<string>;
  /** Whether it was not powered off. */
  isRunning(): boolean;
  close(): Promise<void>;
}

/**
 * Starts a guest in software emulation: that /dev/kvm exists does not say that it works.
 *
 * @param inside program and arguments before QEMU's: `ip netns exec NAME`
 */
export function startGuest(args: string[], inside: string[] = []): Guest {
  const base =
    '-machine q35,graphics=off -accel tcg,thread=multi -cpu Opteron_G3,-misalignsse -nodefaults -no-user-config -display none';
  const [program, ...before] = [...inside, 'qemu-system-x86_64'];
  const child = spawn(program!, [...before, ...base.split(' '), '-serial', 'stdio', '-monitor', 'none', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr])
    createInterface({ input: stream }).on('line', (line) => lines.push(plain(line)));
  // Only a guest that is left over when the test's process ends; the test itself waits in close().
  const reap = () => child.kill('SIGKILL');
  process.once('exit', reap);
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  return {
    console: lines,
    async line(pattern, ms) {
      for (const end = performance.now() + ms; performance.now() < end; ) {
        const found = lines.find((line) => pattern.test(line));
        if (found !== undefined) return found;
        if (child.exitCode !== null) break;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      throw new Error(`the guest did not print ${pattern}:\n${lines.slice(-30).join('\n')}`);
    },
    isRunning: () => child.exitCode === null && child.signalCode === null,
    async close() {
      child.kill('SIGKILL');
      await ended;
      process.removeListener('exit', reap);
    },
  };
}

/** A line without the terminal's control sequences. */
function plain(line: string): string {
  return line.replace(/\u001b(?:\[[0-9;?=]*[A-Za-z]|[()c][A-Z0-9]?)|\r/g, '');
}
