/**
 * Every error that a client of the API can see: one table, answered as `application/problem+json` (RFC 9457).
 * A message names the thing, the cause and the way out.
 */
const table = {
  invalid: [400, 'The request is not valid'],
  cursor_invalid: [400, 'The cursor was not made by this service'],
  unauthenticated: [401, 'Who is asking is not known'],
  forbidden: [403, 'The credential does not allow this'],
  locked: [403, 'The node is locked'],
  not_found: [404, 'There is no such thing'],
  conflict: [409, 'The request contradicts what is there'],
  in_flight: [409, 'The same request is being worked on'],
  gone: [410, 'The cursor points to a history that is over'],
  stale: [412, 'The thing has changed since it was read'],
  too_large: [413, 'The body is too large'],
  unsupported: [415, 'The body is in a form that is not accepted'],
  key_reused: [422, 'The idempotency key was used for another request'],
  blast_radius: [422, 'More nodes would change than max_affected allows'],
  precondition_required: [428, 'The write must name the version it replaces'],
  too_many: [429, 'Too many requests'],
  headers_too_large: [431, 'The header is too large'],
  internal: [500, 'MachineDB failed'],
  unavailable: [503, 'MachineDB cannot answer now'],
} as const satisfies Record<string, readonly [number, string]>;

export type ProblemCode = keyof typeof table;

export interface ProblemDetail {
  detail: string;
  /** JSON pointer (RFC 6901) into the request's body. */
  pointer?: string;
}

/** An error with an answer of its own. `retryAfter` in seconds. */
export class Problem extends Error {
  readonly code: ProblemCode;
  readonly errors: ProblemDetail[];
  readonly retryAfter: number | undefined;

  constructor(code: ProblemCode, detail: string, more: { errors?: ProblemDetail[]; retryAfter?: number } = {}) {
    super(detail);
    this.code = code;
    this.errors = more.errors ?? [];
    this.retryAfter = more.retryAfter;
  }

  get status(): number {
    return table[this.code][0];
  }

  /** The body of the answer, RFC 9457 section 3. */
  body(instance?: string): Record<string, unknown> {
    return {
      type: `urn:machinedb:problem:${this.code}`,
      title: table[this.code][1],
      status: this.status,
      detail: this.message,
      ...(instance === undefined ? {} : { instance }),
      ...(this.errors.length === 0 ? {} : { errors: this.errors }),
    };
  }
}
