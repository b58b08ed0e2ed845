import { readdirSync, readFileSync } from 'node:fs';

const TICK_MS = 10;

/** Processor time that a process has used, milliseconds (proc_pid_stat(5): utime and stime, in ticks of 10 ms). */
export function processorTime(pid: number): number {
  const fields = statOf(pid);
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

/** Processor time that the PostgreSQL of a backend has used, milliseconds: its postmaster, and all that it runs or has run. */
export function postgresTime(backend: number): number {
  const postmaster = statOf(backend)[1]!;
  const all = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  const theirs = all.filter((name) => name === postmaster || parentOf(name) === postmaster);
  // Fields 13 and 14: of its children that ended, like autovacuum's.
  const ended = statOf(postmaster);
  const past = (Number(ended[13]) + Number(ended[14])) * TICK_MS;
  return theirs.reduce((sum, name) => sum + processorTime(Number(name)), past);
}

function parentOf(pid: string): string | undefined {
  try {
    return statOf(pid)[1];
  } catch {
    return undefined; // It ended since.
  }
}

/** What follows the name, from the state on. */
function statOf(pid: number | string): string[] {
  return readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
}

/** Memory of a process that is its own, bytes (proc_pid_smaps_rollup). */
export function memoryOf(pid: number): number {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const kb = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(rollup)![1]);
  return (kb('Private_Clean') + kb('Private_Dirty')) * 1024;
}
