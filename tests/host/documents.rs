// SPDX-License-Identifier: GPL-2.0

//! The documents of the formats say what the code does.
//!
//! Tables and dumps of `Documentation/protocol.md` and `label.md` are marked by a comment
//! (`<!-- table: NAME -->`, `<!-- hex: FILE -->`), parsed, and compared with the encoders.

mod label;
mod numbers;

use std::ops::Range;
use std::path::PathBuf;

use dst_core::session::{self, plain_head, Mode, Preface, RecordKind};
use dst_core::wire::*;

use crate::samples::{agreed, hello_request, text};

/// Bytes that differ from each other and from zero: what a field of up to 16 bytes is filled with.
const PATTERN: [u8; 16] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];

/// The first eight of them as a number.
const WIDE: u64 = 0x0807_0605_0403_0201;

/// The top of the checkout.
fn top() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(top().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn protocol() -> String {
    read("Documentation/protocol.md")
}

fn label_document() -> String {
    read("Documentation/label.md")
}

/// The cells of a table, without its head.
fn table(document: &str, name: &str) -> Vec<Vec<String>> {
    let marker = format!("<!-- table: {name} -->");
    let (_, behind) = document
        .split_once(&marker)
        .unwrap_or_else(|| panic!("no table \"{name}\""));
    let rows: Vec<Vec<String>> = behind
        .lines()
        .skip(1)
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            let inner = line.trim_matches('|');
            let cells = inner.split('|').map(|cell| cell.trim().replace('`', ""));
            cells.collect()
        })
        .collect();
    assert!(rows.len() > 2, "table \"{name}\" is empty");
    for row in &rows {
        assert_eq!(row.len(), rows[0].len(), "table \"{name}\": {row:?}");
    }
    rows[2..].to_vec()
}

fn number(cell: &str) -> usize {
    cell.parse().unwrap_or_else(|_| panic!("{cell:?}"))
}

/// The first two columns of a table, the first being a number.
fn numbered(document: &str, name: &str) -> Vec<(usize, String)> {
    let rows = table(document, name).into_iter();
    rows.map(|row| (number(&row[0]), row[1].clone())).collect()
}

/// A line of a byte table.
struct Field {
    bytes: Range<usize>,
    name: String,
}

/// A byte table, which has to cover `total` bytes without gaps.
fn fields(document: &str, name: &str, total: usize) -> Vec<Field> {
    let mut end = 0;
    let mut fields = Vec::new();
    for row in table(document, name) {
        let (offset, size) = (number(&row[0]), number(&row[1]));
        assert_eq!(offset, end, "table \"{name}\": {}", row[2]);
        end += size;
        fields.push(Field {
            bytes: offset..end,
            name: row[2].clone(),
        });
    }
    assert_eq!(end, total, "table \"{name}\" ends at {end}");
    fields
}

/// A message in which one field was filled: with [`PATTERN`], or with something of its own.
struct Sample {
    name: &'static str,
    made: Vec<u8>,
    own: Option<Vec<u8>>,
}

fn sample(name: &'static str, made: Vec<u8>) -> Sample {
    let own = None;
    Sample { name, made, own }
}

fn own(name: &'static str, made: &[u8], expected: &[u8]) -> Sample {
    Sample {
        name,
        made: made.to_vec(),
        own: Some(expected.to_vec()),
    }
}

/// Checks that each sample differs from `base` in nothing but its field, which holds what it was
/// filled with, and that reserved fields are zero. The bytes `free` may differ.
fn compare(fields: &[Field], base: &[u8], free: Range<usize>, samples: &[Sample]) {
    let mut known = 0;
    for Field { bytes, name } in fields {
        if name == "reserved" {
            assert!(base[bytes.clone()].iter().all(|byte| *byte == 0), "{name}");
            continue;
        }
        let found = samples.iter().find(|sample| sample.name == name);
        let Sample { made, own, .. } = found.unwrap_or_else(|| panic!("no sample of {name}"));
        known += 1;
        let pattern = &PATTERN[..bytes.len().min(PATTERN.len())];
        let expected = own.as_deref().unwrap_or(pattern);
        assert_eq!(&made[bytes.clone()], expected, "{name}");
        for at in (0..base.len()).filter(|at| !bytes.contains(at) && !free.contains(at)) {
            assert_eq!(made[at], base[at], "{name} changes byte {at}");
        }
    }
    assert_eq!(known, samples.len(), "a field is missing in the table");
}

/// Checks that anything but zero in a reserved byte is noticed.
fn reserved_is_checked(fields: &[Field], base: &[u8], refused: impl Fn(&[u8]) -> bool) {
    assert!(!refused(base));
    for field in fields.iter().filter(|field| field.name == "reserved") {
        for at in field.bytes.clone() {
            let mut bytes = base.to_vec();
            bytes[at] = 1;
            assert!(refused(&bytes), "reserved byte {at}");
        }
    }
}

#[test]
fn preface_and_record() {
    let document = protocol();
    let preface = Preface { mode: Mode::Plain }.encode();
    let sealed = Preface { mode: Mode::Sealed }.encode();
    let rows = fields(&document, "preface", session::PREFACE_BYTES);
    let samples = [
        own("magic", &preface, b"DST"),
        own("version", &preface, &[session::SESSION_VERSION]),
        sample("mode", sealed.to_vec()),
    ];
    compare(&rows, &preface, 0..0, &samples);
    reserved_is_checked(&rows, &preface, |bytes| {
        Preface::parse(bytes.try_into().unwrap()).is_err()
    });

    let record = |payload| plain_head(&[0; HEADER_BYTES], payload)[..8].to_vec();
    let rows = fields(&document, "record header", session::RECORD_BYTES);
    let samples = [
        own("kind", &record(0), &[1]),
        own("flags", &record(0), &[0]),
        sample("payload", record(WIDE as u32)),
    ];
    compare(&rows, &record(0), 0..0, &samples);

    let modes = [Mode::Plain, Mode::Sealed].map(|mode| (mode as usize, mode.name().into()));
    assert_eq!(numbered(&document, "modes"), modes);
    let kinds = [RecordKind::Plain, RecordKind::Handshake, RecordKind::Sealed];
    let kinds = kinds.map(|kind| (kind as usize, format!("{kind:?}").to_lowercase()));
    assert_eq!(numbered(&document, "record kinds"), kinds);
}

#[test]
fn message_header() {
    let base = Message::request(Opcode::Hello, 0, 0);
    let with = |change: fn(&mut Message)| {
        let mut message = base;
        change(&mut message);
        message.encode().to_vec()
    };
    let status = with(|m| m.status = Status::Draining);
    let samples = [
        own("magic", &base.encode(), b"DSTm"),
        own("opcode", &with(|m| m.opcode = Opcode::Goodbye), &[12]),
        sample("kind", with(|m| m.kind = Kind::Reply)),
        sample("flags", with(|m| m.flags = WIDE as u16)),
        sample("tag", with(|m| m.tag = WIDE)),
        sample("offset", with(|m| m.offset = WIDE)),
        sample("length", with(|m| m.length = WIDE as u32)),
        own("status", &status, &[22, 0, 0, 0]),
        sample("epoch", with(|m| m.epoch = WIDE)),
        sample("cache", with(|m| m.cache = WIDE)),
    ];
    let rows = fields(&protocol(), "message header", HEADER_BYTES);
    compare(&rows, &base.encode(), 0..0, &samples);
}

#[test]
fn bytes_of_a_hello_request() {
    let base = hello_request();
    let with = |change: fn(&mut HelloRequest)| {
        let mut request = base;
        change(&mut request);
        request.encode().to_vec()
    };
    let longest = [[b'x'; 63].as_slice(), &[0]].concat();
    let export = with(|r| r.export = text(&"x".repeat(63)));
    let client = with(|r| r.client = text(&"x".repeat(63)));
    let samples = [
        sample("version min", with(|r| r.version_min = WIDE as u16)),
        sample("version max", with(|r| r.version_max = WIDE as u16)),
        sample("flags", with(|r| r.flags = WIDE as u32)),
        sample("required", with(|r| r.required = WIDE)),
        sample("optional", with(|r| r.optional = WIDE)),
        sample("session", with(|r| r.session = PATTERN)),
        sample("incarnation", with(|r| r.incarnation = WIDE)),
        sample("connection", with(|r| r.connection = WIDE as u16)),
        sample("connections", with(|r| r.connections = WIDE as u16)),
        sample("max transfer", with(|r| r.max_transfer = WIDE as u32)),
        sample("queue depth", with(|r| r.queue_depth = WIDE as u32)),
        sample("storage", with(|r| r.storage = PATTERN)),
        sample("epoch", with(|r| r.epoch = WIDE)),
        own("export", &export, &longest),
        own("client", &client, &longest),
    ];
    let rows = fields(&protocol(), "hello request", HELLO_BYTES);
    compare(&rows, &base.encode(), 0..0, &samples);
    reserved_is_checked(&rows, &base.encode(), |bytes| {
        HelloRequest::parse(bytes).is_err()
    });
}

#[test]
fn bytes_of_a_copy_source() {
    let base = CopySource {
        address: [0; 16].into(),
        port: 0,
        wait_ms: 0,
        storage: [0; 16],
        node: [0; 16],
        device: [0; 16],
        job: 0,
        export: text(""),
    };
    let with = |change: fn(&mut CopySource)| {
        let mut source = base;
        change(&mut source);
        source.encode().to_vec()
    };
    let longest = [[b'x'; 63].as_slice(), &[0]].concat();
    let export = with(|s| s.export = text(&"x".repeat(63)));
    let samples = [
        own("family", &with(|s| s.address = [0; 4].into()), &[4]),
        sample("port", with(|s| s.port = WIDE as u16)),
        sample("wait", with(|s| s.wait_ms = WIDE as u32)),
        sample("address", with(|s| s.address = PATTERN.into())),
        sample("storage", with(|s| s.storage = PATTERN)),
        sample("node", with(|s| s.node = PATTERN)),
        sample("job", with(|s| s.job = WIDE)),
        own("export", &export, &longest),
        sample("device", with(|s| s.device = PATTERN)),
    ];
    let rows = fields(&protocol(), "copy source", COPY_SOURCE_BYTES);
    compare(&rows, &base.encode(), 0..0, &samples);
    let valid = CopySource {
        address: [10, 0, 0, 1].into(),
        port: 1,
        wait_ms: 1,
        ..base
    };
    reserved_is_checked(&rows, &valid.encode(), |bytes| {
        CopySource::parse(bytes.try_into().unwrap()).is_err()
    });
}

#[test]
fn bytes_of_a_hello_reply() {
    let (base, _) = agreed();
    let with = |change: fn(&mut HelloReply)| {
        let mut reply = base;
        change(&mut reply);
        reply.encode().to_vec()
    };
    let granularity = with(|r| r.discard_granularity = WIDE as u32);
    let zeroes = with(|r| r.max_write_zeroes = WIDE as u32);
    let samples = [
        sample("version", with(|r| r.version = WIDE as u16)),
        sample("flags", with(|r| r.flags = WIDE as u32)),
        sample("features", with(|r| r.features = WIDE)),
        sample("size", with(|r| r.size = WIDE)),
        sample("logical block", with(|r| r.logical_block = WIDE as u32)),
        sample("physical block", with(|r| r.physical_block = WIDE as u32)),
        sample("io min", with(|r| r.io_min = WIDE as u32)),
        sample("io opt", with(|r| r.io_opt = WIDE as u32)),
        sample("max transfer", with(|r| r.max_transfer = WIDE as u32)),
        sample("queue depth", with(|r| r.queue_depth = WIDE as u32)),
        sample("max discard", with(|r| r.max_discard = WIDE as u32)),
        sample("discard granularity", granularity),
        sample("max write zeroes", zeroes),
        sample("boot", with(|r| r.boot = PATTERN)),
        sample("cache", with(|r| r.cache = WIDE)),
        sample("device", with(|r| r.device = PATTERN)),
        sample("epoch", with(|r| r.epoch = WIDE)),
        sample("incarnation", with(|r| r.incarnation = WIDE)),
    ];
    let rows = fields(&protocol(), "hello reply", HELLO_BYTES);
    compare(&rows, &base.encode(), 0..0, &samples);
    reserved_is_checked(&rows, &base.encode(), |bytes| {
        HelloReply::parse(bytes).is_err()
    });
}

/// Bytes of a dump: an offset, bytes (`00*40` for forty of them), two spaces, a comment. A last
/// line of dots stands for the rest.
fn dump(text: &str) -> (Vec<u8>, bool) {
    let mut bytes = Vec::new();
    let mut whole = true;
    for line in text.lines() {
        if line == "..." {
            whole = false;
            continue;
        }
        assert!(whole, "{line}: behind the dots");
        let (offset, rest) = line.split_once(": ").unwrap();
        assert_eq!(usize::from_str_radix(offset, 16), Ok(bytes.len()), "{line}");
        let (data, _) = rest.split_once("  ").unwrap_or((rest, ""));
        for item in data.split(' ') {
            let (byte, times) = item.split_once('*').unwrap_or((item, "1"));
            let byte = u8::from_str_radix(byte, 16).unwrap_or_else(|_| panic!("{line}"));
            bytes.extend(std::iter::repeat_n(byte, number(times)));
        }
    }
    (bytes, whole)
}

#[test]
fn dumps_are_the_golden_files() {
    for (document, count) in [(protocol(), 6), (label_document(), 1)] {
        let dumps: Vec<&str> = document.split("<!-- hex: ").skip(1).collect();
        assert_eq!(dumps.len(), count);
        for part in dumps {
            let (name, rest) = part.split_once(" -->\n```text\n").unwrap();
            let (text, _) = rest.split_once("```").unwrap();
            let (bytes, whole) = dump(text);
            let golden = std::fs::read(top().join("tests/golden").join(name)).unwrap();
            assert!(bytes.len() == golden.len() || !whole, "{name} is longer");
            for (at, byte) in bytes.iter().enumerate() {
                assert_eq!(*byte, golden[at], "{name}: byte {at:#06x}");
            }
        }
    }
}
