import { spawn } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { unpacked } from './unpacked.ts';
import { until } from './until.ts';

/** A TPM for a guest, in software (swtpm): QEMU's chardev of it. */
export async function startTpm(directory: string): Promise<{ chardev: string; close: () => Promise<void> }> {
  const [state, socket] = [join(directory, 'tpm'), join(directory, 'tpm.socket')];
  mkdirSync(state);
  const words = ['socket', '--tpm2', '--tpmstate', `dir=${state}`, '--ctrl', `type=unixio,path=${socket}`];
  const child = spawn('swtpm', words, { stdio: 'ignore' });
  const ended = once(child, 'close');
  const close = async () => {
    child.kill('SIGKILL');
    await ended;
  };
  await until(
    async () => existsSync(socket),
    (is) => is,
    { ms: 20_000, interval: 50 },
  );
  return { chardev: `socket,id=tpm,path=${socket}`, close };
}

/** A piece of an LLDP frame (IEEE 802.1AB, 8.4): type and length in 16 bits, then the value. */
function tlv(type: number, value: Buffer): Buffer {
  const head = Buffer.alloc(2);
  head.writeUInt16BE((type << 9) | value.length);
  return Buffer.concat([head, value]);
}

const text = (subtype: number, value: string) => Buffer.concat([Buffer.from([subtype]), Buffer.from(value)]);
const mac = Buffer.from('02004d440009', 'hex');
/** What the switch says of itself: chassis and port, for 120 s, its name, the port's description, its VLAN (IEEE 802.1Q, D.2.1). */
const FRAME = Buffer.concat([
  Buffer.from('0180c200000e', 'hex'),
  mac,
  Buffer.from('88cc', 'hex'),
  tlv(1, Buffer.concat([Buffer.from([4]), mac])),
  tlv(2, text(5, 'Ethernet1/7')),
  tlv(3, Buffer.from([0, 120])),
  tlv(4, Buffer.from('rack 1, unit 12')),
  tlv(5, Buffer.from('leaf-01')),
  tlv(127, Buffer.from('0080c2010064', 'hex')),
  tlv(0, Buffer.alloc(0)),
]);

/** A switch at the other end of a guest's cable that says each second who it is: QEMU's netdev `n1`, whose frames are datagrams. */
export async function startSwitch(): Promise<{ netdev: string; close: () => void }> {
  const port = async () => {
    const socket = createSocket('udp4').bind(0, '127.0.0.1');
    await once(socket, 'listening');
    return { socket, number: socket.address().port };
  };
  const [own, guest] = [await port(), await port()];
  guest.socket.close();
  const timer = setInterval(() => own.socket.send(FRAME, guest.number, '127.0.0.1'), 1000);
  return {
    netdev: `socket,id=n1,udp=127.0.0.1:${own.number},localaddr=127.0.0.1:${guest.number}`,
    close: () => {
      clearInterval(timer);
      own.socket.close();
    },
  };
}

/** Files of lldpd, which hears a switch in a guest, for its initramfs. Its libraries are here with gnutls-bin and openipmi. */
export function lldpd(): Record<string, string> {
  const root = unpacked('lldpd');
  const library = 'usr/lib/x86_64-linux-gnu/liblldpctl.so.4';
  return {
    [join(root, 'usr/sbin/lldpd')]: '/sbin/lldpd',
    [join(root, 'usr/sbin/lldpcli')]: '/sbin/lldpctl',
    [join(root, library)]: `/${library}`,
  };
}
