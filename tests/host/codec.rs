// SPDX-License-Identifier: GPL-2.0

//! Message header and status codes.

use dst_core::wire::*;
use proptest::prelude::*;

fn flipped(at: usize, value: u8) -> Result<Message, HeaderError> {
    let mut bytes = Message::request(Opcode::Read, 5, 3)
        .with_range(4096, 512)
        .encode();
    bytes[at] = value;
    Message::parse(&bytes)
}

#[test]
fn bytes_of_a_request() {
    let bytes = Message::request(Opcode::Write, 0x0102_0304_0506_0708, 0x1112_1314_1516_1718)
        .with_flags(request_flags::FUA)
        .with_range(0x2122_2324_2526_2728, 0x3132_3334)
        .encode();
    let mut expected = Vec::new();
    expected.extend(b"DSTm\x03\0\x01\0");
    expected.extend([8, 7, 6, 5, 4, 3, 2, 1]);
    expected.extend([0x28, 0x27, 0x26, 0x25, 0x24, 0x23, 0x22, 0x21]);
    expected.extend([0x34, 0x33, 0x32, 0x31]);
    expected.extend([0; 4]);
    expected.extend([0x18, 0x17, 0x16, 0x15, 0x14, 0x13, 0x12, 0x11]);
    expected.extend([0; 8]);
    assert_eq!(bytes.as_slice(), expected);
}

#[test]
fn a_reply_repeats_its_request() {
    let request = Message::request(Opcode::WriteZeroes, 77, 4)
        .with_flags(request_flags::NO_UNMAP)
        .with_range(1 << 40, 4096);
    let reply = request.reply(Status::NoSpace, 9);
    let parsed = Message::parse(&reply.encode()).unwrap();
    assert_eq!(parsed, reply);
    assert_eq!((parsed.kind, parsed.flags), (Kind::Reply, 0));
    assert_eq!(
        (parsed.tag, parsed.offset, parsed.length),
        (77, 1 << 40, 4096)
    );
    assert_eq!((parsed.status, parsed.epoch), (Status::NoSpace, 9));
}

#[test]
fn the_reply_to_a_flush_names_a_cache() {
    for opcode in Opcode::ALL {
        let request = Message::request(*opcode, 7, 4).with_cache(u64::MAX - 1);
        let stray = Err(HeaderError::StrayCache(u64::MAX - 1));
        assert_eq!(Message::parse(&request.encode()), stray, "{opcode}");
        let reply = request.reply(Status::Io, 4);
        let bytes = reply.encode();
        assert_eq!(bytes[40..], (u64::MAX - 1).to_le_bytes());
        match opcode {
            Opcode::Flush => assert_eq!(Message::parse(&bytes), Ok(reply)),
            _ => assert_eq!(Message::parse(&bytes), stray, "{opcode}"),
        }
    }
}

#[test]
fn faults_of_a_header() {
    assert_eq!(flipped(0, b'X'), Err(HeaderError::Magic(0x6d54_5358)));
    assert_eq!(flipped(5, 2), Err(HeaderError::Kind(2)));
    assert_eq!(flipped(40, 1), Err(HeaderError::StrayCache(1)));
    assert_eq!(flipped(47, 0x80), Err(HeaderError::StrayCache(0x80 << 56)));
    assert_eq!(flipped(4, 0), Err(HeaderError::Opcode(0)));
    assert_eq!(flipped(4, 13), Err(HeaderError::Opcode(13)));
    assert_eq!(flipped(4, 255), Err(HeaderError::Opcode(255)));
    assert_eq!(flipped(6, 8), Err(HeaderError::Flags(8)));
    assert_eq!(flipped(7, 0x80), Err(HeaderError::Flags(0x8000)));
    assert_eq!(flipped(28, 1), Err(HeaderError::Status(1)));
    // Every bit of a reply's flags is unknown.
    let mut reply = Message::request(Opcode::Read, 0, 0)
        .reply(Status::Ok, 0)
        .encode();
    reply[6] = 1;
    assert_eq!(Message::parse(&reply), Err(HeaderError::Flags(1)));

    for (error, status) in [
        (HeaderError::Magic(0), None),
        (HeaderError::Kind(9), None),
        (HeaderError::StrayCache(1), None),
        (HeaderError::Opcode(99), Some(Status::Unsupported)),
        (HeaderError::Flags(8), Some(Status::Invalid)),
        (HeaderError::Status(1), Some(Status::Invalid)),
    ] {
        assert_eq!(error.status(), status);
        assert!(!error.to_string().is_empty());
    }
}

#[test]
fn what_is_not_understood_can_be_answered() {
    let mut bytes = Message::request(Opcode::Read, 0xabcd, 3)
        .with_range(512, 1024)
        .encode();
    bytes[4] = 200;
    let reply = Message::refuse_raw(&bytes, Status::Unsupported, 8).unwrap();
    assert_eq!((reply[4], reply[5]), (200, 1));
    assert_eq!(reply[8..28], bytes[8..28]);
    bytes[4] = 2;
    bytes[7] = 0xff;
    let reply = Message::refuse_raw(&bytes, Status::Invalid, 8).unwrap();
    let parsed = Message::parse(&reply).unwrap();
    assert_eq!(
        (parsed.status, parsed.epoch, parsed.tag),
        (Status::Invalid, 8, 0xabcd)
    );
    // A reply is never answered.
    assert_eq!(Message::refuse_raw(&reply, Status::Invalid, 8), None);
}

#[test]
fn numbers_of_the_protocol() {
    let opcodes: Vec<_> = Opcode::ALL.iter().map(|o| o.code()).collect();
    assert_eq!(opcodes, (1..=12).collect::<Vec<u8>>());
    for code in 0..=255 {
        assert_eq!(
            Opcode::from_code(code).map(Opcode::code).unwrap_or(code),
            code
        );
        assert_eq!(
            Goodbye::from_code(code).map(Goodbye::code).unwrap_or(code),
            code
        );
    }
    let status: Vec<_> = Status::ALL.iter().map(|s| s.code()).collect();
    assert_eq!(status, (0..=26).collect::<Vec<u32>>());
    // Names are told apart.
    let mut names: Vec<_> = Opcode::ALL.iter().map(|o| o.name()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Opcode::ALL.len());
}

#[test]
fn status_and_errno() {
    for status in Status::ALL {
        assert_eq!(Status::from_code(status.code()), *status);
        assert_eq!(status.is_ok(), status.code() == 0);
        assert_eq!(status.is_ok(), status.errno() == 0);
        assert!(!status.to_string().is_empty());
        let back = match status {
            other if other.errno() == Status::Io.errno() => Status::Io,
            other => *other,
        };
        assert_eq!(Status::from_errno(status.errno()), back);
        assert_eq!(Status::from_errno(-status.errno()), back);
    }
    for code in [27, 100, u32::MAX] {
        assert_eq!(Status::from_code(code), Status::Io);
    }
    for (errno, status) in [
        (-5, Status::Io),
        (-28, Status::NoSpace),
        (-122, Status::NoSpace),
        (-121, Status::Io),
        (-95, Status::Unsupported),
        (-524, Status::Unsupported),
        (-6, Status::NoDevice),
        (9999, Status::Io),
        (i32::MAX, Status::Io),
        (i32::MIN, Status::Io),
    ] {
        assert_eq!(Status::from_errno(errno), status, "{errno}");
    }
}

#[test]
fn rules_of_the_opcodes() {
    use Opcode::*;
    for opcode in Opcode::ALL {
        // What has a range or changes something is fenced by the epoch.
        assert!(!opcode.has_range() || opcode.needs_epoch());
        assert!(!opcode.modifies() || opcode.needs_epoch() || *opcode == ClaimEpoch);
        assert_eq!(opcode.allowed_flags() & !request_flags::ALL, 0);
    }
    for opcode in [
        Hello, Read, Flush, Discard, Ping, LabelRead, ClaimEpoch, Goodbye,
    ] {
        assert_eq!(opcode.allowed_flags(), 0, "{opcode}");
    }
}

prop_compose! {
    fn message()(
        opcode in 0..Opcode::ALL.len(), reply in any::<bool>(), flags in 0_u16..8,
        tag in any::<u64>(), offset in any::<u64>(), length in any::<u32>(),
        status in 0..Status::ALL.len(), epoch in any::<u64>(), cache in any::<u64>(),
    ) -> Message {
        let request = Message::request(Opcode::ALL[opcode], tag, epoch)
            .with_flags(flags)
            .with_range(offset, length);
        let cache = if request.opcode == Opcode::Flush { cache } else { 0 };
        if reply { request.with_cache(cache).reply(Status::ALL[status], epoch) } else { request }
    }
}

proptest! {
    #![proptest_config(crate::fixed(2000, 8))]

    #[test]
    fn messages_round_trip(message in message()) {
        prop_assert_eq!(Message::parse(&message.encode()), Ok(message));
    }

    #[test]
    fn every_parsed_header_encodes_to_itself(mut bytes in any::<[u8; 48]>(), help in any::<[bool; 5]>()) {
        // Help the random bytes over the first hurdles.
        if help[0] { bytes[..4].copy_from_slice(b"DSTm"); }
        if help[1] { bytes[4] = bytes[4] % 12 + 1; bytes[5] &= 1; }
        if help[2] && bytes[4..6] != [Opcode::Flush.code(), 1] { bytes[40..].fill(0); }
        if help[3] { bytes[28..32].fill(0); }
        if help[4] { bytes[6] &= 7; bytes[7] = 0; }
        if let Ok(message) = Message::parse(&bytes) {
            let again = message.encode();
            // An unknown status in a reply becomes an I/O error; all else is kept.
            prop_assert_eq!(&again[..28], &bytes[..28]);
            prop_assert_eq!(&again[32..], &bytes[32..]);
        }
        let _ = Message::refuse_raw(&bytes, Status::Invalid, 1);
    }
}
