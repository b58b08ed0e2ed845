import type { Node } from '../../shared/api/nodes.ts';

/** What lists show of a node's sections. */
export interface Hot {
  fqdn: string | undefined;
  observed_name: string | undefined;
  site: string | undefined;
  rack: string | undefined;
  unit: number | undefined;
  role: string | undefined;
  tags: string[];
  mode: Node['mode'];
  model: string | undefined;
  serial: string | undefined;
  uuid: string | undefined;
  macs: string[];
}

interface Sections {
  hostname?: { hostname?: string; domain?: string; fqdn?: string };
  placement?: { site?: string; rack?: string; unit?: number };
  role?: { name?: string };
  tags?: Record<string, true>;
  mode?: { mode?: Node['mode'] };
  system?: { manufacturer?: string; product?: string; serial?: string; uuid?: string };
  nics?: Record<string, { mac?: string }>;
}

/** The columns of node_now that follow from observed and wanted sections: for project() and for reads of the past. */
export function hotOf(observed: Record<string, unknown>, wanted: Record<string, unknown>): Hot {
  const is = observed as Sections;
  const should = wanted as Sections;
  const { hostname, domain } = should.hostname ?? {};
  const { site, rack, unit } = should.placement ?? {};
  return {
    fqdn: hostname === undefined ? undefined : domain === undefined ? hostname : `${hostname}.${domain}`,
    observed_name: is.hostname?.fqdn ?? is.hostname?.hostname,
    site,
    rack,
    unit,
    role: should.role?.name,
    tags: Object.keys(should.tags ?? {}).sort(),
    mode: should.mode?.mode ?? 'observe',
    model: [is.system?.manufacturer, is.system?.product].filter(Boolean).join(' ') || undefined,
    serial: is.system?.serial,
    uuid: is.system?.uuid,
    macs: Object.values(is.nics ?? {})
      .flatMap(({ mac }) => (mac === undefined ? [] : [mac]))
      .sort(),
  };
}
