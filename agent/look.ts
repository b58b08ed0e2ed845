import type { AgentOptions } from './duty.ts';
import { type Facts, observeAll, observeEach } from './facts.ts';
import type { asker } from './questions.ts';
import { observers } from './sections/index.ts';
import type { System } from './system.ts';

/** Sections that people change by hand, cables included: looked at before every heartbeat, since that is cheap. */
const configured = {
  lldp: observers.lldp,
  hostname: observers.hostname,
  network: observers.network,
  bgp: observers.bgp,
  ssh: observers.ssh,
  repos: observers.repos,
  time: observers.time,
};

/** How the machine is asked what is in no file. */
export type Ask = ReturnType<typeof asker>;

/** Looks at the whole machine. */
export async function look({ system, discovery }: AgentOptions, ask: Ask): Promise<Facts> {
  const facts = observeAll(await ask(system));
  if (discovery !== true) return facts;
  return { ...facts, sections: { ...facts.sections, os: { ...facts.sections.os, discovery: true } } };
}

/** The facts with what people change by hand looked at again. */
export async function lookAtConfigured(facts: Facts, system: System, ask: Ask): Promise<Facts> {
  const now = observeEach(configured, await ask(system, Object.keys(configured)));
  const kept = (members: object) => Object.entries(members).filter(([name]) => !(name in configured));
  return {
    sections: Object.fromEntries([...kept(facts.sections), ...Object.entries(now.sections)]),
    errors: Object.fromEntries([...kept(facts.errors), ...Object.entries(now.errors)]),
  };
}
