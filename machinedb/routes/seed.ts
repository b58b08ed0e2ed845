import { previewBoot } from '../boot/preview.ts';
import type { Context, Handlers } from '../context.ts';
import { transaction } from '../db.ts';
import { nodeForRead } from '../nodes/node-ref.ts';
import { documentOf } from '../seed/documents.ts';
import { parsePhoneHome, storePhoneHome } from '../seed/phone-home.ts';
import { publicDocument } from '../seed/public.ts';
import { readSeedNode } from '../seed/read.ts';
import { takeSecret } from '../seed/secret.ts';
import { openSeed, readSeedToken } from '../seed/token.ts';
import { nodeCaller } from './self.ts';

/** What stands in the path in place of a token. */
const NONE = 'none';

export const seedRoutes = {
  getSeed: async (context: Context, { input: { params }, remote, headers }) => {
    const { token, document } = params;
    if (token === NONE) return await publicDocument(context, document, remote, headers.host);
    const { node } = await readSeedToken(context, token);
    return documentOf(await readSeedNode(context.db, node), document);
  },
  getSeedSecret: async (context, { input: { params } }) =>
    await takeSecret(context, await readSeedToken(context, params.token), params.secret),
  phoneHome: async (context, { input: { params, body } }) => {
    const caller = await readSeedToken(context, params.token);
    await storePhoneHome(context.db, caller, parsePhoneHome(body));
    return 'thank you\n';
  },
  openSeed: async ({ db, keys, config, now }, { caller, input: { body } }) => {
    const { node } = nodeCaller(caller);
    const expires_in = Math.floor(config.tokenLifeMs / 1000);
    const token = await transaction(db, (tx) => openSeed(tx, keys, node, body.boot_id, now() + config.tokenLifeMs));
    return { token, expires_in };
  },
  previewBoot: async (context, { input: { params, query } }) =>
    await previewBoot(context, await nodeForRead(context.db, params.node), query),
} satisfies Partial<Handlers>;
