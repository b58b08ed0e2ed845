import { expect, test } from 'vitest';
import { ServerError } from './http.ts';
import { Inbox } from './inbox.ts';

test('messages come in order, and a wait ends without one when its time is over', async () => {
  const inbox = new Inbox();
  inbox.add({ next_in_ms: 1 });
  inbox.add({ next_in_ms: 2 });
  expect([await inbox.next(1000), await inbox.next(1000), await inbox.next(1)]).toEqual([
    { next_in_ms: 1 },
    { next_in_ms: 2 },
    undefined,
  ]);
});

test('a message wakes who waits; the end is told after the last message', async () => {
  const inbox = new Inbox();
  const waiting = inbox.next(60_000);
  inbox.add({ want: ['wanted'] });
  inbox.end(new ServerError(0, '', 'the session ended'));
  inbox.add({ next_in_ms: 3 });
  expect([await waiting, await inbox.next(1000)]).toEqual([{ want: ['wanted'] }, { next_in_ms: 3 }]);
  await expect(inbox.next(1000)).rejects.toThrow('the session ended');
});
