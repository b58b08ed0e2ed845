// Enrols a machine that is none, and prints its node and identity: node test/lab/seed-node.ts URL STATE DIRECTORY INDEX SECTIONS.
// A program of its own because it runs in a network of the lab.
import { identityText } from '../../agent/client/identity.ts';
import { readConnection } from '../../machinedb/cli/connect.ts';
import type { DaemonProcess } from '../harness.ts';
import { simulateNode } from '../simulated-node.ts';

const [url = '', state = '', directory = '', index = '', sections = '{}'] = process.argv.slice(2);
const connection = readConnection({ MACHINEDB_URL: url, MACHINEDB_STATE: state });
const daemon = { url, connection } as DaemonProcess;
const simulated = simulateNode(directory, Number(index));
const { node, fingerprint } = await simulated.enrol(daemon);
await simulated.report(daemon, JSON.parse(sections) as Record<string, unknown>);
process.stdout.write(
  JSON.stringify({ node, fingerprint, identity: identityText(simulated.identity, simulated.hardware, node) }),
);
process.exit();
