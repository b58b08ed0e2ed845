import { existsSync, lstatSync } from 'node:fs';
import { join } from 'node:path';
import type { NetworkWanted } from '../../shared/sections/network.ts';
import { type Files, header } from './change.ts';
import { readText } from './files.ts';

const RESOLV_CONF = '/etc/resolv.conf';
const RESOLVED = '/etc/systemd/resolved.conf.d/10-machinedb.conf';

type Dns = NonNullable<NetworkWanted['dns']>;

/**
 * The files of name servers that no interface's file brings: systemd-resolved's own settings where it runs and no interface
 * is ours, and resolv.conf(5) where it does not run. A link in place of that is somebody else's to keep.
 */
export function resolverFiles(root: string, dns: Dns, hasInterfaces: boolean): Files {
  const [servers, search] = [Object.keys(dns.servers ?? {}), Object.keys(dns.search ?? {})];
  if (servers.length + search.length === 0) return {};
  if (existsSync(join(root, '/run/systemd/resolve/resolv.conf'))) {
    const text = lines(
      header,
      '[Resolve]',
      ...(servers.length === 0 ? [] : [`DNS=${servers.join(' ')}`]),
      ...(search.length === 0 ? [] : [`Domains=${search.join(' ')}`]),
    );
    return hasInterfaces ? {} : { [RESOLVED]: { text, mode: 0o644 } };
  }
  if (lstatSync(join(root, RESOLV_CONF), { throwIfNoEntry: false })?.isSymbolicLink() === true) return {};
  return { [RESOLV_CONF]: { text: resolvConf(readText(root, RESOLV_CONF) ?? '', servers, search), mode: 0o644 } };
}

/** Files of this module that are there and of no use any more. */
export function unusedResolverFiles(root: string, files: Files): string[] {
  return files[RESOLVED] === undefined && existsSync(join(root, RESOLVED)) ? [RESOLVED] : [];
}

/** What is wanted takes the place of lines of its kind; options and the like stay. */
function resolvConf(before: string, servers: string[], search: string[]): string {
  const replaced = (line: string) =>
    line === header ||
    line.trim() === '' ||
    (servers.length > 0 && /^\s*nameserver\s/.test(line)) ||
    (search.length > 0 && /^\s*(search|domain)\s/.test(line));
  return lines(
    header,
    ...before.split('\n').filter((line) => !replaced(line)),
    ...servers.map((server) => `nameserver ${server}`),
    ...(search.length === 0 ? [] : [`search ${search.join(' ')}`]),
  );
}

const lines = (...each: string[]) => each.map((line) => `${line}\n`).join('');
