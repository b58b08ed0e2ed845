// DSP0134, 7.4.1, from 1 on; other and unknown are left empty.
const names = (
  ',,desktop,low profile desktop,pizza box,mini tower,tower,portable,laptop,notebook,hand held,docking station,' +
  'all in one,sub notebook,space-saving,lunch box,main server chassis,expansion chassis,sub chassis,' +
  'bus expansion chassis,peripheral chassis,RAID chassis,rack mount chassis,sealed-case PC,multi-system chassis,' +
  'CompactPCI,AdvancedTCA,blade,blade enclosure,tablet,convertible,detachable,IoT gateway,embedded PC,mini PC,stick PC'
).split(',');

/** Name of a chassis type by its number in SMBIOS, or undefined when it is unknown. */
export function chassisType(number: number | undefined): string | undefined {
  return number === undefined ? undefined : names[number - 1] || undefined;
}
