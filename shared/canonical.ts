/**
 * JSON with sorted keys and no white space: the same value is the same text everywhere, so that it can be hashed and
 * signed. As RFC 8785 for the values used here (no NaN, no undefined inside arrays); undefined members are left out.
 */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map((item) => canonical(item ?? null)).join(',')}]`;
  if (value !== null && typeof value === 'object') {
    const members = value as Record<string, unknown>;
    let text = '';
    for (const key of Object.keys(members).sort()) {
      const member = members[key];
      if (member !== undefined) text += `${text === '' ? '' : ','}${JSON.stringify(key)}:${canonical(member)}`;
    }
    return `{${text}}`;
  }
  return JSON.stringify(value);
}
