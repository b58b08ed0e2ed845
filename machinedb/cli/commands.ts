import type { Operation } from '../../shared/api.ts';

/** One command: words a person types, the operation they mean, and what the table of its list shows. */
export interface Command {
  words: string;
  operation: Operation;
  /** Path parameters (or fields of the body) given by position, in this order. */
  positionals?: string[];
  /** Columns of a list, or fields of a detail in their order. */
  columns?: string[];
  /** Field of the body that is read from --file (standard input: -), since it must not stand in a flag. */
  fromFile?: string;
  /** The same, where it may be left out. */
  mayFile?: string;
}

const allocationColumns = ['address', 'network', 'site', 'rack', 'node', 'interface', 'label', 'state', 'since'];

/** Every command that is one operation of the contract. Its flags come from the operation's schemas. */
export const commands: Command[] = [
  {
    words: 'nodes',
    operation: 'listNodes',
    columns: ['name', 'state', 'health', 'role', 'site', 'rack', 'unit', 'model', 'addresses', 'findings'],
  },
  { words: 'show', operation: 'getNode', positionals: ['node'] },
  { words: 'observed', operation: 'getObserved', positionals: ['node'] },
  { words: 'wanted', operation: 'getWanted', positionals: ['node'] },
  {
    words: 'findings',
    operation: 'listFindings',
    columns: ['id', 'name', 'severity', 'kind', 'section', 'path', 'message', 'first_seen'],
  },
  {
    words: 'node-findings',
    operation: 'getNodeFindings',
    positionals: ['node'],
    columns: ['id', 'severity', 'kind', 'section', 'path', 'message', 'first_seen'],
  },
  { words: 'acknowledge', operation: 'acknowledgeFinding', positionals: ['id'] },
  {
    words: 'history',
    operation: 'getHistory',
    positionals: ['node'],
    columns: ['at', 'type', 'kind', 'section', 'actor', 'reason'],
  },
  { words: 'approve', operation: 'approveNode', positionals: ['node'] },
  { words: 'revoke', operation: 'revokeNode', positionals: ['node'] },
  { words: 'assign', operation: 'assignNode', positionals: ['node'] },
  { words: 'adopt', operation: 'adoptNode', positionals: ['node'] },
  { words: 'hold', operation: 'holdNode', positionals: ['node'] },
  { words: 'hold-fleet', operation: 'holdFleet' },
  { words: 'reinstall', operation: 'reinstallNode', positionals: ['node'] },
  { words: 'reinstall-cancel', operation: 'cancelInstall', positionals: ['node'] },
  { words: 'boot explain', operation: 'explainBoot' },
  { words: 'boot once', operation: 'bootOnce', positionals: ['node', 'target'] },
  {
    words: 'image list',
    operation: 'listImages',
    columns: ['name', 'kind', 'architecture', 'size_bytes', 'built_at', 'created_by'],
  },
  { words: 'image show', operation: 'getImage', positionals: ['image'] },
  { words: 'ssh-ca show', operation: 'getSshCa' },
  { words: 'state', operation: 'setNodeState', positionals: ['node', 'state'] },
  { words: 'site list', operation: 'listSites', columns: ['name', 'description'] },
  { words: 'site put', operation: 'putSite', positionals: ['site'] },
  { words: 'site delete', operation: 'deleteSite', positionals: ['site'] },
  { words: 'rack list', operation: 'listRacks', columns: ['site', 'name', 'height', 'description'] },
  {
    words: 'rack nodes',
    operation: 'listRackNodes',
    positionals: ['site', 'rack'],
    columns: ['unit', 'height', 'face', 'name', 'node'],
  },
  { words: 'rack put', operation: 'putRack', positionals: ['site', 'rack'] },
  { words: 'rack delete', operation: 'deleteRack', positionals: ['site', 'rack'] },
  { words: 'role list', operation: 'listRoles', columns: ['name', 'description'] },
  { words: 'role put', operation: 'putRole', positionals: ['role'] },
  { words: 'role delete', operation: 'deleteRole', positionals: ['role'] },
  { words: 'rollout set', operation: 'putRollout', positionals: ['role'] },
  { words: 'rollout resume', operation: 'resumeRollout', positionals: ['role'] },
  {
    words: 'network list',
    operation: 'listNetworks',
    columns: ['name', 'site', 'rack', 'cidr', 'vlan', 'gateway', 'domain'],
  },
  { words: 'network put', operation: 'putNetwork', positionals: ['network'] },
  { words: 'network delete', operation: 'deleteNetwork', positionals: ['network'] },
  { words: 'network addresses', operation: 'listAllocations', positionals: ['network'], columns: allocationColumns },
  { words: 'network release', operation: 'releaseAllocation', positionals: ['network', 'address'] },
  {
    words: 'token list',
    operation: 'listTokens',
    columns: ['id', 'name', 'scopes', 'created_by', 'expires_at', 'revoked_at'],
  },
  { words: 'token create', operation: 'createToken' },
  { words: 'token revoke', operation: 'revokeToken', positionals: ['id'] },
  {
    words: 'relay list',
    operation: 'listRelays',
    columns: ['name', 'site', 'created_by', 'created_at', 'seen_at', 'revoked_at'],
  },
  { words: 'relay create', operation: 'createRelay', positionals: ['name'] },
  { words: 'relay revoke', operation: 'revokeRelay', positionals: ['relay'] },
  { words: 'join-token create', operation: 'createJoinToken' },
  {
    words: 'rule list',
    operation: 'listApprovalRules',
    columns: ['name', 'serials', 'networks', 'vendor', 'product', 'site', 'role', 'uses_left', 'expires_at'],
  },
  { words: 'rule put', operation: 'putApprovalRule', positionals: ['rule'] },
  { words: 'rule delete', operation: 'deleteApprovalRule', positionals: ['rule'] },
  { words: 'secret list', operation: 'listSecrets', columns: ['name', 'generation', 'created_at'] },
  { words: 'secret put', operation: 'putSecret', positionals: ['secret'], fromFile: 'value' },
  {
    words: 'retention list',
    operation: 'listRetention',
    columns: ['side', 'section', 'keep_days', 'whole_from'],
  },
  { words: 'retention put', operation: 'putRetention', positionals: ['section'] },
  { words: 'retention delete', operation: 'deleteRetention', positionals: ['section'] },
  {
    words: 'webhook list',
    operation: 'listWebhooks',
    columns: ['name', 'state', 'url', 'kinds', 'delivered', 'attempts', 'last_error'],
  },
  { words: 'webhook show', operation: 'getWebhook', positionals: ['webhook'] },
  { words: 'webhook put', operation: 'putWebhook', positionals: ['webhook'], mayFile: 'secret' },
  { words: 'webhook rotate', operation: 'rotateWebhook', positionals: ['webhook'], mayFile: 'secret' },
  { words: 'webhook delete', operation: 'deleteWebhook', positionals: ['webhook'] },
  { words: 'webhook test', operation: 'testWebhook', positionals: ['webhook'] },
  { words: 'webhook resume', operation: 'resumeWebhook', positionals: ['webhook'] },
  { words: 'ca show', operation: 'getCa', columns: ['generation', 'status', 'pin', 'created_at'] },
  { words: 'ca rotate', operation: 'rotateCa', columns: ['generation', 'status', 'pin', 'created_at'] },
];
