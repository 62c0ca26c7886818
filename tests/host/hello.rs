// SPDX-License-Identifier: GPL-2.0

//! The hello: payloads and negotiation.

use dst_core::wire::*;
use proptest::prelude::*;

use crate::samples::{agreed, hello_request, offer};

#[test]
fn payloads_round_trip() {
    let request = hello_request();
    assert_eq!(HelloRequest::parse(&request.encode()), Ok(request));
    let (reply, _) = agreed();
    assert_eq!(HelloReply::parse(&reply.encode()), Ok(reply));
}

#[test]
fn a_later_version_may_append() {
    let mut bytes = hello_request().encode().to_vec();
    bytes.resize(HELLO_MAX_BYTES, 0xee);
    assert_eq!(HelloRequest::parse(&bytes), Ok(hello_request()));
    bytes.push(0);
    assert_eq!(
        HelloRequest::parse(&bytes),
        Err(HelloParseError::Length(4097))
    );
    bytes.truncate(HELLO_BYTES - 1);
    assert_eq!(
        HelloRequest::parse(&bytes),
        Err(HelloParseError::Length(255))
    );
    assert_eq!(HelloReply::parse(&[]), Err(HelloParseError::Length(0)));
}

#[test]
fn faults_of_a_payload() {
    let parse = |change: fn(&mut [u8])| {
        let mut bytes = hello_request().encode();
        change(&mut bytes);
        HelloRequest::parse(&bytes)
    };
    assert_eq!(
        parse(|b| b[0] = 9),
        Err(HelloParseError::VersionRange(9, 1))
    );
    assert_eq!(parse(|b| b[48] = 2), Err(HelloParseError::Connection(2, 2)));
    assert_eq!(
        parse(|b| b[48..52].fill(0)),
        Err(HelloParseError::Connection(0, 0))
    );
    assert_eq!(parse(|b| b[60] = 1), Err(HelloParseError::Reserved));
    assert_eq!(parse(|b| b[127] = 1), Err(HelloParseError::Reserved));
    // Of a peer that also speaks a later version, reserved bytes may mean something.
    assert!(parse(|b| (b[2], b[127]) = (2, 1)).is_ok());
    assert_eq!(parse(|b| b[128] = 0xff), Err(HelloParseError::Name));
    assert_eq!(parse(|b| b[129] = b'\n'), Err(HelloParseError::Name));
    assert_eq!(parse(|b| b[191] = b'x'), Err(HelloParseError::Name));
    assert_eq!(
        parse(|b| b[128..192].fill(b'x')),
        Err(HelloParseError::Name)
    );
    assert_eq!(parse(|b| b[255] = b'x'), Err(HelloParseError::Name));
    for at in [2, 60, 120, 255] {
        let mut bytes = agreed().0.encode();
        bytes[at] = 1;
        assert_eq!(HelloReply::parse(&bytes), Err(HelloParseError::Reserved));
    }
}

fn refused(change: impl Fn(&mut HelloRequest, &mut Offer)) -> HelloRefusal {
    let (mut request, mut offer) = (hello_request(), offer());
    change(&mut request, &mut offer);
    let refusal = negotiate(&request, &offer).expect_err("must be refused");
    assert!(!refusal.status().is_ok());
    assert!(!refusal.reason().is_empty());
    // The whole sentence reaches the other side.
    assert_eq!(refusal.reason().as_str(), refusal.to_string());
    refusal
}

#[test]
fn the_smaller_limit_counts() {
    let (reply, negotiated) = agreed();
    assert_eq!((reply.max_transfer, reply.queue_depth), (1 << 20, 64));
    assert_eq!(reply.accept(&hello_request()), Ok(negotiated));
    assert!(negotiated.write && negotiated.has(export_flags::FUA));

    let mut request = hello_request();
    request.max_transfer = 10_000;
    request.queue_depth = 3;
    let (reply, _) = negotiate(&request, &offer()).unwrap();
    assert_eq!((reply.max_transfer, reply.queue_depth), (9728, 3));
    request.max_transfer = u32::MAX;
    request.queue_depth = u32::MAX;
    let mut large = offer();
    large.max_transfer = u32::MAX;
    large.queue_depth = u32::MAX;
    let (reply, _) = negotiate(&request, &large).unwrap();
    assert_eq!(reply.max_transfer, MAX_TRANSFER);
    assert_eq!(reply.queue_depth, MAX_QUEUE_DEPTH);
}

#[test]
fn versions() {
    use HelloRefusal::Version;
    let version = |min, max| {
        move |r: &mut HelloRequest, _: &mut Offer| {
            (r.version_min, r.version_max) = (min, max);
        }
    };
    assert_eq!(refused(version(2, 3)), Version(2, 3));
    assert_eq!(refused(version(2, 3)).status(), Status::Version);
    assert_eq!(refused(version(0, 0)), Version(0, 0));
    let mut request = hello_request();
    (request.version_min, request.version_max) = (0, u16::MAX);
    assert_eq!(negotiate(&request, &offer()).unwrap().0.version, 1);
}

#[test]
fn features() {
    let mut request = hello_request();
    let mut able = offer();
    // Unknown optional ones are left out.
    request.optional = u64::MAX;
    assert_eq!(negotiate(&request, &able).unwrap().0.features, 0);
    able.supported = 0b110;
    request.optional = 0b011;
    assert_eq!(negotiate(&request, &able).unwrap().1.features, 0b010);
    request.required = 0b100;
    assert_eq!(negotiate(&request, &able).unwrap().1.features, 0b110);
    // Required ones are refused.
    let refusal = refused(|r, _| r.required = 1 << 63);
    assert_eq!(refusal, HelloRefusal::ClientRequires(1 << 63));
    assert_eq!(refusal.status(), Status::Feature);
    let refusal = refused(|_, o| (o.supported, o.required) = (4, 4));
    assert_eq!(refusal, HelloRefusal::ServerRequires(4));
}

#[test]
fn wishes_that_cannot_be_met() {
    assert_eq!(
        refused(|r, _| r.flags |= 1 << 31),
        HelloRefusal::Flags(1 << 31)
    );
    assert_eq!(
        refused(|_, o| o.flags |= export_flags::READ_ONLY),
        HelloRefusal::ReadOnly
    );
    assert_eq!(
        refused(|_, o| o.data_size = 0),
        HelloRefusal::NoMetadataArea
    );
    assert_eq!(
        refused(|_, o| o.flags |= export_flags::RAW),
        HelloRefusal::NoMetadataArea
    );
    assert_eq!(
        refused(|r, _| r.flags |= hello_flags::RAW),
        HelloRefusal::RawOfLabelled
    );
    assert_eq!(
        refused(|r, _| (r.connection, r.connections) = (0, 65)),
        HelloRefusal::Connections(65)
    );
    assert_eq!(
        refused(|r, _| r.max_transfer = 4095),
        HelloRefusal::Transfer(3584, 4096)
    );
    assert_eq!(
        refused(|_, o| (o.logical_block, o.physical_block, o.max_transfer) = (8192, 8192, 4096)),
        HelloRefusal::Transfer(0, 8192)
    );
    assert_eq!(refused(|r, _| r.queue_depth = 0), HelloRefusal::QueueDepth);
    let stale = refused(|r, o| (r.epoch, o.epoch) = (3, 4));
    assert_eq!(stale, HelloRefusal::StaleEpoch(3, 4));
    assert_eq!(stale.status(), Status::StaleEpoch);
    // Who does not claim to own it may come; so may a later owner.
    for epoch in [0, 3, 4] {
        let mut request = hello_request();
        request.epoch = epoch;
        assert!(negotiate(&request, &offer()).is_ok());
    }
}

#[test]
fn raw_means_the_whole_device() {
    let mut request = hello_request();
    request.flags = hello_flags::RAW | hello_flags::WRITE;
    let mut blank = offer();
    blank.flags &= !export_flags::HAS_LABEL;
    blank.data_size = 0;
    let (reply, negotiated) = negotiate(&request, &blank).unwrap();
    assert_eq!(reply.size, blank.device_size);
    assert!(negotiated.has(export_flags::RAW));
    // To read is harmless.
    request.flags = hello_flags::RAW;
    let (reply, negotiated) = negotiate(&request, &offer()).unwrap();
    assert_eq!(reply.flags & export_flags::HAS_LABEL, 0);
    assert!(!negotiated.write);
}

#[test]
fn a_server_whose_device_is_odd_says_so() {
    let faults: [fn(&mut Offer); 6] = [
        |o| o.logical_block = 0,
        |o| o.logical_block = 768,
        |o| o.logical_block = 1 << 17,
        |o| o.physical_block = 256,
        |o| o.data_size = 1000,
        |o| o.data_size = u64::MAX - 511,
    ];
    for fault in faults {
        let mut odd = offer();
        fault(&mut odd);
        odd.max_transfer = 1 << 22;
        let mut request = hello_request();
        request.max_transfer = 1 << 22;
        let refusal = negotiate(&request, &odd).unwrap_err();
        assert!(matches!(refusal, HelloRefusal::Offer(_)), "{refusal:?}");
    }
}

#[test]
fn a_client_believes_nothing() {
    use HelloReplyError as Error;
    let request = hello_request();
    let judge = |change: fn(&mut HelloReply)| {
        let mut reply = agreed().0;
        change(&mut reply);
        let error = reply.accept(&request).expect_err("must be refused");
        assert!(!error.to_string().is_empty());
        error
    };
    assert_eq!(judge(|r| r.version = 2), Error::Version(2));
    assert_eq!(judge(|r| r.version = 0), Error::Version(0));
    assert_eq!(judge(|r| r.features = 1), Error::Features(1));
    assert_eq!(judge(|r| r.flags = 1 << 20), Error::Flags(1 << 20));
    assert_eq!(judge(|r| r.flags |= export_flags::RAW), Error::Raw);
    assert_eq!(
        judge(|r| r.flags |= export_flags::READ_ONLY),
        Error::ReadOnly
    );
    assert_eq!(judge(|r| r.incarnation += 1), Error::Incarnation(8));
    assert_eq!(judge(|r| r.size = 0), Error::Size(0));
    assert_eq!(judge(|r| r.size = 1025), Error::Size(1025));
    assert_eq!(judge(|r| r.size = 1 << 63), Error::Size(1 << 63));
    assert_eq!(judge(|r| r.logical_block = 0), Error::LogicalBlock(0));
    assert_eq!(judge(|r| r.logical_block = 256), Error::LogicalBlock(256));
    assert_eq!(judge(|r| r.physical_block = 0), Error::PhysicalBlock(0));
    assert_eq!(judge(|r| r.max_transfer = 0), Error::Transfer(0));
    assert_eq!(judge(|r| r.max_transfer = 4608 + 1), Error::Transfer(4609));
    assert_eq!(
        judge(|r| r.max_transfer = 1 << 21),
        Error::Transfer(1 << 21)
    );
    assert_eq!(judge(|r| r.queue_depth = 0), Error::QueueDepth(0));
    assert_eq!(judge(|r| r.queue_depth = 129), Error::QueueDepth(129));
    assert_eq!(judge(|r| r.max_discard += 1), Error::DiscardLimits);
    assert_eq!(judge(|r| r.max_discard = 0), Error::DiscardLimits);
    assert_eq!(judge(|r| r.discard_granularity = 0), Error::DiscardLimits);
    assert_eq!(judge(|r| r.max_write_zeroes = 513), Error::DiscardLimits);
    let mut request = request;
    request.required = 2;
    assert_eq!(agreed().0.accept(&request), Err(Error::MissingFeatures(2)));
}

fn any_request() -> impl Strategy<Value = HelloRequest> {
    let versions = (0_u16..4, 0_u16..4);
    let bits = (0_u32..16, 0_u64..8, any::<u64>());
    let numbers = (any::<u32>(), any::<u32>(), 0_u16..70, 0_u64..4);
    (versions, bits, numbers).prop_map(|(versions, bits, numbers)| HelloRequest {
        version_min: versions.0.min(versions.1),
        version_max: versions.0.max(versions.1),
        flags: bits.0,
        required: bits.1 >> 2,
        optional: bits.2,
        max_transfer: numbers.0,
        queue_depth: numbers.1,
        connection: 0,
        connections: numbers.2.max(1),
        epoch: numbers.3,
        ..hello_request()
    })
}

fn any_offer() -> impl Strategy<Value = Offer> {
    let blocks = (8_u32..18, 0_u32..4);
    let sizes = (any::<u64>(), any::<u64>(), 0_u32..40);
    let limits = (
        any::<u32>(),
        any::<u32>(),
        any::<u32>(),
        any::<u32>(),
        any::<u32>(),
    );
    let bits = (0_u32..128, 0_u64..8, 0_u64..4);
    (blocks, sizes, limits, bits).prop_map(|(blocks, sizes, limits, bits)| {
        let block = 1_u64 << blocks.0;
        Offer {
            supported: bits.1,
            required: bits.1 >> 2,
            flags: bits.0,
            data_size: (sizes.0 >> sizes.2) / block * block,
            device_size: (sizes.1 >> sizes.2) / block * block,
            logical_block: 1 << blocks.0,
            physical_block: 1 << (blocks.0 + blocks.1),
            max_transfer: limits.0,
            queue_depth: limits.1,
            max_discard: limits.2,
            discard_granularity: limits.3,
            max_write_zeroes: limits.4,
            epoch: bits.2,
            ..offer()
        }
    })
}

proptest! {
    #![proptest_config(crate::fixed(5000, 9))]

    #[test]
    fn both_sides_agree(request in any_request(), offer in any_offer()) {
        match negotiate(&request, &offer) {
            Ok((reply, server)) => {
                let wire = HelloReply::parse(&reply.encode()).unwrap();
                let client = wire.accept(&request);
                prop_assert_eq!(client, Ok(server));
                prop_assert!(server.max_transfer <= request.max_transfer.min(offer.max_transfer));
                prop_assert!(server.max_transfer >= server.logical_block.max(MIN_TRANSFER));
                prop_assert!(server.queue_depth <= request.queue_depth.min(offer.queue_depth));
                prop_assert_eq!(server.features & !offer.supported, 0);
                prop_assert_eq!(request.required & !server.features, 0);
                prop_assert_eq!(server.size % u64::from(server.logical_block), 0);
                prop_assert!(!server.write || !server.has(export_flags::READ_ONLY));
            }
            Err(refusal) => {
                prop_assert!(!refusal.status().is_ok());
                let reason = refusal.reason();
                prop_assert_eq!(reason.as_str(), refusal.to_string());
            }
        }
    }

    #[test]
    fn requests_round_trip(request in any_request()) {
        prop_assert_eq!(HelloRequest::parse(&request.encode()), Ok(request));
    }
}
