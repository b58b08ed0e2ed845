import { join } from 'node:path';
import { expect, test } from 'vitest';
import { differences } from '../../shared/diff.ts';
import { bgp } from '../../shared/sections/bgp.ts';
import { run } from '../command.ts';
import { observe } from '../sections/bgp.ts';
import { openSystem } from '../system.ts';
import { intents, wantedOf } from '../testing/frr/intents.ts';
import { makeTree } from '../testing/tree.ts';
import { frrConf } from './frr-conf.ts';

const golden = join(import.meta.dirname, '../testing/frr');

test.each(Object.entries(intents))(
  '%s: frr.conf, which FRR accepts, and which shows as it was wanted',
  async (name, intent) => {
    const wanted = wantedOf(intent);
    const text = frrConf(wanted);
    await expect(text).toMatchFileSnapshot(join(golden, `${name}.conf`));
    const root = makeTree({ '/etc/frr/frr.conf': text, '/etc/frr/daemons': 'bgpd=yes\nbfdd=yes\n' });
    expect(run('vtysh', ['-C', '-f', join(root, '/etc/frr/frr.conf')])).toEqual({ status: 0, stdout: '', stderr: '' });
    const observed = observe(openSystem(root));
    expect(differences(wanted, observed)).toEqual([]);
    // Nothing else is told of a file that has nothing else.
    expect(observed).toEqual({ neighbors: {}, ...wanted });
    expect(bgp.observed.parse(observed)).toEqual(observed);
  },
);
