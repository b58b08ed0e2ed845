/** A rescue that is open: who is let in, and where. */
export interface Rescue {
  operator: string;
  /** Type and base64 of the key, as authorized_keys(5) has them. */
  key: string;
  by: string;
  reason: string;
  at: string;
  /** Where the machine's SSH server is, once it runs. */
  host?: { address: string; fingerprint: string };
}

/** The way that the next boot goes. */
export interface BootOnce {
  target: 'local' | 'discovery';
  by: string;
  reason: string;
  at: string;
  until: string;
  /** The boot that the node was in when it was asked for. */
  boot_id: string | null;
}
