import { basename } from 'node:path';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** The tests that take longest, the longest first: begun last, one of them would run alone. */
const longest = [
  ...['boot-networks', 'boot-faults', 'boot-breakage', 'boot-firmware', 'boot-bios', 'boot-bgp', 'boot-relay'],
  ...['boot-uefi', 'cloud-init', 'failover', 'bgp', 'crash', 'pxe-networks', 'relay', 'start'],
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
