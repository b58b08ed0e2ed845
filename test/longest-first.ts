import { basename } from 'node:path';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** The tests that take longest, the longest first: begun last, one of them would run alone. */
const longest = [
  ...['boot-networks', 'boot-faults', 'boot-breakage', 'boot-bios', 'boot-firmware', 'boot-relay', 'boot-bgp'],
  ...['boot-uefi', 'boot-rescue', 'cloud-init', 'failover', 'bgp', 'crash', 'pxe-networks', 'relay', 'guest'],
  ...['start', 'lab-start', 'cli', 'reads'],
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
