import { spawn } from 'node:child_process';
import { statSync } from 'node:fs';
import { constants, setPriority } from 'node:os';

/**
 * Programs of others that an observing agent may start where they are installed, each because no file of the kernel tells what
 * it tells. There are no others, and nothing depends on one of them being there.
 */
const tools = ['nvidia-smi', 'smartctl', 'lldpctl', 'ipmitool', 'ethtool'] as const;
export type ToolName = (typeof tools)[number];

/** What a tool said; or why it said nothing, as a sentence. A status other than 0 is for the caller to judge. */
export type ToolAnswer = { status: number; stdout: Buffer } | { error: string };

export interface ToolLimits {
  timeoutMs: number;
  /** Of its standard output; what says more is ended. */
  maxBytes: number;
  /** Where programs are looked for, first one first. PATH is not asked. */
  folders?: string[];
}

const system = ['/usr/sbin', '/usr/bin', '/sbin', '/bin'];
/** Tools that did not end when they were killed (a driver that hangs): no second one is started beside them. */
const stuck = new Set<ToolName>();

/**
 * Asks an optional tool, by its absolute path, without a shell, with idle priority for processor and disk (a process of
 * SCHED_IDLE has idle I/O priority, too: ioprio_set(2)), and with none of the agent's environment.
 * @returns undefined where it is not installed
 */
export async function optionalTool(
  name: ToolName,
  args: string[],
  { timeoutMs, maxBytes, folders = system }: ToolLimits,
): Promise<ToolAnswer | undefined> {
  const path = find(name, folders);
  if (path === undefined) return undefined;
  if (stuck.has(name)) return { error: `${name} of an earlier question is still running` };
  const idle = find('chrt', system);
  const [program, ...words] = idle === undefined ? [path, ...args] : [idle, '--idle', '0', path, ...args];
  return await new Promise((resolve) => {
    const tool = spawn(program!, words, {
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { PATH: system.join(':'), LC_ALL: 'C' },
      cwd: '/',
      // A group of its own, so that what it starts ends with it.
      detached: true,
    });
    const parts: Buffer[] = [];
    let size = 0;
    const end = (answer: ToolAnswer) => {
      clearTimeout(timer);
      resolve(answer);
    };
    const kill = (error: string) => {
      if (tool.pid !== undefined && tool.exitCode === null && tool.signalCode === null) {
        stuck.add(name);
        attempt(() => process.kill(-tool.pid!, 'SIGKILL'));
      }
      tool.stdout.destroy();
      tool.unref();
      end({ error });
    };
    const timer = setTimeout(() => kill(`${name} did not answer within ${timeoutMs} ms`), timeoutMs);
    if (idle === undefined && tool.pid !== undefined)
      attempt(() => setPriority(tool.pid!, constants.priority.PRIORITY_LOW));
    tool.stdout.on('data', (part: Buffer) => {
      size += part.length;
      if (size > maxBytes) kill(`${name} said more than ${maxBytes} bytes`);
      else parts.push(part);
    });
    tool.on('error', (error) => end({ error: `${name} cannot be started: ${error.message}` }));
    tool.on('exit', () => stuck.delete(name));
    tool.on('close', (status, signal) =>
      end(status === null ? { error: `${name} ended by ${signal}` } : { status, stdout: Buffer.concat(parts) }),
    );
  });
}

function find(name: string, folders: string[]): string | undefined {
  return folders
    .map((folder) => `${folder}/${name}`)
    .find((path) => {
      const stat = attempt(() => statSync(path, { throwIfNoEntry: false }));
      return stat?.isFile() === true && (stat.mode & 0o111) !== 0;
    });
}

function attempt<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch {
    return undefined;
  }
}
