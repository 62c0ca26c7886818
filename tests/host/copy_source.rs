// SPDX-License-Identifier: GPL-2.0

//! The payload of copy-from-peer.

use dst_core::text::Text;
use dst_core::wire::*;
use proptest::prelude::*;

fn source() -> CopySource {
    CopySource {
        address: [10, 0, 0, 1].into(),
        port: 1025,
        wait_ms: 10_000,
        storage: *b"storage-0123456!",
        node: *b"node----0123456!",
        device: *b"device--0123456!",
        job: 7,
        export: Text::from_display(&"kano"),
    }
}

#[test]
fn copy_sources_there_and_back() {
    let v6 = CopySource {
        address: "fd00::1".parse().unwrap(),
        export: Text::new(),
        ..source()
    };
    for source in [source(), v6] {
        assert_eq!(CopySource::parse(&source.encode()), Ok(source));
    }
    let later = CopySource {
        job: 8,
        wait_ms: 1,
        ..source()
    };
    assert!(later.is_same_node(&source()));
    for other in [
        CopySource {
            port: 1,
            ..source()
        },
        CopySource {
            node: [1; 16],
            ..source()
        },
        CopySource {
            storage: [1; 16],
            ..source()
        },
        v6,
    ] {
        assert!(!other.is_same_node(&source()));
    }
}

#[test]
fn addresses_that_mean_the_same_elsewhere() {
    let means = |address: &str, teller: &str| {
        CopySource::is_meaningful(address.parse().unwrap(), teller.parse().unwrap())
    };
    assert!(means("10.0.0.1", "10.0.0.2"));
    assert!(means("10.0.0.1", "127.0.0.1"));
    assert!(means("fd00::1", "10.0.0.2"));
    assert!(means("127.0.0.1", "127.0.0.2"));
    assert!(means("::1", "::1"));
    assert!(!means("127.0.0.1", "10.0.0.2"));
    assert!(!means("::ffff:127.0.0.1", "10.0.0.2"));
    assert!(!means("::1", "fd00::1"));
    assert!(!means("169.254.7.7", "10.0.0.2"));
    assert!(!means("fe80::1", "fe80::2"));
}

#[test]
fn copy_sources_that_name_no_node() {
    let refused = |source: CopySource| CopySource::parse(&source.encode()).unwrap_err();
    for address in [
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "ff02::1",
        "::ffff:0.0.0.0",
    ] {
        let address = address.parse().unwrap();
        let source = CopySource {
            address,
            ..source()
        };
        assert_eq!(refused(source), CopySourceError::Address, "{address}");
    }
    let port = CopySource {
        port: 0,
        ..source()
    };
    assert_eq!(refused(port), CopySourceError::Port);
    for wait_ms in [0, 600_001, u32::MAX] {
        let source = CopySource {
            wait_ms,
            ..source()
        };
        assert_eq!(refused(source), CopySourceError::Wait(wait_ms));
    }
    let changed = |at: usize, value| {
        let mut bytes = source().encode();
        bytes[at] = value;
        CopySource::parse(&bytes)
    };
    assert_eq!(changed(0, 5), Err(CopySourceError::Family(5)));
    assert_eq!(changed(12, 1), Err(CopySourceError::Family(4)));
    assert_eq!(changed(64, 0xff), Err(CopySourceError::Name));
    assert_eq!(changed(70, b'x'), Err(CopySourceError::Name));
    for at in [1, 144, 511] {
        assert_eq!(changed(at, 1), Err(CopySourceError::Reserved), "{at}");
    }
}

proptest! {
    #[test]
    fn no_copy_source_is_read_as_another(bytes in proptest::collection::vec(any::<u8>(), 144)) {
        let mut payload = [0; COPY_SOURCE_BYTES];
        payload[..144].copy_from_slice(&bytes);
        payload[0] = [4, 6][usize::from(payload[0] % 2)];
        payload[1] = 0;
        if let Ok(source) = CopySource::parse(&payload) {
            prop_assert_eq!(source.encode(), payload);
        }
    }
}
