import { type BootAnswer, type BootRequest, bootAnswer, bootRequest } from '../../shared/boot.ts';

export interface Answering {
  decide: (request: BootRequest) => Promise<BootAnswer>;
  /** Uniform in [0, 1). */
  random: () => number;
  log: { info: (data: object, message: string) => void; warn: (data: object, message: string) => void };
}

/** Seconds after which a machine asks again when its answer cannot be had, on average. */
const AGAIN_S = 10;
/** Client architecture (RFC 4578, section 2.1) by platform, as iPXE says it. */
const platforms = { efi: 7, pcbios: 0 };
export type Platform = keyof typeof platforms;

/**
 * What a loader's question is answered with. It is told the cause, and asks again, when there is no answer: never a dead end.
 *
 * @param query mac, uuid and serial as the loader knows them
 * @param address that it asks from
 */
export async function answerTo(
  query: URLSearchParams,
  platform: Platform,
  address: string | undefined,
  { decide, random, log }: Answering,
): Promise<BootAnswer> {
  const wait = (reason: string): BootAnswer => ({
    spec: { kind: 'wait', seconds: Math.round(AGAIN_S * (0.5 + random())) },
    reason,
  });
  const request = questionOf(query, platform, address);
  if (request === undefined) return wait('the loader did not tell its MAC address');
  try {
    const answer = bootAnswer.parse(await decide(request));
    log.info({ mac: request.mac, answer: answer.spec.kind, node: answer.node }, answer.reason);
    return answer;
  } catch (error) {
    log.warn({ mac: request.mac, cause: (error as Error).message }, 'no boot decision could be had');
    return wait('the inventory does not answer');
  }
}

/** What a loader says of its machine; undefined when it does not say which it is. */
export function questionOf(
  query: URLSearchParams,
  platform: Platform,
  address: string | undefined,
): BootRequest | undefined {
  return bootRequest.safeParse({
    mac: query.get('mac')?.toLowerCase(),
    arch: platforms[platform],
    uuid: uuidOf(query.get('uuid')),
    serial: query.get('serial')?.slice(0, 200) || undefined,
    address,
  }).data;
}

/** A reason as a loader may print it: harmless characters only, whatever people or machines have put into it. */
export function printed(reason: string): string {
  return reason.replaceAll(/[^A-Za-z0-9 .,:()/_-]/g, '?').slice(0, 200);
}

/** A board without a UUID shows zeros or ones only. */
function uuidOf(text: string | null): string | undefined {
  return text === null || /^[0-]*$|^[f-]*$/i.test(text) ? undefined : text.slice(0, 64);
}
