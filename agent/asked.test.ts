import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { controllerAsker, type Doors } from './asked.ts';
import { IPMI_ANSWER, openSystem, TPM_ANSWER } from './system.ts';
import { makeTree } from './testing/tree.ts';

const HOUR = 3600 * 1000;

/** Doors that count how often they are asked, at a time that stands still. */
function made(answers: Partial<Doors> = {}) {
  const asked = { tpm: 0, bmc: 0 };
  const time = { now: 0 };
  const doors: Doors = {
    tpm: async () => ({ n: 1 }),
    bmc: async () => ({ 'mc-info': 'x' }),
    now: () => time.now,
    patienceMs: 50,
    ...answers,
  };
  const counted = (name: 'tpm' | 'bmc') => async () => {
    asked[name] += 1;
    return await doors[name]();
  };
  return { asked, time, ask: controllerAsker({ ...doors, tpm: counted('tpm'), bmc: counted('bmc') }) };
}

test('the TPM is asked once, the management controller once a day', async () => {
  const { asked, time, ask } = made();
  const system = await ask(openSystem());
  expect(system.read(TPM_ANSWER)).toBe('{"n":1}');
  expect(system.read(IPMI_ANSWER)).toBe('{"mc-info":"x"}');
  expect(system.read('/proc/sys/kernel/ostype')).toBe('Linux');
  await ask(openSystem());
  expect(asked).toEqual({ tpm: 1, bmc: 1 });
  time.now = 24 * HOUR;
  await ask(openSystem());
  expect(asked).toEqual({ tpm: 1, bmc: 2 });
});

test('what failed is an error when it is read, so that nothing vanishes, and is asked again after an hour', async () => {
  const { asked, time, ask } = made({ bmc: async () => Promise.reject(new Error('it is ill')) });
  const system = await ask(openSystem());
  expect(() => system.read(IPMI_ANSWER)).toThrow('it is ill');
  time.now = HOUR - 1;
  await ask(openSystem());
  expect(asked.bmc).toBe(1);
  time.now = HOUR;
  await ask(openSystem());
  expect(asked.bmc).toBe(2);
});

test('what is slow is waited for a moment once, and told when it is there', async () => {
  const { promise, resolve } = Promise.withResolvers<object>();
  const { asked, ask } = made({ tpm: () => promise });
  const first = await ask(openSystem());
  expect(() => first.read(TPM_ANSWER)).toThrow('the TPM has not answered yet');
  await ask(openSystem());
  resolve({ n: 2 });
  await setImmediate();
  expect((await ask(openSystem())).read(TPM_ANSWER)).toBe('{"n":2}');
  expect(asked.tpm).toBe(1);
});

test('where there is nothing to ask there is no file, and a captured machine is not asked', async () => {
  const { asked, ask } = made({ tpm: async () => undefined, bmc: async () => undefined });
  const root = makeTree({ [TPM_ANSWER]: '{"n":3}' });
  expect((await ask(openSystem(root))).read(TPM_ANSWER)).toBe('{"n":3}');
  expect(asked).toEqual({ tpm: 0, bmc: 0 });
  expect((await ask(openSystem())).read(TPM_ANSWER)).toBeUndefined();
});
