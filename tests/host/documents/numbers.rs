// SPDX-License-Identifier: GPL-2.0

//! Opcodes, flags, statuses and limits in the description of the protocol.

use dst_core::session;
use dst_core::wire::*;

use super::{number, numbered, protocol, table};
use crate::samples::negotiated;

/// What each opcode of the table may carry, as the checks of both sides have it.
#[test]
fn opcodes() {
    let rows = table(&protocol(), "opcodes");
    assert_eq!(rows.len(), Opcode::ALL.len());
    let yes = |is: bool| if is { "yes" } else { "no" };
    for (row, opcode) in rows.iter().zip(Opcode::ALL) {
        let mut message = Message::request(*opcode, 0, GATE.epoch);
        message.length = 12_288;
        let payload = |(least, most): (u32, u32)| match (least, most) {
            (12_288, 12_288) => "length".to_owned(),
            (least, most) if least == most => least.to_string(),
            (least, most) => format!("{least} to {most}"),
        };
        let flags: Vec<&str> = REQUEST_FLAGS
            .iter()
            .filter(|(bits, _)| opcode.allowed_flags() & *bits as u16 != 0)
            .map(|(_, name)| *name)
            .collect();
        let epoch = match opcode {
            Opcode::ClaimEpoch => "new",
            _ if opcode.needs_epoch() => "in force",
            _ => "-",
        };
        let expected = [
            opcode.code().to_string(),
            opcode.name().to_owned(),
            yes(opcode.has_range()).to_owned(),
            payload(request_payload(&message)),
            payload(reply_payload(&message.reply(Status::Ok, 0))),
            yes(carries_reason(*opcode)).to_owned(),
            epoch.to_owned(),
            yes(opcode.modifies()).to_owned(),
            if flags.is_empty() {
                "-".to_owned()
            } else {
                flags.join(", ")
            },
        ];
        assert_eq!(row[..], expected);
    }
}

const GATE: Gate = Gate {
    epoch: 3,
    read_only: false,
};

/// The least and the most bytes of payload with which a request is not refused for its payload.
fn request_payload(message: &Message) -> (u32, u32) {
    if message.opcode == Opcode::Hello {
        let hello = Message::request(Opcode::Hello, 0, 0);
        let fits = |payload: &u32| check_hello(&hello, *payload).is_ok();
        let least = (0..10_000).find(fits).unwrap();
        let most = (0..10_000).rev().find(fits).unwrap();
        return (least, most);
    }
    match check_request(message, 1, &negotiated(), &GATE) {
        Err(Refusal::Payload(1, due)) => (due, due),
        other => panic!("{}: {other:?}", message.opcode),
    }
}

const REQUEST_FLAGS: [(u32, &str); 3] = [
    (request_flags::FUA as u32, "FUA"),
    (request_flags::NO_UNMAP as u32, "NO_UNMAP"),
    (request_flags::FORCE as u32, "FORCE"),
];

#[test]
fn flags() {
    let document = protocol();
    let hello = [
        (hello_flags::WRITE, "WRITE"),
        (hello_flags::SHARED, "SHARED"),
        (hello_flags::RAW, "RAW"),
    ];
    let export = [
        (export_flags::READ_ONLY, "READ_ONLY"),
        (export_flags::VOLATILE_CACHE, "VOLATILE_CACHE"),
        (export_flags::FUA, "FUA"),
        (export_flags::ROTATIONAL, "ROTATIONAL"),
        (export_flags::STABLE_WRITES, "STABLE_WRITES"),
        (export_flags::HAS_LABEL, "HAS_LABEL"),
        (export_flags::RAW, "RAW"),
    ];
    let request = (&REQUEST_FLAGS[..], u32::from(request_flags::ALL));
    for (name, (known, all)) in [
        ("request flags", request),
        ("hello flags", (&hello, hello_flags::ALL)),
        ("export flags", (&export, export_flags::ALL)),
    ] {
        let rows = numbered(&document, name);
        let bits: Vec<_> = rows
            .iter()
            .map(|(bit, flag)| (1_u32 << bit, &flag[..]))
            .collect();
        assert_eq!(bits, known, "{name}");
        assert_eq!(bits.iter().fold(0, |all, (bit, _)| all | bit), all);
    }
}

#[test]
fn statuses_and_goodbyes() {
    let document = protocol();
    let rows = table(&document, "statuses");
    assert_eq!(rows.len(), Status::ALL.len());
    for (row, status) in rows.iter().zip(Status::ALL) {
        let errno = match status.errno() {
            0 => "0".to_owned(),
            errno => format!("{} ({errno})", errno_name(errno)),
        };
        let code = status.code().to_string();
        let name = format!("{status:?}");
        assert_eq!(row[..], [code, name, errno, status.text().to_owned()]);
    }
    let rows = table(&document, "goodbyes");
    assert_eq!(rows.len(), Goodbye::ALL.len());
    for (row, cause) in rows.iter().zip(Goodbye::ALL) {
        let code = cause.code().to_string();
        assert_eq!(row[..], [code, format!("{cause:?}"), cause.to_string()]);
    }
}

/// Names of the generic Linux table.
fn errno_name(errno: i32) -> &'static str {
    match errno {
        2 => "ENOENT",
        5 => "EIO",
        11 => "EAGAIN",
        12 => "ENOMEM",
        13 => "EACCES",
        16 => "EBUSY",
        17 => "EEXIST",
        19 => "ENODEV",
        22 => "EINVAL",
        28 => "ENOSPC",
        30 => "EROFS",
        34 => "ERANGE",
        42 => "ENOMSG",
        61 => "ENODATA",
        84 => "EILSEQ",
        92 => "ENOPROTOOPT",
        93 => "EPROTONOSUPPORT",
        95 => "EOPNOTSUPP",
        108 => "ESHUTDOWN",
        110 => "ETIMEDOUT",
        116 => "ESTALE",
        _ => "unknown",
    }
}

#[test]
fn limits() {
    let known: [(&str, usize); 21] = [
        ("SESSION_VERSION", session::SESSION_VERSION.into()),
        ("VERSION_MIN", VERSION_MIN.into()),
        ("VERSION_MAX", VERSION_MAX.into()),
        ("PREFACE_BYTES", session::PREFACE_BYTES),
        ("RECORD_BYTES", session::RECORD_BYTES),
        ("HEADER_BYTES", HEADER_BYTES),
        ("HEAD_BYTES", session::HEAD_BYTES),
        ("TAG_BYTES", session::TAG_BYTES),
        ("SEALED_CHUNK_BYTES", session::SEALED_CHUNK_BYTES as usize),
        ("HELLO_BYTES", HELLO_BYTES),
        ("HELLO_MAX_BYTES", HELLO_MAX_BYTES),
        ("REASON_BYTES", REASON_BYTES),
        ("EXPORT_NAME_MAX", EXPORT_NAME_MAX),
        ("LABEL_BYTES", dst_core::wire::LABEL_BYTES as usize),
        ("COPY_SOURCE_BYTES", COPY_SOURCE_BYTES),
        ("MIN_TRANSFER", MIN_TRANSFER as usize),
        ("DEFAULT_TRANSFER", DEFAULT_TRANSFER as usize),
        ("MAX_TRANSFER", MAX_TRANSFER as usize),
        ("MAX_QUEUE_DEPTH", MAX_QUEUE_DEPTH as usize),
        ("MAX_CONNECTIONS", MAX_CONNECTIONS.into()),
        ("MAX_LOGICAL_BLOCK", MAX_LOGICAL_BLOCK as usize),
    ];
    let rows = table(&protocol(), "limits");
    assert_eq!(rows.len(), known.len());
    for (row, (name, value)) in rows.iter().zip(known) {
        assert_eq!((&row[0][..], number(&row[1])), (name, value));
    }
}
