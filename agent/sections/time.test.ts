import { readlinkSync } from 'node:fs';
import { expect, test } from 'vitest';
import { time } from '../../shared/sections/time.ts';
import { openSystem } from '../system.ts';
import { makeTree, type Tree } from '../testing/tree.ts';
import { observe } from './time.ts';

const observeTree = (tree: Tree) => observe(openSystem(makeTree(tree)));
const chrony = { '/usr/sbin/chronyd': '' };

test('chrony: its file, the folders that it names, options in any case; what DHCP leaves is not read', () => {
  const found = observeTree({
    ...chrony,
    '/etc/localtime': { link: '../usr/share/zoneinfo/Europe/Berlin' },
    '/etc/timezone': 'Etc/UTC\n',
    '/etc/chrony/chrony.conf': [
      'confdir /etc/chrony/conf.d',
      '! pool no.example',
      'Pool 2.pool.example IBURST',
      'sourcedir /run/chrony-dhcp',
      'sourcedir /etc/chrony/sources.d',
      'include /etc/chrony/more/*.conf',
      'makestep 1 3',
    ].join('\n'),
    '/etc/chrony/conf.d/10-machinedb.conf': 'server ntp1.example minpoll 4 maxpoll 6\n',
    '/etc/chrony/conf.d/README': 'server no.example\n',
    '/etc/chrony/sources.d/local.sources': 'server 10.0.0.1 minpoll x\n',
    '/etc/chrony/more/a.conf': 'include /etc/chrony/more/a.conf\n',
    '/run/chrony-dhcp/eth0.sources': 'server 10.9.9.9\n',
  });
  expect(found).toEqual({
    daemon: 'chrony',
    timezone: 'Europe/Berlin',
    servers: {
      'ntp1.example': { file: '/etc/chrony/conf.d/10-machinedb.conf', iburst: false, minpoll: 4, maxpoll: 6 },
      '10.0.0.1': { file: '/etc/chrony/sources.d/local.sources', iburst: false },
    },
    pools: { '2.pool.example': { file: '/etc/chrony/chrony.conf', iburst: true } },
    only_these: false,
  });
  expect(time.observed.parse(found)).toEqual(found);
});

test('systemd-timesyncd: drop-ins by name, one in /etc before one of its name, an empty list forgets', () => {
  const found = observeTree({
    '/usr/lib/systemd/systemd-timesyncd': '',
    '/etc/systemd/timesyncd.conf': '[Time]\n#NTP=no.example\nNTP=main.example\n[Other]\nNTP=no.example\n',
    '/usr/lib/systemd/timesyncd.conf.d/20-vendor.conf': '[Time]\nNTP=no.example\n',
    '/etc/systemd/timesyncd.conf.d/20-vendor.conf': '[Time]\nNTP = b.example \\\n c.example\nFallbackNTP=f.example\n',
    '/etc/systemd/timesyncd.conf.d/10-machinedb.conf': '[Time]\nNTP=\nNTP=a.example\n',
  });
  const vendor = { file: '/etc/systemd/timesyncd.conf.d/20-vendor.conf' };
  expect(found).toEqual({
    daemon: 'timesyncd',
    servers: {
      'a.example': { file: '/etc/systemd/timesyncd.conf.d/10-machinedb.conf' },
      'b.example': vendor,
      'c.example': vendor,
    },
    only_these: false,
  });
  expect(time.observed.parse(found)).toEqual(found);
});

test('a zone without a link, and a machine that has nothing of it', () => {
  expect(observeTree({ '/etc/timezone': 'Asia/Tokyo\n' })).toEqual({ timezone: 'Asia/Tokyo' });
  expect(observeTree({ ...chrony })).toEqual({ daemon: 'chrony' });
  expect(observeTree({ '/etc/hostname': 'a\n' })).toBeUndefined();
});

test("this machine's zone is where its link leads", () => {
  expect(readlinkSync('/etc/localtime')).toMatch(new RegExp(`/zoneinfo/${observe(openSystem())?.timezone}$`));
});
