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

const nodeColumns = ['name', 'state', 'health', 'role', 'site', 'rack', 'unit', 'model', 'addresses', 'findings'];
const allocationColumns = ['address', 'network', 'site', 'rack', 'node', 'interface', 'label', 'state', 'since'];

/** Every command that is one operation of the contract. Its flags come from the operation's schemas. */
export const commands: Command[] = [
  {
    words: 'nodes',
    operation: 'listNodes',
    columns: nodeColumns,
  },
  { words: 'show', operation: 'getNode', positionals: ['node'] },
  { words: 'observed', operation: 'getObserved', positionals: ['node'] },
  { words: 'wanted', operation: 'getWanted', positionals: ['node'] },
  {
    words: 'findings',
    operation: 'listFindings',
    columns: ['id', 'name', 'severity', 'kind', 'section', 'path', 'message', 'first_seen', 'acknowledged'],
  },
  {
    words: 'findings summary',
    operation: 'summarizeFindings',
    columns: ['section', 'kind', 'severity', 'open', 'alarmed', 'nodes'],
  },
  {
    words: 'node-findings',
    operation: 'getNodeFindings',
    positionals: ['node'],
    columns: ['id', 'severity', 'kind', 'section', 'path', 'message', 'first_seen', 'acknowledged'],
  },
  { words: 'acknowledge', operation: 'acknowledgeFinding', positionals: ['id'] },
  {
    words: 'acknowledgements',
    operation: 'listAcknowledgements',
    columns: ['name', 'message', 'by', 'reason', 'at', 'until', 'ended', 'ended_at'],
  },
  { words: 'grace show', operation: 'getGrace' },
  { words: 'grace set', operation: 'putGrace' },
  {
    words: 'history',
    operation: 'getHistory',
    positionals: ['node'],
    columns: ['at', 'type', 'kind', 'section', 'actor', 'reason'],
  },
  { words: 'approve', operation: 'approveNode', positionals: ['node'] },
  {
    words: 'quarantine list',
    operation: 'listQuarantine',
    columns: ['id', 'node', 'name', 'kind', 'part', 'why', 'opened_at'],
  },
  {
    words: 'part list',
    operation: 'listParts',
    columns: ['kind', 'serial', 'model', 'name', 'slot', 'since'],
  },
  { words: 'part show', operation: 'getPart', positionals: ['serial'] },
  { words: 'merge', operation: 'mergeNode', positionals: ['node', 'into'] },
  { words: 'split', operation: 'splitNode', positionals: ['node'] },
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
  { words: 'room list', operation: 'listRooms', columns: ['site', 'name', 'rows', 'description'] },
  { words: 'room put', operation: 'putRoom', positionals: ['site', 'room'] },
  { words: 'room delete', operation: 'deleteRoom', positionals: ['site', 'room'] },
  {
    words: 'rack list',
    operation: 'listRacks',
    columns: ['site', 'name', 'height', 'room', 'row', 'position', 'description'],
  },
  { words: 'rack put', operation: 'putRack', positionals: ['site', 'rack'] },
  { words: 'rack delete', operation: 'deleteRack', positionals: ['site', 'rack'] },
  {
    words: 'device list',
    operation: 'listDevices',
    columns: ['site', 'name', 'kind', 'rack', 'unit', 'height', 'face', 'part', 'side', 'chassis_id', 'description'],
  },
  { words: 'device put', operation: 'putDevice', positionals: ['site', 'device'] },
  { words: 'device delete', operation: 'deleteDevice', positionals: ['site', 'device'] },
  {
    words: 'feed list',
    operation: 'listFeeds',
    columns: ['site', 'rack', 'name', 'rating_w', 'upstream', 'pdu'],
  },
  { words: 'feed put', operation: 'putFeed', positionals: ['site', 'feed'] },
  { words: 'feed delete', operation: 'deleteFeed', positionals: ['site', 'feed'] },
  { words: 'nameplate list', operation: 'listNameplates', columns: ['model', 'draw_w', 'description'] },
  { words: 'nameplate put', operation: 'putNameplate', positionals: ['model'] },
  { words: 'nameplate delete', operation: 'deleteNameplate', positionals: ['model'] },
  { words: 'cable list', operation: 'listCables', columns: ['name', 'nic', 'switch', 'port', 'created_by'] },
  { words: 'cable delete', operation: 'deleteCable' },
  {
    words: 'port-place list',
    operation: 'listPortPlaces',
    columns: ['switch', 'port', 'site', 'rack', 'unit', 'height', 'face', 'part'],
  },
  { words: 'port-place delete', operation: 'deletePortPlace' },
  {
    words: 'proposals',
    operation: 'listProposals',
    columns: ['name', 'site', 'rack', 'unit', 'confidence', 'agree', 'heard', 'free', 'taken_by', 'ports'],
  },
  { words: 'role list', operation: 'listRoles', columns: ['name', 'description'] },
  { words: 'role put', operation: 'putRole', positionals: ['role'] },
  { words: 'role delete', operation: 'deleteRole', positionals: ['role'] },
  {
    words: 'siblings',
    operation: 'listSiblings',
    columns: ['name', 'path', 'majority', 'majority_count', 'of', 'value', 'count', 'names'],
  },
  { words: 'profile list', operation: 'listProfiles', columns: ['name', 'model', 'role', 'changed_by', 'changed_at'] },
  { words: 'profile show', operation: 'getProfile', positionals: ['profile'] },
  {
    words: 'profile nodes',
    operation: 'listProfileNodes',
    positionals: ['profile'],
    columns: ['name', 'verdict', 'findings', 'observed_at'],
  },
  { words: 'profile delete', operation: 'deleteProfile', positionals: ['profile'] },
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
  { words: 'group list', operation: 'listGroups', columns: ['name', 'members', 'comment', 'changed_by', 'changed_at'] },
  { words: 'group put', operation: 'putGroup', positionals: ['group'], fromFile: 'pattern' },
  { words: 'group show', operation: 'getGroup', positionals: ['group'] },
  { words: 'group delete', operation: 'deleteGroup', positionals: ['group'] },
  { words: 'group members', operation: 'listGroupMembers', positionals: ['group'], columns: nodeColumns },
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
    columns: [
      'name',
      'serials',
      'networks',
      'vendor',
      'product',
      'site',
      'role',
      'take_place',
      'uses_left',
      'expires_at',
    ],
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
