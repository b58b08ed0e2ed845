/**
 * Texts with fields, `{{ fqdn }}`: a field is put in as it is, and that is all. No conditions, loops, filters or calls, so that no
 * text that a person writes is a program on the server (CVE-2023-0118).
 */

/** What a text may name, each a name of the inventory that a schema has checked: none can end a line or quote anything. */
export const fields = ['hostname', 'domain', 'fqdn', 'site', 'rack', 'unit', 'role', 'node', 'instance_id'] as const;
export type Field = (typeof fields)[number];
export type Fields = Partial<Record<Field, string>>;

const field = /\{\{\s*([a-z_]+)\s*\}\}/g;

/** What is wrong with a text as a template; undefined: nothing. */
export function templateProblem(text: string): string | undefined {
  const unknown = [...text.matchAll(field)].find(([, name]) => !fields.includes(name as Field));
  if (unknown !== undefined) return `there is no field ${unknown[0]}: there are ${fields.join(', ')}`;
  const rest = text.replaceAll(field, '');
  const odd = /\{\{.{0,40}|\{%.{0,40}/.exec(rest);
  return odd === null
    ? undefined
    : `"${odd[0]}" is no field: write {{ fqdn }} and the like; nothing else is done in a text`;
}

/** Names of the fields that a text has, each once. */
export function fieldsOf(text: string): Field[] {
  return [...new Set([...text.matchAll(field)].map(([, name]) => name as Field))];
}

/**
 * The text with its fields put in.
 *
 * @throws Error that names the fields which have no value: a text is whole or not there
 */
export function fill(text: string, values: Fields): string {
  const missing = fieldsOf(text).filter((name) => values[name] === undefined);
  if (missing.length > 0) throw new Error(missingFields(missing));
  return text.replaceAll(field, (_, name: Field) => values[name]!);
}

/** In words, why a text cannot be had. */
export function missingFields(missing: Field[]): string {
  return `it needs {{ ${missing.join(' }}, {{ ')} }}, and the node has no such value: machinedb assign gives it one`;
}
