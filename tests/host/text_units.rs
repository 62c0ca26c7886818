// SPDX-License-Identifier: GPL-2.0

//! Bounded texts; sectors, bytes and sizes in text.

use std::fmt::Write;

use dst_core::text::{pad, padded_str, Text};
use dst_core::units::*;
use proptest::prelude::*;

#[test]
fn text_is_cut_at_a_character() {
    let mut text = Text::<5>::new();
    write!(text, "abcdé").unwrap();
    assert_eq!(text.as_str(), "abcd");
    // Nothing may follow the gap.
    let text = Text::<3>::from_display(&"aéé");
    assert_eq!(text.as_str(), "aé");
    assert_eq!(text.padded(), "aé".as_bytes());
    assert_eq!(Text::<0>::from_display(&"x").as_str(), "");
}

#[test]
fn text_from_outside_is_harmless() {
    let text = Text::<16>::from_padded(b"a\nb\x1b[2J\xff\xfec\0rest");
    assert_eq!(text.as_str(), "a?b?[2J??c");
    assert_eq!(Text::<4>::from_padded(b"").as_str(), "");
}

#[test]
fn padded_fields_are_strict() {
    assert_eq!(padded_str(b"abc\0\0"), Some("abc"));
    assert_eq!(padded_str(b"abcde"), Some("abcde"));
    assert_eq!(padded_str(b"\0\0"), Some(""));
    assert_eq!(padded_str(b"abc\0x"), None);
    assert_eq!(padded_str(b"\xff\0"), None);
    assert_eq!(pad::<4>("abcd"), Some(*b"abcd"));
    assert_eq!(pad::<4>("abcde"), None);
    assert_eq!(pad::<4>("a\0b"), None);
}

#[test]
fn conversions_at_their_limits() {
    assert_eq!(sectors_to_bytes(u64::MAX >> 9), Some(u64::MAX - 511));
    assert_eq!(sectors_to_bytes((u64::MAX >> 9) + 1), None);
    assert_eq!(bytes_to_sectors(1024), Some(2));
    assert_eq!(bytes_to_sectors(1023), None);
    assert_eq!(bytes_to_sectors_floor(u64::MAX), u64::MAX >> 9);
    assert_eq!(round_down(u64::MAX, 4096), u64::MAX - 4095);
    assert_eq!(round_down(7, 0), 7);
    assert_eq!(round_up(u64::MAX, 2), None);
    assert_eq!(round_up(u64::MAX, 0), Some(u64::MAX));
    assert_eq!(round_up(0, 8), Some(0));
    assert_eq!(round_up(1, 8), Some(8));
    assert_eq!(
        sectors_to_bytes(MAX_SECTORS).unwrap(),
        (i64::MAX as u64) - 511
    );
}

#[test]
fn sizes_in_text() {
    for (input, bytes) in [
        ("0", 0),
        ("800", 800 * 512),
        ("801s", 801 * 512),
        ("801S", 801 * 512),
        ("1024B", 1024),
        ("1k", 1 << 10),
        ("1K", 1 << 10),
        ("3M", 3 << 20),
        ("10G", 10 << 30),
        ("10GiB", 10 << 30),
        ("10gb", 10 << 30),
        ("2T", 2 << 40),
        ("4P", 4 << 50),
    ] {
        assert_eq!(parse_size(input, SECTOR_BYTES), Ok(bytes), "{input}");
    }
    for (input, error) in [
        ("", SizeError::NoNumber),
        ("G", SizeError::NoNumber),
        ("-1", SizeError::NoNumber),
        ("+1", SizeError::NoNumber),
        (" 1", SizeError::NoNumber),
        ("1x", SizeError::UnknownSuffix),
        ("1sB", SizeError::UnknownSuffix),
        ("1BB", SizeError::UnknownSuffix),
        ("1Gi", SizeError::UnknownSuffix),
        ("1é", SizeError::UnknownSuffix),
        ("1G1", SizeError::UnknownSuffix),
        ("18446744073709551616", SizeError::TooLarge),
        ("18446744073709551615", SizeError::TooLarge),
        ("16384P", SizeError::TooLarge),
    ] {
        assert_eq!(parse_size(input, SECTOR_BYTES), Err(error), "{input}");
        assert!(!error.to_string().is_empty());
    }
    assert_eq!(parse_size("18446744073709551615", 1), Ok(u64::MAX));
    assert_eq!(parse_sectors("1000B", 512), Err(SizeError::NotSectors));
    assert_eq!(parse_sectors("1024B", 512), Ok(2));
}

#[test]
fn sizes_for_people() {
    for (sectors, text) in [
        (0, "0 sectors (0 KiB)"),
        (1, "1 sector (0.5 KiB)"),
        (801, "801 sectors (400.5 KiB)"),
        (2048, "2048 sectors (1 MiB)"),
        (3 << 20, "3145728 sectors (1.5 GiB)"),
        (u64::MAX, "18446744073709551615 sectors (8191.9 EiB)"),
    ] {
        assert_eq!(Sectors(sectors).to_string(), text);
    }
}

proptest! {
    #![proptest_config(crate::fixed(2000, 1))]

    #[test]
    fn parse_size_never_panics(input in "[0-9]{0,22}[ -~é]{0,4}", unit in any::<u64>()) {
        let _ = parse_size(&input, unit);
        let _ = parse_sectors(&input, unit);
    }

    #[test]
    fn rounding_is_rounding(value in any::<u64>(), unit in 1_u64..1 << 40) {
        let down = round_down(value, unit);
        prop_assert!(down <= value && value - down < unit && down % unit == 0);
        if let Some(up) = round_up(value, unit) {
            prop_assert!(up >= value && up - value < unit && up % unit == 0);
        } else {
            prop_assert!(value > u64::MAX - unit);
        }
    }

    #[test]
    fn text_from_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        let text = Text::<64>::from_padded(&bytes);
        prop_assert!(text.len() <= 64);
        prop_assert!(!text.as_str().chars().any(char::is_control));
        let again = Text::<64>::from_padded(text.padded());
        prop_assert_eq!(again.as_str(), text.as_str());
    }
}
