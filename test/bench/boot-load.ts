// Machines that boot at once: URL COUNT. Each asks for both scripts, and comes again when it is told to. Writes {"ms","waited"}: the
// milliseconds of all, and those that each waited for its decision.
import http from 'node:http';

const [url, count] = process.argv.slice(2) as [string, string];

/** Seconds to come again; 0: it was answered. */
function get(path: string, localAddress: string): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  const request = http.get(url + path, { localAddress, agent: false }, (response) => {
    response.resume().on('end', () => {
      if (response.statusCode === 200) resolve(0);
      else resolve(Number(response.headers['retry-after'] ?? 1));
    });
  });
  request.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'ECONNRESET') resolve(1);
    else reject(error);
  });
  return promise;
}

async function boot(machine: number): Promise<number> {
  const from = `127.0.${1 + Math.floor(machine / 200)}.${1 + (machine % 200)}`;
  const hex = machine.toString(16).padStart(6, '0');
  const mac = `52:54:00:${hex.match(/../g)!.join(':')}`;
  let waited = 0;
  for (const path of ['/boot/ipxe', `/boot/script?mac=${mac}&platform=efi`]) {
    const started = performance.now();
    for (let again = 1; again > 0; ) {
      again = await get(path, from);
      await new Promise((resolve) => setTimeout(resolve, again * 1000));
    }
    waited = performance.now() - started;
  }
  return waited;
}

const started = performance.now();
const waited = await Promise.all(Array.from({ length: Number(count) }, (_, machine) => boot(machine)));
console.log(JSON.stringify({ ms: performance.now() - started, waited }));
process.exit(0);
