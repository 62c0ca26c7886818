// SPDX-License-Identifier: GPL-2.0

//! Random bytes into everything that reads bytes from outside. Nothing may panic, and what is
//! accepted must hold what its type promises.
//!
//! Purely random bytes do not get far, so most rounds change a few bytes of something valid.

use crc32c::crc32c;
use dst_core::label::{choose_newest, Label, LABEL_BYTES};
use dst_core::session::{plain_head, Mode, Preface, Receiver, Want};
use dst_core::signature::{recognise, windows};
use dst_core::wire::*;

use crate::samples::{agreed, hello_request, label, negotiated};
use crate::Random;

/// Rounds of each test; more with `DST_FUZZ_ROUNDS`.
fn rounds() -> u64 {
    std::env::var("DST_FUZZ_ROUNDS")
        .ok()
        .and_then(|rounds| rounds.parse().ok())
        .unwrap_or(20_000)
}

/// Changes up to eight bytes; zeroes and ones are more interesting than others.
fn mutate(random: &mut Random, bytes: &mut [u8]) {
    if random.below(16) == 0 {
        random.fill(bytes);
        return;
    }
    for _ in 0..random.below(9) {
        let at = usize::try_from(random.below(bytes.len() as u64)).unwrap();
        bytes[at] = match random.below(4) {
            0 => 0,
            1 => 0xff,
            2 => bytes[at] ^ (1 << random.below(8)),
            _ => random.next() as u8,
        };
    }
}

#[test]
fn messages() {
    let mut random = Random(1);
    let gate = Gate {
        epoch: 3,
        read_only: false,
    };
    let mut accepted = 0;
    for _ in 0..rounds() {
        let opcode = Opcode::ALL[usize::try_from(random.below(12)).unwrap()];
        let sent = Message::request(opcode, random.next(), 3).with_range(512, 1024);
        let mut bytes = match random.below(2) {
            0 => sent.encode(),
            _ => sent.reply(Status::Ok, 3).encode(),
        };
        mutate(&mut random, &mut bytes);
        let payload =
            [0, 1024, 4096, random.next() as u32][usize::try_from(random.below(4)).unwrap()];
        match Message::parse(&bytes) {
            Ok(message) => {
                let request = check_request(&message, payload, &negotiated(), &gate);
                accepted += u32::from(request.is_ok());
                let _ = check_hello(&message, payload);
                if let Ok(status) = check_reply(&message, payload, &sent) {
                    assert!(payload == 0 || status.is_ok() || payload <= 128);
                }
            }
            Err(error) => {
                let _ = error.status();
                let _ = Message::refuse_raw(&bytes, Status::Invalid, 3);
            }
        }
    }
    assert!(accepted > 0, "the fuzzer never got through");
}

#[test]
fn hellos() {
    let mut random = Random(2);
    let mut accepted = 0;
    for _ in 0..rounds() {
        let mut bytes = hello_request().encode();
        mutate(&mut random, &mut bytes);
        if let Ok(request) = HelloRequest::parse(&bytes) {
            if let Ok((reply, server)) = negotiate(&request, &crate::samples::offer()) {
                assert_eq!(reply.accept(&request), Ok(server));
                accepted += 1;
            }
        }
        let mut bytes = agreed().0.encode();
        mutate(&mut random, &mut bytes);
        if let Ok(reply) = HelloReply::parse(&bytes) {
            if let Ok(n) = reply.accept(&hello_request()) {
                assert!(n.logical_block.is_power_of_two() && n.max_transfer <= MAX_TRANSFER);
                assert!(n.size > 0 && n.size <= i64::MAX as u64 && n.queue_depth > 0);
            }
        }
        let length = usize::try_from(random.below(5000)).unwrap();
        let mut any = vec![0; length];
        random.fill(&mut any);
        let _ = (HelloRequest::parse(&any), HelloReply::parse(&any));
    }
    assert!(accepted > 0, "the fuzzer never got through");
}

#[test]
fn streams() {
    let mut random = Random(3);
    for _ in 0..rounds() / 10 {
        let mut stream = Preface { mode: Mode::Plain }.encode().to_vec();
        for _ in 0..4 {
            let payload = random.below(64) as u32;
            let header = Message::request(Opcode::Ping, 0, 0).encode();
            stream.extend(plain_head(&header, payload));
            stream.resize(stream.len() + payload as usize, 0);
        }
        mutate(&mut random, &mut stream);
        let mut receiver = Receiver::new();
        let mut rest = stream.as_slice();
        loop {
            let want = receiver.want();
            let Some((bytes, behind)) = rest.split_at_checked(want.bytes() as usize) else {
                break;
            };
            rest = behind;
            let result = match want {
                Want::Preface => receiver.preface(bytes.try_into().unwrap(), Mode::Plain),
                Want::Head => receiver.head(bytes.try_into().unwrap()).map(|head| {
                    assert!(head.payload <= 4096);
                }),
                Want::Payload(length) => receiver.payload(length).map(|left| assert_eq!(left, 0)),
                Want::Nothing => break,
            };
            assert_eq!(result.is_err(), receiver.want() == Want::Nothing);
        }
    }
}

#[test]
fn labels() {
    let mut random = Random(4);
    let mut valid = [0; LABEL_BYTES];
    label().encode(&mut valid, crc32c).unwrap();
    let mut accepted = 0;
    for round in 0..rounds() / 4 {
        let mut blocks = [valid; 2];
        for block in &mut blocks {
            mutate(&mut random, &mut block[..300]);
            if round % 2 == 0 {
                block[..12].copy_from_slice(&valid[..12]);
                block[12..16].fill(0);
                let crc = crc32c(block).to_le_bytes();
                block[12..16].copy_from_slice(&crc);
            }
        }
        let [a, b] = &mut blocks;
        if let Ok(choice) = choose_newest(Label::decode(a, crc32c), Label::decode(b, crc32c)) {
            // What was read can be written again.
            let mut block = [0; LABEL_BYTES];
            choice.label.next(1).encode(&mut block, crc32c).unwrap();
            accepted += 1;
        }
    }
    assert!(accepted > 0, "the fuzzer never got through");
}

#[test]
fn devices() {
    let mut random = Random(5);
    let mut bytes = [0; 4096];
    for _ in 0..rounds() / 20 {
        let size = random.next() >> random.below(64);
        for window in windows(size) {
            random.fill(&mut bytes[..64]);
            let length = usize::try_from(random.below(4097)).unwrap();
            let _ = recognise(size, &window, &bytes[..length]);
        }
    }
}
