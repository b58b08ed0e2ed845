import { expect, test } from 'vitest';
import { bodyFrames, decodeFrame, encodeFrame, frameJson, PIECE } from './relay-frame.ts';

test('a frame is a kind, a number and bytes', () => {
  const bytes = encodeFrame('request', 7, { method: 'GET' });
  expect(bytes.toString('latin1')).toBe('\x01\0\0\0\x07{"method":"GET"}');
  const frame = decodeFrame(bytes)!;
  expect(frame).toEqual({ kind: 'request', id: 7, payload: Buffer.from('{"method":"GET"}') });
  expect(frameJson(frame)).toEqual({ method: 'GET' });
  expect(decodeFrame(encodeFrame('opened', 2 ** 32 - 1))).toEqual({
    kind: 'opened',
    id: 2 ** 32 - 1,
    payload: Buffer.alloc(0),
  });
});

test('what is no frame is passed over', () => {
  for (const bytes of [[], [1], [1, 0, 0, 0], [0, 0, 0, 0, 1], [9, 0, 0, 0, 1], [1, 0, 0, 0, 0]])
    expect(decodeFrame(Buffer.from(bytes))).toBeUndefined();
  expect(() => frameJson({ kind: 'close', id: 1, payload: Buffer.from('null') })).toThrow(
    'a frame of kind close carries no object',
  );
});

test('a body comes in pieces that a server takes, and an end', () => {
  const body = Buffer.alloc(PIECE * 2 + 1, 'x');
  const frames = [...bodyFrames(3, body)].map((bytes) => decodeFrame(bytes)!);
  expect(frames.map(({ kind, payload }) => [kind, payload.length])).toEqual([
    ['body', PIECE],
    ['body', PIECE],
    ['body', 1],
    ['end', 0],
  ]);
  expect(Buffer.concat(frames.map(({ payload }) => payload)).equals(body)).toBe(true);
  expect([...bodyFrames(3, Buffer.alloc(0))]).toEqual([encodeFrame('end', 3)]);
});
