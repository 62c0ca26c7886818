// SPDX-License-Identifier: GPL-2.0

//! The description of the label and its area.

use crc32c::crc32c;
use dst_core::label::{
    features, state, Copy, Label, LabelError, MetadataArea, Newest, Partner, LABEL_BYTES,
};

use super::{
    compare, fields, label_document, number, own, read, sample, table, Field, PATTERN, WIDE,
};
use crate::samples::text;

/// Where the checksum is.
const CRC: std::ops::Range<usize> = 12..16;

/// A label in which each number can be changed by itself and stays possible.
fn roomy() -> Label {
    Label {
        compat: 0,
        ro_compat: 0,
        incompat: 0,
        index: 0,
        node_count: u32::MAX,
        start: 0,
        size: 1,
        device_sectors: u64::MAX,
        data_sectors: 1 << 62,
        epoch: 0,
        ..crate::samples::label()
    }
}

fn block(label: &Label) -> Vec<u8> {
    let mut block = [0; LABEL_BYTES];
    label.encode(&mut block, crc32c).unwrap();
    block.to_vec()
}

fn decode(block: &[u8]) -> Result<Label, LabelError> {
    Label::decode(&mut block.try_into().unwrap(), crc32c)
}

/// The partner's fields.
const PARTNER: std::ops::Range<usize> = 296..376;

/// A label with a partner.
fn moving(state: u32) -> Label {
    Label {
        incompat: features::MIGRATION,
        state,
        partner: Some(Partner {
            node: PATTERN,
            place: text(&"x".repeat(63)),
        }),
        ..roomy()
    }
}

#[test]
fn the_partner_of_a_label() {
    let rows = fields(&label_document(), "label", LABEL_BYTES);
    let block = block(&moving(state::COPY));
    let bytes = |name| {
        let row = rows.iter().find(|row| row.name == name).unwrap();
        assert!(PARTNER.contains(&row.bytes.start), "{name}");
        &block[row.bytes.clone()]
    };
    assert_eq!(bytes("partner"), PATTERN);
    let place = [[b'x'; 63].as_slice(), &[0]].concat();
    assert_eq!(bytes("partner place"), place);
}

#[test]
fn the_newest_node_of_a_label() {
    let rows = fields(&label_document(), "label", LABEL_BYTES);
    let before = PATTERN.map(|byte| !byte);
    let newest = Newest {
        node: PATTERN,
        before,
    };
    let block = block(&roomy().grown(7, Some(newest)));
    for (name, value, bytes) in [
        ("newest", PATTERN, 376..392),
        ("newest before", before, 392..408),
    ] {
        let row = rows.iter().find(|row| row.name == name).unwrap();
        assert_eq!(&block[row.bytes.clone()], value);
        assert_eq!(row.bytes, bytes);
    }
}

#[test]
fn features_and_states() {
    let rows = table(&label_document(), "label features");
    assert_eq!(rows.len(), 2);
    assert_eq!(rows[0][..3], ["incompat", "0", "MIGRATION"]);
    assert_eq!(rows[1][..3], ["incompat", "1", "GROWTH"]);
    assert_eq!((features::MIGRATION, features::GROWTH), (1, 2));
    assert_eq!(features::INCOMPAT, 3);
    assert_eq!((features::COMPAT, features::RO_COMPAT), (0, 0));
    let states = [
        (state::IN_SYNC, "IN_SYNC"),
        (state::COPY, "COPY"),
        (state::REPLACED, "REPLACED"),
    ];
    let rows = table(&label_document(), "states");
    let named: Vec<_> = rows.iter().map(|row| (number(&row[0]), &row[1])).collect();
    for ((number, name), (state, expected)) in named.into_iter().zip(states) {
        assert_eq!((number, name.as_str()), (state as usize, expected));
        assert_eq!(decode(&block(&moving(state))), Ok(moving(state)));
    }
    assert_eq!(rows.len(), states.len());
}

/// The bytes that this version gives a meaning.
fn understood(rows: &[Field]) -> &[Field] {
    let end = rows.iter().position(|row| row.bytes.start == 256).unwrap();
    &rows[..end]
}

#[test]
fn bytes_of_a_label() {
    let base = roomy();
    let with = |change: fn(&mut Label)| {
        let mut label = base;
        change(&mut label);
        block(&label)
    };
    let small = WIDE >> 8;
    let crc = crc32c(&{
        let mut zeroed = block(&base);
        zeroed[CRC].fill(0);
        zeroed
    });
    let name = [[b'x'; 63].as_slice(), &[0]].concat();
    let algorithm = [[b'x'; 31].as_slice(), &[0]].concat();
    let start = with(|l| l.start = WIDE >> 8);
    let mut moving = block(&moving(state::IN_SYNC));
    moving[PARTNER].fill(0);
    let samples = [
        own("magic", &block(&base), b"DSTLABEL"),
        own("version", &block(&base), &1_u32.to_le_bytes()),
        own("crc", &block(&base), &crc.to_le_bytes()),
        sample("compat", with(|l| l.compat = WIDE)),
        sample("ro compat", with(|l| l.ro_compat = WIDE)),
        own("incompat", &moving, &features::MIGRATION.to_le_bytes()),
        sample("storage", with(|l| l.storage = PATTERN)),
        sample("node", with(|l| l.node = PATTERN)),
        own("name", &with(|l| l.name = text(&"x".repeat(63))), &name),
        own(
            "algorithm",
            &with(|l| l.algorithm = text(&"x".repeat(31))),
            &algorithm,
        ),
        sample("index", with(|l| l.index = WIDE as u32)),
        sample("node count", with(|l| l.node_count = WIDE as u32)),
        own("start", &start, &small.to_le_bytes()),
        own("size", &with(|l| l.size = WIDE >> 8), &small.to_le_bytes()),
        own(
            "device sectors",
            &with(|l| l.device_sectors = WIDE << 4),
            &(WIDE << 4).to_le_bytes(),
        ),
        sample("data sectors", with(|l| l.data_sectors = WIDE)),
        sample("epoch", with(|l| l.epoch = WIDE)),
        sample("events", with(|l| l.events = WIDE)),
        own("state", &block(&base), &1_u32.to_le_bytes()),
        sample("sequence", with(|l| l.sequence = WIDE)),
        sample("created", with(|l| l.created = WIDE)),
        sample("updated", with(|l| l.updated = WIDE)),
    ];
    let rows = fields(&label_document(), "label", LABEL_BYTES);
    compare(understood(&rows), &block(&base), CRC, &samples);
    assert!(block(&base)[256..].iter().all(|byte| *byte == 0));
}

/// What is reserved, or laid out for later, is covered by the checksum and otherwise ignored.
#[test]
fn the_rest_of_a_label_has_no_meaning_yet() {
    let rows = fields(&label_document(), "label", LABEL_BYTES);
    let known = understood(&rows).len();
    let later = rows.iter().enumerate();
    for (_, row) in later.filter(|(at, row)| *at >= known || row.name == "reserved") {
        let mut block = block(&roomy());
        block[row.bytes.clone()].fill(0xa5);
        assert!(matches!(decode(&block), Err(LabelError::Checksum(..))));
        block[CRC].fill(0);
        let crc = crc32c(&block).to_le_bytes();
        block[CRC].copy_from_slice(&crc);
        assert_eq!(decode(&block), Ok(roomy()), "{}", row.name);
    }
}

/// Names and sizes of a structure's fields, from its source.
fn structure(source: &str, name: &str) -> Vec<(String, usize)> {
    let (_, body) = source.split_once(&format!("struct {name} {{")).unwrap();
    let (body, _) = body.split_once('}').unwrap();
    let lines = body.lines().map(str::trim).filter(|line| !line.is_empty());
    lines
        .map(|line| {
            let (field, kind) = line.trim_end_matches(',').split_once(": ").unwrap();
            let field = match field.trim_end_matches(|c: char| c.is_ascii_digit()) {
                "reserved" => "reserved".to_owned(),
                _ => field.replace('_', " "),
            };
            (field, size_of_kind(source, kind))
        })
        .collect()
}

fn size_of_kind(source: &str, kind: &str) -> usize {
    if let Some((item, count)) = kind.trim_matches(['[', ']']).split_once("; ") {
        let constant = format!("const {count}: usize = ");
        let count = match source.split_once(&constant) {
            Some((_, value)) => value.split_once(';').unwrap().0,
            None => count,
        };
        return number(count) * size_of_kind(source, item);
    }
    match kind {
        "u8" => 1,
        "U32" => 4,
        "U64" => 8,
        _ => structure(source, kind).iter().map(|(_, size)| size).sum(),
    }
}

/// Also the fields that no version writes yet.
#[test]
fn the_tables_are_the_structures() {
    let source = read("src/core/label/block.rs");
    for (name, bytes, kind) in [("label", LABEL_BYTES, "RawLabel"), ("leg", 32, "RawLeg")] {
        let rows = fields(&label_document(), name, bytes);
        let rows = rows.into_iter().map(|row| (row.name, row.bytes.len()));
        assert_eq!(rows.collect::<Vec<_>>(), structure(&source, kind));
    }
}

#[test]
fn areas() {
    let rows = table(&label_document(), "areas");
    assert!(rows.len() > 10);
    for row in rows {
        let bytes = number(&row[1]);
        let (exact, named) = named_size(&row[0]);
        // The makers of disks round.
        let right = exact && bytes == named || !exact && bytes.abs_diff(named) < named / 1000;
        assert!(right && bytes % 512 == 0, "{}", row[0]);
        let expected = match MetadataArea::for_device(bytes as u64 / 512) {
            Ok(area) => [
                format!("{} MiB", area.sectors / 2048),
                area.data_sectors.to_string(),
                (area.copy_sector(Copy::A) * 512).to_string(),
                (area.copy_sector(Copy::B) * 512).to_string(),
            ],
            Err(_) => ["none", "", "", ""].map(str::to_owned),
        };
        assert_eq!(row[2..], expected, "{}", row[0]);
    }
}

/// Bytes of a sum such as `128 GiB + 32 KiB`, and whether they are exact.
fn named_size(text: &str) -> (bool, usize) {
    let parts = text.split(" + ").map(|part| {
        let (count, unit) = part.split_once(' ').unwrap();
        let unit = match unit {
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            "TiB" => 1 << 40,
            "GB" => 1_000_000_000,
            "TB" => 1_000_000_000_000,
            _ => panic!("{text}"),
        };
        number(count) * unit
    });
    (text.contains("iB"), parts.sum())
}
