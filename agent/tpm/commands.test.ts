import { expect, test } from 'vitest';
import { damaged, randomFrom } from '../testing/random.ts';
import { askTpm } from './ask.ts';
import { nvDataOf, nvPublicOf, nvRead, propertiesOf, publicOf, TpmError } from './commands.ts';
import { certificateIn, keyOf } from './public-key.ts';

const hex = (...parts: string[]) => Buffer.from(parts.join('').replaceAll(' ', ''), 'hex');

/** An answer of success around a body. */
function answer(body: Buffer, code = 0): Buffer {
  const header = Buffer.alloc(10);
  header.writeUInt16BE(0x8001);
  header.writeUInt32BE(10 + body.length, 2);
  header.writeUInt32BE(code, 6);
  return Buffer.concat([header, body]);
}

const properties = answer(hex('00 00000006 00000002', '00000105 49465800', '0000010b 00070055'));
const nvPublic = answer(hex('000e', '01c00002', '000b', '00060000', '0000', '0004', '0000'));

test('the commands are bytes of the specification', () => {
  expect(nvRead(0x01c00002, false, 512, 1024).toString('hex')).toBe(
    '8002000000230000014e01c0000201c000020000000940000009000000000002000400',
  );
  expect(nvRead(0x01c00002, true, 1, 0).toString('hex', 10, 14)).toBe('40000001');
});

test('answers', () => {
  expect([...propertiesOf(properties)]).toEqual([
    [0x105, 0x49465800],
    [0x10b, 0x70055],
  ]);
  expect(nvPublicOf(nvPublic)).toEqual({ size: 4, byOwner: true, byIndex: true });
  expect(nvDataOf(answer(hex('00000006', '0004', '3082aabb', '00'))).toString('hex')).toBe('3082aabb');
  expect(() => propertiesOf(answer(hex(''), 0x18b))).toThrow(new TpmError(0x18b));
  expect(new TpmError(0x18b).message).toBe('the TPM answered with error 0x18b');
});

test('what is in an index and no certificate is none; padding is not part of one', () => {
  expect(certificateIn(hex('ffff'))).toBeUndefined();
  expect(certificateIn(hex('30820003 0102'))).toBeUndefined();
  const padded = certificateIn(hex('30820001 05 ffff'));
  expect(padded).toEqual(certificateIn(hex('30820001 05')));
  expect(padded?.key_sha256).toBeUndefined();
});

test('5,000 damaged answers: each is understood or refused, none crashes, hangs or invents a key', async () => {
  const random = randomFrom(6);
  const good = [
    properties,
    nvPublic,
    answer(hex('00000006', '0004', '3082aabb', '00')),
    answer(Buffer.alloc(64, 0x23)),
  ];
  const damage = () => damaged(good[Math.floor(random() * good.length)]!, random);
  const refused = /^the (TPM|answer of the TPM) |out of range|outside buffer bounds|Invalid|Unsupported|Failed/i;
  for (let round = 0; round < 5000; round++) {
    const bytes = damage();
    for (const parse of [propertiesOf, nvPublicOf, nvDataOf, (area: Buffer) => keyOf(publicOf(area)), certificateIn]) {
      try {
        parse(bytes);
      } catch (error) {
        expect((error as Error).message).toMatch(refused);
      }
    }
  }
  for (let round = 0; round < 200; round++)
    await askTpm(async () => damage()).then(
      ({ endorsement }) => expect(Object.values(endorsement).filter(({ key_sha256 }) => key_sha256)).toEqual([]),
      (error: Error) => expect(error.message).toMatch(refused),
    );
});
