// SPDX-License-Identifier: GPL-2.0

//! Waits between attempts to connect.

use dst_core::backoff::Backoff;
use proptest::prelude::*;

#[test]
fn doubles_up_to_the_limit() {
    let mut backoff = Backoff::new(100, 1000);
    for step in [100, 200, 400, 800, 1000, 1000, 1000] {
        let mut other = backoff;
        assert_eq!(backoff.next(0), step / 2);
        assert_eq!(other.next(u32::MAX), step);
    }
    assert_eq!(backoff.attempts(), 7);
    backoff.reset();
    assert_eq!(backoff.next(u32::MAX), 100);
}

#[test]
fn odd_limits_are_mended() {
    let mut backoff = Backoff::new(0, 0);
    for _ in 0..100 {
        assert_eq!(backoff.next(u32::MAX), 1);
        assert_eq!(backoff.next(0), 1);
    }
    let mut backoff = Backoff::new(50, 10);
    assert_eq!(backoff.next(u32::MAX), 50);
    let mut backoff = Backoff::new(u32::MAX, u32::MAX);
    for _ in 0..100 {
        assert_eq!(backoff.next(u32::MAX), u32::MAX);
    }
}

proptest! {
    #![proptest_config(crate::fixed(1000, 3))]

    #[test]
    fn stays_within_its_step(
        first in any::<u32>(), limit in any::<u32>(),
        randoms in proptest::collection::vec(any::<u32>(), 1..80),
    ) {
        let mut backoff = Backoff::new(first, limit);
        let first = u128::from(first.max(1));
        let limit = u128::from(limit).max(first);
        for (attempt, random) in randoms.into_iter().enumerate() {
            let step = (first << attempt.min(64)).min(limit);
            let wait = u128::from(backoff.next(random));
            prop_assert!(wait >= 1 && wait <= step && wait >= step / 2);
        }
    }
}
