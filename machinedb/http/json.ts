import { Problem } from './problem.ts';

const MAX_DEPTH = 64;

/**
 * Parses a JSON body (RFC 8259) that a stranger sent. Refused, each by name: nesting deeper than 64, a key twice in one
 * object, the key `__proto__`, a number that is not finite.
 */
export function parseJson(text: string): unknown {
  checkStructure(text);
  try {
    return MAY_BE_INFINITE.test(text) ? JSON.parse(text, refuseInfinite) : JSON.parse(text);
  } catch (error) {
    if (error instanceof Problem) throw error;
    throw new Problem('invalid', `the body is not JSON: ${(error as Error).message.slice(0, 200)}`);
  }
}

/** A number above 1.8e308 has an exponent of three digits, or 200 digits at least. */
const MAY_BE_INFINITE = /[eE]\+?\d{3}|\d{200}/;

// A function that is asked about every value makes parsing several times slower: most texts do without.
function refuseInfinite(_: string, value: unknown): unknown {
  if (typeof value === 'number' && !Number.isFinite(value)) throw new Problem('invalid', 'a number is too large');
  return value;
}

/** One pass over the text: strings are skipped as tokens, so that brackets inside them do not count. */
function checkStructure(text: string): void {
  const keys: (Set<string> | undefined)[] = [];
  const token = /"(?:[^"\\]|\\.)*"(\s*:)?|[{}[\]]/gs;
  for (let match = token.exec(text); match !== null; match = token.exec(text)) {
    const [found, colon] = match;
    if (found === '{' || found === '[') {
      keys.push(found === '{' ? new Set() : undefined);
      if (keys.length > MAX_DEPTH) throw new Problem('invalid', `the body is nested deeper than ${MAX_DEPTH}`);
    } else if (found === '}' || found === ']') {
      keys.pop();
    } else if (colon !== undefined) {
      note(keys.at(-1), found.slice(0, -colon.length));
    }
  }
}

function note(seen: Set<string> | undefined, quoted: string): void {
  const key = unquote(quoted);
  if (key === undefined) return; // JSON.parse of the whole text names what is wrong.
  if (key === '__proto__') throw new Problem('invalid', 'the body has the key "__proto__"');
  if (seen?.has(key))
    throw new Problem('invalid', `the body has the key ${JSON.stringify(key).slice(0, 100)} twice in one object`);
  seen?.add(key);
}

function unquote(quoted: string): string | undefined {
  if (!quoted.includes('\\')) return quoted.slice(1, -1);
  try {
    return JSON.parse(quoted) as string;
  } catch {
    return undefined;
  }
}
