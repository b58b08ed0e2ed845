import { writeFileSync } from 'node:fs';
import { constants, setPriority } from 'node:os';

/** Of -1000 to 1000: above any daemon's, so that the kernel ends the agent before what the machine is for (proc(5)). */
const OOM_SCORE = '500';

/**
 * Gives way to all else on the machine, for good: the lowest priority for the processor, with it the lowest of disk I/O that is not
 * idle (ioprio_set(2): the class and level follow from nice), and the first to be ended when memory is short. What it starts
 * inherits that.
 */
export function giveWay(): void {
  try {
    setPriority(constants.priority.PRIORITY_LOW);
    writeFileSync('/proc/self/oom_score_adj', OOM_SCORE);
  } catch {
    // A sandbox may forbid it; the facts are the same.
  }
}
