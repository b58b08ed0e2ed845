import { hardwareOf } from '../client/hardware.ts';
import { openIdentity } from '../client/identity.ts';
import { openTrust } from '../client/trust-store.ts';
import { run } from '../command.ts';
import type { AgentOptions } from '../duty.ts';
import { observeAll } from '../facts.ts';
import { openRescueDoor } from './door.ts';
import { runRescue } from './rescue.ts';
import { startSshServer } from './ssh-server.ts';

const DIRECTORY = '/run/machinedb-rescue';
const SSHD = '/usr/sbin/sshd';
const SEPARATION = '/run/sshd';

/** The rescue of this machine, with the SSH server of the image's rescue part. Its key is in memory, as the image is. */
export async function rescueHere({
  system,
  url,
  pins,
  directory,
  clock,
  bootId,
  log,
  signal,
}: AgentOptions): Promise<void> {
  const facts = observeAll(system);
  const hardware = hardwareOf(facts);
  const trust = openTrust(directory, pins);
  const server = { url, pins: () => trust.pins(), clock };
  const door = openRescueDoor(server, openIdentity(directory, hardware), { hardware, bootId, trust });
  const addresses = Object.values(facts.sections.network?.interfaces ?? {}).flatMap((port) =>
    Object.keys(port.addresses ?? {}),
  );
  const address = addresses.find((each) => !/^(127\.|::1\/|fe80:)/.test(each))?.split('/')[0] ?? 'ADDRESS';
  const place = { directory: DIRECTORY, sshd: SSHD, separation: SEPARATION, port: 22, address, run, system };
  await runRescue({
    door,
    start: (order, certify) => startSshServer(place, order.public_key, certify),
    elapsed: () => performance.now(),
    sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    log,
    signal,
  });
}
