/** What systemd-networkd 252 (Debian 12) saved of two neighbours: a switch with all there is, and one without a name. */
export const savedFile = Buffer.from(
  [
    'ad000000000000000180c200000e001c7300010188cc020704001c73000100040c0545746865726e6574372f310602007808',
    '15746f20226e372220c3bc626572207261636b2072310a0b7377312e72312e616d73310c23417269737461204e6574776f72',
    '6b7320454f532076657273696f6e20342e33302e31460e0400140014100c05010a00000202000003e900fe060080c2010064',
    'fe0b0080c2030064046d676d74fe0e0080c20300c80773746f72616765000035000000000000000180c200000e001c730002',
    '0188cc0209077377697463682d6204040735313606020078080878652d302f302f340e04001400040000',
  ].join(''),
  'hex',
);

/** What systemd-networkd 257 (Debian 13) answered of the same neighbours, on v0. */
export const answer = String.raw`{"parameters":{"Neighbors":[{"InterfaceIndex":3,"InterfaceName":"v0","Neighbors":[{"ChassisID":"switch-b","RawChassisID":[7,115,119,105,116,99,104,45,98],"PortID":"516","RawPortID":[7,53,49,54],"PortDescription":"xe-0/0/4","EnabledCapabilities":4},{"ChassisID":"00:1c:73:00:01:00","RawChassisID":[4,0,28,115,0,1,0],"PortID":"Ethernet7/1","RawPortID":[5,69,116,104,101,114,110,101,116,55,47,49],"PortDescription":"to \\\"n7\\\" \\303\\274ber rack r1","SystemName":"sw1.r1.ams1","SystemDescription":"Arista Networks EOS version 4.30.1F","EnabledCapabilities":20}]}]}}`;
