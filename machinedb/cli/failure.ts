import { ApiError } from '../../shared/client.ts';

/** Exit codes that scripts can use. */
export const exitCodes = { ok: 0, failed: 1, usage: 2, notFound: 3, conflict: 4, unreachable: 5, refused: 6 } as const;

/** An error whose text is for the person at the terminal. */
export class Failure extends Error {
  readonly exitCode: number;
  constructor(message: string, exitCode: number = exitCodes.failed) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** The exit code for whatever was thrown. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof Failure) return error.exitCode;
  if (!(error instanceof ApiError)) return exitCodes.failed;
  if (error.status === 0 || error.status === 503) return exitCodes.unreachable;
  if (error.status === 401 || error.status === 403) return exitCodes.refused;
  if (error.status === 404) return exitCodes.notFound;
  return [409, 412, 422, 428].includes(error.status) ? exitCodes.conflict : exitCodes.failed;
}
