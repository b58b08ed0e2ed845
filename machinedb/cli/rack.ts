import type { Consumer, Power } from '../../shared/api/power.ts';
import type { Client } from '../../shared/client.ts';
import { exitCodes, Failure } from './failure.ts';
import { parseFlags } from './flags.ts';
import { rackText } from './rack-drawing.ts';
import { plain, table } from './render.ts';
import type { Terminal } from './run.ts';

const usage = `usage: machinedb rack show [SITE/]RACK [--as-of TIME] [--json]
       machinedb rack power [SITE/]RACK [--fail FEED,FEED] [--json]`;

/** `machinedb rack show` draws a rack; `machinedb rack power` tells what its feeds carry, and what happens when some fail. */
export async function runRack(connect: () => Client, argv: string[], terminal: Terminal): Promise<void> {
  const [act, ...rest] = argv;
  const { positionals, own } = parseFlags(rest, new Map(), {
    'as-of': { type: 'string' },
    fail: { type: 'string' },
    json: { type: 'boolean' },
    help: { type: 'boolean', short: 'h' },
  });
  if (own.help === true) return terminal.out(usage);
  if (positionals.length < 1 || positionals.length > 2 || (act === 'show' ? own.fail : own['as-of']) !== undefined)
    throw new Failure(usage, exitCodes.usage);
  const client = connect();
  const { site, rack } = await findRack(client, positionals.join('/'));
  const print = (reply: unknown, text: string) =>
    terminal.out(own.json === true ? JSON.stringify(reply, null, 2) : text);
  if (act === 'show') {
    const as_of = own['as-of'] as string | undefined;
    const view = await client.call('getRack', { params: { site, rack }, query: { as_of } });
    return print(view, rackText(view, as_of));
  }
  const power = await client.call('getPower', { params: { site }, query: { rack, fail: own.fail as string } });
  print(power, powerText(power));
}

/** The rack that SITE/RACK, or RACK where one site has it, means. */
async function findRack(client: Client, text: string): Promise<{ site: string; rack: string }> {
  const [first = '', second] = text.split('/');
  if (second !== undefined) return { site: first, rack: second };
  const { items } = await client.call('listRacks', { query: { name: first } });
  if (items.length === 1) return { site: items[0]!.site, rack: first };
  if (items.length === 0)
    throw new Failure(`there is no rack "${first}": machinedb rack list shows them`, exitCodes.notFound);
  throw new Failure(
    `there is a rack ${first} in several sites (${items.map(({ site }) => site).join(', ')}): say SITE/${first}`,
    exitCodes.conflict,
  );
}

/** What feeds carry, and what goes dark, as people read it. */
export function powerText({ fail, dark, feeds, unknown }: Power): string {
  const rows = feeds.map(({ feed, rating_w, load_w, after_w, dead, over }) => [
    ...[feed, rating_w, load_w],
    ...(fail.length === 0 ? [] : [dead ? 0 : after_w]),
    dead ? 'dead' : over ? 'OVER ITS RATING' : '',
  ]);
  const over = feeds.filter((feed) => feed.over && !feed.dead);
  const columns = ['feed', 'rated w', 'load w', ...(fail.length === 0 ? [] : ['after w']), 'state'];
  return [
    ...(feeds.length === 0 ? ['no power feeds: machinedb feed put makes one'] : [table(columns, rows)]),
    ...(fail.length === 0 ? [] : ['', `when ${fail.join(' and ')} ${fail.length === 1 ? 'fails' : 'fail'}:`]),
    ...(fail.length > 0 && dark.length === 0 ? ['  nothing goes dark'] : []),
    ...dark.map((consumer) => `  goes dark: ${consumerText(consumer)}`),
    ...(fail.length === 0
      ? []
      : over.map(
          ({ feed, after_w, rating_w }) =>
            `  ${plain(feed)} would carry ${after_w} W of ${rating_w}, and may trip: --fail ${[...fail, feed].join()} tells what then goes dark`,
        )),
    ...(unknown.length === 0 ? [] : ['', 'nobody knows what these draw (machinedb assign --draw-w, nameplate put):']),
    ...unknown.map((consumer) => `  ${consumerText(consumer)}`),
  ].join('\n');
}

function consumerText({ name, rack, unit, draw_w }: Consumer): string {
  const where = `rack ${rack}${unit === undefined ? '' : `, unit ${unit}`}`;
  return `${plain(name)} (${where}${draw_w === undefined ? '' : `, ${draw_w} W`})`;
}
