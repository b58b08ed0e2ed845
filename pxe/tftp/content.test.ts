import fc from 'fast-check';
import { expect, test } from 'vitest';
import { contentOfText } from './content.ts';
import { Transfer } from './transfer.ts';

test('a text is sent as a file with it would be, whatever the blocks', async () => {
  const sizes = fc.record({
    text: fc.string({ maxLength: 3000, unit: 'grapheme' }),
    blockSize: fc.integer({ min: 8, max: 1468 }),
    window: fc.integer({ min: 1, max: 9 }),
  });
  await fc.assert(
    fc.asyncProperty(sizes, async ({ text, blockSize, window }) => {
      const packets: Buffer[] = [];
      const { promise, resolve } = Promise.withResolvers<boolean>();
      const transfer = new Transfer({
        file: contentOfText(text),
        terms: { blockSize, window, timeoutMs: 60_000, agreed: {} },
        send: (packet) => packets.push(packet),
        done: resolve,
      });
      transfer.start();
      for (let done = 0; done < packets.length; ) {
        done = packets.length;
        transfer.acknowledge(packets.at(-1)!.readUInt16BE(2));
      }
      expect(await promise).toBe(true);
      expect(Buffer.concat(packets.map((packet) => packet.subarray(4))).toString('utf8')).toBe(text);
      expect(packets.at(-1)!.length - 4).toBe(Buffer.byteLength(text) % blockSize);
    }),
    { seed: 7, numRuns: 200 },
  );
});
