import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { FeedItem } from '../shared/api/feed-item.ts';
import { emptyDisk, type Machine, powerOn, SERVER } from './lab/site.ts';
import { openStory, type Story } from './lab/story.ts';
import { until } from './lab/until.ts';
import { type RelayProcess, startRelayProcess } from './relay-process.ts';

const HOST = '10.77.0.30';
const WANTED = '/var/lib/machinedb-agent/wanted.json';
let story: Story;
let relay: RelayProcess;

beforeAll(async () => {
  story = await openStory({ pxe: false, apart: true });
  const { site } = story;
  const { token } = await site.machinedb<{ token: string }>('relay', 'create', 'rack1', '--site', 'ams1');
  relay = await startRelayProcess(site.harness.daemons[0], join(site.directory, 'relay'), token, [], {
    inside: site.network.inside,
    place: { '--interface': 'br0', '--pool': '10.77.0.100-10.77.0.150', '--router': SERVER, '--heartbeat-ms': '6000' },
  });
}, 600_000);
afterAll(async () => {
  await relay?.kill();
  await story?.close();
});

const inRelay = (name: string) => readFileSync(join(relay.directory, 'state', name));
const queued = () =>
  inRelay('queue.jsonl')
    .toString('utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as { node: string; path: string; body: string })
    .filter(({ path }) => path === '/v1/self/observed')
    .map((said) => ({ ...said, ...(JSON.parse(said.body) as { boot_id: string; seq: number; sections: object }) }));
const logged = (message: string) =>
  relay.log
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as { msg: string; mac?: string; answer?: string; sha256?: string })
    .filter(({ msg }) => msg === message);

/** Somebody adds a package source on the node: its agent tells so. */
const addSource = async (uri: string) =>
  await story.ssh(
    HOST,
    `printf 'Types: deb\\nURIs: ${uri}\\nSuites: lab\\nComponents: main\\n' > /etc/apt/sources.list.d/other.sources; sync`,
  );

test('a machine that knows only a relay is installed by it; the centre gone, it boots, gets what is wanted and tells; all is heard once, in order', async () => {
  const { site, show, ssh } = story;
  const started = performance.now();
  const mark = (what: string) =>
    process.stderr.write(`relay: ${what} after ${((performance.now() - started) / 1000).toFixed(0)} s\n`);
  const disk = emptyDisk(site, 'disk');
  // QEMU's NVMe was seen to answer no more on a busy machine.
  const more = [
    ...['-drive', `file=${disk},if=none,id=v0,format=raw,cache=unsafe,discard=unmap`],
    ...['-device', 'virtio-blk-pci,drive=v0,serial=LAB-RELAY-1-DISK,bootindex=2'],
  ];
  const machine: Machine = { firmware: 'ipxe', mac: '52:54:00:4d:0a:01', serial: 'LAB-RELAY-1', processors: 1, more };
  const { node, fingerprint, guest } = await story.discover(machine);
  let running = guest;
  try {
    mark('discovered');
    await story.order(node, fingerprint, 'relay1.lab.example.org', HOST);
    await guest.line(/installed: starting the disk/, 900_000);
    mark('installed');
    await story.reach(node, 'active');
    await expect.poll(async () => (await show(node)).health, { timeout: 120_000 }).toBe('ok');
    mark('active');
    // Each file came from the centre once, whoever fetched it here, and is what its name says.
    const { discovery, baseOs } = site.images;
    const files = [discovery.files.kernel!, discovery.files.initrd!, baseOs.files.disk!].map(({ sha256 }) => sha256);
    const came = logged('a file came from the centre').map(({ sha256 }) => sha256);
    expect(new Set(came).size).toBe(came.length);
    expect(came).toEqual(expect.arrayContaining(files));
    for (const sha256 of files)
      expect(
        createHash('sha256')
          .update(inRelay(`files/${sha256}`))
          .digest('hex'),
      ).toBe(sha256);
    await until(
      async () => inRelay('known.json').toString('utf8'),
      (known) => known.includes('install 1 is done'),
      { ms: 30_000, interval: 500 },
    );
    const wanted = await ssh(HOST, `cat ${WANTED}`);

    for (const index of [0, 1] as const) await site.harness.kill(index);
    // What it keeps of its wanted state is lost, too: it has it from nobody but the relay.
    await ssh(HOST, `rm ${WANTED}; sync`);
    await running.close();
    const before = logged('install 1 is done').length;
    running = powerOn(site, machine);
    const soon = { ms: 600_000, interval: 2000 };
    await until(
      async () => await ssh(HOST, `cat ${WANTED}`).catch(() => ''),
      (text) => text === wanted,
      soon,
    );
    mark('booted without the centre');
    expect(logged('install 1 is done').slice(before)).toContainEqual(
      expect.objectContaining({ mac: machine.mac, answer: 'local', node }),
    );
    for (const word of ['first', 'second']) {
      await addSource(`http://${word}.example.org/`);
      await expect
        .poll(() => queued().map(({ body }) => body), { timeout: 60_000 })
        .toContainEqual(expect.stringContaining(`${word}.example.org`));
    }
    mark('told');
    const told = queued();
    expect(new Set(told.map((each) => each.node))).toEqual(new Set([node]));
    expect(new Set(told.map(({ boot_id }) => boot_id)).size).toBe(1);
    // A boot's numbers begin with its microseconds, and go up by one.
    expect(told.map(({ seq }) => seq - told[0]!.seq)).toEqual(told.map((_, i) => i));

    for (const index of [0, 1] as const) await site.harness.start(index);
    const repos = async () => {
      const { items } = await site.get<{ items: (FeedItem & { data?: unknown })[] }>(
        `/v1/nodes/${node}/history?section=repos&limit=1000`,
      );
      const all = items.reverse().map(({ data }) => JSON.stringify(data));
      return all.map((text) => ['first', 'second'].filter((word) => text.includes(`${word}.example.org`)).join());
    };
    await until(
      async () => (await repos()).includes('second'),
      (is) => is,
      { ms: 60_000 },
    );
    expect((await repos()).filter((word) => word !== '')).toEqual(['first', 'second']);
    expect((await repos()).at(-1)).toBe('second');
    await expect.poll(() => inRelay('queue.jsonl').length, { timeout: 20_000 }).toBe(0);
    // It speaks with the centre again, and nothing but what was told has changed.
    const seen = (await show(node)).seen_at;
    await expect.poll(async () => (await show(node)).seen_at, { timeout: 60_000 }).not.toBe(seen);
    expect(await show(node)).toMatchObject({ state: 'active', level: 'approved', name: 'relay1.lab.example.org' });
    const states = (await story.acts(node, 'node.state')).map(({ data }) => (data as { to: string }).to);
    expect(states.reverse()).toEqual(['approved', 'installing', 'configuring', 'active']);
    mark('heard');
  } catch (error) {
    process.stderr.write(`${[...running.console.slice(-60), ...relay.log.slice(-40)].join('\n')}\n`);
    throw error;
  } finally {
    await running.close();
  }
}, 2_400_000);
