import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { END_OF_ROWS, tableEnd, tableStart } from './format.ts';
import { Lines } from './lines.ts';

async function* cut(content: Buffer, sizes: number[]): AsyncGenerator<Buffer> {
  for (let at = 0, i = 0; at < content.length; i++) {
    const next = at + sizes[i % sizes.length]!;
    yield content.subarray(at, next);
    at = next;
  }
}

test('content is read the same wherever it is cut, in pieces of whole lines', async () => {
  // What COPY may write, and what looks like an end mark without being one.
  const row = fc.constantFrom('', 'a', 'a\tb', 'x\\.', '\\\\.', '\\.x', '.', 'ä\\n');
  const tables = fc.array(fc.array(row, { maxLength: 6 }), { minLength: 1, maxLength: 3 });
  const sizes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 });
  await fc.assert(
    fc.asyncProperty(tables, sizes, async (all, cuts) => {
      const rowsOf = (rows: string[]) => rows.map((text) => `${text}\n`).join('');
      const text = all
        .map((rows) => `{"table":"t"}\n${rowsOf(rows)}${END_OF_ROWS}\n{"rows":${rows.length},"sha256":""}\n`)
        .join('');
      const lines = new Lines(cut(Buffer.from(text), cuts));
      for (const rows of all) {
        expect(await lines.object(tableStart, 'table')).toEqual({ table: 't' });
        const pieces: string[] = [];
        for await (const piece of lines.rows()) pieces.push(piece.toString('utf8'));
        expect(pieces.filter((piece) => !piece.endsWith('\n'))).toEqual([]);
        expect(pieces.join('')).toBe(rowsOf(rows));
        expect(await lines.object(tableEnd, 'end')).toEqual({ rows: rows.length, sha256: '' });
      }
      expect(lines.digest()).toBe(createHash('sha256').update(text).digest('hex'));
      await lines.ended();
    }),
    { seed: 7, numRuns: 300 },
  );
});

test('what is no line is refused, without keeping all of it', async () => {
  let asked = 0;
  async function* endless() {
    for (; asked < 100; asked++) yield Buffer.alloc(1024 * 1024, 'x');
  }
  await expect(new Lines(endless()).object(tableStart, 'table')).rejects.toThrow('it has no table where one should be');
  expect(asked).toBeLessThan(10);
  const told = async (text: string) => {
    const lines = new Lines(cut(Buffer.from(text), [100]));
    return await lines.object(tableStart, 'table').then(
      () => lines.ended(),
      (error: Error) => error.message,
    );
  };
  expect(await told('no JSON\n')).toBe('it has no table where one should be');
  expect(await told('{"rows":1}\n')).toBe('it has no table where one should be');
  expect(await told('{"table":"t"}')).toBe('it ends before its end: a part of it is missing');
  await expect(told('{"table":"t"}\nmore')).rejects.toThrow('something follows its end');
  await expect(told(`{"table":"t"}\n${' '.repeat(100)}`)).rejects.toThrow('something follows its end');
});
