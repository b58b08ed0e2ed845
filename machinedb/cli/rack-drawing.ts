import type { RackItem, RackView } from '../../shared/api/racks.ts';
import { fractionOf } from '../../shared/sections/placement.ts';
import { plain } from './render.ts';

const LANES = 12;
/** Characters of a twelfth of a rack's width. */
const LANE_WIDTH = 3;
const WIDTH = LANES * LANE_WIDTH;

type Face = 'front' | 'rear';

/** A rack as a terminal shows it: both faces, its units, what hangs beside them, and its feeds. */
export function rackText(view: RackView, time?: string): string {
  const units = Array.from({ length: view.height }, (_, i) => (view.descending === true ? i + 1 : view.height - i));
  const beside = view.items.filter(({ side }) => side !== undefined);
  const marks = new Map(beside.map((item, i) => [item, String.fromCharCode('a'.charCodeAt(0) + (i % 26))]));
  const edge = `+${'-'.repeat(WIDTH)}+`;
  const line = (left: string, front: string, rear: string) => `${left.padStart(3)} ${front}    ${rear}`.trimEnd();
  const rows = units.map((unit) =>
    line(`${unit}`, faceRow(view, marks, unit, 'front'), faceRow(view, marks, unit, 'rear')),
  );
  const title = ` ${'front'.padEnd(WIDTH + 2)} `;
  return [
    headline(view, time),
    '',
    line('', title, ' rear (seen from behind)'),
    line('', ` ${edge} `, ` ${edge} `),
    ...rows,
    line('', ` ${edge} `, ` ${edge} `),
    ...notes(view, marks),
  ].join('\n');
}

function headline(
  { site, name, height, descending, room, row, position, description }: RackView,
  time?: string,
): string {
  const about = [
    ...[`${height} units${descending === true ? ', unit 1 uppermost' : ''}`],
    ...(room === undefined ? [] : [`room ${room}`]),
    ...(row === undefined ? [] : [`row ${row}`]),
    ...(position === undefined ? [] : [`position ${position}`]),
    ...(description === undefined ? [] : [plain(description)]),
    ...(time === undefined ? [] : [`as of ${time}`]),
  ];
  return `rack ${name} of site ${site}: ${about.join(', ')}`;
}

/** One unit of one face: a mark of what hangs on each side, and between them what takes its lanes. */
function faceRow({ items, descending }: RackView, marks: Map<RackItem, string>, unit: number, face: Face): string {
  const here = items.filter((item) => takes(item, unit, face));
  const mark = (side: 'left' | 'right') => marks.get(here.find((item) => item.side === side) as RackItem) ?? ' ';
  const cells = here
    .filter(({ side }) => side === undefined)
    .map((item) => ({ item, ...spanOf(item, face) }))
    .sort((a, b) => a.from - b.from);
  let row = '';
  for (const { item, from, to } of cells) {
    const width = (to - from) * LANE_WIDTH;
    const uppermost = descending === true ? item.unit === unit : item.unit! + (item.height ?? 1) - 1 === unit;
    row = `${row.padEnd(from * LANE_WIDTH)}[${fit(uppermost ? plain(item.name) : ':', width - 2)}]`;
  }
  const [first, second] = face === 'front' ? (['left', 'right'] as const) : (['right', 'left'] as const);
  return `${mark(first)}|${row.padEnd(WIDTH)}|${mark(second)}`;
}

function takes({ unit, height = 1, face: of = 'both', side }: RackItem, at: number, face: Face): boolean {
  if (of !== 'both' && of !== face) return false;
  if (unit === undefined) return side !== undefined;
  return at >= unit && at < unit + height;
}

/** Lanes from the left as one stands before the face; who stands behind a rack sees its left at the right. */
function spanOf({ part }: RackItem, face: Face): { from: number; to: number } {
  const [at, of] = fractionOf(part);
  const width = LANES / of;
  const from = face === 'front' ? (at - 1) * width : (of - at) * width;
  return { from, to: from + width };
}

function fit(text: string, width: number): string {
  return text.length > width ? `${text.slice(0, width - 1)}~` : text.padEnd(width);
}

function notes({ items, feeds }: RackView, marks: Map<RackItem, string>): string[] {
  const beside = [...marks].map(([{ name, side, unit, height = 1, face }, mark]) => {
    const where = unit === undefined ? 'whole height' : `units ${unit}-${unit + height - 1}`;
    return `  ${mark} ${plain(name)}, ${side}, ${where}${face === undefined ? '' : `, ${face}`}`;
  });
  const loose = items.filter(({ unit, side }) => unit === undefined && side === undefined);
  const fed = feeds.map(
    ({ name, rating_w, upstream, pdu }) =>
      `  ${name} ${rating_w} W${upstream === undefined ? '' : ` on ${upstream}`}${pdu === undefined ? '' : `, PDU ${pdu}`}`,
  );
  return [
    ...(beside.length === 0 ? [] : ['beside the units (left and right as seen from the front):', ...beside]),
    ...(loose.length === 0 ? [] : [`in no unit: ${loose.map(({ name }) => plain(name)).join(', ')}`]),
    ...(fed.length === 0 ? [] : ['feeds:', ...fed]),
  ];
}
