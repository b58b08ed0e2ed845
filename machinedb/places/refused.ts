import { Problem } from '../http/problem.ts';

/** What cannot be stored for one node, and why. */
export interface RefusedNode {
  /** Absent: it is a device's. */
  node?: string | undefined;
  problem: Problem;
  /** The node that has what is asked for. */
  holder?: string | undefined;
}

const TOLD = 50;

/** Nodes that cannot be what they are asked to be: as an error it is the first one's, and names all. */
export class NodesRefused extends Problem {
  readonly refused: RefusedNode[];

  constructor(refused: RefusedNode[]) {
    const { code, message, errors } = refused[0]!.problem;
    const all = refused.slice(0, TOLD).map(({ problem }) => ({
      detail: problem.message,
      ...(problem.errors[0]?.pointer === undefined ? {} : { pointer: problem.errors[0].pointer }),
    }));
    super(code, message, { errors: refused.length === 1 ? errors : all });
    this.refused = refused;
  }
}

/** Who is to blame for an error; `node`: of whom it is when it does not say. Throws what is no refusal. */
export function refusedBy(error: unknown, node: string): RefusedNode[] {
  if (error instanceof NodesRefused) return error.refused;
  if (error instanceof Problem) return [{ node, problem: error }];
  throw error;
}
