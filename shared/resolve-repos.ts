import { dnfKeyOf, keyringOf, type Repos, type ReposIntended } from './sections/repos.ts';

/**
 * The package sources that are wanted of a machine: of its own package managers, as one intent may be for machines of several
 * distributions. Keys become the files that hold them.
 */
export function resolveRepos(intended: ReposIntended | undefined, observed: unknown): ReposIntended | undefined {
  if (intended === undefined) return undefined;
  const managers = (observed as Repos | undefined)?.managers;
  const has = (manager: string) => managers === undefined || managers[manager] === true;
  const { apt, apt_pins, dnf } = intended;
  return {
    ...(apt && has('apt') && { apt: mapValues(apt, aptOf) }),
    ...(apt_pins && has('apt') && { apt_pins }),
    ...(dnf && has('dnf') && { dnf: mapValues(dnf, dnfOf) }),
  };
}

/** Keys that repositories bring, by the path that they are kept at. */
export function reposMaterial({ apt = {}, dnf = {} }: ReposIntended = {}): Record<string, string> {
  const keyrings = Object.entries(apt).map(([name, { key }]) => [keyringOf(name), key] as const);
  const dnfKeys = Object.entries(dnf).map(([name, { key }]) => [dnfKeyOf(name), key] as const);
  return Object.fromEntries(
    [...keyrings, ...dnfKeys].flatMap(([path, key]) => (key === undefined ? [] : [[path, key]])),
  );
}

function aptOf(name: string, { key, ...repository }: NonNullable<ReposIntended['apt']>[string]) {
  return key === undefined ? repository : { ...repository, signed_by: keyringOf(name) };
}

function dnfOf(name: string, { key, ...repository }: NonNullable<ReposIntended['dnf']>[string]) {
  return key === undefined ? repository : { ...repository, gpgkey: { [`file://${dnfKeyOf(name)}`]: true as const } };
}

function mapValues<In, Out>(record: Record<string, In>, change: (name: string, value: In) => Out): Record<string, Out> {
  return Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(name, value)]));
}
