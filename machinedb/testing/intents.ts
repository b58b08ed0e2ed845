import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import type { IncomingHttpHeaders } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import type { Input, Operation, Reply } from '../../shared/api.ts';
import { dueCabling } from '../cabling/due.ts';
import { readConfig } from '../config.ts';
import type { Context, Handlers, Request } from '../context.ts';
import { transaction } from '../db.ts';
import { createEnrolments } from '../enrol/enrolments.ts';
import { append } from '../feed/feed.ts';
import { project } from '../intent/project.ts';
import { acknowledgementRoutes } from '../routes/acknowledgements.ts';
import { approvalRoutes } from '../routes/approval.ts';
import { assignRoutes } from '../routes/assign.ts';
import { bulkRoutes } from '../routes/bulk.ts';
import { cablingRoutes } from '../routes/cabling.ts';
import { checkRoutes } from '../routes/check.ts';
import { findingRoutes } from '../routes/findings.ts';
import { groupRoutes } from '../routes/groups.ts';
import { installRoutes } from '../routes/install.ts';
import { intentRoutes } from '../routes/intent.ts';
import { moveRoutes } from '../routes/moves.ts';
import { placeRoutes } from '../routes/places.ts';
import { profileRoutes } from '../routes/profiles.ts';
import { rescueRoutes } from '../routes/rescue.ts';
import { revertRoutes } from '../routes/revert.ts';
import { rolloutRoutes } from '../routes/rollouts.ts';
import { serviceRoutes } from '../routes/service.ts';
import { siblingRoutes } from '../routes/siblings.ts';
import { openKeys } from '../trust/keys.ts';
import { withDatabase } from './database.ts';

const handlers = {
  ...intentRoutes,
  ...placeRoutes,
  ...revertRoutes,
  ...findingRoutes,
  ...bulkRoutes,
  ...groupRoutes,
  ...profileRoutes,
  ...acknowledgementRoutes,
  ...checkRoutes,
  ...siblingRoutes,
  ...assignRoutes,
  ...approvalRoutes,
  ...cablingRoutes,
  ...moveRoutes,
  ...installRoutes,
  ...rescueRoutes,
  ...rolloutRoutes,
  ...serviceRoutes,
} satisfies Partial<Handlers>;
type Acts = Operation & keyof typeof handlers;

/** A database with a site `ber` (rack `r1`, 10 units), the roles `gpu` and `web`, and the network `mgmt`. `server`: see withDatabase(). */
export async function withIntents(server?: string) {
  const { db, url } = await withDatabase(server);
  const directory = mkdtempSync(join(tmpdir(), 'machinedb-intents-'));
  const keys = await openKeys(db, join(directory, 'kek'), Date.now);
  afterAll(() => {
    keys.close();
    rmSync(directory, { recursive: true });
  });
  const config = readConfig({});
  const enrolments = createEnrolments(db, keys, config.pendingPerSource);
  const context = { db, keys, config, enrolments, now: Date.now } as unknown as Context;

  /** Asks as a node of level approved. */
  async function askAs<O extends Acts>(id: string, operation: O, body?: unknown): Promise<Reply<O>> {
    const caller = { kind: 'node', node: id, level: 'approved', fingerprint: 'SHA256:x', expiresAt: 0 } as const;
    const handler = handlers[operation] as unknown as (context: Context, request: unknown) => Promise<Reply<O>>;
    return await handler(context, { input: { body }, caller, headers: {}, raw: Buffer.alloc(0), remote: '127.0.0.1' });
  }

  /** Asks as an operator. `request`: params, query and body as far as the operation has them. */
  async function ask<O extends Acts>(
    operation: O,
    request: { params?: unknown; query?: unknown; body?: unknown },
    headers: IncomingHttpHeaders = {},
  ): Promise<Reply<O>> {
    const input = { params: {}, query: {}, ...request } as Input<O>;
    const caller = { kind: 'operator', name: 'ann', scopes: ['write'], expiresAt: undefined, token: 't' } as const;
    const raw = Buffer.from(JSON.stringify(request.body ?? null));
    const handler = handlers[operation] as unknown as (context: Context, request: Request<O>) => Promise<Reply<O>>;
    return await handler(context, { operation, input, caller, headers, raw, remote: '127.0.0.1' });
  }

  /** An approved node that reports these sections; answers its id. */
  async function node(observed: Record<string, unknown> = {}): Promise<string> {
    const id = randomUUID();
    await db.insertInto('node').values({ id, state: 'approved', level: 'approved', hardware: '{}' }).execute();
    await db
      .insertInto('node_now')
      .values({ node: id, observed: '{}', hashes: '{}', errors: '{}', wanted: '{}' } as never)
      .execute();
    await report(id, observed);
    return id;
  }

  /** What a report does to the projection, with the locks that it takes. */
  async function report(id: string, observed: Record<string, unknown>): Promise<void> {
    await transaction(db, async (tx) => {
      await tx.selectFrom('node').select('id').where('id', '=', id).forUpdate().execute();
      await tx
        .updateTable('node_now')
        .set({ observed: JSON.stringify(observed) })
        .where('node', '=', id)
        .execute();
      await dueCabling(tx, [id]);
      await append(tx, (await project(tx, keys, [id], `node/${id}`)).revisions);
    });
  }

  const now = (id: string) => db.selectFrom('node_now').selectAll().where('node', '=', id).executeTakeFirstOrThrow();

  await ask('putSite', { params: { site: 'ber' }, body: {} });
  await ask('putRack', { params: { site: 'ber', rack: 'r1' }, body: { height: 10 } });
  await ask('putRole', { params: { role: 'gpu' }, body: {} });
  await ask('putRole', { params: { role: 'web' }, body: {} });
  await ask('putNetwork', {
    params: { network: 'mgmt' },
    body: { cidr: '10.1.0.0/24', gateway: '10.1.0.1', dns: ['10.1.0.53'], domain: 'example.org' },
  });
  return { db, url, keys, context, ask, askAs, node, report, now };
}
