// SPDX-License-Identifier: GPL-2.0

//! The framing of a stream.

use dst_core::session::*;
use dst_core::wire::{Message, Opcode, MAX_TRANSFER};
use proptest::prelude::*;

fn ready() -> Receiver {
    let mut receiver = Receiver::new();
    let preface = Preface { mode: Mode::Plain }.encode();
    receiver.preface(&preface, Mode::Plain).unwrap();
    receiver
}

fn head(payload: u32) -> [u8; HEAD_BYTES] {
    plain_head(&Message::request(Opcode::Ping, 9, 0).encode(), payload)
}

#[test]
fn bytes_of_the_format() {
    assert_eq!(Preface { mode: Mode::Plain }.encode(), *b"DST\x01\0\0\0\0");
    assert_eq!(
        Preface { mode: Mode::Sealed }.encode(),
        *b"DST\x01\x01\0\0\0"
    );
    assert_eq!(head(0x0102_0304)[..8], [1, 0, 0, 0, 4, 3, 2, 1]);
    assert_eq!(head(0)[8..12], *b"DSTm");
    assert_eq!(Mode::Plain.head_bytes(), 56);
    assert_eq!(Mode::Sealed.head_bytes(), 72);
    assert_eq!(Mode::Plain.payload_bytes(u32::MAX), u64::from(u32::MAX));
    for (payload, stream) in [
        (0, 0),
        (1, 17),
        (16384, 16400),
        (16385, 16385 + 32),
        (1 << 20, (1 << 20) + 64 * 16),
        (u32::MAX, u64::from(u32::MAX) + (1 << 18) * 16),
    ] {
        assert_eq!(Mode::Sealed.payload_bytes(payload), stream, "{payload}");
    }
}

#[test]
fn a_conversation() {
    let mut receiver = Receiver::new();
    assert_eq!(
        (receiver.want(), receiver.want().bytes()),
        (Want::Preface, 8)
    );
    assert!(!receiver.at_boundary());
    let preface = Preface { mode: Mode::Plain }.encode();
    receiver.preface(&preface, Mode::Plain).unwrap();
    assert_eq!((receiver.want(), receiver.want().bytes()), (Want::Head, 56));
    assert!(receiver.at_boundary());
    let found = receiver.head(&head(300)).unwrap();
    assert_eq!(found.payload, 300);
    assert_eq!(Message::parse(&found.header).unwrap().tag, 9);
    assert_eq!(receiver.want(), Want::Payload(300));
    assert!(!receiver.at_boundary());
    assert_eq!(receiver.payload(100), Ok(200));
    assert_eq!(receiver.payload(0), Ok(200));
    assert_eq!(receiver.payload(200), Ok(0));
    assert_eq!(receiver.want(), Want::Head);
    assert_eq!(receiver.head(&head(0)).unwrap().payload, 0);
    assert_eq!(receiver.want(), Want::Head);
}

#[test]
fn payload_is_limited_before_and_after_the_hello() {
    let most = |receiver: &Receiver, payload: u32| receiver.clone_and_head(payload);
    let mut receiver = ready();
    assert!(most(&receiver, FIRST_PAYLOAD_MAX).is_ok());
    assert_eq!(most(&receiver, 4097), Err(FrameError::Payload(4097, 4096)));
    assert_eq!(
        most(&receiver, u32::MAX),
        Err(FrameError::Payload(u32::MAX, 4096))
    );
    receiver.allow(1 << 20);
    assert!(most(&receiver, 1 << 20).is_ok());
    assert!(most(&receiver, (1 << 20) + 1).is_err());
    // A label fits always, the absolute limit holds always.
    receiver.allow(0);
    assert!(most(&receiver, 4096).is_ok());
    receiver.allow(u32::MAX);
    assert!(most(&receiver, MAX_TRANSFER).is_ok());
    assert!(most(&receiver, MAX_TRANSFER + 1).is_err());
}

trait Peek {
    fn clone_and_head(&self, payload: u32) -> Result<Head, FrameError>;
}

impl Peek for Receiver {
    fn clone_and_head(&self, payload: u32) -> Result<Head, FrameError> {
        let mut copy = *self;
        copy.head(&head(payload))
    }
}

#[test]
fn faults_break_the_stream_for_good() {
    let preface = |bytes: &[u8; 8]| {
        let mut receiver = Receiver::new();
        let result = receiver.preface(bytes, Mode::Plain);
        (result.unwrap_err(), receiver)
    };
    for (bytes, error) in [
        (b"GET / HT", FrameError::Magic(*b"GET")),
        (b"DST\x02\0\0\0\0", FrameError::Version(2)),
        (b"DST\0\0\0\0\0", FrameError::Version(0)),
        (b"DST\x01\x02\0\0\0", FrameError::Mode(2)),
        (b"DST\x01\0\0\0\x01", FrameError::Reserved),
        (
            b"DST\x01\x01\0\0\0",
            FrameError::OtherMode(Mode::Sealed, Mode::Plain),
        ),
    ] {
        let (found, mut receiver) = preface(bytes);
        assert_eq!(found, error);
        assert!(!error.to_string().is_empty());
        assert_eq!(
            (receiver.want(), receiver.want().bytes()),
            (Want::Nothing, 0)
        );
        assert_eq!(receiver.head(&head(0)), Err(FrameError::Unexpected));
        assert_eq!(receiver.payload(0), Err(FrameError::Unexpected));
    }
    let sealed = Preface { mode: Mode::Sealed }.encode();
    let both = Receiver::new().preface(&sealed, Mode::Sealed);
    assert_eq!(both, Err(FrameError::Mode(1)));

    for (at, value, error) in [
        (0, 0, FrameError::Kind(0)),
        (0, 2, FrameError::Kind(2)),
        (0, 3, FrameError::Kind(3)),
        (1, 1, FrameError::Reserved),
        (2, 1, FrameError::Reserved),
        (3, 1, FrameError::Reserved),
        (7, 1, FrameError::Payload(1 << 24, 4096)),
    ] {
        let mut bytes = head(0);
        bytes[at] = value;
        let mut receiver = ready();
        assert_eq!(receiver.head(&bytes), Err(error));
        assert_eq!(receiver.want(), Want::Nothing);
    }
}

#[test]
fn a_caller_out_of_step_is_noticed() {
    let mut receiver = ready();
    assert_eq!(receiver.payload(1), Err(FrameError::Unexpected));
    let mut receiver = ready();
    receiver.head(&head(8)).unwrap();
    assert_eq!(receiver.payload(9), Err(FrameError::Unexpected));
    let mut receiver = ready();
    receiver.head(&head(8)).unwrap();
    assert_eq!(receiver.head(&head(8)), Err(FrameError::Unexpected));
    let mut receiver = ready();
    let preface = Preface { mode: Mode::Plain }.encode();
    assert_eq!(
        receiver.preface(&preface, Mode::Plain),
        Err(FrameError::Unexpected)
    );
}

/// Feeds a stream as a socket would, in pieces of any size; gives header and payload of each
/// message.
fn receive(stream: &[u8], sizes: &[usize]) -> Result<Vec<(Head, Vec<u8>)>, FrameError> {
    let mut receiver = Receiver::new();
    receiver.allow(1 << 20);
    let mut messages: Vec<(Head, Vec<u8>)> = Vec::new();
    let mut buffer = Vec::new();
    let mut at = 0;
    let mut sizes = sizes.iter().cycle();
    while at < stream.len() {
        let want = receiver.want().bytes() as usize - buffer.len();
        let got = want.min(*sizes.next().unwrap()).min(stream.len() - at);
        let bytes = &stream[at..at + got];
        at += got;
        if let Want::Payload(_) = receiver.want() {
            receiver.payload(got as u32)?;
            messages.last_mut().unwrap().1.extend_from_slice(bytes);
            continue;
        }
        buffer.extend_from_slice(bytes);
        if got == want {
            match receiver.want() {
                Want::Preface => {
                    receiver.preface(buffer.as_slice().try_into().unwrap(), Mode::Plain)?;
                }
                _ => {
                    let head = receiver.head(buffer.as_slice().try_into().unwrap())?;
                    messages.push((head, Vec::new()));
                }
            }
            buffer.clear();
        }
    }
    assert!(receiver.at_boundary());
    Ok(messages)
}

proptest! {
    #![proptest_config(crate::fixed(500, 7))]

    #[test]
    fn any_cutting_gives_the_same_messages(
        payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..10),
        sizes in proptest::collection::vec(1_usize..100, 1..10),
    ) {
        let mut stream = Preface { mode: Mode::Plain }.encode().to_vec();
        for (tag, payload) in payloads.iter().enumerate() {
            let header = Message::request(Opcode::Write, tag as u64, 0).encode();
            stream.extend(plain_head(&header, payload.len() as u32));
            stream.extend(payload);
        }
        let messages = receive(&stream, &sizes).unwrap();
        prop_assert_eq!(messages.len(), payloads.len());
        for (tag, ((head, found), sent)) in messages.iter().zip(&payloads).enumerate() {
            prop_assert_eq!(Message::parse(&head.header).unwrap().tag, tag as u64);
            prop_assert_eq!(head.payload as usize, sent.len());
            prop_assert_eq!(found, sent);
        }
    }
}
