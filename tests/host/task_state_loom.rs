// SPDX-License-Identifier: GPL-2.0

//! The executor's use of the task state table, under every interleaving and every reordering
//! that the memory model allows (loom).
//!
//! The model: one task, a run queue, workers that take it from there, a waker that makes the task's
//! condition true and wakes it, and somebody who cancels. What is checked:
//!
//! - no wake is lost: once all threads are through and the queue is empty, the task has seen its
//!   condition;
//! - two workers never have the task at the same time;
//! - the task is on the queue at most once;
//! - its future is dropped once and its end reported once, after the drop.
//!
//! Then the table, or the way it is used, is broken on purpose; each fault must be found.

use std::panic::{catch_unwind, AssertUnwindSafe};

use dst_core::task_state::{on, Action, Event, State};
use loom::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use loom::sync::{Arc, Mutex};
use loom::thread;

type Table = fn(Event, State) -> Option<(State, Action)>;

/// How an executor uses the table.
#[derive(Clone, Copy)]
struct Rules {
    table: Table,
    /// Whether a transition that changes nothing is put in place all the same.
    always_exchange: bool,
}

const RIGHT: Rules = Rules {
    table: on,
    always_exchange: true,
};

/// What runs at the same time.
type Threads = &'static [fn(&Task)];

struct Task {
    rules: Rules,
    state: AtomicU32,
    /// What the future waits for. Relaxed: the state alone has to order it.
    condition: AtomicBool,
    held: AtomicBool,
    /// Whether it is on the run queue.
    queue: Mutex<bool>,
    drops: AtomicU32,
    finished: AtomicU32,
}

impl Task {
    fn new(rules: Rules) -> Arc<Self> {
        let task = Arc::new(Self {
            rules,
            state: AtomicU32::new(State::IDLE.bits()),
            condition: AtomicBool::new(false),
            held: AtomicBool::new(false),
            queue: Mutex::new(false),
            drops: AtomicU32::new(0),
            finished: AtomicU32::new(0),
        });
        task.signal(Event::Wake);
        task
    }

    fn apply(&self, event: Event) -> Action {
        let mut bits = self.state.load(Ordering::Acquire);
        loop {
            let (next, action) = (self.rules.table)(event, State::from_bits(bits))
                .unwrap_or_else(|| panic!("{event:?} cannot occur in state {bits:#x}"));
            if next.bits() == bits && !self.rules.always_exchange {
                return action;
            }
            let done =
                self.state
                    .compare_exchange(bits, next.bits(), Ordering::AcqRel, Ordering::Acquire);
            match done {
                Ok(_) => return action,
                Err(now) => bits = now,
            }
        }
    }

    fn enqueue(&self) {
        let mut queue = self.queue.lock().unwrap();
        assert!(!*queue, "queued twice");
        *queue = true;
    }

    /// A wake or a cancellation, from outside.
    fn signal(&self, event: Event) {
        match self.apply(event) {
            Action::Enqueue => self.enqueue(),
            Action::Nothing => {}
            other => panic!("{other:?} is not for who wakes or cancels"),
        }
    }

    fn make_ready(&self) {
        self.condition.store(true, Ordering::Relaxed);
        self.signal(Event::Wake);
    }

    /// Takes the task off the queue and does what the table says; `false` if it was not there.
    fn work(&self) -> bool {
        if !std::mem::take(&mut *self.queue.lock().unwrap()) {
            return false;
        }
        let mut action = self.apply(Event::Begin);
        assert!(!self.held.swap(true, Ordering::Relaxed), "two workers");
        loop {
            let event = match action {
                Action::Poll if !self.condition.load(Ordering::Relaxed) => Event::EndPending,
                Action::Poll | Action::Drop => {
                    self.drops.fetch_add(1, Ordering::Relaxed);
                    Event::EndReady
                }
                other => panic!("{other:?} is not for a worker at work"),
            };
            // From the end on another worker may have it, unless it is told to drop.
            self.held.store(false, Ordering::Relaxed);
            action = self.apply(event);
            match action {
                Action::Nothing => return true,
                Action::Enqueue => {
                    self.enqueue();
                    return true;
                }
                Action::Finish => {
                    assert_eq!(self.drops.load(Ordering::Relaxed), 1, "end before drop");
                    self.finished.fetch_add(1, Ordering::Relaxed);
                    return true;
                }
                _ => assert!(!self.held.swap(true, Ordering::Relaxed), "two workers"),
            }
        }
    }

    /// All threads are through: what is left on the queue is worked off, then all must be over.
    fn conclude(&self) {
        while self.work() {}
        let state = State::from_bits(self.state.load(Ordering::Acquire));
        assert!(state.is_done(), "a wake was lost: {state:?}");
        assert_eq!(self.drops.load(Ordering::Relaxed), 1, "drops");
        assert_eq!(self.finished.load(Ordering::Relaxed), 1, "ends");
    }
}

fn run(rules: Rules, threads: Threads) {
    let mut builder = loom::model::Builder::new();
    // How often a thread is interrupted that could go on. Every fault below needs one at most.
    builder.preemption_bound = Some(2);
    builder.check(move || {
        let task = Task::new(rules);
        let threads: Vec<_> = threads
            .iter()
            .map(|body| {
                let task = task.clone();
                thread::spawn(move || body(&task))
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        task.conclude();
    });
}

fn waker(task: &Task) {
    task.make_ready();
}

fn idle_waker(task: &Task) {
    task.signal(Event::Wake);
}

fn canceller(task: &Task) {
    task.signal(Event::Cancel);
}

fn worker(task: &Task) {
    task.work();
    task.work();
}

const WAKE: Threads = &[waker, worker, worker];
const WAKE_TWICE: Threads = &[waker, idle_waker, worker];
const CANCEL: Threads = &[canceller, idle_waker, worker];
const CANCEL_AND_READY: Threads = &[canceller, waker, worker];

#[test]
fn no_wake_is_lost() {
    run(RIGHT, WAKE);
}

#[test]
fn several_wakers() {
    run(RIGHT, WAKE_TWICE);
}

#[test]
fn a_cancelled_task_is_dropped() {
    run(RIGHT, CANCEL);
}

#[test]
fn cancel_against_ready() {
    run(RIGHT, CANCEL_AND_READY);
}

/// The model must find the fault.
fn must_fail(name: &str, threads: Threads, rules: Rules) {
    let found = catch_unwind(AssertUnwindSafe(|| run(rules, threads))).is_err();
    assert!(found, "the fault \"{name}\" was not found");
}

/// The right table but for one event in some states.
macro_rules! broken {
    ($event:pat, $condition:expr, $result:expr) => {
        Rules {
            table: |event, state| {
                let right = on(event, state);
                let condition: fn(State) -> bool = $condition;
                if matches!(event, $event) && condition(state) {
                    let result: fn(State, State, Action) -> (State, Action) = $result;
                    right.map(|(next, action)| result(state, next, action))
                } else {
                    right
                }
            },
            always_exchange: true,
        }
    };
}

#[test]
fn faults_of_waking_are_found() {
    must_fail(
        "a wake while running is forgotten",
        WAKE,
        broken!(Event::Wake, State::is_running, |old, _, action| (
            old, action
        )),
    );
    must_fail(
        "a wake while running queues at once",
        WAKE,
        broken!(Event::Wake, State::is_running, |_, next, _| (
            next,
            Action::Enqueue
        )),
    );
    must_fail(
        "a wake while queued queues again",
        WAKE_TWICE,
        broken!(Event::Wake, State::is_queued, |_, next, _| (
            next,
            Action::Enqueue
        )),
    );
    must_fail(
        "the end of a poll forgets that it was woken",
        WAKE,
        broken!(Event::EndPending, |_| true, |_, _, _| (
            State::IDLE,
            Action::Nothing
        )),
    );
}

#[test]
fn faults_of_cancelling_and_ending_are_found() {
    must_fail(
        "cancelling an idle task queues nothing",
        CANCEL,
        broken!(Event::Cancel, |state| state == State::IDLE, |_, next, _| (
            next,
            Action::Nothing
        )),
    );
    must_fail(
        "who cancels an idle task finishes it itself",
        CANCEL,
        broken!(Event::Cancel, |state| state == State::IDLE, |_, next, _| (
            next,
            Action::Drop
        )),
    );
    must_fail(
        "the end of the last poll is reported to nobody",
        WAKE,
        broken!(Event::EndReady, |_| true, |_, next, _| (
            next,
            Action::Nothing
        )),
    );
}

#[test]
fn a_fault_of_the_executor_is_found() {
    must_fail(
        "a transition that changes nothing publishes nothing",
        WAKE_TWICE,
        Rules {
            table: on,
            always_exchange: false,
        },
    );
}
