// SPDX-License-Identifier: GPL-2.0

//! The stay of a remote node at a place: attempts that count, and the clock of the retry limit.

use dst_core::stay::{Stay, Turn};
use proptest::prelude::*;

/// A node that was away at the place from 0 to `until`, looked at four times a second.
fn away(until: u64) -> Stay {
    let mut stay = Stay::new();
    look(&mut stay, 0, until);
    stay
}

/// Looks at a node that is away from `from` to `until`; what was said last.
fn look(stay: &mut Stay, from: u64, until: u64) -> u64 {
    let looks = (from..until).step_by(250).chain([until]);
    looks.fold(0, |_, now| stay.tried(true, now))
}

#[test]
fn a_node_that_is_away_is_tried() {
    let mut stay = away(900);
    assert_eq!(stay.tried(true, 1000), 1000);
    assert_eq!(stay.tried(false, 1100), 0);
    assert_eq!(stay.tried(true, 1200), 0, "it was connected meanwhile");
    assert_eq!(stay.tried(true, 1300), 100);
    assert_eq!(stay.tried(true, 1200), 100, "a clock that goes backwards");
}

#[test]
fn replacements_that_change_nothing_are_no_reprieve() {
    let mut stay = Stay::new();
    let mut now = 0;
    for round in 1..=100 {
        look(&mut stay, now, now + 500);
        stay.hold(false, now + 500);
        assert_eq!(stay.tried(true, now + 600), 0, "it is not given up now");
        assert_eq!(stay.tried(true, now + 5000), 0);
        now += 6000;
        stay.let_go(false, now);
        assert_eq!(stay.tried(true, now), round * 500, "round {round}");
    }
}

#[test]
fn replacements_between_two_looks_are_no_reprieve() {
    let mut stay = Stay::new();
    // Each look finds the node held.
    assert_eq!(stay.tried(true, 0), 0);
    for now in (0..100_000).step_by(250) {
        stay.hold(false, now + 200);
        assert_eq!(stay.tried(true, now + 210), 0);
        stay.let_go(false, now + 250);
    }
    assert_eq!(stay.tried(true, 100_000), 80_000);
}

#[test]
fn time_in_which_it_is_held_does_not_count() {
    let mut stay = away(1000);
    stay.hold(false, 1000);
    // Nobody has looked meanwhile.
    stay.let_go(false, 50_000);
    assert_eq!(look(&mut stay, 50_000, 50_500), 1500);
}

#[test]
fn another_place_has_all_the_time() {
    let mut stay = away(1000);
    stay.hold(false, 1000);
    stay.let_go(true, 1200);
    assert_eq!(look(&mut stay, 1200, 1700), 500);
    stay.hold(false, 1700);
    stay.let_go(true, 1800);
    assert_eq!(stay.tried(true, 1800), 0);
    // It was connected there.
    assert_eq!(stay.tried(false, 2000), 0);
    assert_eq!(look(&mut stay, 2500, 3000), 500);
}

#[test]
fn only_attempts_of_the_present_turn_count() {
    let mut stay = Stay::new();
    let first = stay.turn();
    assert_eq!(first, Turn::FIRST);
    assert!(stay.is_current(first) && stay.is_fresh());
    assert!(stay.settle(first));
    assert!(!stay.is_fresh());
    stay.hold(false, 0);
    assert!(!stay.is_current(first));
    assert!(
        !stay.settle(first),
        "what ends while no connection is used tells nothing"
    );
    stay.let_go(true, 0);
    let second = stay.turn();
    assert!(second != first && stay.is_fresh());
    assert!(
        !stay.settle(first),
        "an attempt at the place before is no try of this one"
    );
    assert!(
        stay.is_fresh(),
        "nor is it known whether the node can be reached here"
    );
    assert!(stay.settle(second));
    assert!(!stay.is_fresh());
}

#[test]
fn a_node_that_stays_is_known() {
    // It was away, and fails fast on.
    let mut stay = away(1000);
    assert!(stay.settle(stay.turn()));
    stay.hold(false, 1000);
    stay.let_go(false, 1000);
    assert!(!stay.is_fresh());
    // It was connected, and whether it can be again is to be seen.
    stay.hold(true, 1000);
    assert!(!stay.is_fresh());
    stay.let_go(false, 1000);
    assert!(stay.is_fresh());
}

proptest! {
    #![proptest_config(super::fixed(512, 73))]

    /// However often it is held, and whenever it is looked at, the time at a place is that in which it was not held there.
    #[test]
    fn the_time_at_a_place_adds_up(steps in prop::collection::vec((0..4_u8, 1..2000_u64), 1..60)) {
        let mut stay = Stay::new();
        let (mut now, mut sum, mut held) = (0, 0, false);
        stay.tried(true, now);
        for (what, step) in steps {
            now += step;
            sum += if held { 0 } else { step };
            match what {
                0 if !held => {
                    stay.hold(false, now);
                    held = true;
                }
                0 | 1 if held => {
                    stay.let_go(what == 0, now);
                    held = false;
                    sum *= u64::from(what);
                }
                2 => prop_assert_eq!(stay.tried(true, now), if held { 0 } else { sum }),
                _ => {}
            }
        }
        if held {
            stay.let_go(false, now);
        }
        prop_assert_eq!(stay.tried(true, now), sum);
    }
}
