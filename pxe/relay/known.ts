import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RelayNode, RelaySelf } from '../../shared/api/relay.ts';
import type { BootAnswer } from '../../shared/boot.ts';
import { doubtOf } from '../../shared/signed-image.ts';
import { makeFolder, writeWhole } from './durable.ts';

/** Machines of no site yet whose answers are kept. */
const MOST_PASSED = 10_000;

interface Stored {
  self: RelaySelf;
  nodes: RelayNode[];
  passed: [string, BootAnswer][];
}

/** What the relay knows of its site, kept on the disk for the time without the centre. */
export class Known {
  readonly #file: string;
  readonly #over: (node: RelayNode) => RelayNode;
  #stored: Stored | undefined;
  #written = '';
  #nodes = new Map<string, RelayNode>();
  #byMac = new Map<string, RelayNode[]>();
  /** Answers to machines that are of no site yet: what the centre said when they asked last. */
  #passed = new Map<string, BootAnswer>();
  #sizes = new Map<string, number>();

  /**
   * @param over what a node is by what it told here since
   * @throws Error naming the file when it holds something else
   */
  constructor(directory: string, over: (node: RelayNode) => RelayNode = (node) => node) {
    this.#over = over;
    makeFolder(directory);
    this.#file = join(directory, 'known.json');
    let text: string;
    try {
      text = readFileSync(this.#file, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
      throw error;
    }
    try {
      this.#take(JSON.parse(text) as Stored);
      this.#written = text;
    } catch (error) {
      throw new Error(
        `${this.#file} is damaged (${(error as Error).message}): remove it, and the relay asks the centre anew`,
      );
    }
  }

  /** What the centre said of this relay last; undefined: it was never asked. */
  get self(): RelaySelf | undefined {
    return this.#stored?.self;
  }

  /** Takes over what the centre says now, durably. Answers images that cannot be believed, each with the cause. */
  async replace(self: RelaySelf, nodes: RelayNode[]): Promise<string[]> {
    this.#take({ self, nodes, passed: [...this.#passed] });
    const text = JSON.stringify({ ...this.#stored, passed: [...this.#passed] });
    if (text !== this.#written) await writeWhole(this.#file, text);
    this.#written = text;
    return self.images.flatMap((image) => {
      const doubt = doubtOf(image, self.trust.wanted_keys);
      return doubt === undefined ? [] : [`image ${image.manifest.name}: ${doubt}`];
    });
  }

  /** Notes what the centre answered a machine, which may be of no site yet. */
  note(mac: string, answer: BootAnswer): void {
    this.#passed.delete(mac);
    if (answer.node === undefined) return;
    this.#passed.set(mac, answer);
    if (this.#passed.size > MOST_PASSED) this.#passed.delete(this.#passed.keys().next().value!);
  }

  /** How a machine boots, by what is known here; undefined: the centre was never asked. */
  answer(mac: string): BootAnswer | undefined {
    const nodes = this.withMacs([mac]);
    if (nodes.length > 1)
      return {
        spec: { kind: 'local' },
        reason: `several nodes have this MAC (${nodes.map(({ node }) => node).join(', ')}): a person must look`,
      };
    const [node] = nodes;
    if (node !== undefined) return { ...node.boot, addresses: node.cards[mac] ?? [] };
    return this.#passed.get(mac) ?? this.#stored?.self.unknown;
  }

  node(id: string): RelayNode | undefined {
    const node = this.#nodes.get(id);
    return node && this.#over(node);
  }

  /** Nodes that have one of these cards. */
  withMacs(macs: string[]): RelayNode[] {
    return [...new Set(macs.flatMap((mac) => this.#byMac.get(mac) ?? []))].map(this.#over);
  }

  /** Bytes of a file by a signed manifest of the site; undefined: none names it. */
  sizeOf(sha256: string): number | undefined {
    return this.#sizes.get(sha256);
  }

  /** Files of the site's images, those that boot machines first. */
  files(): string[] {
    return [...this.#sizes.keys()];
  }

  #take(stored: Stored): void {
    const { self, nodes, passed } = stored;
    const sizes = new Map<string, number>();
    const images = [...self.images].sort((a, b) => b.manifest.kind.length - a.manifest.kind.length);
    for (const image of images) {
      if (doubtOf(image, self.trust.wanted_keys) !== undefined) continue;
      for (const { sha256, size } of Object.values(image.manifest.files)) sizes.set(sha256, size);
    }
    const byMac = new Map<string, RelayNode[]>();
    for (const node of nodes)
      for (const mac of Object.keys(node.cards)) byMac.set(mac, [...(byMac.get(mac) ?? []), node]);
    this.#nodes = new Map(nodes.map((node) => [node.node, node]));
    this.#byMac = byMac;
    this.#sizes = sizes;
    this.#passed = new Map(passed.filter(([mac]) => !byMac.has(mac)));
    this.#stored = stored;
  }
}
