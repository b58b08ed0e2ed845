/** An element of an XML document, without comments and processing instructions. */
export interface Element {
  name: string;
  attributes: Record<string, string>;
  children: Element[];
  /** Its own text, trimmed. */
  text: string;
}

const MOST_DEPTH = 32;
const MOST_ELEMENTS = 50_000;
const entities: Record<string, string> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };
const token =
  /<!--[\s\S]*?-->|<\?[\s\S]*?\?>|<!DOCTYPE[^>[]*>|<!\[CDATA\[([\s\S]*?)\]\]>|<(\/?)([\w:.-]+)([^<>]*?)(\/?)>|([^<]+)/y;
const attribute = /([\w:.-]+)\s*=\s*(?:"([^"]*)"|'([^']*)')/g;

/**
 * Reads an XML document as tools write them: elements, attributes, text and the five entities of XML; a document type is
 * skipped, and declares nothing.
 * @throws for what is not well-formed, deeper than 32 elements, or has more than 50,000
 */
export function parseXml(document: string): Element {
  const top: Element = { name: '', attributes: {}, children: [], text: '' };
  const open = [top];
  let count = 0;
  token.lastIndex = 0;
  while (token.lastIndex < document.length) {
    const at = token.lastIndex;
    const match = token.exec(document);
    if (match === null) throw new Error(`the XML is broken at character ${at}`);
    const [, data, closing, name, attributes, empty, text] = match;
    const here = open.at(-1)!;
    if (text !== undefined) here.text += decoded(text);
    else if (data !== undefined) here.text += data;
    else if (name === undefined) continue;
    else if (closing === '/') {
      if (here.name !== name || here === top)
        throw new Error(`the XML closes ${name} at character ${at}, which is not open`);
      here.text = here.text.trim();
      open.pop();
    } else {
      const element: Element = { name, attributes: attributesOf(attributes ?? ''), children: [], text: '' };
      here.children.push(element);
      if (++count > MOST_ELEMENTS) throw new Error(`the XML has more than ${MOST_ELEMENTS} elements`);
      if (empty !== '/' && open.push(element) > MOST_DEPTH)
        throw new Error(`the XML is deeper than ${MOST_DEPTH} elements`);
    }
  }
  const [root, ...more] = top.children;
  if (open.length > 1) throw new Error(`the XML ends within ${open.at(-1)!.name}`);
  if (root === undefined || more.length > 0 || top.text.trim() !== '') throw new Error('this is not one XML element');
  return root;
}

/** The first element along a path of names ('port', 'id'). */
export function childOf(element: Element | undefined, ...path: string[]): Element | undefined {
  return path.reduce((here, name) => here?.children.find((child) => child.name === name), element);
}

/** All children of that name. */
export function childrenOf(element: Element | undefined, name: string): Element[] {
  return element?.children.filter((child) => child.name === name) ?? [];
}

function attributesOf(text: string): Record<string, string> {
  const found = [...text.matchAll(attribute)].map(([, name, double, single]) => [
    name,
    decoded(double ?? single ?? ''),
  ]);
  return Object.fromEntries(found);
}

// What is no entity of XML stays as it is.
function decoded(text: string): string {
  return text.replace(/&(?:#(\d{1,7})|#x([\da-f]{1,6})|(\w{1,8}));/gi, (whole, decimal, hexadecimal, name) => {
    if (name !== undefined) return Object.hasOwn(entities, name) ? entities[name]! : whole;
    const code = decimal === undefined ? Number.parseInt(hexadecimal, 16) : Number(decimal);
    return code > 0x10ffff ? whole : String.fromCodePoint(code);
  });
}
