import type { Door } from './duty.ts';

/** Asks the server whether a generation of the wanted state may be applied now. */
export type AskTurn = (door: Door, generation: number) => Promise<boolean>;

/** A change may have to wait for other nodes of the role, or be on hold: the server says so, and later gives a hint to ask again. */
export function turnAsker(log: (message: string) => void): AskTurn {
  let said = '';
  return async (door, generation) => {
    const body = JSON.stringify({ generation });
    const { go, reason } = await door.send<{ go: boolean; reason?: string }>({
      ...{ method: 'POST', path: '/v1/self/slot', body },
    });
    const message = go ? '' : `generation ${generation} waits: ${reason ?? 'no cause was told'}`;
    if (message !== '' && message !== said) log(message);
    said = message;
    return go;
  };
}
