import { createReadStream } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { pipeline } from 'node:stream/promises';
import { openBelow } from '../tftp/open-file.ts';

/** Serves a loader to firmware that boots by HTTP: it asks for the size first, by HEAD, and goes by the type (UEFI 2.10, section 24.7.3). */
export async function serveLoader(
  request: IncomingMessage,
  response: ServerResponse,
  folder: string,
  name: string,
  log: { info: (data: object, message: string) => void },
): Promise<void> {
  const file = openBelow(folder, name);
  if (file === undefined) return void response.writeHead(404).end();
  response.writeHead(200, { 'content-type': 'application/efi', 'content-length': file.size });
  const stream = createReadStream('', { fd: file.fd, start: 0, end: Math.max(0, file.size - 1) });
  if (request.method === 'HEAD') {
    stream.destroy();
    response.end();
    return;
  }
  const whole = await pipeline(stream, response).then(
    () => true,
    () => false,
  );
  log.info({ file: name, bytes: file.size, client: request.socket.remoteAddress, whole }, 'HTTP boot');
}
