/** Text of a stranger made safe for a terminal: control characters are shown as \xNN, so that no escape sequence works. */
export function plain(value: unknown): string {
  if (value === undefined || value === null) return '';
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text.replace(/[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/g, (character) => {
    return `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`;
  });
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

/** A value as indented `key: value` lines. */
export function tree(value: unknown, indent = ''): string {
  if (value === null || typeof value !== 'object') return `${indent}${plain(value)}`;
  return Object.entries(value)
    .filter(([, member]) => member !== undefined)
    .map(([key, member]) => {
      const simple = member === null || typeof member !== 'object' || isShortList(member);
      if (simple)
        return `${indent}${plain(key)}: ${isShortList(member) ? member.map(plain).join(', ') : plain(member)}`;
      return `${indent}${plain(key)}:\n${tree(member, `${indent}  `)}`;
    })
    .join('\n');
}

function isShortList(value: unknown): value is unknown[] {
  return Array.isArray(value) && value.every((item) => item === null || typeof item !== 'object');
}
