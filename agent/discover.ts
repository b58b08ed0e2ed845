import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { backoffMs } from './client/backoff.ts';
import { fetchToken } from './client/enrolment.ts';
import { hardwareOf } from './client/hardware.ts';
import { ServerError, send } from './client/http.ts';
import { type Identity, identityText, makeClaim, newIdentity } from './client/identity.ts';
import type { Run } from './command.ts';
import type { Door, Duty } from './duty.ts';
import { contentsOf, isHalfWritten, markOf } from './install/guard.ts';
import { handOver } from './install/hand-over.ts';
import { installImage, type Order, type Told } from './install/install.ts';

export interface Discovery {
  /** Where the boot service's files are. */
  files: URL;
  /** Folder of the disks: /dev */
  devices: string;
  /** The agent's state directory, in memory. */
  directory: string;
  /** As given on the command line: what the installed agent begins with. */
  server: URL;
  pins: readonly string[];
  bootId: string;
  run: Run;
  /** How long the boot service may be away during an install, milliseconds. */
  patienceMs: number;
  sleep: (ms: number) => Promise<void>;
  /** Uniform in [0, 1). */
  random: () => number;
  log: (message: string) => void;
  /** Ends the discovery: `installed`: the disk is bootable; `disk`: the machine has a system of its own on its disk. */
  leave: (why: 'installed' | 'disk') => void;
}

const AGAIN_MS = 10_000;
const TELL_AGAIN_MS = 2_000;

/** The duty of the discovery image: to install when a person asked for it, and to leave a machine alone that has a system. */
export function discoveryDuty(discovery: Discovery): Duty {
  return {
    async work(door) {
      const order = await fetchOrder(door);
      if (order !== undefined) await install(discovery, door, order);
      else await leaveAlone(discovery, door);
      return false;
    },
  };
}

/** The install that is asked for; undefined when there is none or this node is not approved. */
async function fetchOrder(door: Door): Promise<Order | undefined> {
  try {
    return (await door.send<{ install?: Order }>({ method: 'GET', path: '/v1/self/install' })).install;
  } catch (error) {
    if (error instanceof ServerError && error.status === 403) return undefined;
    throw error;
  }
}

/** A machine with data on a disk starts that disk; one without, or with half an image on it, waits here for a person. */
async function leaveAlone(discovery: Discovery, door: Door): Promise<void> {
  const disks = Object.values(door.facts.sections.disks ?? {});
  const starts_disk = disks.some(
    ({ name, size_bytes, transport }) =>
      name !== undefined && size_bytes !== undefined && transport !== 'usb' && holdsData(discovery, name, size_bytes),
  );
  const body = JSON.stringify({ starts_disk });
  await door.send({ method: 'POST', path: '/v1/self/starts-disk', body });
  if (!starts_disk) return;
  discovery.log(
    'a disk of this machine holds data: it starts that now; machinedb reinstall --wipe is the way to another',
  );
  discovery.leave('disk');
}

function holdsData({ devices }: Discovery, name: string, size: number): boolean {
  const fd = openSync(join(devices, name), 'r');
  try {
    return contentsOf(fd, size, markOf('', 0)) === 'data' && !isHalfWritten(fd, size);
  } finally {
    closeSync(fd);
  }
}

async function install(discovery: Discovery, door: Door, order: Order): Promise<void> {
  const { generation } = order;
  discovery.log(`install ${generation} of ${order.image.manifest.name} begins`);
  let teller = { ...door };
  const tell = async (told: Told) => await tellUntilHeard(discovery, teller, told);
  try {
    const done = await installImage(
      {
        ...discovery,
        node: door.node,
        disks: door.facts.sections.disks ?? {},
        trust: door.trust,
        tell,
        handOver: async (device, root) => {
          const identity = newIdentity();
          handOver(discovery.run, device, root, join(discovery.directory, 'disk'), {
            state: {
              'identity.json': identityText(identity, hardwareOf(door.facts), door.node),
              'trust.json': readFileSync(join(discovery.directory, 'trust.json'), 'utf8'),
            },
            config: `${JSON.stringify({ server: discovery.server.href, pins: discovery.pins }, null, 2)}\n`,
          });
          await register(discovery, door, identity);
          teller = await doorOf(door, identity);
        },
      },
      order,
    );
    if (done) discovery.leave('installed');
    else discovery.log(`install ${generation} was taken back or put on hold`);
  } catch (error) {
    const { message } = error as Error;
    discovery.log(`install ${generation} failed: ${message}`);
    await tell({ generation, phase: 'failed', message: message.slice(0, 1000) });
    await discovery.sleep(AGAIN_MS);
    throw error;
  }
}

/** A word that is lost would leave the server in doubt: it is said until it is heard. */
async function tellUntilHeard(discovery: Discovery, door: Door, told: Told): Promise<boolean> {
  for (;;) {
    try {
      const body = JSON.stringify(told);
      return (await door.send<{ proceed: boolean }>({ method: 'PUT', path: '/v1/self/install', body })).proceed;
    } catch (error) {
      const refused = error instanceof ServerError && error.status >= 400 && error.status < 500 && error.status !== 429;
      if (refused || door.signal.aborted) throw error;
      // How far it is can wait for the next step; where it stands cannot.
      if (told.phase === 'writing') return true;
      discovery.log(`"${told.phase}" could not be told (${(error as Error).message}): said again`);
      await discovery.sleep(pauseMs(discovery, error));
    }
  }
}

/** How long the server asks to wait, with some chance, so that a rack does not come back as one. */
function pauseMs({ random }: Discovery, error: unknown): number {
  const { retryAfterS } = error instanceof ServerError ? error : {};
  return retryAfterS === undefined ? TELL_AGAIN_MS : backoffMs(1, random, retryAfterS);
}

/** The disk's key takes the place of the one in memory, which vouches for it. Asked again until the server answers. */
async function register(discovery: Discovery, door: Door, next: Identity): Promise<void> {
  for (;;) {
    try {
      const { nonce } = await send<{ nonce: string }>(door.server, { method: 'POST', path: '/v1/nonce' });
      const hardware = hardwareOf(door.facts);
      const claim = makeClaim(next, {
        nonce,
        hardware,
        bootId: discovery.bootId,
        previous: { node: door.node, identity: door.identity },
      });
      await send(door.server, { method: 'POST', path: '/v1/enrol', body: JSON.stringify(claim) });
      return;
    } catch (error) {
      if (!(error instanceof ServerError)) throw error;
      // 401: a relay has begun or ended to answer in the centre's place, and the nonce was the other's.
      const again = error.status === 0 || error.status === 401 || error.status === 429 || error.status >= 500;
      if (!again) throw error;
      discovery.log(`the disk's key could not be registered (${error.message}): tried again`);
      await discovery.sleep(pauseMs(discovery, error));
    }
  }
}

/** The same node, speaking by another key. */
async function doorOf(door: Door, identity: Identity): Promise<Door> {
  const token = async () => {
    const token = await fetchToken(door.server, identity, door.node);
    if (token === undefined) throw new Error('the server does not know the key of the disk');
    return token.value;
  };
  return {
    ...door,
    identity,
    send: async (request) =>
      await send(door.server, { ...request, token: await token(), headers: door.signed(request, identity) }),
  };
}
