// The central daemon alone: what a service manager starts. npm start (start.ts) adds this machine's agent.
import { pino } from 'pino';
import { readConfigOrExit } from './config.ts';
import { serve } from './serve.ts';

const config = readConfigOrExit();
const log = pino({ level: config.logLevel });
await serve(config, log, process.env.PATH ?? '', async ({ daemon }) => {
  log.info({ url: daemon.url, pins: daemon.pins }, 'listening');
});
