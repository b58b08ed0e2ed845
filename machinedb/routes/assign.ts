import type { IntentSection } from '../../shared/api/intent.ts';
import { isMembers, mergePatch } from '../../shared/merge.ts';
import { actor, type Handlers } from '../context.ts';
import type { Reader } from '../db.ts';
import { append } from '../feed/feed.ts';
import { Problem } from '../http/problem.ts';
import { write } from '../http/write.ts';
import { toIntent } from '../intent/adopt.ts';
import { type Assignment, assignmentIntents } from '../intent/assign.ts';
import { type IntentChange, lockSubjects, writeIntents } from '../intent/intent.ts';
import { readIntents } from '../intent/layers.ts';
import { nodeForWrite } from '../nodes/node-ref.ts';
import { viewNode } from '../nodes/node-view.ts';
import { readNetworks } from '../places/nearest.ts';
import { moveNode } from '../trust/node-state.ts';

type Sections = Partial<Record<IntentSection, unknown>>;

async function ownIntent(db: Reader, node: string): Promise<Sections> {
  return Object.fromEntries((await readIntents(db, [`node/${node}`])).map(({ section, data }) => [section, data]));
}

/** Patches of a node's own sections, merged with what they are. */
function merged(node: string, own: Sections, patches: Sections): IntentChange[] {
  return Object.entries(patches).map(([section, patch]) => ({
    subject: `node/${node}`,
    section: section as IntentSection,
    data: isMembers(patch) ? mergePatch(own[section as IntentSection], patch) : patch,
    precondition: 'any',
  }));
}

export const assignRoutes = {
  assignNode: async (context, request) => {
    const { query, params, body } = request.input;
    return await write(context, request, async (tx) => {
      const node = await nodeForWrite(tx, params.node);
      await lockSubjects(tx, [`node/${node}`]);
      const { reason, ...assignment } = body;
      const own = await ownIntent(tx, node);
      const changes = merged(node, own, await assignmentIntents(tx, node, assignment as Assignment, own));
      if (changes.length === 0)
        throw new Problem('invalid', 'nothing is assigned: give a site, role, tags, fqdn, network, address or mode');
      return await writeIntents(tx, context.keys, changes, {
        actor: actor(request.caller),
        reason,
        maxAffected: query.max_affected,
        applied: query.dry_run !== true,
        event: { kind: 'node.assigned', subject: `node/${node}`, data: assignment },
      });
    });
  },
  adoptNode: async (context, request) => {
    const { query, params, body } = request.input;
    return await write(context, request, async (tx) => {
      const node = await nodeForWrite(tx, params.node);
      const { observed, site, rack } = await tx
        .selectFrom('node_now')
        .select(['observed', 'site', 'rack'])
        .where('node', '=', node)
        .executeTakeFirstOrThrow();
      const networks = await readNetworks(tx);
      const place = { site: site ?? undefined, rack: rack ?? undefined };
      const changes = body.sections.map((section): IntentChange => {
        if (observed[section] === undefined)
          throw new Problem('conflict', `node ${params.node} has not reported ${section}: there is nothing to adopt`);
        return {
          subject: `node/${node}`,
          section,
          data: toIntent(section, observed[section], networks, place),
          precondition: 'any',
        };
      });
      return await writeIntents(tx, context.keys, changes, {
        actor: actor(request.caller),
        reason: body.reason,
        maxAffected: query.max_affected,
        applied: query.dry_run !== true,
        event: { kind: 'node.adopted', subject: `node/${node}`, data: { sections: body.sections } },
      });
    });
  },
  holdNode: async (context, request) =>
    await write(context, request, async (tx) => {
      const node = await nodeForWrite(tx, request.input.params.node);
      const { hold, reason } = request.input.body;
      await tx
        .updateTable('node')
        .set({ hold, hold_reason: hold ? reason : null })
        .where('id', '=', node)
        .execute();
      await append(
        tx,
        [],
        [{ kind: 'node.hold', subject: `node/${node}`, actor: actor(request.caller), reason, data: { hold } }],
      );
      return { node: await viewNode(tx, node) };
    }),
  setNodeState: async (context, request) =>
    await write(context, request, async (tx) => {
      const node = await nodeForWrite(tx, request.input.params.node);
      const { state, reason } = request.input.body;
      const { level, merged_into } = await tx
        .selectFrom('node')
        .select(['level', 'merged_into'])
        .where('id', '=', node)
        .executeTakeFirstOrThrow();
      if (merged_into !== null)
        throw new Problem('conflict', `node ${node} is merged into ${merged_into}: machinedb split undoes that`);
      if (state === 'active' && level === 'claimed')
        throw new Problem('conflict', `node ${request.input.params.node} is not approved: approve its key first`);
      const { revisions, events } = await moveNode(tx, node, { state }, actor(request.caller), reason);
      await append(tx, revisions, events);
      return { node: await viewNode(tx, node) };
    }),
} satisfies Partial<Handlers>;
