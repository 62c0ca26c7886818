// SPDX-License-Identifier: GPL-2.0

//! Leases: one at a time works, whatever is late.

use dst_core::lease::{Entry, Holding, Lost, Next, Refused, Terms};
use proptest::prelude::*;

const MS: u64 = 1_000_000;

fn terms(duration: u64, margin: u64) -> Terms {
    Terms::new(duration * MS, margin * MS).unwrap()
}

#[test]
fn terms_leave_time_for_work() {
    assert!(Terms::new(10 * MS, 10 * MS).is_none());
    assert!(Terms::new(10 * MS, 9 * MS).is_none());
    assert!(Terms::new(10 * MS, 8 * MS).is_some());
    assert!(Terms::new(0, 0).is_none());
    assert!(Terms::new(5, u64::MAX).is_none());
    assert!(Terms::new(u64::MAX, 0).is_none());
    let terms = terms(10, 4);
    assert_eq!((terms.duration(), terms.margin()), (10 * MS, 4 * MS));
}

#[test]
fn the_holder_renews_at_half_time_and_stops_at_the_margin() {
    let mut entry = Entry::new();
    let mut holding = entry.acquire(100 * MS, terms(10, 4)).unwrap();
    assert_eq!(
        (holding.renews_at(), holding.stops_at()),
        (103 * MS, 106 * MS)
    );
    assert_eq!(holding.next(100 * MS), Next::Wait(103 * MS));
    assert_eq!(holding.next(103 * MS), Next::Renew);
    assert_eq!(holding.next(106 * MS - 1), Next::Renew);
    assert_eq!(holding.next(106 * MS), Next::Stop);
    assert_eq!(entry.renew(104 * MS, &holding), Ok(()));
    // It counts from the question, which came before the table's answer.
    assert!(holding.renewed(103 * MS, 105 * MS));
    assert_eq!(holding.stops_at(), 109 * MS);
    assert_eq!(
        entry.acquire(113 * MS, terms(10, 4)),
        Err(Refused::Held(114 * MS))
    );
    // An answer after the margin has begun is no use.
    assert!(!holding.renewed(108 * MS, 109 * MS));
    assert_eq!(holding.next(109 * MS), Next::Stop);
}

#[test]
fn a_renewal_that_comes_too_late_is_refused() {
    let mut entry = Entry::new();
    let first = entry.acquire(0, terms(10, 2)).unwrap();
    assert_eq!(
        entry.acquire(10 * MS - 1, terms(10, 2)),
        Err(Refused::Held(10 * MS))
    );
    // Although nobody else has it.
    assert_eq!(entry.renew(10 * MS, &first), Err(Lost::Late));
    let second = entry.acquire(10 * MS, terms(10, 2)).unwrap();
    assert_ne!(first.number(), second.number());
    assert_eq!(entry.renew(11 * MS, &first), Err(Lost::Gone));
    // What the first one still does is not the second one's.
    entry.release(first.number());
    entry.end(first.number());
    assert_eq!(entry.renew(11 * MS, &second), Ok(()));
    entry.release(second.number());
    assert!(entry.is_free());
    assert_eq!(entry.renew(12 * MS, &second), Err(Lost::Gone));
}

#[test]
fn work_that_overstays_keeps_others_out() {
    let mut entry = Entry::new();
    let first = entry.acquire(0, terms(10, 2)).unwrap();
    assert_eq!(
        entry.begin(8 * MS, &first),
        Err(Lost::Late),
        "no work in the margin"
    );
    assert_eq!(entry.begin(7 * MS, &first), Ok(()));
    assert_eq!(entry.acquire(20 * MS, terms(10, 2)), Err(Refused::Leaving));
    entry.release(first.number());
    assert_eq!(entry.acquire(21 * MS, terms(10, 2)), Err(Refused::Leaving));
    assert!(!entry.is_free());
    entry.end(first.number());
    assert!(entry.is_free());
    assert!(entry.acquire(22 * MS, terms(10, 2)).is_ok());
}

#[test]
fn a_revoked_lease_is_not_renewed() {
    let mut entry = Entry::new();
    entry.revoke();
    let first = entry.acquire(0, terms(10, 2)).unwrap();
    assert!(!entry.is_revoked(first.number()));
    entry.revoke();
    assert!(entry.is_revoked(first.number()));
    assert_eq!(entry.renew(MS, &first), Err(Lost::Revoked));
    assert_eq!(entry.begin(MS, &first), Err(Lost::Revoked));
    // It is still its holder's until it lets go or the time is over.
    assert_eq!(entry.acquire(MS, terms(10, 2)), Err(Refused::Held(10 * MS)));
    entry.release(first.number());
    assert!(!entry.is_revoked(first.number()));
    assert!(entry.acquire(MS, terms(10, 2)).is_ok());
}

/// A holder of the model: answers reach it late, and its work ends late.
struct Client {
    holding: Option<Holding>,
    /// When it asked for the renewal that was granted, until the answer arrives.
    answer: Option<u64>,
    working: bool,
}

#[derive(Clone, Copy, Debug)]
enum Event {
    Acquire(usize),
    Begin(usize),
    Ask(usize),
    Answer(usize),
    /// Looks at the clock and stops if that is due.
    Look(usize),
    Release(usize),
    Revoke,
    Pass(u64),
}

fn event() -> impl Strategy<Value = Event> {
    let who = 0..3usize;
    prop_oneof![
        3 => who.clone().prop_map(Event::Acquire),
        3 => who.clone().prop_map(Event::Begin),
        3 => who.clone().prop_map(Event::Ask),
        3 => who.clone().prop_map(Event::Answer),
        3 => who.clone().prop_map(Event::Look),
        1 => who.prop_map(Event::Release),
        1 => Just(Event::Revoke),
        6 => (0..5 * MS).prop_map(Event::Pass),
    ]
}

/// What keeps two from working at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Guard {
    /// The table sees the work.
    Table,
    /// The table sees nothing, but work ends within the margin.
    Margin,
    Nothing,
}

/// Runs the events. `Err` names the rule that was broken.
fn play(events: &[Event], terms: Terms, guard: Guard) -> Result<(), String> {
    let mut entry = Entry::new();
    let mut now = 0u64;
    let mut clients: Vec<Client> = (0..3)
        .map(|_| Client {
            holding: None,
            answer: None,
            working: false,
        })
        .collect();
    for event in events {
        match *event {
            Event::Pass(time) => now += time,
            Event::Revoke => entry.revoke(),
            Event::Acquire(who) if clients[who].holding.is_none() => {
                clients[who].holding = entry.acquire(now, terms).ok();
            }
            Event::Begin(who) => {
                let client = &mut clients[who];
                if let Some(holding) = &client.holding {
                    let began = entry.begin(now, holding).is_ok();
                    client.working |= began;
                    if began && guard != Guard::Table {
                        entry.end(holding.number());
                    }
                }
            }
            Event::Ask(who) => {
                let client = &mut clients[who];
                if let Some(holding) = &client.holding {
                    if holding.next(now) == Next::Renew && entry.renew(now, holding).is_ok() {
                        client.answer = Some(now);
                    }
                }
            }
            Event::Answer(who) => {
                let client = &mut clients[who];
                if let (Some(holding), Some(asked)) = (&mut client.holding, client.answer.take()) {
                    holding.renewed(asked, now);
                }
            }
            Event::Look(who) | Event::Release(who) => {
                let client = &mut clients[who];
                let Some(holding) = &client.holding else {
                    continue;
                };
                if matches!(event, Event::Release(_)) || holding.next(now) == Next::Stop {
                    client.working = false;
                    entry.end(holding.number());
                    entry.release(holding.number());
                    client.holding = None;
                    client.answer = None;
                }
            }
            Event::Acquire(_) => {}
        }
        if guard == Guard::Margin {
            // The holders look in time.
            for client in &mut clients {
                let Some(holding) = &client.holding else {
                    continue;
                };
                if now >= holding.stops_at().saturating_add(terms.margin()) {
                    client.working = false;
                }
            }
        }
        if clients.iter().filter(|client| client.working).count() > 1 {
            return Err(format!("two work at {now} after {event:?}"));
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(crate::fixed(1000, 71))]

    /// The table sees the work: holders may be as late as they like.
    #[test]
    fn one_works_however_late(events in proptest::collection::vec(event(), 1..80)) {
        prop_assert_eq!(play(&events, terms(10, 4), Guard::Table), Ok(()));
    }

    /// The table sees nothing, but work ends within the margin: that is enough.
    #[test]
    fn one_works_if_it_ends_in_time(events in proptest::collection::vec(event(), 1..80)) {
        prop_assert_eq!(play(&events, terms(10, 4), Guard::Margin), Ok(()));
    }
}

/// The model finds it when both rules are taken away, and each of them is enough against it.
#[test]
fn a_late_holder_is_found() {
    let events = [
        Event::Acquire(0),
        Event::Begin(0),
        Event::Pass(10 * MS),
        Event::Acquire(1),
        Event::Begin(1),
    ];
    let found = play(&events, terms(10, 4), Guard::Nothing);
    assert!(found.is_err_and(|rule| rule.starts_with("two work")));
    assert_eq!(play(&events, terms(10, 4), Guard::Table), Ok(()));
    assert_eq!(play(&events, terms(10, 4), Guard::Margin), Ok(()));
}
