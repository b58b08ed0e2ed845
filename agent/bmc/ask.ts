/** Runs an optional program with idle priority; undefined where it is not installed. */
export type Tool = (
  command: 'ipmitool',
  args: string[],
) => Promise<{ status: number | null; stdout: string } | undefined>;

// One of these the kernel makes (Linux: Documentation/driver-api/ipmi.rst; older: ipmi/0, ipmidev/0).
export const IPMI_DEVICES = ['/dev/ipmi0', '/dev/ipmi/0', '/dev/ipmidev/0'];
// Where makers have the LAN: 1, and 8 on some; the rest in order.
const channels = [1, 8, 2, 3, 4, 5, 6, 7];

/**
 * Asks the management controller through the kernel, one question at a time, as some break when they are asked fast.
 * @returns what ipmitool printed, by question ('mc-info', 'lan-print-1', 'lan6-print-1'); undefined without ipmitool
 */
export async function askBmc(tool: Tool): Promise<Record<string, string> | undefined> {
  const info = await tool('ipmitool', ['mc', 'info']);
  if (info === undefined) return undefined;
  if (info.status !== 0)
    throw new Error(`the management controller does not answer: ipmitool mc info ended with ${info.status}`);
  for (const channel of channels) {
    const lan = await tool('ipmitool', ['lan', 'print', String(channel)]);
    // It ends in failure when a controller lacks a later parameter.
    if (lan === undefined || !/^IP Address +:/m.test(lan.stdout)) continue;
    const lan6 = await tool('ipmitool', ['lan6', 'print', String(channel)]);
    return {
      'mc-info': info.stdout,
      [`lan-print-${channel}`]: lan.stdout,
      ...(lan6?.status === 0 && { [`lan6-print-${channel}`]: lan6.stdout }),
    };
  }
  return { 'mc-info': info.stdout };
}
