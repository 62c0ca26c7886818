// SPDX-License-Identifier: GPL-2.0

//! Recognition of what a device holds.

use dst_core::label::{Copy, MetadataArea};
use dst_core::signature::{recognise, windows, WINDOW_BYTES};

const SIZE: u64 = 64 << 20;

/// A device of which only some bytes are not zero.
struct Device {
    size: u64,
    bytes: Vec<(u64, Vec<u8>)>,
}

impl Device {
    fn with(size: u64, bytes: &[(u64, &[u8])]) -> Self {
        let bytes = bytes.iter().map(|(at, b)| (*at, b.to_vec())).collect();
        Self { size, bytes }
    }

    fn recognised(&self) -> Option<&'static str> {
        windows(self.size).find_map(|window| {
            let mut buffer = vec![0; window.length as usize];
            for (at, bytes) in &self.bytes {
                for (i, byte) in bytes.iter().enumerate() {
                    let position = (at + i as u64).checked_sub(window.offset);
                    let slot = position.and_then(|p| buffer.get_mut(p as usize));
                    if let Some(slot) = slot {
                        *slot = *byte;
                    }
                }
            }
            recognise(self.size, &window, &buffer)
        })
    }
}

fn holds(bytes: &[(u64, &[u8])]) -> Option<&'static str> {
    Device::with(SIZE, bytes).recognised()
}

#[test]
fn windows_lie_within_the_device() {
    for size in [
        0,
        511,
        512,
        1024,
        4095,
        4096,
        4608,
        8192,
        65536,
        131_072,
        410_112,
        4 << 20,
        SIZE,
        SIZE + 512,
        SIZE + 511,
        1 << 40,
        i64::MAX as u64,
        u64::MAX,
    ] {
        let mut count = 0;
        for window in windows(size) {
            assert!(window.length > 0 && window.length <= WINDOW_BYTES && window.length % 512 == 0);
            assert!(window.offset.checked_add(window.length.into()).unwrap() <= size);
            assert_eq!(window.offset % 512, 0);
            // A device with large blocks can be read like this.
            if size % 4096 == 0 {
                assert_eq!(window.offset % 4096, 0);
                assert_eq!(window.length % 4096, 0);
            }
            count += 1;
        }
        assert_eq!(count > 0, size >= 512, "{size}");
        assert!(count <= 32);
    }
}

#[test]
fn blank_devices_hold_nothing() {
    assert_eq!(holds(&[]), None);
    for size in [512, 4096, 801 * 512, SIZE] {
        for fill in [0, 0xff, 0x55] {
            for window in windows(size) {
                let buffer = vec![fill; window.length as usize];
                assert_eq!(recognise(size, &window, &buffer), None);
            }
        }
    }
}

#[test]
fn filesystems() {
    for (at, magic, name) in [
        (0, b"XFSB".as_slice(), "an XFS filesystem"),
        (65600, b"_BHRfS_M", "a btrfs filesystem"),
        (1024, &[0x10, 0x20, 0xf5, 0xf2], "an F2FS filesystem"),
        (3, b"EXFAT   ", "an exFAT filesystem"),
        (3, b"NTFS    ", "an NTFS filesystem"),
        (32769, b"CD001", "an ISO 9660 filesystem"),
        (34817, b"NSR02", "a UDF filesystem"),
        (0, b"hsqs", "a SquashFS filesystem"),
        (65588, b"ReIsEr2Fs", "a ReiserFS filesystem"),
        (32768, b"JFS1", "a JFS filesystem"),
        (65536, &[1, 0x16, 0x19, 0x70], "a GFS2 filesystem"),
        (8192, b"OCFSV2", "an OCFS2 filesystem"),
        (1024, b"H+\0\x04", "an HFS+ filesystem"),
        (32, b"NXSB", "an APFS container"),
        (1024, &[0xe2, 0xe1, 0xf5, 0xe0], "an EROFS filesystem"),
    ] {
        assert_eq!(holds(&[(at, magic)]), Some(name));
    }
    let ext = "an ext2, ext3 or ext4 filesystem";
    assert_eq!(holds(&[(1080, &[0x53, 0xef]), (1048, &[2])]), Some(ext));
    assert_eq!(holds(&[(1080, &[0x53, 0xef]), (1048, &[7])]), None);
    let boot: (u64, &[u8]) = (510, &[0x55, 0xaa]);
    let fat = "a FAT filesystem";
    assert_eq!(holds(&[boot, (82, b"FAT32   ")]), Some(fat));
    assert_eq!(holds(&[boot, (54, b"FAT16   ")]), Some(fat));
    assert_eq!(holds(&[(54, b"FAT16   ")]), None);
}

#[test]
fn swap_with_any_page_size() {
    for page in [4096, 8192, 16384, 32768, 65536] {
        assert_eq!(holds(&[(page - 10, b"SWAPSPACE2")]), Some("swap space"));
    }
    let hibernation = "swap space with a hibernated system";
    assert_eq!(holds(&[(4086, b"S1SUSPEND\0")]), Some(hibernation));
}

#[test]
fn members_and_containers() {
    for sector in 0..4 {
        let label: (u64, &[u8]) = (sector * 512, b"LABELONE");
        let kind: (u64, &[u8]) = (sector * 512 + 24, b"LVM2 001");
        assert_eq!(holds(&[label, kind]), Some("an LVM physical volume"));
        assert_eq!(holds(&[label]), None);
    }
    assert_eq!(
        holds(&[(0, b"LUKS\xba\xbe")]),
        Some("a LUKS encrypted volume")
    );
    assert_eq!(
        holds(&[(16384, b"SKUL\xba\xbe")]),
        Some("a LUKS encrypted volume")
    );
    assert_eq!(holds(&[(3, b"-FVE-FS-")]), Some("a BitLocker volume"));
    let bcache = b"\xc6\x85\x73\xf6\x4e\x1a\x45\xca\x82\x65\xf5\x7f\x48\xba\x6d\x81";
    assert_eq!(holds(&[(4120, bcache)]), Some("a bcache device"));
    assert_eq!(
        holds(&[(0, b"bluestore block device\n")]),
        Some("a Ceph BlueStore device")
    );
    let uberblock = [0x0c, 0xb1, 0xba, 0, 0, 0, 0, 0];
    assert_eq!(
        holds(&[(131_072 + 4096, &uberblock)]),
        Some("a ZFS pool member")
    );
    let last = SIZE - 128 * 1024;
    assert_eq!(holds(&[(last, &uberblock)]), Some("a ZFS pool member"));
}

#[test]
fn raid_superblocks_at_both_ends() {
    let md = "a member of an md RAID";
    let magic: &[u8] = &[0xfc, 0x4e, 0x2b, 0xa9];
    for size in [SIZE, SIZE + 512, SIZE + 3584, SIZE + 65024] {
        let sectors = size / 512;
        let v10 = ((sectors - 16) & !7) * 512;
        let v090 = (sectors & !127) * 512 - 65536;
        for at in [0, 4096, v10, v090] {
            let device = Device::with(size, &[(at, magic)]);
            assert_eq!(device.recognised(), Some(md), "{size} {at}");
        }
        let swapped = Device::with(size, &[(v090, &[0xa9, 0x2b, 0x4e, 0xfc])]);
        assert_eq!(swapped.recognised(), Some(md));
        // DRBD aligns to 4 KiB, blkid looks at the last 4 KiB.
        for start in [size / 4096 * 4096 - 4096, size - 4096] {
            for last in [0x6b, 0x6c, 0x6d] {
                let device = Device::with(size, &[(start + 60, &[0x83, 0x74, 2, last])]);
                assert_eq!(device.recognised(), Some("DRBD metadata"));
            }
        }
        let intel = Device::with(size, &[(size - 1024, b"Intel Raid ISM Cfg Sig. 1.3")]);
        assert_eq!(
            intel.recognised(),
            Some("a member of an Intel firmware RAID")
        );
    }
}

#[test]
fn partition_tables() {
    let gpt = "a GPT partition table";
    for at in [512, 4096, SIZE - 512, SIZE - 4096] {
        assert_eq!(holds(&[(at, b"EFI PART")]), Some(gpt), "{at}");
    }
    let boot: (u64, &[u8]) = (510, &[0x55, 0xaa]);
    let mut entry = [0_u8; 16];
    (entry[0], entry[4]) = (0x80, 0x83);
    assert_eq!(
        holds(&[boot, (446, &entry)]),
        Some("an MBR partition table")
    );
    // No entry, or code where the entries are.
    assert_eq!(holds(&[boot]), None);
    entry[0] = 0x31;
    assert_eq!(holds(&[boot, (446, &entry)]), None);
}

#[test]
fn our_own_label() {
    for size in [SIZE, SIZE + 512, 5 << 20] {
        let area = MetadataArea::for_device(size / 512).unwrap();
        for copy in [Copy::A, Copy::B] {
            let at = area.copy_sector(copy) * 512;
            let device = Device::with(size, &[(at, b"DSTLABEL")]);
            assert_eq!(device.recognised(), Some("a DST label"));
        }
    }
}
