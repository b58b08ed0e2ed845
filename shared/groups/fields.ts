import { z } from 'zod';
import { sections } from '../sections/index.ts';

/** What a pattern can say of a node beside its facts. `tags` by tag. */
const node = z.looseObject({
  site: z.string().optional(),
  rack: z.string().optional(),
  unit: z.int().optional(),
  role: z.string().optional(),
  mode: z.string().optional(),
  model: z.string().optional(),
  tags: z.record(z.string(), z.literal(true)).optional(),
});

const roots: Record<string, z.ZodType> = {
  node,
  ...Object.fromEntries(
    Object.entries(sections).flatMap(([name, section]) => ('observed' in section ? [[name, section.observed]] : [])),
  ),
};

/** What a path leads to: one value, an object, or objects by key; or why there is no such thing. */
export type Found = { kind: 'value' } | { kind: 'object' | 'keyed'; type: z.ZodType } | { problem: string };

/** Looks a path up in what machines report: `gpus`, `memory.dimms`, `cpu.caches.l3.total_bytes`, `node.role`. */
export function findPath(path: string): Found {
  const [first = '', ...rest] = path.split('.');
  const root = Object.hasOwn(roots, first) ? roots[first] : undefined;
  if (root === undefined)
    return { problem: `there is no section "${first}": there are ${Object.keys(roots).sort().join(', ')}` };
  return findField(root, rest, first);
}

/** Looks a field up in what a path led to. `where`: that path, for the message. */
export function findField(type: z.ZodType, names: string[], where: string): Found {
  const bare = unwrap(type);
  const [name, ...rest] = names;
  if (name === undefined) return foundAt(bare);
  if (bare instanceof z.ZodRecord) return findField(bare.valueType as z.ZodType, rest, `${where}.${name}`);
  if (!(bare instanceof z.ZodObject)) return { problem: `${where} is a value and has no field "${name}"` };
  const shape = bare.shape as Record<string, z.ZodType>;
  const field = Object.hasOwn(shape, name) ? shape[name] : undefined;
  if (field !== undefined) return findField(field, rest, `${where}.${name}`);
  const known = Object.keys(shape).filter((key) => key !== 'dropped');
  return { problem: `${where} has no field "${name}": it has ${known.sort().join(', ')}` };
}

function foundAt(type: z.ZodType): Found {
  if (type instanceof z.ZodRecord) return { kind: 'keyed', type: type.valueType as z.ZodType };
  return type instanceof z.ZodObject ? { kind: 'object', type } : { kind: 'value' };
}

function unwrap(type: z.ZodType): z.ZodType {
  return type instanceof z.ZodOptional ? unwrap(type.unwrap() as z.ZodType) : type;
}
