/**
 * A whole number, not negative, in decimal, as sysfs writes it; -1 (unknown), empty and anything else is undefined.
 */
export function whole(text: string | undefined): number | undefined {
  if (text === undefined || !/^\s*\d{1,15}\s*$/.test(text)) return undefined;
  return Number(text);
}
