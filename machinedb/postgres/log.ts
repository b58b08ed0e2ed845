/** The part of pino's logger used here. */
export interface Log {
  info(message: string): void;
  warn(message: string): void;
}
