import type { Tree } from './unroll.ts';

/** A disk as sysfs shows it: the folders its place leads to, and the link in /sys/block. */
export function diskTree(place: string, device: Tree, block: Tree = {}): Tree {
  const name = place.split('/').at(-1);
  const parent = place.replace(/(\/block)?\/[^/]+$/, '');
  const under = (folder: string, files: Tree) =>
    Object.fromEntries(Object.entries(files).map(([file, value]) => [`/sys/devices/${folder}/${file}`, value]));
  return {
    ...under(parent, device),
    ...under(place, { size: '2048\n', ...block }),
    [`/sys/block/${name}`]: { link: `../devices/${place}` },
  };
}
