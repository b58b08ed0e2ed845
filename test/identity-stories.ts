/**
 * Stories of machines that come back changed. Hardware is written in tokens: U uuid, S serial, B board, C chassis, M MAC,
 * D memory module, each with a number that is the same within a story; `U1~` is U1 in the other byte order. Other texts
 * stand as they are.
 */
export interface Parts {
  uuid?: string;
  serial?: string;
  board?: string;
  chassis?: string;
  macs?: string;
  dimms?: string;
  vendor?: string;
  /** The node whose identity is on the disk. */
  disk?: string;
}

export interface Story {
  name: string;
  /** Nodes that enrolled before, in this order, and what has become of them (approved when absent). Only A when absent. */
  known?: Record<string, Parts & { is?: 'claimed' | 'revoked' | 'retired' }>;
  comes: Parts & {
    /** The node whose key it claims with, or whose key vouches for its own. */
    key?: string;
    previous?: string;
    /** The node that it says it was, when another one's key vouches. */
    names?: string;
  };
  /** `same A`, `new`, `quarantine A B`, `locked A`, `refused CODE`. */
  outcome: string;
}

const box = (n: number, more: Parts = {}): Parts => ({
  ...{ uuid: `U${n}`, serial: `S${n}`, board: `B${n}`, chassis: `C${n}` },
  ...{ macs: `M${n}1 M${n}2`, dimms: `D${n}1 D${n}2 D${n}3 D${n}4` },
  ...more,
});
const without = (parts: Parts, ...names: (keyof Parts)[]): Parts =>
  Object.fromEntries(Object.entries(parts).filter(([name]) => !names.includes(name as keyof Parts)));

const [a, b, other] = [box(1), box(2), box(9)];
const old = without(a, 'chassis', 'dimms');
const oldB = without(b, 'chassis', 'dimms');
const bare = { uuid: 'U1', serial: 'S1', chassis: 'C1', macs: 'M11' };
const placeholders = {
  uuid: '00000000-0000-0000-0000-000000000000',
  serial: 'To Be Filled By O.E.M.',
  board: '0123456789',
};
/** Another machine with the numbers that a maker gave twice. */
const twin = { ...b, uuid: 'U1', serial: 'S1', chassis: 'C1' };
const blade = (n: number) => box(n, { chassis: 'C1' });

export const stories: Required<Story>[] = (
  [
    // Nothing changed, or nothing is known.
    { name: 'a machine that nobody knows', comes: other, outcome: 'new' },
    { name: 'a machine that nothing identifies', comes: {}, outcome: 'new' },
    { name: 'itself, with its key', comes: { ...a, key: 'A' }, outcome: 'same A' },
    { name: 'itself, its new key signed by the old one', comes: { ...a, previous: 'A' }, outcome: 'same A' },
    {
      name: 'itself, not approved yet, with another key',
      known: { A: { ...a, is: 'claimed' } },
      comes: a,
      outcome: 'same A',
    },
    // Re-image.
    { name: 're-imaged', known: { A: a, B: b }, comes: a, outcome: 'same A' },
    { name: 're-imaged with an older agent, which tells of no memory', comes: old, outcome: 'same A' },
    { name: 'enrolled by an older agent, re-imaged with a newer one', known: { A: old }, comes: a, outcome: 'same A' },
    {
      name: 're-imaged, and the image sees ports that had no driver',
      comes: { ...a, macs: 'M11 M12 M13 M14' },
      outcome: 'same A',
    },
    { name: 're-imaged, and the image sees only one port of two', comes: { ...a, macs: 'M12' }, outcome: 'same A' },
    { name: 're-imaged, its UUID read in the other byte order', comes: { ...a, uuid: 'U1~' }, outcome: 'same A' },
    {
      name: 'new cards, and its UUID read in the other byte order',
      known: { A: old },
      comes: { ...old, uuid: 'U1~', macs: 'M91' },
      outcome: 'same A',
    },
    // Network cards.
    { name: 'one card of two replaced', comes: { ...a, macs: 'M11 M92' }, outcome: 'same A' },
    { name: 'all cards replaced', comes: { ...a, macs: 'M91 M92' }, outcome: 'same A' },
    {
      name: 'all cards replaced, where nothing else tells it from a twin',
      known: { A: bare },
      comes: { ...bare, macs: 'M91' },
      outcome: 'quarantine A',
    },
    {
      name: 'all cards replaced, where another machine has the same UUID',
      known: { A: old, B: { ...oldB, uuid: 'U1' } },
      comes: { ...old, macs: 'M91' },
      outcome: 'same A',
    },
    {
      name: 'with two of three cards of a node of which only the cards are told',
      known: { A: without(old, 'macs'), B: { macs: 'M21 M22 M23' } },
      comes: { ...old, macs: 'M21 M22' },
      outcome: 'same A',
    },
    {
      name: 'the cards of another machine, its memory its own',
      known: { A: a, B: b },
      comes: { ...a, macs: b.macs! },
      outcome: 'same A',
    },
    {
      name: 'the cards of another machine, where no memory is told',
      known: { A: old, B: oldB },
      comes: { ...old, macs: b.macs! },
      outcome: 'quarantine A B',
    },
    { name: 'all cards of a known machine in a new one', comes: { ...other, macs: a.macs! }, outcome: 'quarantine A' },
    { name: 'a machine of which only the cards are told', comes: { macs: a.macs! }, outcome: 'same A' },
    { name: 'half of the cards, and nothing else', comes: { macs: 'M11' }, outcome: 'new' },
    {
      name: "a dongle's address that three machines had",
      known: { A: { ...a, macs: 'M1' }, B: { ...b, macs: 'M1 M22' }, C: { ...box(3), macs: 'M1 M32' } },
      comes: { ...other, macs: 'M1' },
      outcome: 'new',
    },
    // Board.
    { name: 'a new board, the cards and the memory kept', comes: { ...a, uuid: 'U9', board: 'B9' }, outcome: 'same A' },
    {
      name: 'a new board, the cards kept, no memory told',
      known: { A: old },
      comes: { ...old, uuid: 'U9', board: 'B9' },
      outcome: 'same A',
    },
    {
      name: 'a new board with its own ports, the serial numbers written anew',
      comes: { ...a, board: 'B9', macs: 'M91 M92' },
      outcome: 'same A',
    },
    {
      name: 'a new board with its own ports, only the memory kept',
      comes: { ...other, dimms: a.dimms! },
      outcome: 'quarantine A',
    },
    {
      name: 'the same, and its disk says who it was',
      comes: { ...other, dimms: a.dimms!, disk: 'A' },
      outcome: 'same A',
    },
    {
      name: 'a new board and half of the memory, and its disk says who it was',
      comes: { ...other, dimms: 'D11 D12 D93 D94', disk: 'A' },
      outcome: 'same A',
    },
    {
      name: 'one memory module of a known machine in a new one',
      comes: { ...other, dimms: 'D11 D92 D93 D94' },
      outcome: 'new',
    },
    // Numbers that lie.
    {
      name: 'the same placeholders as a known machine',
      known: { A: { ...placeholders, macs: 'M11' } },
      comes: { ...placeholders, macs: 'M91' },
      outcome: 'new',
    },
    { name: 'the UUID of a known machine alone', comes: { uuid: 'U1' }, outcome: 'new' },
    {
      name: 'two machines with one UUID and one serial number',
      known: { A: old },
      comes: { ...oldB, uuid: 'U1', serial: 'S1' },
      outcome: 'new',
    },
    {
      name: 'a fourth with the UUID, serial and board number of three',
      known: {
        A: { ...old, macs: 'M11' },
        B: { ...old, board: 'B2', macs: 'M21' },
        C: { ...old, board: 'B3', macs: 'M31' },
      },
      comes: { ...old, board: 'B3', macs: 'M41' },
      outcome: 'new',
    },
    {
      name: 'the serial number of another vendor',
      known: { A: { ...a, vendor: 'Acme' } },
      comes: { serial: 'S1', board: 'B1', uuid: 'U1', vendor: 'Other' },
      outcome: 'new',
    },
    // Twins and blades.
    { name: 'a twin: its UUID, serial and chassis, another board', comes: twin, outcome: 'new' },
    {
      name: 'a twin without board numbers: other cards and other memory',
      known: { A: without(a, 'board') },
      comes: { ...without(b, 'board'), uuid: 'U1', serial: 'S1', chassis: 'C1' },
      outcome: 'new',
    },
    {
      name: 'a blade beside four others in one chassis',
      known: { A: blade(1), B: blade(2), C: blade(3), D: blade(4) },
      comes: blade(5),
      outcome: 'new',
    },
    {
      name: 'a blade that comes again, beside its neighbours',
      known: { A: blade(1), B: blade(2), C: blade(3), D: blade(4) },
      comes: { ...blade(3), macs: 'M91 M92' },
      outcome: 'same C',
    },
    { name: 'a twin that comes again, beside its twin', known: { A: a, B: twin }, comes: twin, outcome: 'same B' },
    // Disks.
    { name: 'a copied disk in a machine that nobody knows', comes: { ...other, disk: 'A' }, outcome: 'quarantine A' },
    {
      name: 'a copied disk in another known machine',
      known: { A: a, B: b },
      comes: { ...b, disk: 'A' },
      outcome: 'quarantine A B',
    },
    { name: 'a copied disk in a twin', comes: { ...twin, disk: 'A' }, outcome: 'quarantine A' },
    {
      name: 'a copied disk, with its key, in a machine that nobody knows',
      comes: { ...other, key: 'A' },
      outcome: 'locked A',
    },
    { name: 'a copied disk, with its key, in a twin', comes: { ...twin, key: 'A' }, outcome: 'locked A' },
    {
      name: 'a disk of a node that there is not',
      comes: { ...other, disk: '5c1f9a52-1111-4000-8000-000000000001' },
      outcome: 'new',
    },
    // Nobody can tell.
    {
      name: 'one machine that is on record twice',
      known: { A: { macs: 'M11' }, B: { uuid: 'U1', serial: 'S1', board: 'B1' } },
      comes: { ...old, macs: 'M11' },
      outcome: 'quarantine A B',
    },
    {
      name: 'a second node that is nearly as like it as the first',
      known: { A: { macs: 'M11' }, B: { uuid: 'U1', serial: 'S1' } },
      comes: { uuid: 'U1', serial: 'S1', macs: 'M11' },
      outcome: 'quarantine A B',
    },
    // Those who may not.
    {
      name: 'a revoked machine, with its key',
      known: { A: { ...a, is: 'revoked' } },
      comes: { ...a, key: 'A' },
      outcome: 'refused forbidden',
    },
    {
      name: 'a revoked machine, with another key',
      known: { A: { ...a, is: 'revoked' } },
      comes: a,
      outcome: 'refused forbidden',
    },
    { name: 'a retired machine comes back', known: { A: { ...a, is: 'retired' } }, comes: a, outcome: 'new' },
    {
      name: 'the key of one node vouches, the hardware is of another',
      known: { A: a, B: b },
      comes: { ...b, previous: 'A' },
      outcome: 'refused conflict',
    },
    {
      name: 'the key of one node vouches for being another',
      known: { A: a, B: b },
      comes: { ...other, previous: 'A', names: 'B' },
      outcome: 'refused forbidden',
    },
  ] as Story[]
).map((story) => ({ known: { A: a }, ...story }));
