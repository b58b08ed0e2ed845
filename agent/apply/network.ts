import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { NetworkWanted } from '../../shared/sections/network.ts';
import { must, type Run } from '../command.ts';
import { type Change, changesTo, type Files, header } from './change.ts';
import { resolverFiles, unusedResolverFiles } from './resolver.ts';

type Port = NonNullable<NetworkWanted['interfaces']>[string];

const NETWORKD = '/etc/systemd/network';
const NETPLAN = '/etc/netplan/90-machinedb.yaml';

export type Renderer = 'networkd' | 'netplan';

/** netplan where it is installed and in use, else systemd-networkd. */
export function rendererOf(root: string): Renderer {
  const used = list(root, '/etc/netplan').some((name) => name.endsWith('.yaml'));
  return used && existsSync(join(root, '/usr/sbin/netplan')) ? 'netplan' : 'networkd';
}

/**
 * The files of the interfaces that are wanted; others are left to what configures them now.
 *
 * @param macs permanent MAC by interface: what a file matches by, so that another name does not lose it
 */
export function planNetwork(root: string, wanted: NetworkWanted, macs: Record<string, string>): Change[] {
  const { interfaces = {}, dns = {} } = wanted;
  const names = Object.keys(interfaces);
  const files: Files = {
    ...interfaceFiles(root, interfaces, dns, macs),
    ...resolverFiles(root, dns, names.length > 0),
  };
  const ours = list(root, NETWORKD).filter((name) => name.startsWith('10-machinedb-'));
  const there = [...ours.map((name) => `${NETWORKD}/${name}`), ...(existsSync(join(root, NETPLAN)) ? [NETPLAN] : [])];
  const gone = there.filter((path) => files[path] === undefined);
  return changesTo(root, 'network', files, [...gone, ...unusedResolverFiles(root, files)]);
}

function interfaceFiles(
  root: string,
  interfaces: Record<string, Port>,
  dns: NonNullable<NetworkWanted['dns']>,
  macs: Record<string, string>,
): Files {
  if (rendererOf(root) === 'netplan')
    // netplan refuses "ethernets" without any.
    return Object.keys(interfaces).length === 0
      ? {}
      : { [NETPLAN]: { text: netplanText(interfaces, dns, macs), mode: 0o600 } };
  return Object.fromEntries(
    Object.entries(interfaces).map(([name, port]) => [
      `${NETWORKD}/10-machinedb-${name}.network`,
      { text: networkdText(name, port, dns, macs[name]), mode: 0o644 },
    ]),
  );
}

/** systemd.network(5). */
function networkdText(
  name: string,
  port: Port,
  dns: NonNullable<NetworkWanted['dns']>,
  mac: string | undefined,
): string {
  const lines = [
    header,
    '[Match]',
    mac === undefined ? `Name=${name}` : `PermanentMACAddress=${mac}`,
    ...(port.mtu === undefined ? [] : ['', '[Link]', `MTUBytes=${port.mtu}`]),
    '',
    '[Network]',
    `DHCP=${port.dhcp4 === true ? 'ipv4' : 'no'}`,
    ...Object.keys(port.addresses ?? {}).map((address) => `Address=${address}`),
    ...[port.gateway, port.gateway6].filter((gateway) => gateway !== undefined).map((gateway) => `Gateway=${gateway}`),
    ...Object.keys(dns.servers ?? {}).map((server) => `DNS=${server}`),
    ...(dns.search === undefined ? [] : [`Domains=${Object.keys(dns.search).join(' ')}`]),
  ];
  return `${lines.join('\n')}\n`;
}

/** netplan(5), version 2. Every value is quoted: it is text, whatever it looks like. */
function netplanText(
  interfaces: Record<string, Port>,
  dns: NonNullable<NetworkWanted['dns']>,
  macs: Record<string, string>,
): string {
  const list = (values: string[]) => `[${values.map((value) => JSON.stringify(value)).join(', ')}]`;
  const ports = Object.entries(interfaces).flatMap(([name, port]) => {
    const routes = [
      ...(port.gateway === undefined ? [] : [`{to: "0.0.0.0/0", via: "${port.gateway}"}`]),
      ...(port.gateway6 === undefined ? [] : [`{to: "::/0", via: "${port.gateway6}"}`]),
    ];
    const servers = [
      ...(dns.servers === undefined ? [] : [`addresses: ${list(Object.keys(dns.servers))}`]),
      ...(dns.search === undefined ? [] : [`search: ${list(Object.keys(dns.search))}`]),
    ];
    return [
      `    ${JSON.stringify(name)}:`,
      ...(macs[name] === undefined
        ? []
        : [`      match: {macaddress: "${macs[name]}"}`, `      set-name: ${JSON.stringify(name)}`]),
      ...(port.mtu === undefined ? [] : [`      mtu: ${port.mtu}`]),
      `      dhcp4: ${port.dhcp4 === true}`,
      ...(port.addresses === undefined ? [] : [`      addresses: ${list(Object.keys(port.addresses))}`]),
      ...(routes.length === 0 ? [] : [`      routes: [${routes.join(', ')}]`]),
      ...(servers.length === 0 ? [] : [`      nameservers: {${servers.join(', ')}}`]),
    ];
  });
  return `${[header, 'network:', '  version: 2', '  ethernets:', ...ports].join('\n')}\n`;
}

/** Lets the files be in force: those of netplan are checked by it first. Throws when it or networkd refuses them. */
export function reloadNetwork(run: Run, root: string, interfaces: string[]): void {
  // Without interfaces of ours the name servers are in systemd-resolved's own settings, if it runs.
  if (interfaces.length === 0) run('systemctl', ['try-restart', 'systemd-resolved.service']);
  if (rendererOf(root) === 'netplan') {
    must(run, 'netplan', ['generate']);
    must(run, 'netplan', ['apply']);
    return;
  }
  must(run, 'networkctl', ['reload']);
  for (const name of interfaces) must(run, 'networkctl', ['reconfigure', name]);
}

/**
 * Which wanted gateway does not answer ARP (RFC 826) or neighbour discovery (RFC 4861), in words; undefined: they all do,
 * whether they answer ping or not.
 */
export function silentGateway(run: Run, wanted: NetworkWanted): string | undefined {
  for (const [name, { gateway, gateway6 }] of Object.entries(wanted.interfaces ?? {})) {
    if (gateway !== undefined && isSilent(run, '-4', gateway, name))
      return `gateway ${gateway} does not answer ARP on ${name}`;
    if (gateway6 !== undefined && isSilent(run, '-6', gateway6, name))
      return `gateway ${gateway6} does not answer neighbour discovery on ${name}`;
  }
  return undefined;
}

function isSilent(run: Run, family: '-4' | '-6', gateway: string, name: string): boolean {
  const { status } = run('ping', ['-c', '1', '-W', '2', '-I', name, gateway]);
  // Without ping nobody has asked for the gateway: that it is no neighbour says nothing.
  if (status === 0 || status === null) return false;
  const neighbour = run('ip', [family, 'neigh', 'show', gateway, 'dev', name]).stdout;
  return !/lladdr/.test(neighbour) || /FAILED|INCOMPLETE/.test(neighbour);
}

function list(root: string, folder: string): string[] {
  try {
    return readdirSync(join(root, folder));
  } catch {
    return [];
  }
}
