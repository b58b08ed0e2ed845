import { expect, test } from 'vitest';
import { ApiError } from '../../shared/client.ts';
import { describe } from './run.ts';

const b = { detail: 'not in its network', pointer: '/interfaces/eth0/addresses/b' };

test.each([
  ['network/interfaces/eth0/addresses/b: not in its network', [b], ''],
  ['not in its network', [b], '\n  at /interfaces/eth0/addresses/b'],
  ['not in its network', [], ''],
  [
    'not in its network',
    [b, { detail: 'too long', pointer: '/dns' }],
    '\n  at /interfaces/eth0/addresses/b\n  /dns: too long',
  ],
])('an error %j with %j is told with every place', (message, errors, places) => {
  expect(describe(new ApiError(400, 'invalid', message, errors))).toBe(message + places);
});
