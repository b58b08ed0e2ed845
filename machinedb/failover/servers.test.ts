import { expect, test } from 'vitest';
import { readConfig } from '../config.ts';
import { Servers, serversOf } from './servers.ts';
import { writerClient } from './writer-client.ts';

test('a URL with one server stays what it is', () => {
  expect(serversOf('postgresql://ann:p%40ss@db.example.net:5433/machinedb?sslmode=require')).toEqual([
    { url: 'postgresql://ann:p%40ss@db.example.net:5433/machinedb?sslmode=require', name: 'db.example.net:5433' },
  ]);
  expect(serversOf('postgresql:///machinedb')).toEqual([
    { url: 'postgresql://localhost:5432/machinedb', name: ':5432' },
  ]);
});

test('several hosts are told apart as libpq tells them apart, each with its own port', () => {
  expect(
    serversOf('postgresql://u:p@a:5432,b,[fd00::1]:5433/db?target_session_attrs=read-write&sslmode=disable'),
  ).toEqual([
    { url: 'postgresql://u:p@a:5432/db?sslmode=disable', name: 'a:5432' },
    { url: 'postgresql://u:p@b:5432/db?sslmode=disable', name: 'b:5432' },
    { url: 'postgresql://u:p@[fd00::1]:5433/db?sslmode=disable', name: '[fd00::1]:5433' },
  ]);
  expect(serversOf('postgresql://u@localhost/db?host=a,b&port=1,2')).toEqual([
    { url: 'postgresql://u@localhost:1/db?host=a', name: 'a:1' },
    { url: 'postgresql://u@localhost:2/db?host=b', name: 'b:2' },
  ]);
  expect(serversOf('postgresql://u@%2Frun%2Fa/db?host=/run/b&port=7')).toEqual([
    { url: 'postgresql://u@localhost:7/db?host=%2Frun%2Fb', name: '/run/b' },
  ]);
  expect(serversOf('postgresql://u@/db?host=/run/a,/run/b')).toEqual([
    { url: 'postgresql://u@localhost:5432/db?host=%2Frun%2Fa', name: '/run/a' },
    { url: 'postgresql://u@localhost:5432/db?host=%2Frun%2Fb', name: '/run/b' },
  ]);
});

test('what cannot be served is refused where settings are read, by its cause', () => {
  const told = (url: string) => {
    try {
      readConfig({ DATABASE_URL: url });
      return 'taken';
    } catch (error) {
      return (error as Error).message.split('DATABASE_URL: ')[1];
    }
  };
  expect([
    told('postgresql://a,b/db?target_session_attrs=standby'),
    told('postgresql://a:x/db'),
    told('postgresql://a,,b/db'),
    told('postgresql://fd00::1:5432/db'),
    told('postgresql://u@/db?host=a,b,c&port=1,2'),
    told('postgresql://a:5432,b:5432/db?target_session_attrs=read-write'),
  ]).toEqual([
    'target_session_attrs is "standby": the daemon writes, so take read-write, or leave it out',
    '"x" is no port',
    'a host of several is empty: name each',
    '"fd00::1:5432" is no HOST:PORT; an IPv6 address stands in brackets',
    'there are 3 hosts and 2 ports: give one port, or one for each host',
    'taken',
  ]);
});

test('a server that nobody listens at is named with the cause', async () => {
  const Client = writerClient(new Servers('postgresql://u@localhost:1/db'), { connectMs: 5_000, silenceMs: 5_000 });
  await expect(new Client().connect()).rejects.toMatchObject({
    code: '08006',
    message: expect.stringMatching(/^database server localhost:1 does not answer: .*ECONNREFUSED/),
  });
});

test('connections that failed together go on by one server, not by one each', () => {
  const servers = new Servers('postgresql://a,b,c/db');
  const first = servers.current;
  servers.leave(first);
  servers.leave(first);
  expect(servers.current.name).toBe('b:5432');
  servers.leave(servers.current);
  servers.leave(servers.current);
  expect(servers.current).toBe(first);
});
