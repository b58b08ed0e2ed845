import { z } from 'zod';
import type { Row } from '../shared/api/row.ts';
import { api } from '../shared/api.ts';

type JsonObject = Record<string, unknown>;

/** The API table as an OpenAPI 3.1 document (https://spec.openapis.org/oas/v3.1.1). */
export function openapiDocument(): JsonObject {
  const paths: Record<string, JsonObject> = {};
  for (const [operation, definition] of Object.entries(api) as [string, Row][]) {
    paths[definition.path] ??= {};
    paths[definition.path]![definition.method.toLowerCase()] = operationObject(operation, definition);
  }
  return {
    openapi: '3.1.1',
    info: {
      title: 'MachineDB',
      version: '1',
      description: 'Inventory and intent of bare-metal machines. Errors are application/problem+json (RFC 9457).',
    },
    paths,
    components: {
      securitySchemes: {
        operator: { type: 'http', scheme: 'bearer', description: "An operator's token" },
        node: { type: 'http', scheme: 'bearer', description: "A node's short-lived token, from POST /v1/token" },
        relay: { type: 'http', scheme: 'bearer', description: "A relay's token, from POST /v1/relays" },
      },
    },
  };
}

function operationObject(operation: string, definition: Row): JsonObject {
  const { scope } = definition;
  const security = scope === 'public' ? [] : [{ [schemeOf(scope)]: [] }];
  return {
    operationId: operation,
    summary: definition.summary,
    description: `Scope: ${scope}.${definition.websocket === undefined ? '' : ` As a WebSocket - ${definition.websocket}.`}`,
    security,
    parameters: [...parameters(definition.params, 'path'), ...parameters(definition.query, 'query')],
    ...(definition.body === undefined
      ? {}
      : { requestBody: { required: true, content: bodyContent(definition.form === true, definition.body) } }),
    responses: {
      '200': { description: 'Done', content: json(definition.reply, 'output') },
      default: { description: 'Problem', content: { 'application/problem+json': { schema: { type: 'object' } } } },
    },
  };
}

function schemeOf(scope: Row['scope']): string {
  if (scope === 'relay') return 'relay';
  return scope.startsWith('node:') ? 'node' : 'operator';
}

function bodyContent(isForm: boolean, body: z.ZodType): JsonObject {
  return isForm ? { 'application/x-www-form-urlencoded': { schema: { type: 'object' } } } : json(body, 'input');
}

function json(schema: z.ZodType, io: 'input' | 'output'): JsonObject {
  return { 'application/json': { schema: toSchema(schema, io) } };
}

function toSchema(schema: z.ZodType, io: 'input' | 'output'): JsonObject {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' }) as JsonObject;
  return rest;
}

function parameters(schema: z.ZodObject | undefined, where: 'path' | 'query'): JsonObject[] {
  return Object.entries(schema?.shape ?? {}).map(([name, field]) => {
    const type = field as z.ZodType;
    return {
      name,
      in: where,
      required: where === 'path' || !type.safeParse(undefined).success,
      ...(type.description === undefined ? {} : { description: type.description }),
      schema: toSchema(type, 'input'),
    };
  });
}

if (import.meta.main) process.stdout.write(`${JSON.stringify(openapiDocument(), null, 2)}\n`);
