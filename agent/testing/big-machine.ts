import type { Tree } from './tree.ts';

const hex = (number: number) => number.toString(16).padStart(2, '0');

/**
 * A machine with many PCI functions, a tenth of them GPUs, a tenth network ports and a tenth NVMe, each behind a root port of its
 * own; and with many CPUs, two threads a core, on two nodes.
 */
export function bigMachine({ functions, cpus }: { functions: number; cpus: number }): Tree {
  const pairs = Array.from({ length: functions / 2 }, (_, index) => pair(index));
  return { ...Object.assign({}, ...pairs), ...processors(cpus) };
}

function pair(index: number): Tree {
  const domain = index >> 7;
  const bus = (index & 127) * 2;
  const root = `pci000${domain}:${hex(bus)}/000${domain}:${hex(bus)}:00.0`;
  const place = `${root}/000${domain}:${hex(bus + 1)}:00.0`;
  const kind = index % 5;
  const ids = [
    { class: 30200, id: '10DE:20B2' },
    { class: 20000, id: '15B3:101D' },
    { class: 10802, id: '144D:A80A' },
  ][kind] ?? { class: 88000, id: '8086:09A2' };
  return {
    ...pciFunction(root, 60400, '8086:347A', index % 2),
    ...pciFunction(place, ids.class, ids.id, index % 2),
    ...(kind === 1 && netdev(place, index)),
    ...(kind === 2 && nvme(place, index)),
  };
}

function pciFunction(place: string, pciClass: number, id: string, node: number): Tree {
  const folder = `/sys/devices/${place}`;
  return {
    [`/sys/bus/pci/devices/${place.split('/').at(-1)}`]: { link: `../../../devices/${place}` },
    [`${folder}/uevent`]: `DRIVER=pcieport\nPCI_CLASS=${pciClass}\nPCI_ID=${id}\nPCI_SUBSYS_ID=1028:0602\n`,
    [`${folder}/revision`]: '0x01\n',
    [`${folder}/numa_node`]: `${node}\n`,
    [`${folder}/local_cpulist`]: '0-127\n',
    [`${folder}/current_link_speed`]: '16.0 GT/s PCIe\n',
    [`${folder}/current_link_width`]: '16\n',
    [`${folder}/max_link_speed`]: '16.0 GT/s PCIe\n',
    [`${folder}/max_link_width`]: '16\n',
    [`${folder}/sriov_totalvfs`]: '0\n',
    [`${folder}/iommu_group`]: { link: '../../../kernel/iommu_groups/1' },
    // What no section may read.
    [`${folder}/config`]: Buffer.alloc(4096),
  };
}

function netdev(place: string, index: number): Tree {
  const name = `eth${index}`;
  const folder = `/sys/devices/${place}/net/${name}`;
  return {
    [`/sys/class/net/${name}`]: { link: `../../devices/${place}/net/${name}` },
    [`${folder}/address`]: `02:00:00:00:00:${hex(index)}\n`,
    [`${folder}/type`]: '1\n',
    [`${folder}/mtu`]: '1500\n',
    [`${folder}/carrier`]: '1\n',
    [`${folder}/speed`]: '25000\n',
    [`${folder}/duplex`]: 'full\n',
  };
}

function nvme(place: string, index: number): Tree {
  const controller = `/sys/devices/${place}/nvme/nvme${index}`;
  const name = `nvme${index}n1`;
  return {
    [`/sys/block/${name}`]: { link: `../devices/${place}/nvme/nvme${index}/${name}` },
    [`${controller}/model`]: 'SAMSUNG MZQLB1T9HAJR-00007\n',
    [`${controller}/serial`]: `S439NA0N${index}\n`,
    [`${controller}/${name}/size`]: '3750748848\n',
    [`${controller}/${name}/nsid`]: '1\n',
    [`${controller}/${name}/queue/rotational`]: '0\n',
  };
}

function processors(count: number): Tree {
  const online = `0-${count - 1}\n`;
  const cpus = Array.from({ length: count }, (_, cpu) => {
    const folder = `/sys/devices/system/cpu/cpu${cpu}`;
    const core = cpu % (count / 2);
    const siblings = `${core},${core + count / 2}\n`;
    const caches = [1, 2, 3].flatMap((level) => [
      [`${folder}/cache/index${level}/level`, `${level}\n`],
      [`${folder}/cache/index${level}/type`, 'Unified\n'],
      [`${folder}/cache/index${level}/size`, '1024K\n'],
      [`${folder}/cache/index${level}/shared_cpu_list`, siblings],
    ]);
    return {
      [`${folder}/topology/physical_package_id`]: `${core < count / 4 ? 0 : 1}\n`,
      [`${folder}/topology/core_id`]: `${core}\n`,
      [`${folder}/topology/die_id`]: '0\n',
      [`${folder}/topology/thread_siblings_list`]: siblings,
      [`${folder}/topology/core_cpus_list`]: siblings,
      ...Object.fromEntries(caches),
    };
  });
  const info = Array.from(
    { length: count },
    (_, cpu) => `processor\t: ${cpu}\nvendor_id\t: AuthenticAMD\nmodel name\t: EPYC\n`,
  );
  return {
    ...Object.assign({}, ...cpus),
    '/sys/devices/system/cpu/online': online,
    '/sys/devices/system/cpu/present': online,
    '/proc/cpuinfo': info.join('\n'),
  };
}
