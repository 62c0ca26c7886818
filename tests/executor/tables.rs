// SPDX-License-Identifier: GPL-2.0

//! `dst_core` for the executor: the tables of the driver, each with transitions that can be broken.

pub mod task_state {
    //! The table of task states.

    pub use dst_core::task_state::{Action, Event, State};

    /// What [`on`] does wrong if asked to. A state is named by its predicates.
    pub const FAULTS: &[&str] = &[
        "a wake while running is forgotten",
        "a wake while running queues at once",
        "a wake while queued queues again",
        "a wake of an idle task queues nothing",
        "a wake of a task that is done queues it",
        "the end of a poll forgets that it was woken",
        "cancelling an idle task queues nothing",
        "who cancels an idle task drops it itself",
        "cancelling a running task is forgotten",
        "a cancelled task is polled",
        "the last poll is followed by no end",
    ];

    /// The table, or the table with a fault.
    pub fn on(event: Event, state: State) -> Option<(State, Action)> {
        use crate::fault::is;
        let (next, action) = dst_core::task_state::on(event, state)?;
        let idle = state == State::IDLE;
        Some(match event {
            Event::Wake if state.is_running() && is(FAULTS[0]) => (state, action),
            Event::Wake if state.is_running() && is(FAULTS[1]) => (next, Action::Enqueue),
            Event::Wake if state.is_queued() && is(FAULTS[2]) => (next, Action::Enqueue),
            Event::Wake if idle && is(FAULTS[3]) => (next, Action::Nothing),
            Event::Wake if state.is_done() && is(FAULTS[4]) => (next, Action::Enqueue),
            Event::EndPending if is(FAULTS[5]) => (State::IDLE, Action::Nothing),
            Event::Cancel if idle && is(FAULTS[6]) => (next, Action::Nothing),
            Event::Cancel if idle && is(FAULTS[7]) => (next, Action::Drop),
            Event::Cancel if state.is_running() && is(FAULTS[8]) => (state, action),
            Event::Begin if action == Action::Drop && is(FAULTS[9]) => (next, Action::Poll),
            Event::EndReady if is(FAULTS[10]) => (next, Action::Nothing),
            _ => (next, action),
        })
    }
}

pub mod worker_state {
    //! The table of worker states.

    pub use dst_core::worker_state::{Event, Found, Order, Phase, WorkerState};

    /// What [`on`] and [`look`] do wrong if asked to.
    pub const FAULTS: &[&str] = &[
        "work does not wake an idle worker",
        "an idle worker that is to leave is not woken",
        "a worker that is released is not woken",
        "a worker that is given an action is not woken",
        "a worker of a stopping pool sleeps",
        "a worker that was promised to a caller takes other work",
        "a worker that is to leave drops the action that it was given",
        "a worker sleeps although there is a task",
    ];

    /// The table, or the table with a fault.
    pub fn on(event: Event, state: WorkerState) -> Option<(WorkerState, bool)> {
        use crate::fault::is;
        let (next, wake) = dst_core::worker_state::on(event, state)?;
        let silent = match event {
            Event::Work => is(FAULTS[0]),
            Event::Leave => is(FAULTS[1]),
            Event::Release => is(FAULTS[2]),
            Event::Give => is(FAULTS[3]),
            _ => false,
        };
        Some((next, wake && !silent))
    }

    /// The table, or the table with a fault.
    pub fn look(
        state: WorkerState,
        found: Found,
        surplus: bool,
        stopping: bool,
    ) -> (WorkerState, Order) {
        use crate::fault::is;
        let mut seen = state;
        let mut there = found;
        if found == Found::Task && is(FAULTS[7]) {
            there = Found::Nothing;
        }
        let promised = state.phase == Phase::Reserved && found == Found::Task && is(FAULTS[5]);
        if promised || (state.phase == Phase::Given && state.leave && is(FAULTS[6])) {
            seen.phase = Phase::Awake;
        }
        let stopping = stopping && !is(FAULTS[4]);
        dst_core::worker_state::look(seen, there, surplus, stopping)
    }
}
