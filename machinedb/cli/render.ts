import { printable } from '../../shared/printable.ts';

/** A value of a stranger as a terminal may show it, on one line. */
export function plain(value: unknown): string {
  if (value === undefined || value === null) return '';
  return printable(typeof value === 'string' ? value : JSON.stringify(value));
}

/** Rows as aligned columns under upper-case headings, as `ps` does. */
export function table(columns: string[], rows: unknown[][]): string {
  const cells = [columns.map((column) => column.toUpperCase()), ...rows.map((row) => row.map(plain))];
  const widths = columns.map((_, i) => Math.max(...cells.map((row) => (row[i] ?? '').length)));
  return cells
    .map((row) =>
      row
        .map((cell, i) => cell.padEnd(widths[i]!))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

/** A value as indented `key: value` lines; members of a list begin with "-". */
export function tree(value: unknown, indent = ''): string {
  if (value === null || typeof value !== 'object') return `${indent}${plain(value)}`;
  if (Array.isArray(value))
    return value.map((item) => `${indent}- ${tree(item, `${indent}  `).trimStart()}`).join('\n');
  return Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .map(([key, member]) => {
      if (isShortList(member)) return `${indent}${plain(key)}: ${member.map(plain).join(', ')}`.trimEnd();
      if (member === null || typeof member !== 'object') return `${indent}${plain(key)}: ${plain(member)}`;
      if (Object.keys(member).length === 0) return `${indent}${plain(key)}: {}`;
      return `${indent}${plain(key)}:\n${tree(member, `${indent}  `)}`;
    })
    .join('\n');
}

function isShortList(value: unknown): value is unknown[] {
  return Array.isArray(value) && value.every((item) => item === null || typeof item !== 'object');
}
