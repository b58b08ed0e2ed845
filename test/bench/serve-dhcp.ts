// Our boot service, as a process of its own: INTERFACE FIRST LAST RELAY DIRECTORY. The DHCP of it is measured.
import { interfaceOf, startPxe } from '../../pxe/pxe.ts';

const [name, first, last, relay, directory] = process.argv.slice(2) as [string, string, string, string, string];
await startPxe({
  interface: interfaceOf(name),
  leaseSeconds: 3600,
  directory,
  files: directory,
  httpPort: 0,
  // perfdhcp speaks as a relay agent.
  subnets: [{ cidr: '10.80.0.0/16', relays: [relay], pool: { first, last }, ports: [] }],
  isKnown: async () => false,
  decide: async () => ({ spec: { kind: 'local' }, reason: 'bench' }),
  arguments: () => [],
  log: { info: () => {}, warn: () => {} },
  now: Date.now,
  random: Math.random,
});
console.log('ready');
