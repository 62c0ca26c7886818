// SPDX-License-Identifier: GPL-2.0

//! Which names a storage and its disk may have.
//!
//! A storage's name becomes a directory under `/sys/devices`, its disk's name a file in `/dev`
//! and an entry of `/sys/block`; both are global to the machine. A name that is already taken
//! there by something else would make the kernel refuse, or worse, complain with a stack trace,
//! in the middle of the start; so names are judged before anything is made.

use core::fmt;

/// The longest name of a storage in bytes (its field in the label has 64, one for a zero).
pub const STORAGE_NAME_MAX: usize = 63;

/// The longest name of a disk in bytes: the block layer's `DISK_NAME_LEN` is 32 with the
/// terminating zero, and partitions append `p` and up to three digits.
pub const DISK_NAME_MAX: usize = 27;

/// The disk's name if none is given: `/dev/dst`.
pub const DEFAULT_DISK: &str = "dst";

/// Names under `/sys/devices` that the kernel itself uses or may use on some machine.
///
/// Buses and their roots register there at any time, so the caller's look into the live
/// directory (the `taken` predicate) does not see all of them.
const RESERVED: &[&str] = &[
    "system",
    "virtual",
    "platform",
    "cpu",
    "pnp0",
    "pnp1",
    "software",
    "breakpoint",
    "tracepoint",
    "kprobe",
    "uprobe",
    "msr",
    "power",
    "uevent",
    "isa",
    "faux",
    "LNXSYSTM",
];

/// Beginnings of such names, followed by digits, `:` or `_` (`pci0000`, `uncore_imc_0`).
const RESERVED_PREFIXES: &[&str] = &[
    "pci", "pnp", "uncore_", "cstate_", "intel_", "amd_", "LNXSYSTM",
];

/// Why a name is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameError {
    /// No character at all.
    Empty,
    /// Longer than this many bytes.
    TooLong(usize),
    /// This character may not be in it.
    Character(char),
    /// It begins with a dash, as an option of a command does.
    LeadingDash,
    /// `.` or `..`.
    Dots,
    /// The kernel uses this name under `/sys/devices`.
    Reserved,
    /// Something has this name already.
    Taken,
    /// A disk's name that is neither `dst` nor begins with `dst-`.
    NotOurs,
    /// `dst` or a disk's name followed by digits: the name of a partition.
    LooksLikePartition,
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the name is empty"),
            Self::TooLong(max) => write!(f, "the name has more than {max} bytes"),
            Self::Character(c) => write!(
                f,
                "the name contains {c:?}; letters, digits, '-', '_' and '.' are allowed"
            ),
            Self::LeadingDash => f.write_str("the name begins with '-'"),
            Self::Dots => f.write_str("'.' and '..' are directories, not names"),
            Self::Reserved => {
                f.write_str("the kernel uses this name under /sys/devices; choose another")
            }
            Self::Taken => f.write_str("the name is in use; choose another"),
            Self::NotOurs => {
                f.write_str("a disk is called \"dst\" or has a name that begins with \"dst-\"")
            }
            Self::LooksLikePartition => f.write_str(
                "partitions of a disk have names like this (dst1, dst-a0p1); choose another",
            ),
        }
    }
}

/// Checks the characters and the length that all names have in common.
fn check_common(name: &str, max: usize) -> Result<(), NameError> {
    if name.is_empty() {
        return Err(NameError::Empty);
    }
    if name.len() > max {
        return Err(NameError::TooLong(max));
    }
    if name == "." || name == ".." {
        return Err(NameError::Dots);
    }
    if let Some(c) = name
        .chars()
        .find(|c| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')))
    {
        return Err(NameError::Character(c));
    }
    if name.starts_with('-') {
        return Err(NameError::LeadingDash);
    }
    Ok(())
}

fn is_reserved(name: &str) -> bool {
    if RESERVED.contains(&name) {
        return true;
    }
    RESERVED_PREFIXES.iter().any(|prefix| {
        name.strip_prefix(prefix).is_some_and(|rest| {
            prefix.ends_with('_') || rest.starts_with(|c: char| c.is_ascii_digit() || c == ':')
        })
    })
}

/// Checks the name of a storage.
///
/// `taken` says whether something under `/sys/devices`, another storage included, has the name;
/// it is asked last, so it may be costly.
pub fn check_storage(name: &str, taken: impl FnOnce(&str) -> bool) -> Result<(), NameError> {
    check_common(name, STORAGE_NAME_MAX)?;
    if is_reserved(name) {
        return Err(NameError::Reserved);
    }
    if taken(name) {
        return Err(NameError::Taken);
    }
    Ok(())
}

/// Checks the name of a storage in places where nothing is registered under it (a label, an
/// export's name).
pub fn check_plain(name: &str) -> Result<(), NameError> {
    check_common(name, STORAGE_NAME_MAX)
}

/// Checks the name of a disk, given without `/dev/`.
///
/// The block layer names partition 1 of `dst` `dst1`, and partition 1 of `dst-a0` `dst-a0p1`
/// (a `p` goes between if the disk's name ends in a digit). Names of these two forms are refused
/// whether or not there is such a disk now. A name like `dst-a1` is refused by `taken` only where
/// it really collides, with a disk `dst-a`: let `taken` ask [`disks_collide`] about every
/// existing disk. It is asked last.
pub fn check_disk(name: &str, taken: impl FnOnce(&str) -> bool) -> Result<(), NameError> {
    check_common(name, DISK_NAME_MAX)?;
    let own = name
        .strip_prefix("dst-")
        .is_some_and(|rest| !rest.is_empty());
    if name != DEFAULT_DISK && !own {
        let partition = name
            .strip_prefix(DEFAULT_DISK)
            .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()));
        return Err(if partition {
            NameError::LooksLikePartition
        } else {
            NameError::NotOurs
        });
    }
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    if stem.len() < name.len() && stem.ends_with('p') {
        return Err(NameError::LooksLikePartition);
    }
    if taken(name) {
        return Err(NameError::Taken);
    }
    Ok(())
}

/// Whether two disks cannot exist beside each other: the same name, or one has the name of a
/// partition of the other.
pub fn disks_collide(a: &str, b: &str) -> bool {
    a == b || is_partition_of(a, b) || is_partition_of(b, a)
}

/// Whether `name` is what the block layer calls some partition of `disk`.
pub fn is_partition_of(name: &str, disk: &str) -> bool {
    let Some(number) = name.strip_prefix(disk) else {
        return false;
    };
    let number = if disk.bytes().last().is_some_and(|b| b.is_ascii_digit()) {
        match number.strip_prefix('p') {
            Some(number) => number,
            None => return false,
        }
    } else {
        number
    };
    // Partitions are counted from 1 and written without leading zeroes.
    !number.is_empty() && !number.starts_with('0') && number.bytes().all(|b| b.is_ascii_digit())
}
