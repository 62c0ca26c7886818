// SPDX-License-Identifier: GPL-2.0

//! What a device already holds.
//!
//! A device with a filesystem, a partition table or a RAID member on it must not be taken without
//! being asked. The caller reads the [`Window`]s of the device one after the other (none is longer
//! than a page) and shows each to [`recognise`]; the first name it gets is what the device holds.
//!
//! This is a guard against mistakes, not a replacement for blkid: it looks for the signatures of
//! everything that is common on Linux servers, by the signature alone.

mod table;

use super::label::{Copy, MetadataArea};
use super::units::{round_down, SECTOR_BYTES};
use table::{Check, Magic, Place, MAGICS};

/// The longest window in bytes.
pub const WINDOW_BYTES: u32 = 4096;

/// Part of a device that has to be looked at: a multiple of 512 bytes, and of the device's logical
/// block up to 4096 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Bytes from the start of the device.
    pub offset: u64,
    /// Bytes, not 0, at most [`WINDOW_BYTES`].
    pub length: u32,
}

/// Windows at the start of the device: what each is there for says the table.
const STARTS: [u64; 17] = [
    0,
    4 << 10,
    8 << 10,
    12 << 10,
    16 << 10,
    28 << 10,
    32 << 10,
    60 << 10,
    64 << 10,
    // ZFS: a ring of uberblocks, each of 1 to 4 KiB here.
    128 << 10,
    132 << 10,
    136 << 10,
    140 << 10,
    144 << 10,
    148 << 10,
    152 << 10,
    156 << 10,
];

/// Places that are found from the end of the device.
const ENDS: [Place; 8] = [
    Place::LastPage,
    Place::LastAlignedPage,
    Place::Md10,
    Place::Md090,
    Place::DstA,
    Place::DstB,
    Place::ZfsLast(0),
    Place::ZfsLast(4096),
];

/// The windows of a device of so many bytes. Some may overlap.
pub fn windows(device_bytes: u64) -> impl Iterator<Item = Window> {
    let starts = STARTS.into_iter().map(Some);
    let ends = ENDS
        .into_iter()
        .map(move |place| place_offset(place, device_bytes));
    starts.chain(ends).filter_map(move |offset| {
        let offset = offset?;
        let rest = round_down(device_bytes, SECTOR_BYTES).checked_sub(offset)?;
        let length = u32::try_from(rest.min(WINDOW_BYTES.into())).ok()?;
        (length != 0).then_some(Window { offset, length })
    })
}

/// What the device holds according to the bytes of one of its windows, if they tell.
///
/// `bytes` are those from `window.offset` on.
pub fn recognise(device_bytes: u64, window: &Window, bytes: &[u8]) -> Option<&'static str> {
    MAGICS
        .iter()
        .find(|magic| matches(magic, device_bytes, window, bytes))
        .map(|magic| magic.name)
}

fn matches(magic: &Magic, device_bytes: u64, window: &Window, bytes: &[u8]) -> bool {
    let found = |place, offset: u64, expected: &[u8]| {
        place_offset(place, device_bytes)
            .and_then(|start| start.checked_add(offset)?.checked_sub(window.offset))
            .and_then(|start| bytes.get(usize::try_from(start).ok()?..))
            .is_some_and(|bytes| bytes.starts_with(expected))
    };
    found(magic.place, magic.offset, magic.bytes)
        && match magic.check {
            Check::None => true,
            Check::Also(offset, expected) => found(magic.place, offset, expected),
            Check::Ext => ext_block_size(bytes),
            Check::Mbr => mbr_entries(bytes),
        }
}

/// Where a place lies on a device of so many bytes; `None` if the device is too small.
fn place_offset(place: Place, device_bytes: u64) -> Option<u64> {
    let page = u64::from(WINDOW_BYTES);
    match place {
        Place::Start => Some(0),
        Place::LastPage => round_down(device_bytes, SECTOR_BYTES).checked_sub(page),
        Place::LastAlignedPage => round_down(device_bytes, page).checked_sub(page),
        Place::Md10 => Some(round_down(device_bytes.checked_sub(8192)?, page)),
        Place::Md090 => round_down(device_bytes, 64 << 10).checked_sub(64 << 10),
        Place::ZfsLast(offset) => round_down(device_bytes, 256 << 10)
            .checked_sub(128 << 10)?
            .checked_add(offset),
        Place::DstA => dst_label(device_bytes, Copy::A),
        Place::DstB => dst_label(device_bytes, Copy::B),
    }
}

fn dst_label(device_bytes: u64, copy: Copy) -> Option<u64> {
    let area = MetadataArea::for_device(device_bytes / SECTOR_BYTES).ok()?;
    area.copy_sector(copy).checked_mul(SECTOR_BYTES)
}

/// ext: `s_log_block_size`, at 24 in the superblock at 1024, is at most 6 (64 KiB). Two bytes of
/// magic alone would be found by chance too often.
fn ext_block_size(bytes: &[u8]) -> bool {
    matches!(bytes.get(1048..1052), Some([0..=6, 0, 0, 0]))
}

/// MBR: each of the four entries at 446 is active or not (0x80 or 0), and one has a type. A boot
/// sector of another kind has code there.
fn mbr_entries(bytes: &[u8]) -> bool {
    let Some(entries) = bytes.get(446..510) else {
        return false;
    };
    let mut used = false;
    for entry in entries.chunks_exact(16) {
        match entry {
            [0 | 0x80, _, _, _, kind, ..] => used |= *kind != 0,
            _ => return false,
        }
    }
    used
}
