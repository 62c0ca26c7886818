// SPDX-License-Identifier: GPL-2.0

//! Sectors and bytes, and sizes written as text.
//!
//! A *sector* is 512 bytes everywhere in DST, whatever a device's logical block is; this is the
//! block layer's unit.

use core::fmt;

/// log2 of [`SECTOR_BYTES`].
pub const SECTOR_SHIFT: u32 = 9;

/// Bytes of a sector.
pub const SECTOR_BYTES: u64 = 1 << SECTOR_SHIFT;

/// The largest size of a disk in sectors: its size in bytes has to fit into the kernel's signed
/// 64-bit file offset.
pub const MAX_SECTORS: u64 = (i64::MAX as u64) >> SECTOR_SHIFT;

/// Bytes of `sectors`, or `None` if they do not fit into 64 bits.
pub const fn sectors_to_bytes(sectors: u64) -> Option<u64> {
    sectors.checked_mul(SECTOR_BYTES)
}

/// Whole sectors in `bytes`, or `None` if `bytes` is not a multiple of the sector size.
pub const fn bytes_to_sectors(bytes: u64) -> Option<u64> {
    if bytes % SECTOR_BYTES == 0 {
        Some(bytes >> SECTOR_SHIFT)
    } else {
        None
    }
}

/// Whole sectors in `bytes`, leaving a remainder aside.
pub const fn bytes_to_sectors_floor(bytes: u64) -> u64 {
    bytes >> SECTOR_SHIFT
}

/// The largest multiple of `unit` that is not above `value`; `value` itself if `unit` is zero.
pub const fn round_down(value: u64, unit: u64) -> u64 {
    match value.checked_rem(unit) {
        Some(rest) => value - rest,
        None => value,
    }
}

/// The smallest multiple of `unit` that is not below `value`.
///
/// `value` itself if `unit` is zero; `None` if the multiple does not fit into 64 bits.
pub const fn round_up(value: u64, unit: u64) -> Option<u64> {
    match value.checked_rem(unit) {
        Some(0) | None => Some(value),
        Some(rest) => value.checked_add(unit - rest),
    }
}

/// Why a text is not a size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SizeError {
    /// Nothing, or no digit at the start.
    NoNumber,
    /// The suffix is none of those that [`parse_size`] knows.
    UnknownSuffix,
    /// More than 64 bits of bytes.
    TooLarge,
    /// Not a multiple of 512 bytes.
    NotSectors,
}

impl fmt::Display for SizeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoNumber => "a size begins with a number, such as 800 or 10G",
            Self::UnknownSuffix => {
                "unknown unit: use s (sectors of 512 bytes), B, K, M, G, T or P (powers of 1024)"
            }
            Self::TooLarge => "the size does not fit into 64 bits of bytes",
            Self::NotSectors => "the size is not a multiple of 512 bytes",
        })
    }
}

/// Parses a size and gives it in bytes.
///
/// A number without a suffix is multiplied by `unit` (give [`SECTOR_BYTES`] where the command
/// line counts sectors, 1 where it counts bytes). Suffixes, in either case: `s` sectors, `B`
/// bytes, `K` `M` `G` `T` `P` powers of 1024, each optionally followed by `iB` or `B`.
pub fn parse_size(text: &str, unit: u64) -> Result<u64, SizeError> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, suffix) = text.split_at_checked(digits).unwrap_or((text, ""));
    if number.is_empty() {
        return Err(SizeError::NoNumber);
    }
    let number: u64 = number.parse().map_err(|_| SizeError::TooLarge)?;
    let factor = suffix_bytes(suffix, unit).ok_or(SizeError::UnknownSuffix)?;
    number.checked_mul(factor).ok_or(SizeError::TooLarge)
}

/// Like [`parse_size`], and gives the size in sectors.
pub fn parse_sectors(text: &str, unit: u64) -> Result<u64, SizeError> {
    bytes_to_sectors(parse_size(text, unit)?).ok_or(SizeError::NotSectors)
}

fn suffix_bytes(suffix: &str, unit: u64) -> Option<u64> {
    let mut bytes = suffix.bytes();
    let factor = match bytes.next().map(|b| b.to_ascii_lowercase()) {
        None => return Some(unit),
        Some(b's') => return (suffix.len() == 1).then_some(SECTOR_BYTES),
        Some(b'b') => return (suffix.len() == 1).then_some(1),
        Some(b'k') => 1 << 10,
        Some(b'm') => 1 << 20,
        Some(b'g') => 1 << 30,
        Some(b't') => 1 << 40,
        Some(b'p') => 1 << 50,
        Some(_) => return None,
    };
    let rest = suffix.get(1..)?;
    (rest.is_empty() || rest.eq_ignore_ascii_case("ib") || rest.eq_ignore_ascii_case("b"))
        .then_some(factor)
}

/// Shows a number of sectors as a person reads it: `801 sectors (400.5 KiB)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sectors(pub u64);

impl fmt::Display for Sectors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        // Tenths of the unit; 2^64 sectors * 10 do not fit into 64 bits.
        let mut tenths = u128::from(self.0) * 10 / 2;
        let mut unit = "KiB";
        for name in UNITS {
            unit = name;
            if tenths < 10240 {
                break;
            }
            if name != "EiB" {
                tenths /= 1024;
            }
        }
        let plural = if self.0 == 1 { "" } else { "s" };
        write!(f, "{} sector{plural} (", self.0)?;
        if tenths % 10 == 0 {
            write!(f, "{} {unit})", tenths / 10)
        } else {
            write!(f, "{}.{} {unit})", tenths / 10, tenths % 10)
        }
    }
}
