import { createHash, generateKeyPairSync, sign } from 'node:crypto';
import { expect, test } from 'vitest';
import { isTrustSigned, trustText } from './signed-trust.ts';

const authority = () => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  return {
    pin: createHash('sha256').update(spki).digest('hex'),
    sign: (text: string) => ({
      public_key: spki.toString('base64'),
      signature: sign('sha256', Buffer.from(text), privateKey).toString('base64'),
    }),
  };
};
const trust = { name: 'machinedb', pins: ['ab'], wanted_keys: [{ id: 'k', public_key: 'AA==' }] };

test('what is to be trusted counts when a pinned CA signed it, whoever hands it on', () => {
  const [ours, other] = [authority(), authority()];
  const good = ours.sign(trustText(trust));
  expect(isTrustSigned(trust, [good], [ours.pin])).toBe(true);
  expect(isTrustSigned(trust, [other.sign(trustText(trust)), good], [ours.pin])).toBe(true);
  expect(isTrustSigned(trust, [other.sign(trustText(trust))], [ours.pin])).toBe(false);
  expect(isTrustSigned({ ...trust, wanted_keys: [] }, [good], [ours.pin])).toBe(false);
  expect(isTrustSigned(trust, [{ ...good, public_key: other.sign('').public_key }], [ours.pin, other.pin])).toBe(false);
  expect(isTrustSigned(trust, [], [ours.pin])).toBe(false);
});
