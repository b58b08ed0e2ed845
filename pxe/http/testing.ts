import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { OutgoingHttpHeaders } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BootAnswer, BootRequest } from '../../shared/boot.ts';
import { filesOf, httpGet } from '../testing.ts';
import { type BootHttpOptions, startBootHttp } from './server.ts';

export const local: BootAnswer = { spec: { kind: 'local' }, reason: 'it is active' };

/** A boot service's HTTP with a file, a damaged one, a loader, and what a test says of the catalogue and the answers. */
export async function startService() {
  const directory = mkdtempSync(join(tmpdir(), 'machinedb-boot-http-'));
  const content = Buffer.from(Array.from({ length: 5000 }, (_, i) => i % 251));
  const sha256 = createHash('sha256').update(content).digest('hex');
  const [damaged, absent] = ['d'.repeat(64), 'e'.repeat(64)];
  writeFileSync(join(directory, sha256), content);
  writeFileSync(join(directory, damaged), 'something else');
  mkdirSync(join(directory, 'loaders'));
  writeFileSync(join(directory, 'loaders/snponly.efi'), 'a loader');
  const begin = () => ({
    /** Digests that signed manifests name; undefined: nobody can say now. */
    catalogue: new Set([sha256, damaged, absent]) as Set<string> | undefined,
    asked: [] as BootRequest[],
    answer: async (): Promise<BootAnswer> => local,
  });
  const state = begin();
  const options: BootHttpOptions = {
    address: '127.0.0.1',
    port: 0,
    files: filesOf(directory, {
      isKnown: async (asked) => {
        if (state.catalogue === undefined) throw new Error('database away');
        return state.catalogue.has(asked);
      },
    }),
    loaders: join(directory, 'loaders'),
    rackOf: (address) => address,
    random: () => 0.5,
    decide: async (request) => {
      state.asked.push(request);
      return await state.answer();
    },
    arguments: (url) => [`machinedb.files=${url}/files`],
    log: { info: () => {}, warn: () => {} },
  };
  const service = await startBootHttp(options);
  const { url, port } = service;

  const get = (path: string, headers: OutgoingHttpHeaders = {}, method = 'GET') =>
    httpGet(port, path, { headers, method });

  return {
    ...{ directory, content, sha256, damaged, absent, options, url, port, state, get },
    script: async (query: string) => String((await get(`/boot/script?${query}`)).body),
    /** Forgets what a test has said. */
    reset: () => void Object.assign(state, begin()),
    close: async () => {
      await service.close();
      rmSync(directory, { recursive: true });
    },
  };
}
