// SPDX-License-Identifier: GPL-2.0

//! Bytes that must never change: what one release wrote, every later one reads.
//!
//! The files in `tests/golden/` are compared with what the code makes now, and read back. With
//! `DST_GOLDEN=write` in the environment they are written instead: only for a *new* file. A change
//! of an existing one breaks the format.

use std::path::PathBuf;

use crc32c::crc32c;
use dst_core::label::{features, state, Label, Newest, Partner, LABEL_BYTES};
use dst_core::session::{plain_head, Head, Mode, Preface, Receiver};
use dst_core::wire::*;

use crate::samples::{agreed, hello_request, label, text};

fn golden(name: &str, made: &[u8]) -> Vec<u8> {
    let mut path = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    path.extend(["..", "..", "tests", "golden", name]);
    if std::env::var_os("DST_GOLDEN").is_some_and(|value| value == "write") {
        std::fs::write(&path, made).expect("cannot write the golden file");
    }
    let kept = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(
        kept == made,
        "{name} differs from what is made now: the format has changed"
    );
    kept
}

/// A message as it is on the wire, and the way back.
fn record(name: &str, message: Message, payload: &[u8]) {
    let mut bytes = plain_head(&message.encode(), payload.len() as u32).to_vec();
    bytes.extend(payload);
    let kept = golden(name, &bytes);
    let mut receiver = Receiver::new();
    receiver
        .preface(&Preface { mode: Mode::Plain }.encode(), Mode::Plain)
        .unwrap();
    receiver.allow(1 << 20);
    let Head {
        header,
        payload: length,
    } = receiver.head(kept.first_chunk().unwrap()).unwrap();
    assert_eq!(Message::parse(&header), Ok(message));
    assert_eq!(length as usize, payload.len());
    assert_eq!(&kept[56..], payload);
}

#[test]
fn preface() {
    let kept = golden("preface-plain.bin", &Preface { mode: Mode::Plain }.encode());
    let kept = kept.as_slice().try_into().unwrap();
    assert_eq!(Preface::parse(kept), Ok(Preface { mode: Mode::Plain }));
}

#[test]
fn hello() {
    let request = hello_request();
    let (reply, _) = agreed();
    let message = Message::request(Opcode::Hello, 1, 0);
    record("hello-request.bin", message, &request.encode());
    record(
        "hello-reply.bin",
        message.reply(Status::Ok, 3),
        &reply.encode(),
    );
    let refusal = HelloRefusal::StaleEpoch(3, 4);
    record(
        "hello-refused.bin",
        message.reply(refusal.status(), 4),
        refusal.reason().as_str().as_bytes(),
    );
    assert_eq!(HelloRequest::parse(&request.encode()), Ok(request));
}

#[test]
fn requests_and_replies() {
    let tag = 0x0000_0007_0000_0102;
    let read = Message::request(Opcode::Read, tag, 3).with_range(1 << 33, 512);
    record("read-request.bin", read, &[]);
    let data: Vec<u8> = (0..512_u32).map(|i| (i * 7) as u8).collect();
    record("read-reply.bin", read.reply(Status::Ok, 3), &data);
    record("read-failed.bin", read.reply(Status::Medium, 3), &[]);
    let write = Message::request(Opcode::Write, tag, 3)
        .with_flags(request_flags::FUA)
        .with_range(4096, 512);
    record("write-request.bin", write, &data);
    record("write-reply.bin", write.reply(Status::Ok, 3), &[]);
    record(
        "flush-request.bin",
        Message::request(Opcode::Flush, tag, 3),
        &[],
    );
    let discard = Message::request(Opcode::Discard, tag, 3).with_range(0, 1 << 30);
    record("discard-request.bin", discard, &[]);
    let zeroes = Message::request(Opcode::WriteZeroes, tag, 3)
        .with_flags(request_flags::NO_UNMAP)
        .with_range(8192, 65536);
    record("write-zeroes-request.bin", zeroes, &[]);
    record(
        "ping-request.bin",
        Message::request(Opcode::Ping, tag, 0),
        &[],
    );
    record(
        "claim-epoch-request.bin",
        Message::request(Opcode::ClaimEpoch, tag, 4),
        &[],
    );
    let source = CopySource {
        address: [10, 0, 0, 1].into(),
        port: 1025,
        wait_ms: 10_000,
        storage: *b"storage-0123456!",
        node: *b"node----0123456!",
        device: *b"device--0123456!",
        job: 7,
        export: text("kano"),
    };
    let copy = Message::request(Opcode::CopyFromPeer, tag, 3).with_range(1 << 33, 1 << 20);
    record("copy-from-peer-request.bin", copy, &source.encode());
    record("goodbye.bin", Message::goodbye(Goodbye::Stopping), &[]);
}

#[test]
fn label_of_a_linear_storage() {
    let mut block = [0; LABEL_BYTES];
    label().encode(&mut block, crc32c).unwrap();
    let kept = golden("label-linear.bin", &block);
    let mut kept: [u8; LABEL_BYTES] = kept.try_into().unwrap();
    assert_eq!(Label::decode(&mut kept, crc32c), Ok(label()));
}

#[test]
fn labels_with_a_partner() {
    for (name, state) in [
        ("label-taken-over.bin", state::IN_SYNC),
        ("label-copy.bin", state::COPY),
        ("label-replaced.bin", state::REPLACED),
    ] {
        let label = Label {
            incompat: features::MIGRATION,
            events: 3,
            state,
            partner: Some(Partner {
                node: *b"partner-0123456!",
                place: text("10.0.0.1:4711/kano"),
            }),
            ..label()
        };
        let mut block = [0; LABEL_BYTES];
        label.encode(&mut block, crc32c).unwrap();
        let mut kept: [u8; LABEL_BYTES] = golden(name, &block).try_into().unwrap();
        assert_eq!(Label::decode(&mut kept, crc32c), Ok(label));
    }
}

const NEWEST: Newest = Newest {
    node: *b"newest--0123456!",
    before: *b"before--0123456!",
};

#[test]
fn label_of_a_storage_that_has_grown() {
    let label = label().grown(4, Some(NEWEST));
    let mut block = [0; LABEL_BYTES];
    label.encode(&mut block, crc32c).unwrap();
    let mut kept: [u8; LABEL_BYTES] = golden("label-grown.bin", &block).try_into().unwrap();
    assert_eq!(Label::decode(&mut kept, crc32c), Ok(label));
}
