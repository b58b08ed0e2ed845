/** Numbers in [0, 1) that are the same in each run (a linear congruential generator). */
export function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Damages bytes as bad firmware, a bad disk or an attacker would: flips, cuts, doubles, puts in other things, or grows. */
export function damaged(bytes: Buffer, random: () => number): Buffer {
  const at = (size: number) => Math.floor(random() * size);
  const result = Buffer.from(bytes);
  switch (at(6)) {
    case 0:
      return result.subarray(0, at(result.length + 1));
    case 1:
      return Buffer.concat([result.subarray(at(result.length + 1)), result]);
    case 2:
      return Buffer.from(Array.from({ length: at(400) }, () => at(256)));
    case 3: {
      const words = ['0-99999', '-1', '99999999999999999999', '\0', '\xff\xfe', ' '.repeat(300), ':', '=', ',', '\n'];
      const put = Buffer.from(words[at(words.length)]!.repeat(1 + at(20)), 'latin1');
      const place = at(result.length + 1);
      return Buffer.concat([result.subarray(0, place), put, result.subarray(place)]);
    }
    default:
      for (let count = 1 + at(8); count > 0 && result.length > 0; count--) result[at(result.length)] = at(256);
      return result;
  }
}
