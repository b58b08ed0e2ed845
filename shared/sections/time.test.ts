import { expect, test } from 'vitest';
import { issues } from './issues.fixture.ts';
import { time } from './time.ts';

test('an intent, which has the shape of what is observed', () => {
  const intent = {
    timezone: 'America/Argentina/Buenos_Aires',
    servers: { 'ntp1.example.org': { iburst: true, minpoll: 4, maxpoll: 6 }, '2001:db8::1': {} },
    pools: { 'pool.example.org': { iburst: true } },
    only_these: true,
  };
  expect(time.intended.parse(intent)).toEqual(intent);
  expect(time.observed.parse(intent)).toEqual(intent);
});

test.each(['UTC', 'Etc/GMT+1', 'America/Port-au-Prince', 'Africa/Sao_Tome'])('%s is a time zone', (timezone) => {
  expect(time.intended.parse({ timezone })).toEqual({ timezone });
});

const wrongName = 'name a time source by a host name in lower case or by an IP address (IPv6 as RFC 5952 writes it)';
const wrongZone = 'write a time zone as Area/City (Europe/Berlin, America/Argentina/Salta, Etc/UTC), or UTC';

test.each([
  [{ timezone: '../../etc/shadow' }, `timezone: ${wrongZone}`],
  [{ timezone: 'Europe/../Paris' }, `timezone: ${wrongZone}`],
  [{ timezone: 'Europe/Berlin\n' }, `timezone: ${wrongZone}`],
  [{ timezone: 'Europe/Berlinn' }, 'timezone: there is no such time zone'],
  [{ servers: { 'a b': {} } }, `servers.a b: ${wrongName}`],
  [{ servers: { 'a\nserver b': {} } }, `servers.a\nserver b: ${wrongName}`],
  [{ servers: { '$(id)': {} } }, `servers.$(id): ${wrongName}`],
  [{ servers: { '10.0.0.300': {} } }, `servers.10.0.0.300: ${wrongName}`],
  [{ pools: { '2001:DB8::1': {} } }, `pools.2001:DB8::1: ${wrongName}`],
  [{ servers: { a: { minpoll: 7, maxpoll: 6 } } }, 'servers.a.minpoll: minpoll is above maxpoll'],
  [{ servers: { a: { maxpoll: 25 } } }, 'servers.a.maxpoll: Too big: expected number to be <=24'],
  [{ only_these: true }, 'only_these: without servers and pools no source of time would be left'],
  [
    { servers: Object.fromEntries(Array.from({ length: 17 }, (_, index) => [`ntp${index}`, {}])) },
    'servers: there are at most 16',
  ],
])('%j', (intent, message) => {
  expect(issues(time.intended, intent)).toEqual([message]);
});
