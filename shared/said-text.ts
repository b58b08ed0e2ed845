/** Which word of a node a thing is: its boot, and a number that goes forward within it. */
export interface SaidOrder {
  boot_id: string;
  n: number;
}

/**
 * What a node signs of a thing that it tells the server (besides reports, which are signed over their bytes): a relay that
 * brings it later can neither change it nor bring it twice.
 */
export function saidText(method: string, path: string, { boot_id, n }: SaidOrder, body: string): string {
  return `machinedb-said\n${method} ${path}\n${boot_id} ${n}\n${body}`;
}

/** The header Machinedb-Said: the boot and the number. */
export function formatOrder({ boot_id, n }: SaidOrder): string {
  return `${boot_id} ${n}`;
}

/** Undefined: not what formatOrder() makes. */
export function parseOrder(header: unknown): SaidOrder | undefined {
  const [, boot_id, n] = (typeof header === 'string' && /^([\x21-\x7e]{1,100}) (\d{1,15})$/.exec(header)) || [];
  return boot_id === undefined ? undefined : { boot_id, n: Number(n) };
}
