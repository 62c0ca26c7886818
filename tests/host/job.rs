// SPDX-License-Identifier: GPL-2.0

//! Jobs: states, claims, extents in flight, rates.

use dst_core::job::{
    bucket::Bucket,
    claim::Claim,
    memory::forgotten,
    meter::{time_left, Meter},
    narrow::{Narrow, Step},
    state::{End, Refused, Request, State},
    window::{Extent, Window},
    yielding::{Yielding, PERIOD},
    MAX_RATE, SECOND,
};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::num::NonZeroU32;

fn step(sectors: u32) -> NonZeroU32 {
    NonZeroU32::new(sectors).unwrap()
}

#[test]
fn a_job_takes_what_makes_sense() {
    use Request::{Cancel, Pause, Resume};
    assert_eq!(State::Running.request(Pause), Ok(State::Pausing));
    assert_eq!(State::Pausing.settled(), State::Paused);
    assert_eq!(State::Paused.request(Resume), Ok(State::Running));
    assert_eq!(State::Pausing.request(Resume), Ok(State::Running));
    assert_eq!(State::Running.request(Resume), Err(Refused::NotPaused));
    assert_eq!(State::Paused.request(Pause), Err(Refused::Paused));
    assert_eq!(State::Cancelling.request(Cancel), Ok(State::Cancelling));
    assert_eq!(State::Cancelling.request(Pause), Err(Refused::Ending));
    for state in State::ALL {
        for request in [Pause, Resume, Cancel] {
            let next = state.request(request);
            assert_eq!(state.has_ended(), next == Err(Refused::Ended), "{state:?}");
        }
        for end in [End::Done, End::Failed, End::Cancelled] {
            let ended = state.ended(end);
            assert!(ended.has_ended() && !ended.issues());
            assert_eq!(ended.settled(), ended);
            if state.has_ended() {
                assert_eq!(ended, state, "the first end counts");
            }
        }
        assert!(state.request(Cancel) == Ok(State::Cancelling) || state.has_ended());
    }
}

#[test]
fn the_results_that_came_last_are_remembered() {
    let after = |times: &[Option<u32>], remembered| forgotten(times.iter().copied(), remembered);
    assert_eq!(after(&[], 0), None);
    assert_eq!(after(&[None, None], 0), None);
    assert_eq!(after(&[Some(1), None, Some(2)], 2), None);
    assert_eq!(after(&[Some(1), None, Some(2)], 1), Some(0));
    // The first one to begin may be the last one to end.
    assert_eq!(
        after(&[Some(9), Some(3), None, Some(2), Some(5)], 3),
        Some(3)
    );
    assert_eq!(after(&[None, Some(4), Some(4)], 1), Some(1));
    assert_eq!(after(&[Some(4), Some(7)], 0), Some(0));
}

#[test]
fn states_have_words_of_their_own() {
    let words: std::collections::BTreeSet<_> = State::ALL.iter().map(|s| s.as_str()).collect();
    assert_eq!(words.len(), State::ALL.len());
    for (number, state) in State::ALL.iter().enumerate() {
        assert_eq!(*state as usize, number);
    }
}

#[test]
fn jobs_share_a_storage_but_no_node() {
    let claim = |storage, node| Claim { storage, node };
    assert!(!claim(1, Some(0)).conflicts(&claim(2, Some(0))));
    assert!(!claim(1, None).conflicts(&claim(2, None)));
    assert!(!claim(1, Some(0)).conflicts(&claim(1, Some(1))));
    assert!(claim(1, Some(0)).conflicts(&claim(1, Some(0))));
    assert!(claim(1, Some(7)).conflicts(&claim(1, None)));
    assert!(claim(1, None).conflicts(&claim(1, Some(7))));
    assert!(claim(1, None).conflicts(&claim(1, None)));
}

#[test]
fn an_empty_window_is_finished() {
    for (begin, end) in [(0, 0), (5, 5), (9, 3), (u64::MAX, u64::MAX)] {
        let mut window = Window::<4>::new(begin, end, step(8));
        assert!(window.is_finished());
        assert_eq!(window.take(), None);
        assert_eq!(window.done(), 0);
        assert_eq!(window.low_water(), begin);
    }
}

#[test]
fn a_window_is_not_longer_than_its_places() {
    let mut window = Window::<4>::new(100, 181, step(8));
    let taken: Vec<_> = std::iter::from_fn(|| window.take()).collect();
    assert_eq!(taken.len(), 4);
    assert_eq!(
        taken[0].1,
        Extent {
            first: 100,
            sectors: 8
        }
    );
    // One that is done out of order makes no room before the first is.
    window.complete(taken[2].0);
    assert_eq!(
        (window.take(), window.low_water(), window.done()),
        (None, 100, 8)
    );
    window.complete(taken[0].0);
    assert_eq!(window.low_water(), 108);
    assert_eq!(window.take().unwrap().1.first, 132);
    assert_eq!(window.take(), None);
    // What was given back goes first.
    window.give_back(taken[1].0);
    assert_eq!(window.take().unwrap().1.first, 108);
}

#[test]
fn the_first_failure_is_found_whatever_the_order() {
    let mut window = Window::<4>::new(0, 80, step(8));
    let taken: Vec<_> = std::iter::from_fn(|| window.take()).collect();
    window.fail(taken[2].0);
    assert_eq!(window.failure(), None);
    window.complete(taken[3].0);
    window.give_back(taken[1].0);
    window.complete(taken[0].0);
    // What is before the failure is still issued, nothing behind it is.
    let (index, extent) = window.take().unwrap();
    assert_eq!((extent.first, window.take()), (8, None));
    window.fail(index);
    assert_eq!(
        window.failure(),
        Some(Extent {
            first: 8,
            sectors: 8
        })
    );
    window.retry_failed();
    assert_eq!(window.failure(), None);
    let again: Vec<_> = std::iter::from_fn(|| window.take())
        .map(|(_, e)| e.first)
        .collect();
    assert_eq!(again, [8, 16, 32]);
}

#[test]
fn ends_that_nobody_waits_for_change_nothing() {
    let mut window = Window::<4>::new(0, 80, step(8));
    for index in [0, 3, 4, usize::MAX] {
        window.complete(index);
        window.fail(index);
        window.give_back(index);
    }
    assert_eq!(
        (window.done(), window.in_flight(), window.failure()),
        (0, 0, None)
    );
    assert_eq!(window.take().unwrap().1.first, 0);
}

proptest! {
    #![proptest_config(crate::fixed(500, 71))]

    /// A window against a map of what is open, with ends in any order.
    #[test]
    fn every_sector_is_done_once(
        begin in 0u64..1000, length in 0u64..300, sectors in 1u32..20,
        choices in proptest::collection::vec((0u8..8, any::<u16>()), 0..400),
    ) {
        let end = begin + length;
        let mut window = Window::<8>::new(begin, end, step(sectors));
        let mut open: BTreeMap<usize, Extent> = BTreeMap::new();
        let mut done = vec![false; usize::try_from(length).unwrap()];
        let mut finish = |window: &mut Window<8>, index: usize, extent: Extent| {
            for sector in extent.first..extent.first + u64::from(extent.sectors) {
                let at = usize::try_from(sector - begin).unwrap();
                assert!(!done[at], "sector {sector} was done twice");
                done[at] = true;
            }
            window.complete(index);
            let low = usize::try_from(window.low_water() - begin).unwrap();
            assert!(done[..low].iter().all(|done| *done));
            assert_eq!(window.done(), done.iter().filter(|done| **done).count() as u64);
        };
        for (choice, which) in choices {
            let picked = open.iter().nth(usize::from(which) % open.len().max(1));
            let picked = picked.map(|(index, extent)| (*index, *extent));
            match (choice, picked) {
                (0, Some((index, _))) => {
                    open.remove(&index);
                    window.give_back(index);
                }
                (1..=3, Some((index, extent))) => {
                    open.remove(&index);
                    finish(&mut window, index, extent);
                }
                _ => if let Some((index, extent)) = window.take() {
                    prop_assert!(index < 8 && extent.sectors > 0);
                    prop_assert!(extent.first + u64::from(extent.sectors) <= end);
                    prop_assert!(extent.first < window.low_water() + 8 * u64::from(sectors));
                    prop_assert!(open.insert(index, extent).is_none(), "place {index} twice");
                }
            }
            prop_assert_eq!(window.in_flight(), open.len());
        }
        loop {
            while let Some((index, extent)) = window.take() {
                open.insert(index, extent);
            }
            let Some((index, extent)) = open.pop_last() else { break };
            finish(&mut window, index, extent);
        }
        prop_assert!(window.is_finished());
        prop_assert_eq!((window.done(), window.low_water()), (length, end));
    }

    /// Bad sectors anywhere, answers in any order: the failure is that of the first bad sector.
    #[test]
    fn the_first_bad_extent_is_told(
        bad in proptest::collection::btree_set(0u64..200, 1..5), seed in any::<u64>(),
    ) {
        let mut window = Window::<8>::new(0, 200, step(7));
        let mut random = crate::Random(seed);
        let mut open: Vec<(usize, Extent)> = Vec::new();
        let failed = loop {
            if let Some(failed) = window.failure() {
                break failed;
            }
            while let Some(taken) = window.take() {
                open.push(taken);
            }
            prop_assert!(!open.is_empty());
            let at = usize::try_from(random.below(open.len() as u64)).unwrap();
            let (index, extent) = open.swap_remove(at);
            let range = extent.first..extent.first + u64::from(extent.sectors);
            match bad.range(range).next() {
                _ if random.below(5) == 0 => window.give_back(index),
                Some(_) => window.fail(index),
                None => window.complete(index),
            }
        };
        let first = *bad.first().unwrap();
        let range = failed.first..failed.first + u64::from(failed.sectors);
        prop_assert!(range.contains(&first));
        prop_assert_eq!(window.low_water(), failed.first);
    }

    #[test]
    fn the_first_bad_block_is_named(
        first in 0u64..1 << 40, blocks in 1u64..2000, shift in 0u32..4,
        bad in proptest::collection::btree_set(0u64..2000, 0..4),
    ) {
        let block = 1u64 << shift;
        let first = first * block;
        let extent = Extent { first, sectors: u32::try_from(blocks * block).unwrap() };
        let mut narrow = Narrow::new(extent, step(1 << shift));
        let bad: Vec<u64> = bad.into_iter().filter(|b| *b < blocks).map(|b| first + b * block).collect();
        let mut reads = 0;
        let found = loop {
            match narrow.step() {
                Step::Read(part) => {
                    let range = part.first..part.first + u64::from(part.sectors);
                    prop_assert!(range.start >= first && range.end <= first + blocks * block);
                    prop_assert!(part.sectors > 0 && u64::from(part.sectors) % block == 0);
                    narrow.answer(!bad.iter().any(|b| range.contains(b)));
                    reads += 1;
                    prop_assert!(reads <= 25, "{reads} reads of {blocks} blocks");
                }
                Step::Found(sector) => break Some(sector),
                Step::Healed => break None,
            }
        };
        prop_assert_eq!(found, bad.first().copied());
    }

    /// However often it is asked, no more goes in a time than the rate, the burst and one extent.
    #[test]
    fn a_rate_is_kept(
        rate in 4096u64..1 << 34, bytes in 512u32..4 << 20,
        waits in proptest::collection::vec(0u64..200_000, 1..300),
    ) {
        let mut bucket = Bucket::new(Some(rate), 0);
        let (mut now, mut went) = (0, 0u64);
        for wait in waits {
            now += wait;
            for _ in 0..20 {
                match bucket.take(now, bytes) {
                    Ok(()) => went += u64::from(bytes),
                    Err(wait) => { prop_assert!(wait > 0); break }
                }
            }
            let most = u128::from(rate) * u128::from(now) / u128::from(SECOND);
            let slack = u128::from(rate / 10 + u64::from(bytes) + 1);
            prop_assert!(u128::from(went) <= most + slack, "{went} of {most} at {now}");
        }
    }

    /// Who waits as long as he is told gets his rate.
    #[test]
    fn a_rate_is_reached(rate in 4096u64..1 << 30, bytes in 512u32..4 << 20) {
        let mut bucket = Bucket::new(Some(rate), 0);
        let (mut now, mut went) = (0u64, 0u64);
        for _ in 0..2000 {
            match bucket.take(now, bytes) {
                Ok(()) => went += u64::from(bytes),
                Err(wait) => now += wait,
            }
        }
        let least = u128::from(rate) * u128::from(now) / u128::from(SECOND) * 98 / 100;
        prop_assert!(u128::from(went) >= least, "{went} in {now} us at {rate}");
    }

    #[test]
    fn nothing_overflows(
        rates in proptest::collection::vec(proptest::option::of(any::<u64>()), 1..20),
        times in proptest::collection::vec(any::<u64>(), 20), bytes in any::<u32>(),
    ) {
        let mut bucket = Bucket::new(rates[0], times[0]);
        let mut meter = Meter::new(times[0], bytes.into());
        let mut yielding = Yielding::new(rates[0].unwrap_or(0));
        for (index, rate) in rates.iter().enumerate() {
            let now = times[index];
            bucket.set_rate(rate.map(|rate| rate.max(1 << 30)), now);
            let _ = bucket.take(now, bytes);
            bucket.give_back(bytes);
            meter.tell(now, rate.unwrap_or(0));
            let measured = meter.rate(now, times[0]);
            yielding.period(index % 2 == 0, measured);
            let rate = yielding.rate(None);
            prop_assert!(rate.is_none_or(|rate| rate > 0 && rate <= MAX_RATE));
            let _ = time_left(now, measured);
        }
    }

    /// The application is given way to, never below the floor, and the job comes back.
    #[test]
    fn a_job_stands_back_and_returns(floor in 1u64..1 << 30, rate in 1u64..1 << 34) {
        let mut yielding = Yielding::new(floor);
        prop_assert_eq!(yielding.rate(None), None);
        let mut last = u64::MAX;
        for _ in 0..60 {
            yielding.period(true, rate.min(last));
            let now = yielding.rate(None).unwrap();
            prop_assert!(now >= floor && now <= last.max(floor));
            last = now;
        }
        prop_assert_eq!(last, floor);
        prop_assert_eq!(yielding.rate(Some(1)), Some(1));
        let mut periods = 0;
        while yielding.yields() {
            yielding.period(false, 0);
            periods += 1;
        }
        // From a byte in a second to no limit, four seconds at most.
        prop_assert!(periods * PERIOD <= 4 * SECOND, "{periods} periods");
        prop_assert_eq!(yielding.rate(Some(MAX_RATE * 2)), Some(MAX_RATE * 2));
    }
}

#[test]
fn no_limit_is_no_limit() {
    let mut bucket = Bucket::new(None, 0);
    for _ in 0..1000 {
        assert_eq!(bucket.take(0, u32::MAX), Ok(()));
    }
    bucket.set_rate(Some(1 << 20), 5);
    assert_eq!(bucket.take(5, 1 << 20), Ok(()));
    assert_eq!(bucket.take(5, 1), Err(SECOND));
    bucket.give_back(1 << 20);
    assert_eq!(bucket.take(5, 1), Ok(()));
}

#[test]
fn a_debt_does_not_outlive_its_rate() {
    let mut bucket = Bucket::new(Some(1 << 30), 0);
    while bucket.take(0, 4 << 20).is_ok() {}
    bucket.set_rate(Some(4096), 0);
    let wait = bucket.take(0, 1).unwrap_err();
    assert!(wait <= SECOND, "{wait}");
}

#[test]
fn a_meter_tells_the_rate_of_the_last_seconds() {
    let mut meter = Meter::new(0, 0);
    assert_eq!(meter.rate(0, 0), 0);
    assert_eq!(meter.rate(SECOND, 1 << 20), 1 << 20);
    let mut bytes = 0;
    for tenth in 0..100 {
        meter.tell(tenth * SECOND / 10, bytes);
        bytes += 1 << 20;
    }
    assert_eq!(meter.rate(10 * SECOND, bytes), 10 << 20);
    // Then it is ten times as slow; five seconds later nothing else is remembered.
    for tenth in 100..160 {
        meter.tell(tenth * SECOND / 10, bytes);
        bytes += 1 << 20 >> 4;
    }
    assert_eq!(meter.rate(16 * SECOND, bytes), (1 << 20 >> 4) * 10);
}

#[test]
fn the_time_left_is_told() {
    assert_eq!(time_left(10 << 20, 1 << 20), Some(10_000));
    assert_eq!(time_left((1 << 20) + (1 << 19), 1 << 20), Some(1_500));
    assert_eq!(time_left(0, 5), Some(0));
    assert_eq!(time_left(5, 0), None);
    assert_eq!(time_left(u64::MAX, 1), None);
    assert_eq!(time_left(u64::MAX, u64::MAX), Some(1_000));
}
