// SPDX-License-Identifier: GPL-2.0

//! The run queue of a pool, as a model: all interleavings of its workers with those who queue
//! tasks, ask for a worker and remove one. Every step of the model is what the driver does under
//! the run queue's lock (`src/exec/run_queue.rs`).

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};

use dst_core::worker_state::{look, on, Event, Found, Order, Phase, WorkerState};

/// A rule that the model can break, to see whether that is found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Broken {
    Nothing,
    /// Who leaves keeps a wake-up to itself.
    PassOn,
    /// Who serves a caller keeps a wake-up to itself that was for a task.
    PassOnAnswer,
    /// Queueing a task wakes nobody.
    Wake,
    /// A worker that is told to leave drops the action that it was given.
    GivenFirst,
    /// A worker that was promised to a caller takes other work when it is woken.
    Promise,
    /// Who leaves forgets those who wait for it alone.
    Private,
    /// A caller that gives up leaves the worker reserved.
    Release,
}

/// Where a worker's thread is, beside its state.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
enum Thread {
    /// About to look.
    Looking,
    /// Asleep on its bell.
    Asleep,
    RunningTask,
    Acting,
    /// Drops its context.
    CleaningUp,
    Ended,
}

/// A caller of `schedule`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Caller {
    /// Has not called; wants any worker, or this one.
    Before(Option<usize>),
    /// Its ticket is in the queue.
    Waits(Option<usize>),
    /// Runs `setup`.
    Prepares(usize),
    /// Waits for the result.
    Given(usize),
    /// Got its result, gave up, or was told that its worker has left.
    Done,
    GaveUp,
    WorkerGone,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Pool {
    states: Vec<WorkerState>,
    threads: Vec<Thread>,
    /// Tasks on the run queue, and those that are still to come.
    queued: u8,
    coming: u8,
    callers: Vec<Caller>,
    served_caller: bool,
    surplus: u8,
    /// Removals that are still to come, of this worker or of whichever is first.
    removals: Vec<Option<usize>>,
    /// Workers that must not leave any more.
    least: u8,
    stopping: bool,
}

impl Pool {
    fn staying(&self) -> u8 {
        let staying = self.states.iter().filter(|state| state.stays()).count() as u8;
        staying.saturating_sub(self.surplus)
    }

    fn bring(&mut self, event: Event, at: usize) {
        let (state, wake) = on(event, self.states[at]).expect("the driver brings possible events");
        self.states[at] = state;
        if wake && self.threads[at] == Thread::Asleep {
            self.threads[at] = Thread::Looking;
        }
    }

    fn idle(&self) -> Option<usize> {
        self.states.iter().position(|state| state.is_idle())
    }

    fn wake_one(&mut self) {
        if let Some(at) = self.idle() {
            self.bring(Event::Work, at);
        }
    }

    fn pass_on(&mut self) {
        let waits = |caller: &Caller| matches!(caller, Caller::Waits(_));
        if self.queued > 0 || self.callers.iter().any(waits) {
            self.wake_one();
        }
    }

    fn ticket(&self, worker: usize) -> Option<usize> {
        let fits = |caller: &Caller| match caller {
            Caller::Waits(wanted) => wanted.is_none_or(|wanted| wanted == worker),
            _ => false,
        };
        self.callers.iter().position(fits)
    }

    fn found(&self, worker: usize) -> Found {
        match (self.ticket(worker).is_some(), self.queued > 0) {
            (true, false) => Found::Caller,
            (true, true) if !self.served_caller => Found::Caller,
            (_, true) => Found::Task,
            (false, false) => Found::Nothing,
        }
    }

    /// A worker looks.
    fn step(&mut self, at: usize, broken: Broken) {
        let found = self.found(at);
        let before = self.states[at];
        let mut seen = before;
        if broken == Broken::GivenFirst && seen.phase == Phase::Given && seen.leave {
            seen.phase = Phase::Awake;
        }
        if broken == Broken::Promise && seen.phase == Phase::Reserved {
            seen.phase = Phase::Awake;
        }
        let (state, order) = look(seen, found, self.surplus > 0, self.stopping);
        self.states[at] = state;
        self.threads[at] = match order {
            Order::Sleep => Thread::Asleep,
            Order::Run => {
                self.queued -= 1;
                self.served_caller = false;
                Thread::RunningTask
            }
            Order::Answer => {
                let caller = self.ticket(at).expect("a caller was found");
                self.callers[caller] = Caller::Prepares(at);
                self.served_caller = true;
                if broken != Broken::PassOnAnswer {
                    self.pass_on();
                }
                Thread::Looking
            }
            Order::Act => Thread::Acting,
            Order::Leave => {
                if !before.leave {
                    self.surplus = self.surplus.saturating_sub(1);
                }
                if broken != Broken::Private {
                    for caller in &mut self.callers {
                        if *caller == Caller::Waits(Some(at)) {
                            *caller = Caller::WorkerGone;
                        }
                    }
                }
                if broken != Broken::PassOn {
                    self.pass_on();
                }
                Thread::CleaningUp
            }
        };
    }

    /// What a worker's thread can do.
    fn worker(&self, at: usize, broken: Broken) -> Vec<Self> {
        let mut next = self.clone();
        match self.threads[at] {
            Thread::Looking => next.step(at, broken),
            Thread::RunningTask => next.threads[at] = Thread::Looking,
            Thread::Acting => {
                let caller = next.callers.iter().position(|c| *c == Caller::Given(at));
                next.callers[caller.expect("a caller has given it")] = Caller::Done;
                next.threads[at] = Thread::Looking;
            }
            Thread::CleaningUp => {
                next.bring(Event::Exit, at);
                next.threads[at] = Thread::Ended;
            }
            Thread::Asleep => {
                // For no reason.
                next.threads[at] = Thread::Looking;
            }
            Thread::Ended => return vec![],
        }
        vec![next]
    }

    /// What a caller can do.
    fn caller(&self, index: usize, broken: Broken) -> Vec<Self> {
        let mut next = self.clone();
        let place = &mut next.callers[index];
        match self.callers[index] {
            Caller::Before(Some(worker)) if !self.states[worker].is_there() => {
                *place = Caller::WorkerGone;
                vec![next]
            }
            Caller::Before(wanted) => {
                let free = match wanted {
                    Some(worker) => self.states[worker].is_idle().then_some(worker),
                    None => self.idle(),
                };
                match free {
                    Some(at) => {
                        *place = Caller::Prepares(at);
                        next.bring(Event::Reserve, at);
                    }
                    None => *place = Caller::Waits(wanted),
                }
                vec![next]
            }
            Caller::Waits(_) => {
                // A time limit or a signal.
                *place = Caller::GaveUp;
                vec![next]
            }
            Caller::Prepares(at) => {
                let mut given = self.clone();
                given.callers[index] = Caller::Given(at);
                given.bring(Event::Give, at);
                *place = Caller::GaveUp;
                if broken != Broken::Release {
                    next.bring(Event::Release, at);
                }
                vec![given, next]
            }
            _ => vec![],
        }
    }

    fn others(&self, broken: Broken) -> Vec<Self> {
        let mut all = vec![];
        if self.coming > 0 {
            let mut next = self.clone();
            next.coming -= 1;
            next.queued += 1;
            if broken != Broken::Wake {
                next.wake_one();
            }
            all.push(next);
        }
        if let Some(removal) = self.removals.first() {
            let mut next = self.clone();
            next.removals.remove(0);
            if self.staying() > self.least {
                match removal {
                    Some(worker) if self.states[*worker].stays() => {
                        next.bring(Event::Leave, *worker);
                        // Perhaps a signal takes it back before it is seen.
                        let mut back = next.clone();
                        back.bring(Event::Stay, *worker);
                        all.push(back);
                    }
                    Some(_) => {}
                    None => {
                        next.surplus += 1;
                        next.wake_one();
                        let mut back = next.clone();
                        back.surplus = 0;
                        all.push(back);
                    }
                }
            }
            all.push(next);
        }
        all
    }

    /// All that can happen next, without sleepers that wake for no reason and callers that lose
    /// patience if `calm`.
    fn next(&self, broken: Broken, calm: bool) -> Vec<Self> {
        let mut all = self.others(broken);
        for at in 0..self.threads.len() {
            if !(calm && self.threads[at] == Thread::Asleep) {
                all.extend(self.worker(at, broken));
            }
        }
        for index in 0..self.callers.len() {
            if !(calm && matches!(self.callers[index], Caller::Waits(_))) {
                all.extend(self.caller(index, broken));
            }
        }
        all
    }

    /// What must be true at all times.
    fn check(&self) -> Result<(), String> {
        for (at, state) in self.states.iter().enumerate() {
            let reserved = |c: &&Caller| **c == Caller::Prepares(at);
            let given = |c: &&Caller| **c == Caller::Given(at);
            let reserved = self.callers.iter().filter(reserved).count();
            let given = self.callers.iter().filter(given).count();
            if reserved + given > 1 {
                return Err(format!("worker {at} was promised twice"));
            }
            if reserved > 0 && state.phase != Phase::Reserved {
                return Err(format!("worker {at} broke its promise"));
            }
            if given > 0 && state.phase != Phase::Given && self.threads[at] != Thread::Acting {
                return Err(format!("worker {at} dropped an action"));
            }
            if self.threads[at] == Thread::Acting && given == 0 {
                return Err(format!("worker {at} runs what nobody gave it"));
            }
        }
        let live = self.states.iter().filter(|state| state.is_there()).count();
        if live < self.least as usize {
            return Err("too few workers".into());
        }
        // Whoever sleeps for want of work: as many others are on the way to look as there is work
        // for any of them.
        let looking = self.threads.iter().zip(&self.states);
        let looking = looking
            .filter(|(thread, state)| **thread == Thread::Looking && state.phase == Phase::Awake)
            .count();
        let any = |c: &&Caller| **c == Caller::Waits(None);
        let work = self.queued as usize + self.callers.iter().filter(any).count();
        if self.idle().is_some()
            && looking < work.min(self.states.iter().filter(|state| state.is_idle()).count())
        {
            return Err("work waits while a worker sleeps".into());
        }
        Ok(())
    }

    /// What must be true when nothing can happen any more.
    fn check_end(&self) -> Result<(), String> {
        if self.queued > 0 {
            return Err("a task is left".into());
        }
        if let Some(caller) = self
            .callers
            .iter()
            .find(|c| !matches!(c, Caller::Done | Caller::GaveUp | Caller::WorkerGone))
        {
            return Err(format!("a caller is left: {caller:?}"));
        }
        if self.surplus > 0 {
            return Err("a removal never ended".into());
        }
        for (state, thread) in self.states.iter().zip(&self.threads) {
            if state.leave && *thread != Thread::Ended {
                return Err("a worker that was to leave is there".into());
            }
            if state.phase == Phase::Reserved {
                return Err("a worker is reserved for nobody".into());
            }
        }
        Ok(())
    }
}

/// Explores everything that can happen to `pool`; the number of states, or what went wrong.
fn explore(pool: Pool, broken: Broken) -> Result<usize, String> {
    let mut seen = HashSet::from([pool.clone()]);
    let mut todo = VecDeque::from([pool]);
    while let Some(pool) = todo.pop_front() {
        pool.check().map_err(|what| format!("{what}: {pool:?}"))?;
        // In every state, what goes on by itself must lead to an end where nothing is left.
        if pool.next(broken, true).is_empty() {
            pool.check_end()
                .map_err(|what| format!("{what}: {pool:?}"))?;
        }
        for next in pool.next(broken, false) {
            if seen.insert(next.clone()) {
                todo.push_back(next);
            }
        }
    }
    Ok(seen.len())
}

fn pool(workers: usize, tasks: u8, callers: &[Option<usize>], removals: &[Option<usize>]) -> Pool {
    Pool {
        states: vec![WorkerState::new(); workers],
        threads: vec![Thread::Looking; workers],
        queued: 0,
        coming: tasks,
        callers: callers.iter().map(|on| Caller::Before(*on)).collect(),
        served_caller: false,
        surplus: 0,
        removals: removals.to_vec(),
        least: 1,
        stopping: false,
    }
}

/// The pools that are explored.
fn pools() -> Vec<Pool> {
    vec![
        pool(2, 3, &[None], &[None]),
        pool(2, 2, &[Some(1)], &[Some(1)]),
        pool(2, 2, &[None, Some(0)], &[Some(0), None]),
        pool(3, 2, &[None, Some(2)], &[Some(2), None]),
        pool(3, 3, &[], &[Some(0), Some(1), None]),
        pool(1, 2, &[None, None, Some(0)], &[Some(0), None]),
    ]
}

#[test]
fn no_interleaving_loses_work_or_promises() {
    let mut states = 0;
    for pool in pools() {
        states += explore(pool, Broken::Nothing).unwrap();
    }
    assert!(states > 20_000, "{states} states");
}

#[test]
fn a_pool_that_stops_does_what_is_queued_first() {
    for (workers, tasks) in [(1, 3), (2, 3), (3, 2)] {
        let mut pool = pool(workers, 0, &[], &[]);
        pool.queued = tasks;
        pool.stopping = true;
        pool.least = 0;
        let mut seen = BTreeSet::new();
        let mut todo = vec![pool];
        while let Some(pool) = todo.pop() {
            let next = pool.next(Broken::Nothing, true);
            if next.is_empty() {
                assert_eq!(pool.queued, 0);
                assert!(pool.threads.iter().all(|thread| *thread == Thread::Ended));
                seen.insert(pool.threads.clone());
            }
            todo.extend(next);
        }
        assert_eq!(seen.len(), 1);
    }
}

#[test]
fn every_broken_rule_is_found() {
    let mut found = BTreeMap::new();
    for broken in [
        Broken::PassOn,
        Broken::PassOnAnswer,
        Broken::Wake,
        Broken::GivenFirst,
        Broken::Promise,
        Broken::Private,
        Broken::Release,
    ] {
        let what = pools()
            .into_iter()
            .find_map(|pool| explore(pool, broken).err())
            .unwrap_or_else(|| panic!("{broken:?} was not found"));
        let what = what.split(": ").next().unwrap_or_default().to_owned();
        println!("{broken:?}: {what}");
        found.insert(format!("{broken:?}"), what);
    }
    assert_eq!(found.len(), 7);
}

/// Which events are possible where, and that nothing wakes a worker that does not sleep.
#[test]
fn the_table() {
    let phases = [
        Phase::Idle,
        Phase::Awake,
        Phase::Reserved,
        Phase::Given,
        Phase::Leaving,
        Phase::Gone,
    ];
    let mut possible = 0;
    for phase in phases {
        for leave in [false, true] {
            let state = WorkerState { phase, leave };
            for event in Event::ALL {
                let Some((next, wake)) = on(event, state) else {
                    continue;
                };
                possible += 1;
                assert!(!wake || matches!(phase, Phase::Idle | Phase::Reserved));
                // Only the worker itself leaves.
                assert!(next.is_there() || !state.is_there());
                assert!(!(next.is_idle() && next.leave) || leave);
            }
            let (next, order) = look(state, Found::Task, true, true);
            assert_eq!(next.leave, leave);
            assert_eq!(order == Order::Act, phase == Phase::Given);
            assert_eq!(
                order == Order::Leave,
                next.phase != Phase::Awake && !matches!(phase, Phase::Idle | Phase::Reserved)
            );
        }
    }
    assert_eq!(possible, 30);
}
