// SPDX-License-Identifier: GPL-2.0

//! The table of task states, exhaustively. The interleavings of what uses it are explored by
//! `tests/executor`.

use std::collections::BTreeSet;

use dst_core::task_state::{on, Action, Event, State};

/// All states that any sequence of events can lead to.
fn reachable() -> BTreeSet<u32> {
    let mut found = BTreeSet::from([State::IDLE.bits()]);
    loop {
        let mut next = found.clone();
        for bits in &found {
            for event in Event::ALL {
                if let Some((state, _)) = on(event, State::from_bits(*bits)) {
                    next.insert(state.bits());
                }
            }
        }
        if next == found {
            return found;
        }
        found = next;
    }
}

#[test]
fn the_states() {
    let states = reachable();
    // IDLE, QUEUED, RUNNING, RUNNING+WOKEN, DONE; the last three of the cancelled ones.
    assert_eq!(states.len(), 8);
    for bits in 0..256 {
        let state = State::from_bits(bits);
        let known = states.contains(&bits);
        let answered = Event::ALL
            .iter()
            .filter(|e| on(**e, state).is_some())
            .count();
        assert_eq!(answered > 0, known, "{bits:#x}");
        if known {
            let is = [state.is_queued(), state.is_running(), state.is_done()];
            let count = is.iter().filter(|set| **set).count();
            assert_eq!(count, usize::from(state != State::IDLE), "{bits:#x}");
        }
    }
    assert_eq!(on(Event::Wake, State::from_bits(u32::MAX)), None);
}

#[test]
fn the_actions() {
    for bits in reachable() {
        let state = State::from_bits(bits);
        for event in Event::ALL {
            let Some((next, action)) = on(event, state) else {
                // Anybody may wake and cancel at any time.
                assert!(!matches!(event, Event::Wake | Event::Cancel));
                continue;
            };
            // On the run queue exactly while queued.
            let enters = next.is_queued() && !state.is_queued();
            assert_eq!(action == Action::Enqueue, enters, "{event:?} {state:?}");
            let leaves = state.is_queued() && !next.is_queued();
            assert_eq!(event == Event::Begin, leaves);
            // The future is polled and dropped by a worker only.
            if matches!(action, Action::Poll | Action::Drop) {
                assert!(matches!(event, Event::Begin | Event::EndPending) && next.is_running());
                assert_eq!(action == Action::Drop, next.is_cancelled());
            }
            assert_eq!(action == Action::Finish, next.is_done() && !state.is_done());
            // Cancelled and done are for ever.
            assert!(next.is_cancelled() || !state.is_cancelled());
            assert!(next.is_done() || !state.is_done());
            if event == Event::Cancel && !state.is_done() {
                assert!(next.is_cancelled());
            }
        }
    }
}

/// Every sequence of up to nine events, with what an executor would do for each action.
#[test]
fn every_short_life() {
    #[derive(Clone, Copy)]
    struct Life {
        state: State,
        queued: u32,
        polls: u32,
        drops: u32,
        finished: u32,
        owed: bool,
    }
    fn live(life: Life, depth: u32) {
        assert!(life.queued <= 1 && life.drops <= 1 && life.finished <= life.drops);
        assert_eq!(life.queued == 1, life.state.is_queued());
        // A wake that was not followed by a poll is remembered.
        let awaits = life.state.is_queued() || life.state.is_running() || life.state.is_done();
        assert!(!life.owed || awaits);
        if depth == 0 {
            return;
        }
        for event in Event::ALL {
            // A worker only begins what it took off the queue, and drops when told.
            let dropping = life.drops == 1;
            let possible = match event {
                Event::Begin => life.queued == 1,
                Event::EndPending => life.state.is_running() && !dropping,
                Event::EndReady => life.state.is_running(),
                Event::Wake | Event::Cancel => true,
            };
            if !possible {
                continue;
            }
            let mut next = life;
            let (state, action) = on(event, life.state).expect("possible events are answered");
            next.state = state;
            match event {
                Event::Begin => next.queued -= 1,
                Event::Wake => next.owed = true,
                // The poll that returned ready dropped the future itself.
                Event::EndReady if !dropping => next.drops += 1,
                _ => {}
            }
            match action {
                Action::Enqueue => next.queued += 1,
                Action::Poll => (next.polls, next.owed) = (next.polls + 1, false),
                Action::Drop => next.drops += 1,
                Action::Finish => next.finished += 1,
                Action::Nothing => {}
            }
            live(next, depth - 1);
        }
    }
    live(
        Life {
            state: State::IDLE,
            queued: 0,
            polls: 0,
            drops: 0,
            finished: 0,
            owed: false,
        },
        9,
    );
}
