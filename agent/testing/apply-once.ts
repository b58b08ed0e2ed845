import { argv } from 'node:process';
import type { ApplyOptions } from '../apply/apply.ts';
import type { Wanted } from '../apply/sections.ts';
import type { Facts } from '../facts.ts';
import { cutOffAt } from './cut-off.ts';

/** `apply-once.ts apply|undo ROOT STATE N|probe`: one apply or undo, cut off at its n-th change of the disk, or unconfirmed. */
const [, , what, root = '', state = '', n] = argv;

const wanted: Wanted = {
  hostname: { hostname: 'web1', fqdn: 'web1.example.org' },
  network: { interfaces: { eth0: { addresses: { '10.1.0.5/24': {} }, gateway: '10.1.0.1' } } },
  ssh: { password_authentication: false, authorized_keys: { root: { 'SHA256:k': {} } } },
  repos: {
    apt: {
      base: {
        uris: { 'http://deb.example.org/debian': true },
        suites: { bookworm: true },
        signed_by: '/etc/apt/keyrings/machinedb-base.asc',
      },
    },
  },
  material: { 'SHA256:k': 'ssh-ed25519 AAAA ann', '/etc/apt/keyrings/machinedb-base.asc': 'KEY\n' },
};

// Asked for its route, the machine has it.
const run: ApplyOptions['run'] = () => ({ status: 0, stdout: 'default via 10.1.0.1 dev eth0 \n', stderr: '' });

let probes = 0;
cutOffAt(Number(n));
const { applyWanted, undo } = await import('../apply/apply.ts');
if (what === 'undo') undo({ root, state, run }, 'cut off');
else {
  const { outcome } = await applyWanted({
    ...{ root, state, run, wanted, generation: 7, mode: 'enforce' as const, deadlineMs: 1000, host: '192.0.2.1' },
    observe: () => ({ sections: wanted, errors: {} }) as unknown as Facts,
    probe: async () => {
      // The first is before anything is changed.
      if (n === 'probe' && ++probes > 1) process.kill(process.pid, 'SIGKILL');
    },
    clock: () => 0,
    sleep: async () => undefined,
  });
  if (outcome !== 'applied') throw new Error(`the apply is ${outcome}`);
}
