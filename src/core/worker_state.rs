// SPDX-License-Identifier: GPL-2.0

//! What a worker of a pool is doing, and who may hand it what.
//!
//! The run queue of a pool keeps a [`WorkerState`] for each worker under its lock. Everything that
//! passes a worker on from one hand to another is a transition here, so that the way from "there is
//! work" to "somebody does it" can be explored by a model (`tests/host/worker_state.rs`).
//!
//! ```text
//!               work, or asked to leave
//!        IDLE --------------------------------> AWAKE <-------------+-------------------+
//!         |  ^                                   | | | release      | run the action    |
//!         |  +-------- finds nothing ------------+ | +---------- RESERVED --- give ---> GIVEN
//!         |                                        |  for a caller  ^
//!         |             chosen for a caller that waited ------------+
//!         +------------ chosen by a caller that finds it idle ------+
//!
//!        AWAKE --- told to leave, and looks for work ---> LEAVING --- context dropped ---> GONE
//! ```
//!
//! What it guarantees:
//!
//! - Work that is queued wakes an idle worker, if there is one. A worker that was woken and leaves
//!   instead, or serves a caller that has waited for it, passes the wake-up on ([`Order::Leave`],
//!   [`Order::Answer`]). So nothing waits while a worker sleeps.
//! - A worker that runs something, or is promised to a caller, does that first and leaves after
//!   it: being told to leave is a mark that it sees when it looks for work again.
//! - Who was promised a worker gets it: such a worker takes no other work and does not leave.

/// What a worker is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// It sleeps, and there was nothing to do when it looked.
    Idle,
    /// It runs something, or is on the way to look for work.
    Awake,
    /// It sleeps, and was chosen for a caller that prepares an action.
    Reserved,
    /// It was given an action.
    Given,
    /// It has looked for work for the last time.
    Leaving,
    /// Its context was dropped; nothing is left but to join the thread.
    Gone,
}

/// A worker as its pool's run queue knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WorkerState {
    /// What it is doing.
    pub phase: Phase,
    /// It was told to leave.
    pub leave: bool,
}

/// What others do to a worker, under the run queue's lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// Something was queued, or the workers are to look for another reason.
    Work,
    /// A caller has chosen it.
    Reserve,
    /// The caller that has chosen it gives it an action.
    Give,
    /// The caller that has chosen it does not need it.
    Release,
    /// It is to leave.
    Leave,
    /// It need not leave any more, if it has not gone yet.
    Stay,
    /// It has dropped its context.
    Exit,
}

impl Event {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Work,
        Self::Reserve,
        Self::Give,
        Self::Release,
        Self::Leave,
        Self::Stay,
        Self::Exit,
    ];
}

/// What a worker finds when it looks, under the run queue's lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Found {
    /// Nothing.
    Nothing,
    /// A task.
    Task,
    /// A caller that waits for a worker such as this one.
    Caller,
}

/// What a worker does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Order {
    /// Sleep until it is woken, and look again.
    Sleep,
    /// Take the task and run it.
    Run,
    /// Tell the caller that it is chosen for it, and sleep; pass the wake-up on.
    Answer,
    /// Run the action that it was given.
    Act,
    /// Drop its context and end; pass the wake-up on: it may have been woken for work that it does
    /// not do, so if there is work and an idle worker, that one is woken.
    Leave,
}

/// The new state after `event`, and whether the worker has to be woken.
///
/// `None` if that cannot occur in this state: the caller has a fault, and must do nothing.
pub const fn on(event: Event, state: WorkerState) -> Option<(WorkerState, bool)> {
    let WorkerState { phase, leave } = state;
    let (phase, leave, wake) = match (event, phase) {
        // Whoever is told to leave is awake.
        (Event::Work | Event::Reserve, Phase::Idle) if leave => return None,
        (Event::Work, Phase::Idle) => (Phase::Awake, leave, true),
        (Event::Reserve, Phase::Idle) => (Phase::Reserved, leave, false),

        (Event::Give, Phase::Reserved) => (Phase::Given, leave, true),
        (Event::Release, Phase::Reserved) => (Phase::Awake, leave, true),

        (Event::Leave, Phase::Idle) => (Phase::Awake, true, true),
        (Event::Leave, Phase::Awake | Phase::Reserved | Phase::Given) => (phase, true, false),
        (Event::Stay, Phase::Awake | Phase::Reserved | Phase::Given) => (phase, false, false),
        (Event::Leave | Event::Stay, Phase::Leaving | Phase::Gone) => (phase, leave, false),

        (Event::Exit, Phase::Leaving) => (Phase::Gone, leave, false),
        _ => return None,
    };
    Some((WorkerState { phase, leave }, wake))
}

/// What the worker of `state` does next, and its new state. It looks when it has begun, when it was
/// woken, and when it has done what it was told.
///
/// `surplus`: the pool has more workers than it should, so whoever looks first leaves. `stopping`:
/// the pool is being destroyed, so a worker leaves when it finds nothing.
pub const fn look(
    state: WorkerState,
    found: Found,
    surplus: bool,
    stopping: bool,
) -> (WorkerState, Order) {
    let WorkerState { phase, leave } = state;
    let (phase, order) = match phase {
        // Woken by something else than its pool.
        Phase::Idle | Phase::Reserved => (phase, Order::Sleep),
        Phase::Given => (Phase::Awake, Order::Act),
        Phase::Awake if leave || surplus => (Phase::Leaving, Order::Leave),
        Phase::Awake => match found {
            Found::Task => (Phase::Awake, Order::Run),
            Found::Caller => (Phase::Reserved, Order::Answer),
            Found::Nothing if stopping => (Phase::Leaving, Order::Leave),
            Found::Nothing => (Phase::Idle, Order::Sleep),
        },
        Phase::Leaving | Phase::Gone => (phase, Order::Leave),
    };
    (WorkerState { phase, leave }, order)
}

impl WorkerState {
    /// A worker that begins: it looks for work first.
    pub const fn new() -> Self {
        Self {
            phase: Phase::Awake,
            leave: false,
        }
    }

    /// Whether it will take more work.
    pub const fn stays(self) -> bool {
        !self.leave && self.is_there()
    }

    /// Whether it has not left yet.
    pub const fn is_there(self) -> bool {
        !matches!(self.phase, Phase::Leaving | Phase::Gone)
    }

    /// Whether it sleeps for want of work.
    pub const fn is_idle(self) -> bool {
        matches!(self.phase, Phase::Idle)
    }
}

impl Default for WorkerState {
    fn default() -> Self {
        Self::new()
    }
}
