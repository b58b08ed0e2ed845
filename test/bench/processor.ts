import { readFileSync } from 'node:fs';

const TICK_MS = 10;

/** Processor time that a process has used, milliseconds (proc_pid_stat(5): utime and stime, in ticks of 10 ms). */
export function processorTime(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}

/** Memory of a process that is its own, bytes (proc_pid_smaps_rollup). */
export function memoryOf(pid: number): number {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const kb = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(rollup)![1]);
  return (kb('Private_Clean') + kb('Private_Dirty')) * 1024;
}
