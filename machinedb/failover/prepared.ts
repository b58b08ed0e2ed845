const HEAD = /^\/\* prepared as (\w+) \*\//;

/**
 * Marks a statement to be planned once a connection instead of each time. Its plan must serve all its parameters, and the name
 * must tell it from every other statement: it is the same text always, or another name.
 */
export function prepared(name: string, text: string): string {
  return `/* prepared as ${name} */${text}`;
}

/** The name that a statement is prepared as; undefined: it is planned each time. */
export function preparedAs(text: string): string | undefined {
  return HEAD.exec(text)?.[1];
}
