// SPDX-License-Identifier: GPL-2.0

//! What may be asked on an established connection, and what counts as an answer.

use dst_core::wire::*;
use proptest::prelude::*;

use crate::samples::negotiated;

const GATE: Gate = Gate {
    epoch: 3,
    read_only: false,
};

const SIZE: u64 = 60 << 20;

fn ask(opcode: Opcode) -> Message {
    Message::request(opcode, 1, GATE.epoch)
}

/// The payload that a request must have.
fn due(message: &Message) -> u32 {
    match message.opcode {
        Opcode::Write => message.length,
        Opcode::LabelWrite => LABEL_BYTES,
        Opcode::CopyFromPeer => COPY_SOURCE_BYTES as u32,
        _ => 0,
    }
}

fn check(message: Message) -> Result<Request, Refusal> {
    check_request(&message, due(&message), &negotiated(), &GATE)
}

#[test]
fn requests_with_a_range() {
    let range = Range {
        offset: 4096,
        length: 512,
    };
    let checked = |opcode, flags| {
        check(
            ask(opcode)
                .with_range(range.offset, range.length)
                .with_flags(flags),
        )
    };
    let write = |fua| Ok(Request::Write { range, fua });
    let zeroes = |fua, no_unmap| {
        Ok(Request::WriteZeroes {
            range,
            fua,
            no_unmap,
        })
    };
    let (fua, no_unmap) = (request_flags::FUA, request_flags::NO_UNMAP);
    assert_eq!(checked(Opcode::Read, 0), Ok(Request::Read(range)));
    assert_eq!(checked(Opcode::Discard, 0), Ok(Request::Discard(range)));
    assert_eq!(checked(Opcode::Write, 0), write(false));
    assert_eq!(checked(Opcode::Write, fua), write(true));
    assert_eq!(checked(Opcode::WriteZeroes, 0), zeroes(false, false));
    assert_eq!(checked(Opcode::WriteZeroes, no_unmap), zeroes(false, true));
    assert_eq!(checked(Opcode::WriteZeroes, fua), zeroes(true, false));
}

#[test]
fn requests_without_a_range() {
    let force = ask(Opcode::LabelWrite).with_flags(request_flags::FORCE);
    for (message, request) in [
        (ask(Opcode::Flush), Request::Flush),
        (Message::request(Opcode::Ping, 1, 0), Request::Ping),
        (
            Message::request(Opcode::LabelRead, 1, 0),
            Request::LabelRead,
        ),
        (
            ask(Opcode::LabelWrite),
            Request::LabelWrite { force: false },
        ),
        (force, Request::LabelWrite { force: true }),
        (
            Message::request(Opcode::ClaimEpoch, 1, 4),
            Request::ClaimEpoch(4),
        ),
        (
            Message::request(Opcode::ClaimEpoch, 1, 3),
            Request::ClaimEpoch(3),
        ),
    ] {
        assert_eq!(check(message), Ok(request));
    }
    for reason in Goodbye::ALL {
        let message = Message::goodbye(*reason);
        assert_eq!(check(message), Ok(Request::Goodbye(*reason)));
    }
}

/// Every combination of these, against arithmetic that cannot overflow.
#[test]
fn ranges_at_their_limits() {
    let n = negotiated();
    let max = n.max_transfer;
    let sectors = [
        0,
        1,
        511,
        512,
        513,
        1024,
        SIZE - 512,
        SIZE - 1,
        SIZE,
        SIZE + 512,
    ];
    let high = [
        u64::MAX - 1023,
        u64::MAX - 511,
        u64::MAX,
        1 << 63,
        i64::MAX as u64,
    ];
    let lengths = [
        0,
        1,
        511,
        512,
        1024,
        4096,
        max - 512,
        max,
        max + 512,
        1 << 25,
        1 << 30,
    ];
    let high_lengths = [u32::MAX, u32::MAX - 511, 1 << 31];
    for opcode in [
        Opcode::Read,
        Opcode::Write,
        Opcode::Discard,
        Opcode::WriteZeroes,
    ] {
        let most = match opcode {
            Opcode::Discard => n.max_discard,
            Opcode::WriteZeroes => n.max_write_zeroes,
            _ => max,
        };
        for offset in sectors.into_iter().chain(high) {
            for length in lengths.into_iter().chain(high_lengths) {
                let end = u128::from(offset) + u128::from(length);
                let right = length != 0
                    && length <= most
                    && offset % 512 == 0
                    && length % 512 == 0
                    && end <= u128::from(SIZE);
                let result = check(ask(opcode).with_range(offset, length));
                assert_eq!(
                    result.is_ok(),
                    right,
                    "{opcode} {offset} {length}: {result:?}"
                );
            }
        }
    }
}

#[test]
fn ranges_that_are_wrong_and_why() {
    let max = negotiated().max_transfer;
    let read = |offset, length| check(ask(Opcode::Read).with_range(offset, length));
    assert_eq!(read(0, 0), Err(Refusal::Empty));
    assert_eq!(read(1, 512), Err(Refusal::Unaligned(1, 512)));
    assert_eq!(read(0, 513), Err(Refusal::Unaligned(0, 513)));
    assert_eq!(read(0, max + 512), Err(Refusal::TooLong(max + 512, max)));
    assert_eq!(read(SIZE, 512), Err(Refusal::OutOfRange(SIZE, 512)));
    let last = u64::MAX - 511;
    assert_eq!(read(last, 512), Err(Refusal::OutOfRange(last, 512)));
}

#[test]
fn payload_belongs_to_the_opcode() {
    let judge = |message: Message, payload| check_request(&message, payload, &negotiated(), &GATE);
    let write = ask(Opcode::Write).with_range(0, 4096);
    for payload in [0, 4095, 4097, u32::MAX] {
        let refusal = judge(write, payload).unwrap_err();
        assert_eq!(refusal, Refusal::Payload(payload, 4096));
        assert_eq!(refusal.status(), None);
    }
    for opcode in Opcode::ALL {
        if due(&ask(*opcode)) == 0 && *opcode != Opcode::Write {
            assert_eq!(judge(ask(*opcode), 1), Err(Refusal::Payload(1, 0)));
        }
    }
    assert_eq!(
        judge(ask(Opcode::LabelWrite), 4095),
        Err(Refusal::Payload(4095, 4096))
    );
}

#[test]
fn nothing_is_written_where_it_may_not() {
    let mut read_only = negotiated();
    read_only.write = false;
    let mut flagged = negotiated();
    flagged.flags |= export_flags::READ_ONLY;
    let gate = Gate {
        read_only: true,
        ..GATE
    };
    for opcode in Opcode::ALL.iter().filter(|o| o.modifies()) {
        let mut message = ask(*opcode);
        if opcode.has_range() {
            message = message.with_range(0, 512);
        }
        for (negotiated, gate) in [(read_only, GATE), (flagged, GATE), (negotiated(), gate)] {
            let result = check_request(&message, due(&message), &negotiated, &gate);
            assert_eq!(result, Err(Refusal::ReadOnly), "{opcode}");
        }
    }
    let read = ask(Opcode::Read).with_range(0, 512);
    assert!(check_request(&read, 0, &read_only, &gate).is_ok());
    assert!(check_request(&ask(Opcode::Flush), 0, &read_only, &gate).is_ok());
}

#[test]
fn the_epoch_fences() {
    for opcode in Opcode::ALL.iter().filter(|o| o.needs_epoch()) {
        for epoch in [0, 2, 4, u64::MAX] {
            let mut message = Message::request(*opcode, 1, epoch);
            if opcode.has_range() {
                message = message.with_range(0, 512);
            }
            assert_eq!(check(message), Err(Refusal::Epoch(epoch, 3)), "{opcode}");
        }
    }
    for epoch in [0, 1, 2] {
        let claim = Message::request(Opcode::ClaimEpoch, 1, epoch);
        assert_eq!(check(claim), Err(Refusal::Epoch(epoch, 3)));
    }
    let claim = Message::request(Opcode::ClaimEpoch, 1, u64::MAX);
    assert_eq!(check(claim), Ok(Request::ClaimEpoch(u64::MAX)));
}

#[test]
fn what_does_not_belong_here() {
    assert_eq!(check(ask(Opcode::Hello)), Err(Refusal::Hello));
    let copy = Opcode::CopyFromPeer;
    assert_eq!(check(ask(copy)), Err(Refusal::Unsupported(copy)));
    let reply = ask(Opcode::Ping).reply(Status::Ok, 3);
    assert_eq!(check(reply), Err(Refusal::NotARequest));
    assert_eq!(Refusal::NotARequest.status(), None);
    let bad = Message::request(Opcode::Goodbye, 0, 0).with_range(0, 256);
    assert_eq!(check(bad), Err(Refusal::Goodbye(256)));
    for opcode in [
        Opcode::Flush,
        Opcode::Ping,
        Opcode::LabelRead,
        Opcode::ClaimEpoch,
    ] {
        let stray = Err(Refusal::StrayRange(opcode));
        assert_eq!(check(ask(opcode).with_range(512, 0)), stray);
        assert_eq!(check(ask(opcode).with_range(0, 512)), stray);
    }
    for opcode in Opcode::ALL {
        let flags = request_flags::ALL & !opcode.allowed_flags();
        let refused = Err(Refusal::Flags(*opcode, flags));
        assert_eq!(check(ask(*opcode).with_flags(request_flags::ALL)), refused);
    }
    let mut raw = negotiated();
    raw.flags |= export_flags::RAW;
    for opcode in [Opcode::LabelRead, Opcode::LabelWrite, Opcode::ClaimEpoch] {
        let message = ask(opcode);
        let result = check_request(&message, due(&message), &raw, &GATE);
        assert_eq!(result, Err(Refusal::RawHasNoLabel));
    }
    let mut plain = negotiated();
    (plain.max_discard, plain.max_write_zeroes) = (0, 0);
    for opcode in [Opcode::Discard, Opcode::WriteZeroes] {
        let message = ask(opcode).with_range(0, 512);
        let result = check_request(&message, 0, &plain, &GATE);
        assert_eq!(result, Err(Refusal::Unsupported(opcode)));
    }
}

#[test]
fn copies_from_peers() {
    let mut able = negotiated();
    able.features = features::COPY_FROM_PEER;
    let message = ask(Opcode::CopyFromPeer).with_range(4096, 512);
    let copy = |negotiated: &Negotiated, payload, message: &Message| {
        check_request(message, payload, negotiated, &GATE)
    };
    let due = COPY_SOURCE_BYTES as u32;
    let range = Range {
        offset: 4096,
        length: 512,
    };
    assert_eq!(copy(&able, due, &message), Ok(Request::CopyFromPeer(range)));
    for payload in [0, 511, 513, 4096] {
        let refused = Err(Refusal::Payload(payload, due));
        assert_eq!(copy(&able, payload, &message), refused);
    }
    let long = message.with_range(0, able.max_transfer + 512);
    let refused = Refusal::TooLong(able.max_transfer + 512, able.max_transfer);
    assert_eq!(copy(&able, due, &long), Err(refused));
    let beyond = message.with_range(SIZE - 512, 1024);
    let refused = Refusal::OutOfRange(SIZE - 512, 1024);
    assert_eq!(copy(&able, due, &beyond), Err(refused));
    // It changes what is there, so it is fenced and needs the right to write.
    let stale = Message::request(Opcode::CopyFromPeer, 1, 2).with_range(0, 512);
    assert_eq!(copy(&able, due, &stale), Err(Refusal::Epoch(2, 3)));
    let mut reader = able;
    reader.write = false;
    assert_eq!(copy(&reader, due, &message), Err(Refusal::ReadOnly));
    let unsupported = Err(Refusal::Unsupported(Opcode::CopyFromPeer));
    assert_eq!(copy(&negotiated(), due, &message), unsupported);
    let mut raw = able;
    raw.flags |= export_flags::RAW;
    assert_eq!(copy(&raw, due, &message), unsupported);
    assert_eq!(reply_payload(&message.reply(Status::Ok, 3)), (0, 0));
}

#[test]
fn the_first_message_is_a_hello() {
    use dst_core::wire::check_hello;
    let hello = Message::request(Opcode::Hello, 0, 0);
    for payload in [256, 257, 4096] {
        assert_eq!(check_hello(&hello, payload), Ok(()));
    }
    for payload in [0, 255, 4097, u32::MAX] {
        assert_eq!(
            check_hello(&hello, payload),
            Err(Refusal::Payload(payload, 256))
        );
    }
    assert!(check_hello(&ask(Opcode::Read), 256).is_err());
    assert!(check_hello(&hello.with_flags(1), 256).is_err());
    assert!(check_hello(&hello.with_range(0, 1), 256).is_err());
    assert!(check_hello(&hello.reply(Status::Ok, 0), 256).is_err());
}

#[test]
fn replies_that_are_right() {
    let sent = ask(Opcode::Read).with_range(512, 4096);
    let reply = sent.reply(Status::Ok, 3);
    assert_eq!(check_reply(&reply, 4096, &sent), Ok(Status::Ok));
    let failed = sent.reply(Status::Medium, 3);
    assert_eq!(check_reply(&failed, 0, &sent), Ok(Status::Medium));
    let hello = Message::request(Opcode::Hello, 0, 0);
    let refused = hello.reply(Status::NoExport, 0);
    for payload in [0, 1, 128] {
        assert_eq!(check_reply(&refused, payload, &hello), Ok(Status::NoExport));
    }
    let label = ask(Opcode::LabelRead);
    let reply = label.reply(Status::Ok, 0);
    assert_eq!(check_reply(&reply, 4096, &label), Ok(Status::Ok));
}

#[test]
fn replies_that_are_wrong() {
    let sent = ask(Opcode::Read).with_range(512, 4096);
    let reply = sent.reply(Status::Ok, 3);
    for payload in [0, 1, 4095, 4097, u32::MAX] {
        let error = Err(ReplyError::Payload(Opcode::Read, payload, 4096));
        assert_eq!(check_reply(&reply, payload, &sent), error);
    }
    let failed = sent.reply(Status::Io, 3);
    assert!(check_reply(&failed, 4096, &sent).is_err());
    assert!(check_reply(&failed, 1, &sent).is_err());
    assert_eq!(check_reply(&sent, 4096, &sent), Err(ReplyError::NotAReply));
    let other = Err(ReplyError::NotForRequest(Opcode::Read));
    let changes: [fn(&mut Message); 4] = [
        |m| m.opcode = Opcode::Write,
        |m| m.tag += 1,
        |m| m.offset += 512,
        |m| m.length += 512,
    ];
    for change in changes {
        let mut reply = reply;
        change(&mut reply);
        assert_eq!(check_reply(&reply, reply.length, &sent), other);
    }
    // An acknowledged write carries nothing, a refused hello at most a reason.
    let write = ask(Opcode::Write).with_range(0, 512);
    assert!(check_reply(&write.reply(Status::Ok, 3), 512, &write).is_err());
    let hello = Message::request(Opcode::Hello, 0, 0);
    assert!(check_reply(&hello.reply(Status::Busy, 0), 129, &hello).is_err());
    assert!(check_reply(&hello.reply(Status::Ok, 0), 255, &hello).is_err());
    assert!(check_reply(&hello.reply(Status::Ok, 0), 4097, &hello).is_err());
}

prop_compose! {
    fn any_message()(
        opcode in 0..Opcode::ALL.len(), reply in any::<bool>(), flags in 0_u16..8,
        shift in (0_u32..64, 0_u32..32), offset in any::<u64>(), length in any::<u32>(),
        epoch in 0_u64..5, aligned in any::<bool>(),
    ) -> Message {
        let mask = if aligned { !511 } else { u64::MAX };
        let offset = (offset >> shift.0) & mask;
        let length = ((u64::from(length) >> shift.1) & mask) as u32;
        let request = Message::request(Opcode::ALL[opcode], 5, epoch)
            .with_flags(flags)
            .with_range(offset, length);
        if reply { request.reply(Status::Ok, epoch) } else { request }
    }
}

proptest! {
    #![proptest_config(crate::fixed(20_000, 10))]

    /// Whatever is accepted is harmless.
    #[test]
    fn accepted_requests_are_within_the_export(
        message in any_message(), payload in any::<u32>(), fits in any::<bool>(),
        write in any::<bool>(), read_only in any::<bool>(),
    ) {
        let n = Negotiated { write, ..negotiated() };
        let gate = Gate { epoch: 3, read_only };
        let payload = if fits { due(&message) } else { payload };
        match check_request(&message, payload, &n, &gate) {
            Ok(request) => {
                prop_assert!(payload <= n.max_transfer.max(LABEL_BYTES));
                prop_assert!(!message.opcode.modifies() || (write && !read_only));
                prop_assert!(!message.opcode.needs_epoch() || message.epoch == 3);
                let (Request::Read(range)
                | Request::Write { range, .. }
                | Request::Discard(range)
                | Request::WriteZeroes { range, .. }) = request else {
                    return Ok(());
                };
                prop_assert!(range.length > 0 && range.length % n.logical_block == 0);
                prop_assert_eq!(range.offset % u64::from(n.logical_block), 0);
                prop_assert!(range.offset.checked_add(range.length.into()).unwrap() <= n.size);
            }
            Err(refusal) => {
                prop_assert!(!refusal.to_string().is_empty());
                prop_assert!(refusal.status().is_none_or(|status| !status.is_ok()));
            }
        }
    }
}
