import { sections } from '../../shared/sections/index.ts';
import { Problem } from '../http/problem.ts';

type Side = 'observed' | 'intended' | 'derived';

const having = (side: 'observed' | 'intended') =>
  Object.entries(sections).flatMap(([name, section]) => (side in section ? [name] : []));

/** Of which sections the past can be kept for a time only. */
const kept: Record<Side, string[]> = {
  observed: ['default', ...having('observed')],
  intended: having('intended'),
  derived: ['wanted', 'state', 'findings'],
};

/** Throws a problem where a section has no such side: a misspelt one would be kept for ever without a word. */
export function checkKept(side: Side, section: string): void {
  if (!kept[side].includes(section))
    throw new Problem('invalid', `there is no ${side} section "${section}": there are ${kept[side].join(', ')}`);
}
