// Our TFTP server alone, as a process of its own: ADDRESS PORT ROOT.
import { startTftp } from '../../pxe/tftp/server.ts';

const [address, port, root] = process.argv.slice(2) as [string, string, string];
const log = { info: () => {}, warn: console.error };
// All clients of a bench have one address.
await startTftp({ address, port: Number(port), root, mostPerClient: 1000, rackOf: (ip) => ip, log });
console.log('ready');
