import type { Pci } from '../../shared/sections/pci.ts';
import type { Context, Handlers } from '../context.ts';
import { historyOf } from '../feed/history.ts';
import { findingsAt } from '../nodes/findings-at.ts';
import { detailAt, detailNow } from '../nodes/node-detail.ts';
import { findingsNow } from '../nodes/node-findings.ts';
import { listNodes } from '../nodes/node-list.ts';
import { nodeForRead } from '../nodes/node-ref.ts';
import { namesOf } from '../nodes/pci-names.ts';
import { errorsNow, sectionsAt, wantedAt } from '../nodes/sections-at.ts';

export const nodeReads = {
  listNodes: async ({ db }: Context, { input: { query } }) => await listNodes(db, query),
  getNode: async ({ db }, { input: { params, query } }) => {
    const id = await nodeForRead(db, params.node);
    return query.as_of === undefined ? await detailNow(db, id) : await detailAt(db, id, query.as_of);
  },
  getObserved: async ({ db, pciNames }, { input: { params, query } }) => {
    const id = await nodeForRead(db, params.node);
    const sections = await sectionsAt(db, id, 'observed', query.as_of);
    const pci = sections.pci as Pci | undefined;
    const names = pci === undefined ? {} : namesOf(pci, await pciNames());
    // Errors are kept in no history.
    return { sections, errors: query.as_of === undefined ? await errorsNow(db, id) : {}, names };
  },
  getWanted: async ({ db }, { input: { params, query } }) => {
    return await wantedAt(db, await nodeForRead(db, params.node), query.as_of);
  },
  getNodeFindings: async ({ db }, { input: { params, query } }) => {
    const id = await nodeForRead(db, params.node);
    if (query.as_of === undefined) return { items: await findingsNow(db, id) };
    const then = await findingsAt(db, query.as_of, { node: id });
    return { items: then.sort((a, b) => (`${a.section} ${a.path}` < `${b.section} ${b.path}` ? -1 : 1)) };
  },
  getHistory: async ({ db, feed }, { input: { params, query } }) => {
    const id = await nodeForRead(db, params.node);
    return await historyOf(db, feed.epoch, `node/${id}`, query);
  },
} satisfies Partial<Handlers>;
