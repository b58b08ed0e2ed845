import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { fixturePath, testCaptured } from '../testing/fixture.ts';
import { parseNvidiaSmi } from './nvidia-smi.ts';
import { parseNvlink } from './nvlink.ts';

const sample = (name: string) => readFileSync(fixturePath(`nvidia-smi/${name}`), 'utf8');

testCaptured('an A100 cut into slices', () => {
  const slice = { memory_bytes: 19968 * 1024 ** 2 };
  expect(parseNvidiaSmi(sample('a100-sxm4-v12.xml'))).toEqual(
    new Map([
      [
        '0000:01:00.0',
        {
          model: 'NVIDIA A100-SXM4-80GB',
          architecture: 'Ampere',
          uuid: 'GPU-513536b6-7d19-9063-b049-1e69664bb298',
          serial: '1650522003820',
          board_part: '692-2G506-0212-002',
          vbios: '92.00.36.00.02',
          firmware: '535.54.03',
          memory_bytes: 81920 * 1024 ** 2,
          ecc: true,
          mig: true,
          mig_slices: { '3/0': slice, '4/0': slice, '5/0': slice, '6/0': slice },
          driver_version: '535.54.03',
        },
      ],
    ]),
  );
});

testCaptured(
  'every sample, of versions 10 to 13, tells one GPU with model, UUID and memory; no placeholder is a fact',
  () => {
    for (const name of readdirSync(fixturePath('nvidia-smi'))) {
      const [[address = '', gpu] = [], ...more] = [...parseNvidiaSmi(sample(name))];
      expect(more).toEqual([]);
      expect(address).toMatch(/^[0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.0$/);
      expect(gpu).toMatchObject({
        model: expect.stringMatching(/^(NVIDIA|Tesla|Quadro|GeForce|Graphics Device)/),
        uuid: expect.stringMatching(/^GPU-[0-9a-f-]{36}$/),
        memory_bytes: expect.any(Number),
      });
      expect(JSON.stringify(gpu)).not.toMatch(/N\/A|REDACTED|"0+"|0000000000000/);
    }
  },
);

testCaptured('a sample cut anywhere is refused', () => {
  const text = sample('tesla-t4.xml').trimEnd();
  for (const part of [0.001, 0.01, 0.1, 0.5, 0.9, 0.9999])
    expect(() => parseNvidiaSmi(text.slice(0, Math.floor(text.length * part)))).toThrow(/^(the XML|this is not)/);
});

test('what is no answer of it is refused; a GPU without address is left out', () => {
  const failed = "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver.\n";
  expect(() => parseNvidiaSmi(failed)).toThrow('this is not one XML element');
  expect(() => parseNvidiaSmi('<html></html>')).toThrow('nvidia-smi answered html, not nvidia_smi_log');
  expect(parseNvidiaSmi('<nvidia_smi_log><gpu id="x"/><gpu/></nvidia_smi_log>')).toEqual(new Map());
  const long = parseNvidiaSmi('<nvidia_smi_log><gpu id="00010000:0A:00.0"/></nvidia_smi_log>');
  expect([...long.keys()]).toEqual(['10000:0a:00.0']);
});

test('NVLinks that are up, and the slowest of them', () => {
  const status = `GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-4ec03b14-bd4f-a1ba-6b1e-1c26bb02aa2a)
\t Link 0: 25 GB/s
\t Link 1: 25 GB/s
\t Link 2: <inactive>
\t Link 3: 12.5 GB/s
GPU 1: NVIDIA A100-SXM4-40GB (UUID: GPU-00000000-bd4f-a1ba-6b1e-1c26bb02aa2a)
\t Link 0: <inactive>
GPU 2: Tesla T4 (UUID: garbage)
`;
  expect([...parseNvlink(status)]).toEqual([
    ['GPU-4ec03b14-bd4f-a1ba-6b1e-1c26bb02aa2a', { links: 3, gigabytes_per_s: 12.5 }],
  ]);
  expect([...parseNvlink('NVML: Driver/library version mismatch')]).toEqual([]);
});
