import type { z } from 'zod';
import { agentRows } from './api/agent.ts';
import { bulkRows } from './api/bulk.ts';
import { cablingRows } from './api/cabling.ts';
import { driftRows } from './api/drift.ts';
import { groupRows } from './api/groups.ts';
import { historyRows } from './api/history.ts';
import { identityRows } from './api/identity.ts';
import { installRows } from './api/install.ts';
import { intentRows } from './api/intent.ts';
import { nodeRows } from './api/nodes.ts';
import { partRows } from './api/parts.ts';
import { placeRows } from './api/places.ts';
import { powerRows } from './api/power.ts';
import { rackRows } from './api/racks.ts';
import { relayRows } from './api/relay.ts';
import { rescueRows } from './api/rescue.ts';
import { rolloutRows } from './api/rollout.ts';
import type { Row } from './api/row.ts';
import { seedRows } from './api/seed.ts';
import { serviceRows } from './api/service.ts';
import { webhookRows } from './api/webhooks.ts';

/** The contract: every endpoint there is, by operation name. */
export const api = {
  ...nodeRows,
  ...historyRows,
  ...intentRows,
  ...bulkRows,
  ...groupRows,
  ...placeRows,
  ...rackRows,
  ...powerRows,
  ...cablingRows,
  ...agentRows,
  ...identityRows,
  ...partRows,
  ...installRows,
  ...rescueRows,
  ...rolloutRows,
  ...relayRows,
  ...seedRows,
  ...driftRows,
  ...serviceRows,
  ...webhookRows,
};
export type Api = typeof api;
export type Operation = keyof Api;

type Parsed<T> = T extends z.ZodType ? z.output<T> : undefined;
type Given<T> = T extends z.ZodType ? z.input<T> : undefined;
type Field<O extends Operation, K extends keyof Row> = Api[O] extends Record<K, infer T> ? T : undefined;

/** What a handler gets: parameters, query and body, parsed. */
export interface Input<O extends Operation> {
  params: Parsed<Field<O, 'params'>>;
  query: Parsed<Field<O, 'query'>>;
  body: Parsed<Field<O, 'body'>>;
}
/** What an operation answers. */
export type Reply<O extends Operation> = Parsed<Field<O, 'reply'>>;

type Optional<K extends string, T> = T extends undefined ? { [P in K]?: undefined } : { [P in K]: T };
/** What a caller gives. */
export type Call<O extends Operation> = Optional<'params', Given<Field<O, 'params'>>> &
  Optional<'body', Given<Field<O, 'body'>>> & { query?: Given<Field<O, 'query'>> };
