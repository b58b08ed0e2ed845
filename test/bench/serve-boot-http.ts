// Our boot service's HTTP alone, as a process of its own: PORT FILES [NGINX].

import { startBootHttp } from '../../pxe/http/server.ts';
import { filesOf } from '../../pxe/testing.ts';

const [port, files, nginx] = process.argv.slice(2) as [string, string, string | undefined];
const service = await startBootHttp({
  address: '127.0.0.1',
  port: Number(port),
  files: filesOf(files, { byNginx: nginx !== undefined }),
  nginx,
  rackOf: (address) => address,
  decide: async () => ({ spec: { kind: 'local' }, reason: 'bench' }),
  arguments: () => [],
  log: { info: () => {}, warn: console.error },
  random: Math.random,
  limits: {
    files: { slots: 128, waiting: 4000, perClient: 128, patienceMs: 15_000 },
    decisions: { slots: 32, waiting: 4000, perClient: 128, patienceMs: 15_000 },
  },
});
console.log(service.port);
