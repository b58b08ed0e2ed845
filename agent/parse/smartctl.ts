import { whole } from './numbers.ts';
import { known } from './placeholder.ts';

/** What `smartctl --json --info` tells of a disk; never one of its counters. */
export type SmartIdentity = ReturnType<typeof identityOf>;

/**
 * Reads `smartctl --json --info`. What is not of the form expected is absent.
 * @throws for what is no JSON object
 */
export function parseSmartctl(text: string): SmartIdentity {
  const told: unknown = JSON.parse(text);
  if (typeof told !== 'object' || told === null || Array.isArray(told)) throw new Error('smartctl answered no object');
  return identityOf(told as Record<string, unknown>);
}

function identityOf(told: Record<string, unknown>) {
  const { wwn, form_factor: form } = told;
  const rpm = numberOf(told.rotation_rate);
  return {
    model: textOf(told.model_name) ?? textOf(told.scsi_model_name),
    family: textOf(told.model_family),
    serial: textOf(told.serial_number),
    firmware: textOf(told.firmware_version) ?? textOf(told.scsi_revision),
    wwn: wwnOf(wwn),
    form_factor: textOf(memberOf(form, 'name')),
    // 0 is a disk without a motor.
    rpm: rpm === 0 ? undefined : rpm,
  };
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
}

// Reports that people publish have these blanked.
function textOf(value: unknown): string | undefined {
  const text = typeof value === 'string' ? known(value) : undefined;
  return text === 'REDACTED' ? undefined : text;
}

function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' ? whole(String(value)) : undefined;
}

/** 4 bits of NAA, 24 of the maker and 36 of its own (SPC-5, 7.7.6.6), as the kernel writes them: naa.5000c500a1b2c3d4 */
function wwnOf(value: unknown): string | undefined {
  const [naa, oui, id] = ['naa', 'oui', 'id'].map((name) => numberOf(memberOf(value, name)));
  if (naa === undefined || oui === undefined || id === undefined) return undefined;
  if (naa > 0xf || oui > 0xff_ffff || id >= 2 ** 36 || (oui === 0 && id === 0)) return undefined;
  return `naa.${naa.toString(16)}${oui.toString(16).padStart(6, '0')}${id.toString(16).padStart(9, '0')}`;
}
