import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { NetworkWanted } from '../../shared/sections/network.ts';
import { must, type Run } from '../command.ts';
import { type Change, changesTo, type Files, header } from './change.ts';

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
  if (rendererOf(root) === 'netplan') {
    const text = netplanText(interfaces, dns, macs);
    return changesTo(root, 'network', { [NETPLAN]: { text, mode: 0o600 } });
  }
  const files: Files = Object.fromEntries(
    Object.entries(interfaces).map(([name, port]) => [
      `${NETWORKD}/10-machinedb-${name}.network`,
      { text: networkdText(name, port, dns, macs[name]), mode: 0o644 },
    ]),
  );
  const ours = list(root, NETWORKD).filter((name) => name.startsWith('10-machinedb-'));
  const gone = ours.map((name) => `${NETWORKD}/${name}`).filter((path) => files[path] === undefined);
  return changesTo(root, 'network', files, gone);
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
  if (rendererOf(root) === 'netplan') {
    must(run, 'netplan', ['generate']);
    must(run, 'netplan', ['apply']);
    return;
  }
  must(run, 'networkctl', ['reload']);
  for (const name of interfaces) must(run, 'networkctl', ['reconfigure', name]);
}

/** Which wanted gateway does not answer ARP (RFC 826), in words; undefined: they all do, whether they answer ping or not. */
export function silentGateway(run: Run, wanted: NetworkWanted): string | undefined {
  for (const [name, { gateway }] of Object.entries(wanted.interfaces ?? {})) {
    if (gateway === undefined) continue;
    const { status } = run('ping', ['-c', '1', '-W', '2', '-I', name, gateway]);
    // Without ping nobody has asked for the gateway: that it is no neighbour says nothing.
    if (status === 0 || status === null) continue;
    const neighbour = run('ip', ['-4', 'neigh', 'show', gateway, 'dev', name]).stdout;
    if (!/lladdr/.test(neighbour) || /FAILED|INCOMPLETE/.test(neighbour))
      return `gateway ${gateway} does not answer ARP on ${name}`;
  }
  return undefined;
}

function list(root: string, folder: string): string[] {
  try {
    return readdirSync(join(root, folder));
  } catch {
    return [];
  }
}
