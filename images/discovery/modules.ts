/**
 * What a server may need to be seen and to be installed: network cards that work without a firmware file, disks and their
 * controllers, file systems.
 */
export const modules = `
virtio_pci virtio_net virtio_blk virtio_scsi virtio_rng hv_netvsc hv_storvsc vmxnet3 vmw_pvscsi
e1000 e1000e igb igc ixgbe i40e ice bnxt_en tg3 mlx4_en mlx5_core r8169 ena enic ionic
nvme ahci ata_piix sd_mod sr_mod sg megaraid_sas mpt3sas mpi3mr smartpqi hpsa aacraid arcmsr isci
usb_storage uas xhci_pci ehci_pci usbhid hid_generic
ext4 crc32c_generic crc32c_intel vfat nls_cp437 nls_iso8859_1 nls_ascii nls_utf8 loop efivarfs
af_packet 8021q bonding ipmi_si ipmi_devintf ipmi_ssif tpm_tis tpm_crb lpc_ich i2c_i801 rtc_cmos`
  .trim()
  .split(/\s+/);
