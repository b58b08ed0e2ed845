import { mergePatch } from '../../shared/merge.ts';
import type { Placement } from '../../shared/sections/placement.ts';
import { actor, type Handlers } from '../context.ts';
import { Problem } from '../http/problem.ts';
import { write } from '../http/write.ts';
import { placementPatch } from '../intent/assign.ts';
import { type IntentChange, lockSubjects, writeIntents } from '../intent/intent.ts';
import { checkIntent } from '../intent/intent-check.ts';
import { readIntents } from '../intent/layers.ts';
import { nodeForWrite } from '../nodes/node-ref.ts';
import { NodesRefused } from '../places/refused.ts';

interface Refusal {
  /** Index of the item. */
  i: number;
  problem: Problem;
}

export const moveRoutes = {
  moveNodes: async (context, request) => {
    const { query, body } = request.input;
    const { items, reason } = body;
    const refuse = (refusals: Refusal[]) => {
      if (refusals.length > 0) throw refusedMoves(items, refusals);
    };
    return await write(context, request, async (tx) => {
      const nodes: string[] = [];
      refuse(
        await eachOf(items, async ({ node }) => {
          const id = await nodeForWrite(tx, node);
          if (nodes.includes(id)) throw new Problem('invalid', 'it is moved twice: say once where it is to stand');
          nodes.push(id);
        }),
      );
      const subjects = nodes.map((node) => `node/${node}`);
      await lockSubjects(tx, subjects);
      const own = new Map(
        (await readIntents(tx, subjects))
          .filter(({ section }) => section === 'placement')
          .map(({ subject, data }) => [subject, data as Partial<Placement>]),
      );
      const changes = items.map(({ node: _, ...place }, i): IntentChange => {
        const current = own.get(subjects[i]!);
        const data = mergePatch(current, placementPatch(current, place) ?? {});
        return { subject: subjects[i]!, section: 'placement', data, precondition: 'any' };
      });
      refuse(await eachOf(changes, (change) => checkIntent(tx, change)));
      try {
        return await writeIntents(tx, context.keys, changes, {
          ...{ actor: actor(request.caller), reason, maxAffected: query.max_affected },
          applied: query.dry_run !== true,
          event: { kind: 'nodes.moved', subject: 'fleet', data: { items } },
        });
      } catch (error) {
        if (!(error instanceof NodesRefused)) throw error;
        throw refusedMoves(
          items,
          error.refused.map(({ node, problem }) => ({ i: nodes.indexOf(node!), problem })),
        );
      }
    });
  },
} satisfies Partial<Handlers>;

/** What is wrong with single items; any other error is thrown. */
async function eachOf<T>(items: T[], check: (item: T) => Promise<void>): Promise<Refusal[]> {
  const refusals: Refusal[] = [];
  for (const [i, item] of items.entries()) {
    try {
      await check(item);
    } catch (problem) {
      if (!(problem instanceof Problem)) throw problem;
      refusals.push({ i, problem });
    }
  }
  return refusals;
}

/** All that is wrong at once: each error names its node, and points at its item. */
function refusedMoves(items: { node: string }[], refusals: Refusal[]): Problem {
  const sorted = refusals.toSorted((a, b) => a.i - b.i);
  const errors = sorted.map(({ i, problem }) => ({
    detail: `${items[i]!.node}: ${problem.message}`,
    pointer: `/items/${i}`,
  }));
  const { code } = sorted[0]!.problem;
  return new Problem(code, `${errors.length} of ${items.length} cannot be moved, so none is: ${errors[0]!.detail}`, {
    errors,
  });
}
