// SPDX-License-Identifier: GPL-2.0

//! The bytes of netlink: against golden messages, cut off at every place, and with random bytes.

use dst_cli::access::{parse_allow, Access, AllowSpec};
use dst_cli::model;
use dst_cli::netlink::codec::{read_ack, request, AttrWriter, Attrs, Messages};
use dst_cli::netlink::uapi::{attr, cmd};
use dst_cli::ops;

/// A message from hexadecimal digits.
fn bytes(hex: &str) -> Vec<u8> {
    let digits: String = hex.split_whitespace().collect();
    (0..digits.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(&digits[i..i + 2], 16).unwrap())
        .collect()
}

#[test]
#[cfg(target_endian = "little")]
fn a_request_is_the_golden_message() {
    let target = ops::Target::Remote("192.168.4.80:1025".parse().unwrap());
    let new = ops::NewNode {
        target,
        index: None,
        export: None,
        start: Some(800),
        size: Some(1 << 33),
        options: ops::NodeOptions::default(),
    };
    let encoded = ops::node_add("st", &new).encode();
    let message = request(0x25, 5, 1, cmd::NODE_ADD, 1, &encoded);
    let golden = bytes(
        "54000000 2500 0500 01000000 00000000  06 01 0000
         0700 0100 737400 00
         0800 0300 01000000
         1c00 0580
           0600 0100 0200 0000
           0800 0200 c0a80450
           0600 0300 0104 0000
         0800 0700 20030000
         0c00 0800 0000000002000000",
    );
    assert_eq!(message, golden);
}

#[test]
fn the_attribute_at_an_offset_is_found_by_its_name() {
    let target = ops::Target::Remote("[fd00::1]:1025".parse().unwrap());
    let new = ops::NewNode {
        target,
        index: None,
        export: None,
        start: Some(800),
        size: None,
        options: ops::NodeOptions::default(),
    };
    let add = ops::node_add("st", &new);
    // storage at 20, kind at 28, address at 36 with family 40, ip 48, port 68, start at 76.
    for (offset, name) in [
        (20, Some("storage")),
        (27, Some("storage")),
        (28, Some("kind")),
        (36, Some("address")),
        (40, Some("address.family")),
        (48, Some("address.ip")),
        (68, Some("address.port")),
        (76, Some("start")),
        (84, None),
        (4, None),
        (0, None),
    ] {
        assert_eq!(add.attribute_at(offset).as_deref(), name, "at {offset}");
    }
    assert_eq!(
        add.attribute_named(attr::node::PATH, None).as_deref(),
        Some("path")
    );
    assert_eq!(
        add.attribute_named(attr::address::PORT, Some(36))
            .as_deref(),
        Some("address.port")
    );
    assert_eq!(add.attribute_named(999, None), None);
}

#[test]
fn what_is_sent_can_be_read_again() {
    for text in [
        "10.0.0.0/8=rw",
        "fd00::/64=ro",
        "0.0.0.0/0=ro",
        "::/0=rw",
        "10.1.2.3=rw",
    ] {
        let AllowSpec::Prefix(allow) = parse_allow(text, Access::ReadOnly).unwrap() else {
            panic!("{text}");
        };
        let which = ops::ExportSelector::default();
        let encoded = ops::export_set(&which, Some(&[allow]), None).encode();
        let nest = Attrs::new(encoded.as_bytes()).next().unwrap().unwrap();
        assert_eq!(model::allow(&nest).unwrap(), allow);
    }
    for text in ["192.168.4.80:1025", "[fd00::80]:1", "[fe80::1%7]:65535"] {
        let address = text.parse().unwrap();
        let which = ops::ExportSelector {
            address: Some(address),
            ..Default::default()
        };
        let encoded = ops::export_get(&which).encode();
        let nest = Attrs::new(encoded.as_bytes()).next().unwrap().unwrap();
        assert_eq!(model::address(&nest).unwrap(), address);
    }
}

#[test]
fn a_uint_has_four_bytes_where_they_do() {
    for (value, len) in [
        (0, 4),
        (u64::from(u32::MAX), 4),
        (1 << 32, 8),
        (u64::MAX, 8),
    ] {
        let mut out = AttrWriter::new();
        out.uint(1, value);
        let read = Attrs::new(out.as_bytes()).next().unwrap().unwrap();
        assert_eq!(read.value.len(), len);
        assert_eq!(read.number().unwrap(), value);
    }
}

/// A small generator, so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }
}

fn read_everything(datagram: &[u8]) {
    for message in Messages::new(datagram) {
        let Ok(message) = message else { return };
        let _ = read_ack(&message);
        let Ok((_, attrs)) = message.genl() else {
            continue;
        };
        for attribute in attrs {
            let Ok(attribute) = attribute else { break };
            let _ = attribute.number();
            let _ = attribute.text();
            let _ = model::address(&attribute);
            let _ = model::allow(&attribute);
            attribute.nested().take_while(Result::is_ok).for_each(drop);
        }
        let payload = message.payload.get(4..).unwrap_or(&[]);
        let _ = model::Storage::decode(payload);
        let _ = model::Node::decode(payload);
        let _ = model::Export::decode(payload);
        let _ = model::Connection::decode(payload);
        let _ = model::Info::decode(payload);
    }
}

#[test]
fn no_bytes_make_the_reader_panic() {
    let mut random = Random(2007);
    for round in 0..20_000 {
        let len = (random.next() % 96) as usize;
        let mut datagram: Vec<u8> = (0..len).map(|_| random.next() as u8).collect();
        // Mostly a header that fits, so that the attributes are reached.
        if round % 4 != 0 && len >= 24 {
            datagram[..4].copy_from_slice(&(len as u32).to_ne_bytes());
            datagram[4..6].copy_from_slice(&(2 + random.next() as u16 % 3).to_ne_bytes());
            datagram[20..22].copy_from_slice(&(random.next() as u16 % 40).to_ne_bytes());
        }
        read_everything(&datagram);
    }
}

#[test]
fn a_message_cut_off_anywhere_is_an_error_or_shorter() {
    let mut attrs = AttrWriter::new();
    attrs
        .string(attr::storage::NAME, "storage")
        .u32(attr::storage::STATE, 2);
    let whole = request(0x25, 0, 1, cmd::STORAGE_GET, 1, &attrs);
    for end in 0..whole.len() {
        let mut messages = Messages::new(&whole[..end]);
        match messages.next() {
            None => assert_eq!(end, 0),
            Some(first) => assert!(first.is_err(), "cut at {end}"),
        }
        assert!(messages.next().is_none());
    }
}
