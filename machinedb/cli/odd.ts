import type { Sibling } from '../../shared/api/drift.ts';
import type { Operation } from '../../shared/api.ts';
import { plain } from './render.ts';

/** What listSiblings answers. */
interface Reply {
  items: Sibling[];
  more?: boolean;
}

/** The question whose answer stands beside the findings of the fleet or of a node, as they are now; undefined: beside another reply. */
export function oddQuery(operation: Operation, call: { params?: object; query?: object }): object | undefined {
  const query = call.query ?? {};
  if ('as_of' in query) return undefined;
  if (ofNode(operation)) return { query: { node: (call.params as { node: string }).node } };
  // Of a part of the fleet, or of what was accepted, nothing is said here.
  return operation === 'listFindings' && Object.keys(query).every((key) => key === 'limit') ? { query: {} } : undefined;
}

/** In what machines are unlike those of their model, which no rule forbids: a line each of one node, one line of the fleet. */
export function oddText(operation: Operation, { items, more }: Reply): string[] {
  if (ofNode(operation))
    return items.map(
      ({ name, path, value, majority, majority_count, of }) =>
        `unlike its siblings, no rule: ${plain(path)} is ${shown(value)}, where ${majority_count} of ${of} ${plain(name)} have ${shown(majority)}`,
    );
  if (items.length === 0) return [];
  const nodes = new Set(items.flatMap((item) => item.nodes)).size;
  const all = more !== true && items.every((item) => item.count === item.nodes.length);
  const count = `${all ? '' : 'at least '}${nodes} node${nodes === 1 ? ' is' : 's are'}`;
  return [`${count} unlike others of the same model, which no rule forbids: machinedb siblings`];
}

const ofNode = (operation: Operation) => operation === 'getNodeFindings' || operation === 'getNode';
const shown = (value: string | undefined) => (value === undefined ? 'not there' : plain(value));
