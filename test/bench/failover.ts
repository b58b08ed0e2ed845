import { runFailover } from '../lab/failover.ts';
import { show } from './measure.ts';

/** The primary of a Patroni cluster is killed under load, again and again. Fails when an acknowledged write is lost. */
export async function failover(): Promise<void> {
  const { rounds, acknowledged, lost, twice, refusals } = await runFailover({
    rounds: 8,
    writes: 40_000,
    log: (message) => console.log(`  ${message}`),
  });
  console.log(`  ${acknowledged} writes acknowledged, ${lost.length} lost, ${twice.length} done twice`);
  console.log(`  refused meanwhile: ${JSON.stringify(refusals)}`);
  for (const kind of ['postgres', 'postgres and patroni'] as const) {
    const of = rounds.filter(({ killed }) => killed === kind);
    show(
      `writes back after ${kind} was killed`,
      of.map(({ writesBackMs }) => writesBackMs / 1000),
      's',
    );
    show(
      `all agents back after ${kind} was killed`,
      of.map(({ agentsBackMs }) => agentsBackMs / 1000),
      's',
    );
  }
  if (lost.length + twice.length > 0) throw new Error(`lost: ${lost.join(', ')}; twice: ${twice.join(', ')}`);
}
