/** A feed: what power flows through. `id` is NAME of the site, or RACK/NAME. */
export interface Feed {
  id: string;
  rating_w: number;
  /** The feed that it hangs on. */
  upstream: string | undefined;
}

export interface Consumer {
  /** Ids of the feeds that it draws from. */
  feeds: string[];
  /** Watts; undefined: nobody knows, and nothing is counted. */
  draw_w: number | undefined;
}

export interface Flow<C> {
  /** Feeds without power: those that fail, and those that hang on them. */
  dead: Set<string>;
  /** What has feeds, and none of them has power. */
  dark: C[];
  /** Feed → watts, its own and of those that hang on it. */
  load: Map<string, number>;
}

/** How power flows when some feeds fail. What draws from several feeds draws as much from each that is alive. */
export function flow<C extends Consumer>(feeds: Feed[], consumers: C[], failed: Set<string>): Flow<C> {
  const upstream = new Map(feeds.map((feed) => [feed.id, feed.upstream]));
  const lines = new Map(feeds.map(({ id }) => [id, lineOf(id, upstream)]));
  const dead = new Set(feeds.map(({ id }) => id).filter((id) => lines.get(id)!.some((above) => failed.has(above))));
  const load = new Map(feeds.map(({ id }) => [id, 0]));
  const dark: C[] = [];
  for (const consumer of consumers) {
    const alive = consumer.feeds.filter((id) => !dead.has(id));
    if (alive.length === 0 && consumer.feeds.length > 0) dark.push(consumer);
    const share = (consumer.draw_w ?? 0) / alive.length;
    for (const id of alive) for (const above of lines.get(id)!) load.set(above, load.get(above)! + share);
  }
  return { dead, dark, load };
}

/** A feed and all that it hangs on, however long the line. */
function lineOf(id: string, upstream: Map<string, string | undefined>): string[] {
  const line: string[] = [];
  for (let at: string | undefined = id; at !== undefined && !line.includes(at); at = upstream.get(at)) line.push(at);
  return line;
}

/** The feeds that something draws from which does not say: those of its rack on which no other of the rack hangs. */
export function defaultFeeds(rack: string, feeds: Feed[]): string[] {
  const own = feeds.filter(({ id }) => id.startsWith(`${rack}/`));
  return own.map(({ id }) => id).filter((id) => !own.some(({ upstream }) => upstream === id));
}
