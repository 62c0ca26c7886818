// SPDX-License-Identifier: GPL-2.0

//! Signatures and where they lie.
//!
//! Sources: files of the Linux kernel are given by their path; "util-linux" stands for the probes
//! of libblkid, with the name of the file there.

/// From where an offset counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// The start of the device.
    Start,
    /// The last 4096 bytes.
    LastPage,
    /// The last 4096 bytes that begin at a multiple of 4096.
    LastAlignedPage,
    /// The superblock of md's format 1.0: at least 8 KiB before the end, aligned to 4 KiB
    /// (`drivers/md/md.c`, `super_1_load`).
    Md10,
    /// The superblock of md's format 0.90: the last whole 64 KiB (`MD_NEW_SIZE_SECTORS` in
    /// `include/uapi/linux/raid/md_p.h`).
    Md090,
    /// So many bytes into the uberblocks of ZFS's last label, which ends at a multiple of 256 KiB
    /// (util-linux `zfs.c`).
    ZfsLast(u64),
    /// Copy A of our own label.
    DstA,
    /// Copy B of our own label.
    DstB,
}

/// What must hold beside the signature.
#[derive(Clone, Copy, Debug)]
pub(super) enum Check {
    /// Nothing.
    None,
    /// Another signature at this offset.
    Also(u64, &'static [u8]),
    /// A plausible ext superblock.
    Ext,
    /// A plausible table of partitions.
    Mbr,
}

/// A signature.
#[derive(Clone, Copy, Debug)]
pub(super) struct Magic {
    pub(super) name: &'static str,
    pub(super) place: Place,
    pub(super) offset: u64,
    pub(super) bytes: &'static [u8],
    pub(super) check: Check,
}

const fn at(offset: u64, bytes: &'static [u8], name: &'static str) -> Magic {
    within(Place::Start, offset, bytes, name)
}

const fn within(place: Place, offset: u64, bytes: &'static [u8], name: &'static str) -> Magic {
    Magic {
        name,
        place,
        offset,
        bytes,
        check: Check::None,
    }
}

const fn and(mut magic: Magic, check: Check) -> Magic {
    magic.check = check;
    magic
}

const DST: &str = "a DST label";
const SWAP: &str = "swap space";
const HIBERNATION: &str = "swap space with a hibernated system";
const LVM: &str = "an LVM physical volume";
const LUKS: &str = "a LUKS encrypted volume";
const MD: &str = "a member of an md RAID";
const DRBD: &str = "DRBD metadata";
const ZFS: &str = "a ZFS pool member";
const GPT: &str = "a GPT partition table";
const VFAT: &str = "a FAT filesystem";
const OCFS2: &str = "an OCFS2 filesystem";
const UDF: &str = "a UDF filesystem";
const REISER: &str = "a ReiserFS filesystem";
const HFS: &str = "an HFS+ filesystem";

const MD_LE: &[u8] = &[0xfc, 0x4e, 0x2b, 0xa9];
const MD_BE: &[u8] = &[0xa9, 0x2b, 0x4e, 0xfc];
const UBERBLOCK_LE: &[u8] = &[0x0c, 0xb1, 0xba, 0, 0, 0, 0, 0];
const UBERBLOCK_BE: &[u8] = &[0, 0, 0, 0, 0, 0xba, 0xb1, 0x0c];
const BOOT: &[u8] = &[0x55, 0xaa];
const LVM_TYPE: &[u8] = b"LVM2 001";

/// All signatures. The first that matches gives the name, so the telling ones come first and those
/// that others carry too (a boot sector) last.
pub(super) const MAGICS: &[Magic] = &[
    // src/core/label/block.rs
    within(Place::DstA, 0, b"DSTLABEL", DST),
    within(Place::DstB, 0, b"DSTLABEL", DST),
    // util-linux lvm.c: the label is in one of the first four sectors.
    and(at(0, b"LABELONE", LVM), Check::Also(24, LVM_TYPE)),
    and(at(512, b"LABELONE", LVM), Check::Also(536, LVM_TYPE)),
    and(at(1024, b"LABELONE", LVM), Check::Also(1048, LVM_TYPE)),
    and(at(1536, b"LABELONE", LVM), Check::Also(1560, LVM_TYPE)),
    // LUKS1 and LUKS2 on-disk format specifications; util-linux luks.c (the second header of
    // LUKS2 lies at 16 KiB if the area of keys is the smallest).
    at(0, b"LUKS\xba\xbe", LUKS),
    at(0x4000, b"SKUL\xba\xbe", LUKS),
    // include/uapi/linux/raid/md_p.h: MD_SB_MAGIC; drivers/md/md.c, super_1_load: 1.1 at 0, 1.2 at
    // 4 KiB, 1.0 at the end. Format 0.90 is in the byte order of its machine.
    at(0, MD_LE, MD),
    at(4096, MD_LE, MD),
    within(Place::Md10, 0, MD_LE, MD),
    within(Place::Md090, 0, MD_LE, MD),
    within(Place::Md090, 0, MD_BE, MD),
    // drivers/block/drbd/drbd_main.c: struct meta_data_on_disk, magic at 60, big endian; util-linux
    // drbd.c for format 9.
    within(Place::LastAlignedPage, 60, &[0x83, 0x74, 0x02, 0x6b], DRBD),
    within(Place::LastAlignedPage, 60, &[0x83, 0x74, 0x02, 0x6c], DRBD),
    within(Place::LastAlignedPage, 60, &[0x83, 0x74, 0x02, 0x6d], DRBD),
    within(Place::LastPage, 60, &[0x83, 0x74, 0x02, 0x6b], DRBD),
    within(Place::LastPage, 60, &[0x83, 0x74, 0x02, 0x6c], DRBD),
    within(Place::LastPage, 60, &[0x83, 0x74, 0x02, 0x6d], DRBD),
    // util-linux isw_raid.c (second sector from the end), ddf_raid.c (last sector).
    within(
        Place::LastPage,
        3072,
        b"Intel Raid ISM Cfg Sig. ",
        "a member of an Intel firmware RAID",
    ),
    within(
        Place::LastPage,
        3584,
        &[0xde, 0x11, 0xde, 0x11],
        "a member of a DDF firmware RAID",
    ),
    // drivers/md/bcache/bcache_ondisk.h: superblock at 4 KiB, magic at 24.
    at(
        4096 + 24,
        b"\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81",
        "a bcache device",
    ),
    // util-linux bcache.c: bcachefs.
    at(
        4096 + 24,
        b"\xc6\x85\x73\xf6\x66\xce\x90\xa9\xd9\x6a\x60\xcf\x80\x3d\xf7\xef",
        "a bcachefs filesystem",
    ),
    // util-linux stratis.c, bluestore.c, vdo.c.
    at(
        516,
        b"!Stra0tis\x86\xff\x02^\x41rh",
        "a Stratis pool member",
    ),
    at(0, b"bluestore block device", "a Ceph BlueStore device"),
    at(0, b"dmvdo001", "a VDO volume"),
    // drivers/md/dm-integrity.c: SB_MAGIC; drivers/md/dm-snap-persistent.c: SNAP_MAGIC; util-linux
    // verity_hash.c.
    at(0, b"integrt\0", "a dm-integrity device"),
    at(0, b"SnAp", "a device-mapper snapshot store"),
    at(0, b"verity\0\0", "a dm-verity hash device"),
    // Oracle ASM library: disk header.
    at(32, b"ORCLDISK", "an Oracle ASM disk"),
    // util-linux zfs.c: uberblocks of 1 to 4 KiB from 128 KiB on, in either byte order. Every
    // window begins with one.
    at(128 << 10, UBERBLOCK_LE, ZFS),
    at(132 << 10, UBERBLOCK_LE, ZFS),
    at(136 << 10, UBERBLOCK_LE, ZFS),
    at(140 << 10, UBERBLOCK_LE, ZFS),
    at(144 << 10, UBERBLOCK_LE, ZFS),
    at(148 << 10, UBERBLOCK_LE, ZFS),
    at(152 << 10, UBERBLOCK_LE, ZFS),
    at(156 << 10, UBERBLOCK_LE, ZFS),
    within(Place::ZfsLast(0), 0, UBERBLOCK_LE, ZFS),
    within(Place::ZfsLast(4096), 0, UBERBLOCK_LE, ZFS),
    at(128 << 10, UBERBLOCK_BE, ZFS),
    at(132 << 10, UBERBLOCK_BE, ZFS),
    within(Place::ZfsLast(0), 0, UBERBLOCK_BE, ZFS),
    within(Place::ZfsLast(4096), 0, UBERBLOCK_BE, ZFS),
    // fs/xfs/libxfs/xfs_format.h: XFS_SB_MAGIC.
    at(0, b"XFSB", "an XFS filesystem"),
    // fs/ext4/ext4.h: struct ext4_super_block at 1024, s_magic at 56.
    and(
        at(1080, &[0x53, 0xef], "an ext2, ext3 or ext4 filesystem"),
        Check::Ext,
    ),
    // include/uapi/linux/btrfs_tree.h: BTRFS_MAGIC at 64 in the superblock at 64 KiB.
    at((64 << 10) + 64, b"_BHRfS_M", "a btrfs filesystem"),
    // include/uapi/linux/magic.h: F2FS_SUPER_MAGIC, EROFS_SUPER_MAGIC_V1; both at 1024.
    at(1024, &[0x10, 0x20, 0xf5, 0xf2], "an F2FS filesystem"),
    at(1024, &[0xe2, 0xe1, 0xf5, 0xe0], "an EROFS filesystem"),
    // include/uapi/linux/nilfs2_ondisk.h: s_rev_level 2 at 0, s_magic at 6.
    and(
        at(1030, &[0x34, 0x34], "a NILFS2 filesystem"),
        Check::Also(1024, &[2, 0, 0, 0]),
    ),
    // include/uapi/linux/gfs2_ondisk.h: GFS2_MAGIC, big endian, at sector 128.
    at(64 << 10, &[0x01, 0x16, 0x19, 0x70], "a GFS2 filesystem"),
    // fs/ocfs2/ocfs2_fs.h: in block 2 of 512 to 4096 bytes.
    at(1024, b"OCFSV2", OCFS2),
    at(2048, b"OCFSV2", OCFS2),
    at(4096, b"OCFSV2", OCFS2),
    at(8192, b"OCFSV2", OCFS2),
    // fs/jfs/jfs_superblock.h, at 32 KiB.
    at(32 << 10, b"JFS1", "a JFS filesystem"),
    // util-linux reiserfs.c: magic at 52 in the superblock at 64 KiB.
    at((64 << 10) + 52, b"ReIsErFs", REISER),
    at((64 << 10) + 52, b"ReIsEr2Fs", REISER),
    at((64 << 10) + 52, b"ReIsEr3Fs", REISER),
    // fs/isofs and ECMA-119: volume descriptor at 32 KiB; ECMA-167 for UDF.
    at((32 << 10) + 1, b"CD001", "an ISO 9660 filesystem"),
    at((32 << 10) + 1, b"BEA01", UDF),
    at((34 << 10) + 1, b"NSR0", UDF),
    // fs/squashfs/squashfs_fs.h, include/uapi/linux/cramfs_fs.h, include/uapi/linux/romfs_fs.h.
    at(0, b"hsqs", "a SquashFS filesystem"),
    at(0, &[0x45, 0x3d, 0xcd, 0x28], "a cramfs filesystem"),
    at(0, b"-rom1fs-", "a romfs filesystem"),
    // util-linux apfs.c; fs/hfsplus/hfsplus_raw.h: version 4 of "H+", 5 of "HX", at 1024.
    at(32, b"NXSB", "an APFS container"),
    at(1024, b"H+\0\x04", HFS),
    at(1024, b"HX\0\x05", HFS),
    // include/linux/swap.h: union swap_header, the last ten bytes of a page of any size;
    // kernel/power/swap.c: HIBERNATE_SIG.
    at(4096 - 10, b"SWAPSPACE2", SWAP),
    at(8192 - 10, b"SWAPSPACE2", SWAP),
    at(16384 - 10, b"SWAPSPACE2", SWAP),
    at(32768 - 10, b"SWAPSPACE2", SWAP),
    at(65536 - 10, b"SWAPSPACE2", SWAP),
    at(4096 - 10, b"SWAP-SPACE", SWAP),
    at(4096 - 10, b"S1SUSPEND\0", HIBERNATION),
    // fs/exfat/exfat_raw.h, fs/ntfs3/ntfs.h: names at 3 in the boot sector; util-linux bitlocker.c.
    at(3, b"EXFAT   ", "an exFAT filesystem"),
    at(3, b"NTFS    ", "an NTFS filesystem"),
    at(3, b"-FVE-FS-", "a BitLocker volume"),
    // Microsoft FAT specification: BS_FilSysType of FAT32 and of FAT12 and FAT16.
    and(at(82, b"FAT32   ", VFAT), Check::Also(510, BOOT)),
    and(at(54, b"FAT16   ", VFAT), Check::Also(510, BOOT)),
    and(at(54, b"FAT12   ", VFAT), Check::Also(510, BOOT)),
    and(at(54, b"FAT     ", VFAT), Check::Also(510, BOOT)),
    // block/partitions/efi.h: in the second logical block, and its copy in the last one.
    at(512, b"EFI PART", GPT),
    at(4096, b"EFI PART", GPT),
    within(Place::LastPage, 3584, b"EFI PART", GPT),
    within(Place::LastPage, 0, b"EFI PART", GPT),
    // block/partitions/msdos.c: last, because filesystems of PCs carry it too.
    and(at(510, BOOT, "an MBR partition table"), Check::Mbr),
];
