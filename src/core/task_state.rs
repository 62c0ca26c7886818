// SPDX-License-Identifier: GPL-2.0

//! States of an executor task and their transitions.
//!
//! A task is a future that workers poll. Wakers call from anywhere (hard interrupt included), any
//! number of workers look for work, and somebody may cancel the task; all of them meet in one
//! atomic word. [`on`] is the whole of the rules: given an event and the word's value, the new
//! value and what the caller has to do once the compare-exchange has succeeded.
//!
//! ```text
//!              wake                 begin                  end(ready)
//!    IDLE ------------> QUEUED ------------> RUNNING ------------------> DONE
//!      ^                  ^                  |     |
//!      |    end(pending)  |                  |     | wake
//!      +------------------|------------------+     v
//!                         +---------------- RUNNING + WOKEN
//!                            end(pending)
//! ```
//!
//! `cancel` adds CANCELLED to any state but DONE, and queues an idle task, so that a worker drops
//! the future: a future is dropped nowhere but on a worker, never by a waker or by who cancels.
//!
//! What the table guarantees (and `tests/host/` checks, by a model of all interleavings):
//!
//! - a task is on the run queue exactly while QUEUED is set, so one link per task is enough;
//! - between `begin` and `end` the task belongs to one worker;
//! - a wake after a poll has begun leads to another poll;
//! - the future is dropped once, by a worker, and [`Action::Finish`] comes once, after it.

/// The word's bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct State(u32);

impl State {
    const QUEUED: u32 = 1 << 0;
    const RUNNING: u32 = 1 << 1;
    const WOKEN: u32 = 1 << 2;
    const DONE: u32 = 1 << 3;
    const CANCELLED: u32 = 1 << 4;

    /// A task that waits to be woken. A new task is in this state; who spawns it wakes it.
    pub const IDLE: Self = Self(0);

    /// From the word. Any value may be given; [`on`] refuses those that cannot occur.
    pub const fn from_bits(bits: u32) -> Self {
        Self(bits)
    }

    /// For the word.
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// On the run queue.
    pub const fn is_queued(self) -> bool {
        self.0 & Self::QUEUED != 0
    }

    /// In the hands of a worker.
    pub const fn is_running(self) -> bool {
        self.0 & Self::RUNNING != 0
    }

    /// The future is gone; the task will never run again.
    pub const fn is_done(self) -> bool {
        self.0 & Self::DONE != 0
    }

    /// Somebody asked it to stop. Long polls may look at this between two steps.
    pub const fn is_cancelled(self) -> bool {
        self.0 & Self::CANCELLED != 0
    }
}

/// What happens to a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// What it waits for may have come. From any context.
    Wake,
    /// A worker has taken it off the run queue.
    Begin,
    /// The worker's poll returned pending.
    EndPending,
    /// The worker has dropped the future: its poll returned ready, or it was told
    /// [`Action::Drop`].
    EndReady,
    /// It is to stop. From any context.
    Cancel,
}

impl Event {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Wake,
        Self::Begin,
        Self::EndPending,
        Self::EndReady,
        Self::Cancel,
    ];
}

/// What whoever brought the event has to do, after the new state is in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Nothing.
    Nothing,
    /// Put the task on the run queue and wake a worker.
    Enqueue,
    /// Poll the future, then report the end.
    Poll,
    /// Drop the future, then report [`Event::EndReady`].
    Drop,
    /// Tell those who wait for its end, and give the run queue's reference back.
    Finish,
}

/// The transition for an event in a state.
///
/// The new state has to be put in place by a compare-exchange that acquires and releases, **even
/// if it is the old one**: a waker that finds the task queued already still has to publish what it
/// did before, or the poll to come may not see it.
///
/// `None` if the event cannot occur in this state: the caller has a fault, and must do nothing.
pub const fn on(event: Event, state: State) -> Option<(State, Action)> {
    const IDLE: u32 = 0;
    const QUEUED: u32 = State::QUEUED;
    const RUNNING: u32 = State::RUNNING;
    const WOKEN: u32 = State::RUNNING | State::WOKEN;
    const DONE: u32 = State::DONE;

    let cancelled = state.0 & State::CANCELLED;
    let plain = state.0 & !State::CANCELLED;
    let (next, action) = match (event, plain) {
        // A cancelled task is queued, running or done.
        (_, IDLE) if cancelled != 0 => return None,
        // A wake of a cancelled task changes nothing: it will be dropped, not polled.
        (_, WOKEN) if cancelled != 0 => return None,

        (Event::Wake, IDLE) => (QUEUED, Action::Enqueue),
        (Event::Wake, RUNNING) if cancelled == 0 => (WOKEN, Action::Nothing),
        (Event::Wake, QUEUED | RUNNING | WOKEN | DONE) => (plain, Action::Nothing),

        (Event::Begin, QUEUED) if cancelled != 0 => (RUNNING, Action::Drop),
        (Event::Begin, QUEUED) => (RUNNING, Action::Poll),

        (Event::EndPending, RUNNING) if cancelled != 0 => (RUNNING, Action::Drop),
        (Event::EndPending, RUNNING) => (IDLE, Action::Nothing),
        (Event::EndPending, WOKEN) => (QUEUED, Action::Enqueue),

        (Event::EndReady, RUNNING | WOKEN) => (DONE, Action::Finish),

        (Event::Cancel, IDLE) => (QUEUED | State::CANCELLED, Action::Enqueue),
        (Event::Cancel, QUEUED) => (QUEUED | State::CANCELLED, Action::Nothing),
        (Event::Cancel, RUNNING | WOKEN) => (RUNNING | State::CANCELLED, Action::Nothing),
        (Event::Cancel, DONE) => (DONE, Action::Nothing),

        _ => return None,
    };
    Some((State(next | cancelled), action))
}
