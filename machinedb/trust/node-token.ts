import type { Keys } from './keys.ts';

/** What a node's token says: who it is, by which key, and until when (milliseconds since 1970). */
export interface NodeToken {
  node: string;
  fingerprint: string;
  expiresAt: number;
}

const PREFIX = 'mdbn_';

export function makeNodeToken(keys: Keys, token: NodeToken): string {
  const text = Buffer.from(JSON.stringify([token.node, token.fingerprint, token.expiresAt])).toString('base64url');
  return `${PREFIX}${text}.${keys.mac('node-token', text)}`;
}

/** The content of a token that we made and that has not expired; undefined for anything else. */
export function readNodeToken(keys: Keys, token: string, now: number): NodeToken | undefined {
  if (!token.startsWith(PREFIX)) return undefined;
  const [text = '', mac = ''] = token.slice(PREFIX.length).split('.');
  if (!keys.isMac('node-token', text, mac)) return undefined;
  const [node, fingerprint, expiresAt] = JSON.parse(Buffer.from(text, 'base64url').toString('utf8')) as [
    string,
    string,
    number,
  ];
  return now > expiresAt ? undefined : { node, fingerprint, expiresAt };
}
