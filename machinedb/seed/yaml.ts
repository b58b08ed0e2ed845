/** Members as a YAML document in block style; every text is quoted as JSON does, so it is text whatever it looks like. */
export function yaml(members: Record<string, unknown>, indent = ''): string {
  return Object.entries(members)
    .filter(([, value]) => value !== undefined)
    .map(
      ([key, value]) =>
        `${indent}${/^[a-z][a-z0-9-]*$/.test(key) ? key : JSON.stringify(key)}:${valueText(value, indent)}`,
    )
    .join('');
}

function valueText(value: unknown, indent: string): string {
  if (Array.isArray(value)) return ` [${value.map(inline).join(', ')}]\n`;
  if (value === null || typeof value !== 'object') return ` ${JSON.stringify(value)}\n`;
  const text = yaml(value as Record<string, unknown>, `${indent}  `);
  return text === '' ? ' {}\n' : `\n${text}`;
}

function inline(value: unknown): string {
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  const present = Object.entries(value).filter(([, member]) => member !== undefined);
  return `{${present.map(([key, member]) => `${key}: ${JSON.stringify(member)}`).join(', ')}}`;
}
