import { join } from 'node:path';
import { writeFileDurably } from '../durable-file.ts';
import { issueServer, LEAF_LIFE_MS, type ServerCertificate } from './ca.ts';
import type { Keys } from './keys.ts';

const CHECK_MS = 60_000;

export interface ServerTls {
  /** The certificate in use now. */
  readonly certificate: ServerCertificate;
  /** Ends the renewal, and waits for one that is under way. */
  close(): Promise<void>;
}

export interface ServerTlsOptions {
  keys: Keys;
  /** Names and addresses of this host, for the certificate. */
  names: string[];
  /** `ca.pem` with the valid CAs is kept here for the command line. */
  stateDirectory: string;
  now: () => number;
  /** Gets each later certificate: after a rotation, on whichever daemon, and before the one in use expires. */
  onChange: (certificate: ServerCertificate) => void;
  onError: (error: unknown) => void;
}

/** A daemon's own server certificate, kept valid while it runs. */
export async function openServerTls(options: ServerTlsOptions): Promise<ServerTls> {
  const { keys, names, stateDirectory, now } = options;
  let certificate: ServerCertificate;
  let issuedAt = 0;
  let closed = false;
  let renewal = Promise.resolve();
  const issue = async () => {
    const authorities = keys.authorities();
    certificate = await issueServer(authorities, names, now());
    issuedAt = now();
    writeFileDurably(join(stateDirectory, 'ca.pem'), `${authorities.map((ca) => ca.certificate).join('\n')}\n`, 0o644);
  };
  const renew = () => {
    if (closed) return;
    renewal = renewal.then(issue).then(() => options.onChange(certificate), options.onError);
  };
  await issue();
  keys.onRotation(renew);
  const timer = setInterval(() => {
    // A clock that jumped back makes a certificate look new for ever: distance counts, either way.
    if (Math.abs(now() - issuedAt) > LEAF_LIFE_MS / 2) renew();
  }, CHECK_MS).unref();
  return {
    get certificate() {
      return certificate;
    },
    close: async () => {
      closed = true;
      clearInterval(timer);
      await renewal;
    },
  };
}
