// Clients of a TFTP server that fetch a file again and again: ADDRESS PORT FILE SIZE CLIENTS MS WINDOW. Writes {"bytes","files","lost"}.
import { createSocket } from 'node:dgram';

const [address, port, file, ...numbers] = process.argv.slice(2) as [string, string, string];
const [size, clients, ms, window] = numbers.map(Number) as [number, number, number, number];
const options = `blksize\x001468\0${window > 1 ? `windowsize\x00${window}\0` : ''}`;
const request = Buffer.from(`\0\u0001${file}\0octet\0${options}`, 'latin1');
const counts = { bytes: 0, files: 0, lost: 0 };
const AGAIN_MS = 1000;
let over = false;

/** Fetches the file from a port of its own, as RFC 1350 and 7440 have it; asks again when nothing came for a second. */
function fetch(): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const socket = createSocket({ type: 'udp4', lookup: (host, _, done) => done(null, host, 4) });
  let [to, last, since, agreed, got] = [Number(port), 0, 0, 1, 0];
  let word: Buffer = request;
  const say = (packet: Buffer) => {
    word = packet;
    socket.send(packet, to, address);
  };
  const acknowledge = () => {
    since = 0;
    say(Buffer.from([0, 4, (last >> 8) & 255, last & 255]));
  };
  const timer = setInterval(() => {
    counts.lost += 1;
    say(word);
  }, AGAIN_MS);
  const end = () => {
    clearInterval(timer);
    socket.close();
    resolve();
  };
  socket.on('message', (data, peer) => {
    if (over) return end();
    to = peer.port;
    timer.refresh();
    const kind = data[1];
    if (kind === 5) reject(new Error(`TFTP error: ${data.toString('latin1', 4)}`));
    if (kind === 6) {
      agreed = Number(/windowsize\0(\d+)\0/.exec(data.toString('latin1', 2))?.[1] ?? 1);
      return acknowledge();
    }
    if (kind !== 3 || data.readUInt16BE(2) !== ((last + 1) & 0xffff)) return;
    last += 1;
    since += 1;
    got += data.length - 4;
    counts.bytes += data.length - 4;
    const whole = data.length < 1472;
    if (whole || since >= agreed) acknowledge();
    if (!whole) return;
    if (got !== size) reject(new Error(`${got} bytes came of ${size}`));
    counts.files += 1;
    setImmediate(end);
  });
  socket.bind(0, address, () => say(request));
  return promise;
}

setTimeout(() => {
  over = true;
  console.log(JSON.stringify(counts));
  process.exit(0);
}, ms);
await Promise.all(
  Array.from({ length: clients }, async () => {
    while (!over) await fetch();
  }),
);
