import type { Run } from '../command.ts';

const TIMER = 'machinedb-undo';
/** What undoing by the agent itself may take beyond the deadline, milliseconds. */
const LEEWAY_MS = 5_000;

/** If this process dies, systemd undoes the change at the deadline; after a reset machinedb-recover.service does. */
export function arm({ run, state, deadlineMs }: { run: Run; state: string; deadlineMs: number }): void {
  const seconds = Math.ceil((deadlineMs + LEEWAY_MS) / 1000);
  const undoing = ['/usr/bin/machinedb-agent', 'recover', '--reload', '--state', state];
  // A timer may be a minute late unless told otherwise (systemd.timer(5), AccuracySec=).
  const timer = [`--on-active=${seconds}`, '--timer-property=AccuracySec=1s', `--unit=${TIMER}`];
  run('systemd-run', ['--quiet', '--collect', ...timer, ...undoing]);
}

export function disarm(run: Run): void {
  run('systemctl', ['stop', `${TIMER}.timer`]);
}
