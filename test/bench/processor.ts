import { readFileSync } from 'node:fs';

const TICK_MS = 10;

/** Processor time that a process has used, milliseconds (proc_pid_stat(5): utime and stime, in ticks of 10 ms). */
export function processorTime(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS;
}
