// SPDX-License-Identifier: GPL-2.0

//! The metadata area and the label.

use crc32c::crc32c;
use dst_core::label::*;
use proptest::prelude::*;

use crate::samples::{label, text};

fn block(label: &Label) -> [u8; LABEL_BYTES] {
    let mut block = [0; LABEL_BYTES];
    label.encode(&mut block, crc32c).unwrap();
    block
}

fn decode(mut block: [u8; LABEL_BYTES]) -> Result<Label, LabelError> {
    let before = block;
    let result = Label::decode(&mut block, crc32c);
    assert_eq!(block, before, "decoding leaves the block alone");
    result
}

/// Changes bytes and makes the checksum right again.
fn forged(change: impl Fn(&mut [u8; LABEL_BYTES])) -> Result<Label, LabelError> {
    let mut block = block(&label());
    change(&mut block);
    block[12..16].fill(0);
    let crc = crc32c(&block).to_le_bytes();
    block[12..16].copy_from_slice(&crc);
    decode(block)
}

#[test]
fn the_area_is_a_function_of_the_size() {
    const MIB: u64 = 2048;
    for (sectors, data, area) in [
        // The smallest device: 4 MiB of area, 4 KiB of data.
        (4 * MIB + 8, 8, 4 * MIB),
        (4 * MIB + 15, 8, 4 * MIB),
        (4 * MIB + 16, 16, 4 * MIB),
        (64 * MIB, 60 * MIB, 4 * MIB),
        // 128 GiB is the last size with the smallest area.
        (131_072 * MIB, 131_068 * MIB, 4 * MIB),
        (131_072 * MIB + 7, 131_068 * MIB, 4 * MIB),
        (1_048_576 * MIB, 1_048_544 * MIB, 32 * MIB),
        (4_194_304 * MIB, 4_194_176 * MIB, 128 * MIB),
        (16_777_216 * MIB, 16_777_088 * MIB, 128 * MIB),
    ] {
        let found = MetadataArea::for_device(sectors).unwrap();
        assert_eq!(
            (found.data_sectors, found.sectors),
            (data, area),
            "{sectors}"
        );
    }
    // The step lies exactly at one part in 32768.
    let below = MetadataArea::for_device(131_072 * MIB + 63).unwrap();
    assert_eq!(below.sectors, 4 * MIB);
    let above = MetadataArea::for_device(131_072 * MIB + 64).unwrap();
    assert_eq!(above.sectors, 8 * MIB);
    for sectors in [0, 1, 801, 4 * MIB, 4 * MIB + 7, u64::MAX, 1 << 55] {
        let error = MetadataArea::for_device(sectors).unwrap_err();
        assert_eq!(error.sectors, sectors);
        assert!(!error.to_string().is_empty());
    }
}

#[test]
fn copies_lie_at_both_ends_of_the_area() {
    let area = MetadataArea::for_device(131_072).unwrap();
    assert_eq!(area.copy_sector(Copy::A), 122_880);
    assert_eq!(area.copy_sector(Copy::B), 131_072 - 8);
    assert_eq!(area.room(), (122_888, 8192 - 16));
}

proptest! {
    #![proptest_config(crate::fixed(3000, 11))]

    #[test]
    fn areas_never_leave_the_device(sectors in any::<u64>(), shift in 0_u32..64) {
        let sectors = sectors >> shift;
        if let Ok(area) = MetadataArea::for_device(sectors) {
            let end = area.data_sectors + area.sectors;
            prop_assert!(end <= sectors && sectors - end < 8);
            prop_assert!(area.data_sectors >= 8 && area.data_sectors % 8 == 0);
            prop_assert!(area.sectors * 512 >= AREA_MIN_BYTES);
            prop_assert!(area.sectors * 512 <= AREA_MAX_BYTES);
            prop_assert_eq!(area.sectors * 512 % AREA_MIN_BYTES, 0);
            prop_assert_eq!(area.copy_sector(Copy::A), area.data_sectors);
            prop_assert_eq!(area.copy_sector(Copy::B) + 8, end);
            let (room, length) = area.room();
            prop_assert_eq!(room + length, area.copy_sector(Copy::B));
        } else {
            prop_assert!(sectors < 8200 || sectors.checked_mul(512).is_none());
        }
    }
}

#[test]
fn bytes_of_a_label() {
    let block = block(&label());
    let u32_at = |at: usize| u32::from_le_bytes(block[at..at + 4].try_into().unwrap());
    let u64_at = |at: usize| u64::from_le_bytes(block[at..at + 8].try_into().unwrap());
    assert_eq!(&block[..8], b"DSTLABEL");
    assert_eq!(u32_at(8), 1);
    assert_eq!(&block[40..56], b"storage-0123456!");
    assert_eq!(&block[56..72], b"node----0123456!");
    assert_eq!(&block[72..77], b"kano\0");
    assert_eq!(&block[136..147], b"alg_linear\0");
    assert_eq!((u32_at(168), u32_at(172)), (1, 3));
    assert_eq!((u64_at(176), u64_at(184)), (122_880, 122_880));
    assert_eq!((u64_at(192), u64_at(200)), (131_072, 122_880));
    assert_eq!((u64_at(208), u64_at(216), u32_at(224)), (5, 0, 1));
    assert_eq!((u64_at(232), u64_at(240)), (42, 1_700_000_000));
    assert!(block[256..].iter().all(|b| *b == 0));
    let mut zeroed = block;
    zeroed[12..16].fill(0);
    assert_eq!(u32_at(12), crc32c(&zeroed));
    assert_eq!(decode(block), Ok(label()));
}

#[test]
fn what_is_not_understood_survives_an_update() {
    let mut block = block(&label());
    block[256..].fill(0xa5);
    label().next(7).encode(&mut block, crc32c).unwrap();
    assert!(block[256..].iter().all(|b| *b == 0xa5));
    let found = decode(block).unwrap();
    assert_eq!((found.sequence, found.updated), (43, 7));
}

#[test]
fn labels_that_cannot_be_used() {
    assert_eq!(decode([0; LABEL_BYTES]), Err(LabelError::None));
    assert!(!LabelError::None.is_label());
    let mut damaged = block(&label());
    damaged[4095] ^= 1;
    let error = decode(damaged).unwrap_err();
    assert!(matches!(error, LabelError::Checksum(..)) && error.is_label());
    assert_eq!(forged(|b| b[8] = 2), Err(LabelError::Version(2)));
    assert_eq!(forged(|b| b[33] = 1), Err(LabelError::Incompat(256)));
    // Compatible features are none of our business, half compatible ones forbid to write.
    assert!(forged(|b| b[17] = 1).is_ok_and(|label| !label.read_only()));
    assert!(forged(|b| b[25] = 1).is_ok_and(|label| label.read_only()));
    let faults: [fn(&mut [u8; LABEL_BYTES]); 14] = [
        |b| b[40..56].fill(0),
        |b| b[56..72].fill(0),
        |b| b[72..136].fill(0),
        |b| b[72..136].fill(b'x'),
        |b| b[72] = b'/',
        |b| b[130] = b'x',
        |b| b[136..168].fill(0),
        |b| b[136] = 0xff,
        |b| b[168] = 3,
        |b| b[176..184].fill(0xff),
        |b| b[184..192].fill(0),
        |b| b[184..192].copy_from_slice(&122_881_u64.to_le_bytes()),
        |b| b[200..208].copy_from_slice(&131_073_u64.to_le_bytes()),
        |b| b[224] = 9,
    ];
    for (number, fault) in faults.into_iter().enumerate() {
        let error = forged(fault).expect_err("impossible field");
        assert!(matches!(error, LabelError::Field(_)), "{number}: {error:?}");
        assert!(error.is_label() && !error.to_string().is_empty());
    }
}

/// A label with a partner, written over the one without.
fn moving(state: u32) -> [u8; LABEL_BYTES] {
    let partner = Partner {
        node: [0xaa; 16],
        place: text("/dev/vdb"),
    };
    let label = Label {
        incompat: features::MIGRATION,
        state,
        partner: Some(partner),
        ..label()
    };
    let mut moving = block(&self::label());
    moving[376..].fill(0xa5);
    label.encode(&mut moving, crc32c).unwrap();
    assert_eq!(decode(moving), Ok(label));
    moving
}

#[test]
fn the_partner_of_a_label() {
    let mut block = moving(state::REPLACED);
    assert_eq!(block[32], 1);
    assert_eq!(&block[296..312], [0xaa; 16]);
    assert_eq!(&block[312..322], b"/dev/vdb\0\0");
    assert!(block[376..].iter().all(|b| *b == 0xa5));
    // Without it all is as it was.
    label().encode(&mut block, crc32c).unwrap();
    assert!(block[256..376].iter().all(|b| *b == 0));
    assert_eq!(decode(block), Ok(label()));
}

#[test]
fn labels_with_an_impossible_partner() {
    let faults: [fn(&mut [u8; LABEL_BYTES]); 6] = [
        |b| b[296..312].fill(0),
        |b| b.copy_within(56..72, 296),
        |b| b[312..376].fill(b'x'),
        |b| b[330] = b'x',
        |b| b[224] = 4,
        // No version without the feature knows this state.
        |b| b[32] = 0,
    ];
    for (number, fault) in faults.into_iter().enumerate() {
        let mut block = moving(state::COPY);
        fault(&mut block);
        block[12..16].fill(0);
        let crc = crc32c(&block).to_le_bytes();
        block[12..16].copy_from_slice(&crc);
        let error = decode(block).expect_err("impossible field");
        assert!(matches!(error, LabelError::Field(_)), "{number}: {error:?}");
    }
    let mut wrong = label();
    wrong.incompat = features::MIGRATION;
    assert!(wrong.encode(&mut [0; LABEL_BYTES], crc32c).is_err());
}

#[test]
fn the_newest_node_of_a_label() {
    let newest = Newest {
        node: [0xbb; 16],
        before: [0xcc; 16],
    };
    let grown = label().grown(4, Some(newest));
    let mut bytes = block(&label());
    bytes[408..].fill(0xa5);
    grown.encode(&mut bytes, crc32c).unwrap();
    assert_eq!(bytes[32], 2);
    assert_eq!(&bytes[376..392], [0xbb; 16]);
    assert_eq!(&bytes[392..408], [0xcc; 16]);
    assert!(bytes[408..].iter().all(|b| *b == 0xa5));
    assert_eq!(decode(bytes), Ok(grown));
    label().encode(&mut bytes, crc32c).unwrap();
    assert_eq!(&bytes[376..408], [0; 32]);
    assert_eq!(decode(bytes), Ok(label()));
    // Nobody's identity is zero.
    assert!(forged(|b| b[32] = 2).is_err());
    let mut wrong = label();
    wrong.newest = Some(newest);
    assert!(wrong.encode(&mut [0; LABEL_BYTES], crc32c).is_err());
}

#[test]
fn nothing_is_written_that_could_not_be_read() {
    let mut wrong = label();
    wrong.size = 0;
    let mut block = [7; LABEL_BYTES];
    assert!(wrong.encode(&mut block, crc32c).is_err());
    assert_eq!(block, [7; LABEL_BYTES]);
}

#[test]
fn the_newer_copy_counts() {
    let old = label();
    let new = label().next(1);
    let damaged = Err(LabelError::Checksum(1, 2));
    let none = Err(LabelError::None);
    let choice = |label, place, other_stale| {
        Ok(Choice {
            label,
            place,
            other_stale,
        })
    };
    for (a, b, expected) in [
        (Ok(old), Ok(old), choice(old, Copy::A, false)),
        (Ok(new), Ok(old), choice(new, Copy::A, true)),
        (Ok(old), Ok(new), choice(new, Copy::B, true)),
        (Ok(old), damaged, choice(old, Copy::A, true)),
        (none, Ok(old), choice(old, Copy::B, true)),
        (none, none, Err(LabelError::None)),
        (none, damaged, Err(LabelError::Checksum(1, 2))),
        (damaged, none, Err(LabelError::Checksum(1, 2))),
        // A copy of a later version decides, even beside one that could be read.
        (
            Ok(new),
            Err(LabelError::Version(2)),
            Err(LabelError::Version(2)),
        ),
        (
            Err(LabelError::Incompat(4)),
            Ok(new),
            Err(LabelError::Incompat(4)),
        ),
        (
            damaged,
            Err(LabelError::Version(2)),
            Err(LabelError::Version(2)),
        ),
    ] {
        assert_eq!(choose_newest(a, b), expected);
    }
    let mut other = old;
    other.name = text("other");
    assert_eq!(choose_newest(Ok(old), Ok(other)), Err(LabelError::Conflict));
}

/// A power cut at any moment of an update: one of the two labels is found, never none, and never
/// anything else.
#[test]
fn updates_survive_power_cuts() {
    for (first, second) in [(41, 42), (42, 41), (42, 42), (42, 0), (0, 42)] {
        let at = |sequence| {
            let mut label = label();
            label.sequence = sequence;
            // 0 stands for a copy that is damaged.
            if sequence == 0 {
                [0xff; LABEL_BYTES]
            } else {
                block(&label)
            }
        };
        let device = [at(first), at(second)];
        let current = choose_newest(decode(device[0]), decode(device[1])).unwrap();
        let next = current.label.next(99);
        let mut written = device;
        for place in update_order(Some(&current)) {
            let slot = if place == Copy::A { 0 } else { 1 };
            // Torn after any number of sectors.
            for sectors in 0..=8 {
                let mut torn = written;
                torn[slot][..sectors * 512].copy_from_slice(&block(&next)[..sectors * 512]);
                let found = choose_newest(decode(torn[0]), decode(torn[1])).unwrap();
                assert!(found.label == current.label || found.label == next);
            }
            written[slot] = block(&next);
        }
        let found = choose_newest(decode(written[0]), decode(written[1])).unwrap();
        assert_eq!((found.label, found.other_stale), (next, false));
    }
    assert_eq!(update_order(None), [Copy::A, Copy::B]);
}

prop_compose! {
    fn any_label()(
        ids in any::<([u8; 16], [u8; 16])>(), name in "[a-z0-9_.][a-z0-9_.-]{0,62}",
        algorithm in "[a-z_]{1,31}", place in (0_u32..256, 1_u32..256),
        range in (0_u64..1 << 53, 1_u64..1 << 53), spare in (0_u64..1 << 20, 0_u64..1 << 20),
        numbers in any::<[u64; 7]>(),
        partner in proptest::option::of((any::<[u8; 16]>(), "[ -~]{0,63}")),
        newest in proptest::option::of(any::<([u8; 16], [u8; 16])>()),
    ) -> Label {
        let partner = partner.map(|(node, place)| Partner { node, place: text(&place) });
        Label {
            compat: numbers[0],
            ro_compat: numbers[1],
            incompat: partner.map_or(0, |_| features::MIGRATION) | newest.map_or(0, |_| features::GROWTH),
            storage: ids.0,
            node: ids.1,
            name: text(&name),
            algorithm: text(&algorithm),
            index: place.0,
            node_count: place.0 + place.1,
            start: range.0,
            size: range.1,
            data_sectors: range.1 + spare.0,
            device_sectors: range.1 + spare.0 + spare.1,
            epoch: numbers[2],
            events: numbers[3],
            state: partner.map_or(state::IN_SYNC, |_| 1 + numbers[0] as u32 % 3),
            sequence: numbers[4],
            created: numbers[5],
            updated: numbers[6],
            partner,
            newest: newest.map(|(node, before)| Newest { node, before }),
        }
    }
}

proptest! {
    #![proptest_config(crate::fixed(500, 12))]

    #[test]
    fn labels_round_trip(label in any_label()) {
        prop_assume!(label.name.as_str() != "." && label.name.as_str() != "..");
        prop_assert_eq!(decode(block(&label)), Ok(label));
    }

    #[test]
    fn any_damage_is_noticed(at in 0_usize..LABEL_BYTES, bit in 0_u8..8) {
        let mut bytes = block(&label());
        bytes[at] ^= 1 << bit;
        let error = decode(bytes).unwrap_err();
        prop_assert!(matches!(error, LabelError::None | LabelError::Checksum(..)));
    }

    #[test]
    fn any_forged_label_is_judged(bytes in any::<[u8; 256]>(), keep in 0_usize..256) {
        if let Ok(found) = forged(|b| {
            b[16..keep.max(16)].copy_from_slice(&bytes[16..keep.max(16)]);
        }) {
            prop_assert!(found.index < found.node_count);
            prop_assert!(found.size <= found.data_sectors);
            prop_assert!(found.start.checked_add(found.size).is_some());
        }
    }
}
