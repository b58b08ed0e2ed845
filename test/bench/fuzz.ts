import { parseLldpFrame } from '../../agent/parse/lldp.ts';
import { fuzz as run } from '../../pxe/fuzz.ts';
import { type Fuzzed, fuzzed } from '../../pxe/fuzz-parsers.ts';
import { show, time } from './measure.ts';

const INPUTS = 10_000_000;
/** By the nearest bridge: chassis by MAC, port by name, time to live, a name, the end (IEEE 802.1AB, 8.2). */
const frame = Buffer.from(
  '0180c200000e525400123456' + '88cc' + '020704525400123456' + '04050565746830' + '06020078' + '0a0473773031' + '0000',
  'hex',
);
const lldp: Fuzzed = { input: frame, round: (data) => parseLldpFrame(data) !== undefined };

/** The long run of the fuzzing that is a test with fewer inputs: none throws, and memory stays as it is. */
export async function fuzz(): Promise<void> {
  for (const [name, parser] of Object.entries({ ...fuzzed, LLDP: lldp })) {
    let found = { read: 0, grown: 0 };
    const ms = await time(() => {
      found = run(parser, Date.now(), INPUTS);
    });
    show(`${name}: inputs, none threw`, [INPUTS], '');
    show(`${name}: understood`, [(100 * found.read) / INPUTS], '%');
    show(`${name}: memory grew by`, [found.grown / 1e6], 'MB');
    show(`${name}: an input takes, its making included`, [(ms * 1000) / INPUTS], 'µs');
  }
}
