import { basename } from 'node:path';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/**
 * The tests that take longest, the longest first: begun last, one of them would run alone. But boot-breakage, whose changes have 20 s
 * to be confirmed, comes when fewer machines run beside its own.
 */
const longest = [
  ...['boot-networks', 'boot-faults', 'boot-bios', 'boot-firmware', 'boot-breakage', 'boot-relay', 'boot-bgp'],
  ...['boot-uefi', 'boot-rescue', 'cloud-init', 'failover', 'bgp', 'crash', 'pxe-networks', 'relay', 'relay-away'],
  ...['guest', 'pxe-neighbours', 'start', 'lab-start', 'cli', 'images', 'reads'],
];

/** Order in which test files are begun. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const rank = ({ moduleId }: TestSpecification) => {
      const place = longest.indexOf(basename(moduleId, '.test.ts'));
      return place < 0 ? longest.length : place;
    };
    return (await super.sort(files)).sort((a, b) => rank(a) - rank(b));
  }
}
