/** One server of a database URL. */
export interface Server {
  /** A URL for it alone. */
  url: string;
  /** HOST:PORT, or the directory of its socket: what messages call it. */
  name: string;
}

/** Which servers a daemon can use. It writes, so that it never asks for less than one that takes writes. */
const ATTRS = ['any', 'read-write', 'primary'];

/**
 * The servers of a database URL in libpq's form (PostgreSQL manual, 34.1.1.2): several hosts with commas between, in the
 * authority or in `host` and `port`. Throws when it is none, naming what is wrong.
 */
export function serversOf(databaseUrl: string): Server[] {
  const match = /^(postgres(?:ql)?:\/\/)([^@/?#]*@)?([^@/?#]*)(\/[^?#]*)?(\?[^#]*)?$/.exec(databaseUrl);
  if (match === null) throw new Error('expected postgresql://[USER[:PASSWORD]@]HOST[:PORT][,HOST[:PORT]...]/DATABASE');
  const [, scheme = '', user = '', authority = '', path = ''] = match;
  const query = new URLSearchParams(match[5]);
  const attrs = query.get('target_session_attrs') ?? 'any';
  if (!ATTRS.includes(attrs))
    throw new Error(`target_session_attrs is "${attrs}": the daemon writes, so take read-write, or leave it out`);
  query.delete('target_session_attrs');
  const hosts = query.get('host')?.split(',');
  const ports = query.get('port')?.split(',');
  query.delete('port');
  const count = hosts?.length ?? authority.split(',').length;
  if (ports !== undefined && ports.length !== 1 && ports.length !== count)
    throw new Error(`there are ${count} hosts and ${ports.length} ports: give one port, or one for each host`);
  return Array.from({ length: count }, (_, i) => {
    const [host, port] = hosts === undefined ? split(authority.split(',')[i]!) : [hosts[i]!, undefined];
    const at = port ?? ports?.[i] ?? ports?.[0] ?? '5432';
    if (!/^\d{1,5}$/.test(at) || Number(at) > 65535 || Number(at) === 0) throw new Error(`"${at}" is no port`);
    if (host === '' && count > 1) throw new Error('a host of several is empty: name each');
    const one = new URLSearchParams(query);
    const isSocket = decodeURIComponent(host).startsWith('/');
    // node-postgres takes the directory of a socket from the query alone.
    if (hosts === undefined && !isSocket) one.delete('host');
    else one.set('host', decodeURIComponent(host));
    const rest = one.size === 0 ? '' : `?${one}`;
    const place = hosts === undefined && !isSocket ? `${host === '' ? 'localhost' : host}:${at}` : `localhost:${at}`;
    return {
      url: `${scheme}${user}${place}${path}${rest}`,
      name: isSocket ? decodeURIComponent(host) : `${host}:${at}`,
    };
  });
}

function split(text: string): [string, string | undefined] {
  const match = /^(\[[0-9a-fA-F:.]+\]|[^:[\]]*)(?::([^:]*))?$/.exec(text);
  if (match === null) throw new Error(`"${text}" is no HOST:PORT; an IPv6 address stands in brackets`);
  return [match[1]!, match[2]];
}

/** The servers of one URL, and which of them was good last: shared by all connections of a pool. */
export class Servers {
  readonly all: readonly Server[];
  #at = 0;

  constructor(databaseUrl: string) {
    this.all = serversOf(databaseUrl);
  }

  /** Where the next connection goes. */
  get current(): Server {
    return this.all[this.#at]!;
  }

  /** Goes on to the next, unless another connection that failed there has done so. */
  leave(server: Server): void {
    if (this.current === server) this.#at = (this.#at + 1) % this.all.length;
  }
}
