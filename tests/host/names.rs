// SPDX-License-Identifier: GPL-2.0

//! Names of storages and disks.

use dst_core::names::*;
use proptest::prelude::*;

fn storage(name: &str) -> Result<(), NameError> {
    check_storage(name, |_| false)
}

fn disk(name: &str) -> Result<(), NameError> {
    check_disk(name, |_| false)
}

#[test]
fn storage_names() {
    let longest = "a".repeat(STORAGE_NAME_MAX);
    for good in [
        "storage", "a", "9", "kano-1", "x_y.z", "..x", "pci-box", "pnpx", &longest,
    ] {
        assert_eq!(storage(good), Ok(()), "{good}");
    }
    let long = "a".repeat(STORAGE_NAME_MAX + 1);
    for (bad, error) in [
        ("", NameError::Empty),
        (long.as_str(), NameError::TooLong(63)),
        (".", NameError::Dots),
        ("..", NameError::Dots),
        ("a/b", NameError::Character('/')),
        ("a b", NameError::Character(' ')),
        ("a\n", NameError::Character('\n')),
        ("né", NameError::Character('é')),
        ("a!b", NameError::Character('!')),
        ("-n", NameError::LeadingDash),
        ("system", NameError::Reserved),
        ("virtual", NameError::Reserved),
        ("platform", NameError::Reserved),
        ("pci0000", NameError::Reserved),
        ("uncore_imc", NameError::Reserved),
        ("pnp0", NameError::Reserved),
    ] {
        assert_eq!(storage(bad), Err(error), "{bad}");
        assert!(!error.to_string().is_empty());
    }
    assert_eq!(
        check_storage("x", |name| name == "x"),
        Err(NameError::Taken)
    );
    assert_eq!(check_plain("system"), Ok(()));
    assert_eq!(check_plain("a/b"), Err(NameError::Character('/')));
}

#[test]
fn disk_names() {
    let longest = format!("dst-{}", "x".repeat(DISK_NAME_MAX - 4));
    for good in [
        "dst",
        "dst-a",
        "dst-1",
        "dst-a1",
        "dst-a0",
        "dst-a.b_c",
        "dst-p",
        &longest,
    ] {
        assert_eq!(disk(good), Ok(()), "{good}");
    }
    let long = format!("{longest}x");
    for (bad, error) in [
        ("", NameError::Empty),
        ("dst0", NameError::LooksLikePartition),
        ("dst1", NameError::LooksLikePartition),
        ("dst12", NameError::LooksLikePartition),
        ("dst-a0p1", NameError::LooksLikePartition),
        ("dst-xp12", NameError::LooksLikePartition),
        ("dst-", NameError::NotOurs),
        ("dsta", NameError::NotOurs),
        ("dst1a", NameError::NotOurs),
        ("sda", NameError::NotOurs),
        ("Dst", NameError::NotOurs),
        ("dst-a/b", NameError::Character('/')),
        (long.as_str(), NameError::TooLong(DISK_NAME_MAX)),
    ] {
        assert_eq!(disk(bad), Err(error), "{bad}");
        assert!(!error.to_string().is_empty());
    }
}

#[test]
fn disks_that_cannot_be_together() {
    for (a, b) in [
        ("dst", "dst"),
        ("dst-a", "dst-a1"),
        ("dst-a", "dst-a255"),
        ("dst-a0", "dst-a0p1"),
        ("dst", "dst1"),
    ] {
        assert!(disks_collide(a, b) && disks_collide(b, a), "{a} {b}");
    }
    for (a, b) in [
        ("dst", "dst-a"),
        ("dst", "dst-1"),
        ("dst-a", "dst-a0"),
        ("dst-a", "dst-a01"),
        ("dst-a", "dst-ap1"),
        ("dst-a1", "dst-a12"),
        ("dst-a", "dst-b1"),
    ] {
        assert!(!disks_collide(a, b) && !disks_collide(b, a), "{a} {b}");
    }
    let existing = ["dst", "dst-db"];
    let taken = |name: &str| existing.iter().any(|e| disks_collide(e, name));
    assert_eq!(check_disk("dst-db1", taken), Err(NameError::Taken));
    assert_eq!(check_disk("dst-db-1", taken), Ok(()));
}

/// What the block layer calls partition `n` of a disk (`block/partitions/core.c`, `add_partition`).
fn partition(disk: &str, n: u32) -> String {
    if disk.ends_with(|c: char| c.is_ascii_digit()) {
        format!("{disk}p{n}")
    } else {
        format!("{disk}{n}")
    }
}

proptest! {
    #![proptest_config(crate::fixed(2000, 2))]

    #[test]
    fn partitions_of_accepted_disks_collide(name in "dst-[a-z0-9.]{1,8}", n in 1_u32..256) {
        if disk(&name).is_ok() {
            prop_assert!(is_partition_of(&partition(&name, n), &name));
            prop_assert!(disks_collide(&name, &partition(&name, n)));
        }
    }

    #[test]
    fn two_accepted_disks_have_different_partitions(
        a in "dst(-[ab01p]{1,4})?", b in "dst(-[ab01p]{1,4})?", i in 1_u32..30, j in 1_u32..30,
    ) {
        if disk(&a).is_ok() && disk(&b).is_ok() && !disks_collide(&a, &b) {
            prop_assert_ne!(partition(&a, i), b.clone());
            prop_assert_ne!(a, partition(&b, j));
        }
    }

    #[test]
    fn any_text_is_judged(name in any::<String>()) {
        let _ = (storage(&name), disk(&name), check_plain(&name));
    }
}
