// What the stack itself costs: fastify, WebSocket, TLS, JSON and zod as in the daemon, and nothing behind them.
import { readFileSync } from 'node:fs';
import fastifyWebsocket from '@fastify/websocket';
import fastify, { type FastifyInstance } from 'fastify';
import { heartbeat } from '../../shared/api/agent.ts';

const [key, cert, file] = process.argv.slice(2).map((path) => readFileSync(path, 'utf8'));
const server = fastify({
  https: { key, cert, minVersion: 'TLSv1.3' },
  forceCloseConnections: true,
} as object) as unknown as FastifyInstance;
await server.register(fastifyWebsocket, { options: { maxPayload: 64 * 1024 } });
server.get('/echo', { websocket: true }, (socket) => {
  socket.on('message', (data) => socket.send(JSON.stringify(heartbeat.parse(JSON.parse(String(data))))));
});
server.get('/file', (_request, reply) => reply.type('application/json; charset=utf-8').send(file));
console.log(await server.listen({ host: '127.0.0.1', port: 0 }));
