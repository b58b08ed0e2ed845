import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse } from 'yaml';

const read = (name: string) => readFileSync(join(import.meta.dirname, name), 'utf8');

// test/failover.test.ts runs these files. What it does not come to - both standbys lost, an fsync that fails, a standby that
// was away for long, a machine that hangs - hangs on single lines of them.
test('nothing is acknowledged that one disk alone has, and no server that fell behind becomes the primary', () => {
  const { bootstrap, postgresql, watchdog } = parse(read('patroni.yml').replace(/@([A-Z_]+)@/g, '$1'));
  const { ttl, loop_wait, retry_timeout } = bootstrap.dcs;
  expect(loop_wait + 2 * retry_timeout).toBeLessThanOrEqual(ttl);
  expect(bootstrap.dcs).toEqual({
    ...{ ttl, loop_wait, retry_timeout },
    primary_start_timeout: 0,
    synchronous_mode: true,
    synchronous_mode_strict: true,
    postgresql: {
      use_pg_rewind: true,
      use_slots: true,
      parameters: {
        ...{ max_connections: 200, max_wal_senders: 10, max_replication_slots: 10 },
        ...{ wal_log_hints: 'on', max_slot_wal_keep_size: '8GB', data_sync_retry: 'off' },
      },
    },
  });
  expect(bootstrap.initdb).toEqual([{ encoding: 'UTF8' }, { locale: 'C.UTF-8' }, 'data-checksums']);
  expect(postgresql).toMatchObject({
    remove_data_directory_on_rewind_failure: true,
    remove_data_directory_on_diverged_timelines: true,
    pg_hba: [
      'local all all peer',
      'host replication replicator NETWORK scram-sha-256',
      'host all all NETWORK scram-sha-256',
    ],
  });
  expect(watchdog).toEqual({ mode: 'automatic' });
});

test('etcd has room for disks that are kept busy, and throws old history away', () => {
  const settings = Object.fromEntries(
    [...read('etcd.default').matchAll(/^ETCD_(\w+)="(.*)"$/gm)].map(([, name, value]) => [name, value]),
  );
  expect(settings).toEqual({
    ...{ NAME: '@NAME@', DATA_DIR: '/var/lib/etcd/machinedb' },
    ...{ LISTEN_CLIENT_URLS: 'http://@ADDRESS@:2379', ADVERTISE_CLIENT_URLS: 'http://@ADDRESS@:2379' },
    ...{ LISTEN_PEER_URLS: 'http://@ADDRESS@:2380', INITIAL_ADVERTISE_PEER_URLS: 'http://@ADDRESS@:2380' },
    ...{ INITIAL_CLUSTER: '@PEERS@', INITIAL_CLUSTER_STATE: 'new', INITIAL_CLUSTER_TOKEN: 'machinedb' },
    ...{ HEARTBEAT_INTERVAL: '250', ELECTION_TIMEOUT: '2500', AUTO_COMPACTION_RETENTION: '1' },
  });
});
