// SPDX-License-Identifier: GPL-2.0

//! The executor's hand-overs under every interleaving that the memory model allows (loom): tasks
//! from those who wake to workers, wakers through a cell, grants through a line of waiters.
//!
//! The models follow `exec::pool`, `exec::waker_cell` and `sys::wait_queue` step by step, with
//! loom's locks in place of the kernel's. A hand-over that is lost leaves a thread asleep, which
//! loom reports as a deadlock. Each model is also broken on purpose, and must be found then.

use std::collections::VecDeque;
use std::process::Command;

use loom::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

fn explore(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(model);
}

/// The model must find the fault. A deadlock ends loom's process, so a fault is looked for in a
/// process of its own: this test again, told by the environment which fault it is about.
fn must_fail(test: &str, name: &str, model: impl Fn() + Sync + Send + 'static) {
    const FAULT: &str = "DST_LOOM_FAULT";
    match std::env::var(FAULT) {
        Ok(wanted) if wanted == name => explore(model),
        Ok(_) => {}
        Err(_) => {
            let program = std::env::current_exe().unwrap();
            let output = Command::new(program)
                .args(["--exact", test, "--nocapture"])
                .env(FAULT, name)
                .output()
                .unwrap();
            let text = String::from_utf8_lossy(&output.stderr);
            let found = !output.status.success() && text.contains("panicked at");
            assert!(found, "the fault \"{name}\" was not found: {text}");
        }
    }
}

/// How a run queue may be wrong.
#[derive(Clone, Copy, PartialEq)]
enum QueueFault {
    None,
    /// A worker that found nothing lets go of the lock before it goes to sleep.
    SleepsWithoutLooking,
    /// A worker is woken for a task that is not on the queue yet.
    WakesBeforeItQueues,
    /// Stopping wakes one worker.
    StopWakesOne,
    /// A stopping queue is not worked off.
    StopForgetsTasks,
}

struct RunQueue {
    fault: QueueFault,
    /// Tasks, and whether the pool stops.
    state: Mutex<(u32, bool)>,
    ready: Condvar,
    ran: AtomicU32,
}

impl RunQueue {
    fn new(fault: QueueFault) -> Arc<Self> {
        Arc::new(Self {
            fault,
            state: Mutex::new((0, false)),
            ready: Condvar::new(),
            ran: AtomicU32::new(0),
        })
    }

    fn push(&self) {
        if self.fault == QueueFault::WakesBeforeItQueues {
            self.ready.notify_one();
            self.state.lock().unwrap().0 += 1;
            return;
        }
        self.state.lock().unwrap().0 += 1;
        self.ready.notify_one();
    }

    fn next(&self) -> bool {
        let mut state = self.state.lock().unwrap();
        loop {
            if state.1 && self.fault == QueueFault::StopForgetsTasks {
                return false;
            }
            if state.0 > 0 {
                state.0 -= 1;
                return true;
            }
            if state.1 {
                return false;
            }
            if self.fault == QueueFault::SleepsWithoutLooking {
                drop(state);
                state = self.state.lock().unwrap();
            }
            state = self.ready.wait(state).unwrap();
        }
    }

    fn serve(&self) {
        while self.next() {
            self.ran.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn stop(&self) {
        self.state.lock().unwrap().1 = true;
        match self.fault {
            QueueFault::StopWakesOne => self.ready.notify_one(),
            _ => self.ready.notify_all(),
        }
    }
}

/// A task is pushed while one worker looks for work: it runs.
fn one_push(fault: QueueFault) {
    let queue = RunQueue::new(fault);
    let pusher = {
        let queue = queue.clone();
        thread::spawn(move || queue.push())
    };
    assert!(queue.next());
    pusher.join().unwrap();
}

/// Tasks are pushed and the pool is dropped: every task has run, and both workers return.
fn push_and_stop(fault: QueueFault) {
    let queue = RunQueue::new(fault);
    let workers: Vec<_> = (0..2)
        .map(|_| {
            let queue = queue.clone();
            thread::spawn(move || queue.serve())
        })
        .collect();
    queue.push();
    queue.push();
    queue.stop();
    for worker in workers {
        worker.join().unwrap();
    }
    assert_eq!(queue.ran.load(Ordering::Relaxed), 2, "a task was left");
}

#[test]
fn run_queue_hands_over() {
    explore(|| one_push(QueueFault::None));
    explore(|| push_and_stop(QueueFault::None));
}

#[test]
fn run_queue_faults_are_found() {
    const TEST: &str = "run_queue_faults_are_found";
    must_fail(TEST, "a worker sleeps without looking", || {
        one_push(QueueFault::SleepsWithoutLooking)
    });
    must_fail(TEST, "a worker is woken before the task is queued", || {
        one_push(QueueFault::WakesBeforeItQueues)
    });
    must_fail(TEST, "stopping wakes one worker", || {
        push_and_stop(QueueFault::StopWakesOne)
    });
    must_fail(TEST, "stopping forgets tasks", || {
        push_and_stop(QueueFault::StopForgetsTasks)
    });
}

/// A task in place of which a thread sleeps: woken or not.
struct Parked {
    woken: Mutex<bool>,
    changed: Condvar,
}

impl Parked {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            woken: Mutex::new(false),
            changed: Condvar::new(),
        })
    }

    fn wake(&self) {
        *self.woken.lock().unwrap() = true;
        self.changed.notify_one();
    }

    fn sleep(&self) {
        let mut woken = self.woken.lock().unwrap();
        while !*woken {
            woken = self.changed.wait(woken).unwrap();
        }
        *woken = false;
    }
}

/// How the two sides of a waker cell may be wrong.
#[derive(Clone, Copy, PartialEq)]
enum CellFault {
    None,
    /// The waiting side looks before it registers.
    LooksFirst,
    /// The other side wakes before it changes the condition.
    WakesFirst,
    /// An earlier waker is kept although another task waits now.
    KeepsOldWaker,
}

struct Cell {
    fault: CellFault,
    waker: Mutex<Option<Arc<Parked>>>,
    /// Relaxed: the cell's lock has to order it.
    condition: AtomicBool,
}

impl Cell {
    fn register(&self, task: &Arc<Parked>) {
        let mut waker = self.waker.lock().unwrap();
        if self.fault == CellFault::KeepsOldWaker && waker.is_some() {
            return;
        }
        *waker = Some(task.clone());
    }

    fn wake(&self) {
        if let Some(task) = &*self.waker.lock().unwrap() {
            task.wake();
        }
    }

    fn is_ready(&self) -> bool {
        self.condition.load(Ordering::Relaxed)
    }

    fn poll(&self, task: &Arc<Parked>) -> bool {
        if self.fault == CellFault::LooksFirst {
            let ready = self.is_ready();
            self.register(task);
            return ready;
        }
        self.register(task);
        self.is_ready()
    }

    fn make_ready(&self) {
        if self.fault == CellFault::WakesFirst {
            self.wake();
            self.condition.store(true, Ordering::Relaxed);
            return;
        }
        self.condition.store(true, Ordering::Relaxed);
        self.wake();
    }
}

/// One side waits for what the other makes ready; an earlier task may have left its waker.
fn through_a_cell(fault: CellFault, earlier: bool) {
    let cell = Arc::new(Cell {
        fault,
        waker: Mutex::new(earlier.then(Parked::new)),
        condition: AtomicBool::new(false),
    });
    let other = {
        let cell = cell.clone();
        thread::spawn(move || cell.make_ready())
    };
    let task = Parked::new();
    while !cell.poll(&task) {
        task.sleep();
    }
    other.join().unwrap();
}

#[test]
fn waker_cell_loses_nothing() {
    explore(|| through_a_cell(CellFault::None, false));
    explore(|| through_a_cell(CellFault::None, true));
}

#[test]
fn waker_cell_faults_are_found() {
    const TEST: &str = "waker_cell_faults_are_found";
    must_fail(TEST, "who waits looks before it registers", || {
        through_a_cell(CellFault::LooksFirst, false)
    });
    must_fail(TEST, "who wakes does so before the change", || {
        through_a_cell(CellFault::WakesFirst, false)
    });
    must_fail(TEST, "an earlier waker is kept", || {
        through_a_cell(CellFault::KeepsOldWaker, true)
    });
}

/// How a semaphore on a line of waiters may be wrong.
#[derive(Clone, Copy, PartialEq)]
enum LineFault {
    None,
    /// What a dropped waiter was granted is lost.
    GrantIsLost,
    /// A dropped waiter stays in line.
    StaysInLine,
    /// Who finds a permit takes it although others wait.
    Overtakes,
}

#[derive(Default)]
struct Permits {
    available: u32,
    /// The numbers of those in line, the first first.
    line: VecDeque<usize>,
    granted: [bool; 2],
}

struct Semaphore {
    fault: LineFault,
    permits: Mutex<Permits>,
    waiters: [Arc<Parked>; 2],
}

impl Semaphore {
    fn new(fault: LineFault) -> Arc<Self> {
        Arc::new(Self {
            fault,
            permits: Mutex::new(Permits::default()),
            waiters: [Parked::new(), Parked::new()],
        })
    }

    fn hand_out(&self, permits: &mut Permits) {
        while permits.available > 0 {
            let Some(first) = permits.line.pop_front() else {
                return;
            };
            permits.available -= 1;
            permits.granted[first] = true;
            self.waiters[first].wake();
        }
    }

    fn release(&self) {
        let mut permits = self.permits.lock().unwrap();
        permits.available += 1;
        if self.fault != LineFault::Overtakes {
            self.hand_out(&mut permits);
        } else if let Some(&first) = permits.line.front() {
            // Only told to look again, and anybody may be faster.
            self.waiters[first].wake();
        }
    }

    fn poll(&self, who: usize) -> bool {
        let mut permits = self.permits.lock().unwrap();
        let free = permits.line.is_empty() || self.fault == LineFault::Overtakes;
        if std::mem::take(&mut permits.granted[who]) {
            return true;
        }
        if permits.available > 0 && free {
            permits.available -= 1;
            permits.line.retain(|other| *other != who);
            return true;
        }
        if !permits.line.contains(&who) {
            permits.line.push_back(who);
        }
        false
    }

    /// The waiter's future is dropped.
    fn abandon(&self, who: usize) {
        let mut permits = self.permits.lock().unwrap();
        if self.fault != LineFault::StaysInLine {
            permits.line.retain(|other| *other != who);
        }
        if std::mem::take(&mut permits.granted[who]) && self.fault != LineFault::GrantIsLost {
            permits.available += 1;
        }
        self.hand_out(&mut permits);
    }
}

/// The first waiter gives up while a permit comes back: the second one gets it.
fn cancelled_in_line(fault: LineFault) {
    let semaphore = Semaphore::new(fault);
    assert!(!semaphore.poll(0));
    let releaser = {
        let semaphore = semaphore.clone();
        thread::spawn(move || semaphore.release())
    };
    let second = {
        let semaphore = semaphore.clone();
        thread::spawn(move || {
            while !semaphore.poll(1) {
                semaphore.waiters[1].sleep();
            }
        })
    };
    semaphore.abandon(0);
    releaser.join().unwrap();
    second.join().unwrap();
}

/// Two permits come back one after the other: who came first is served first.
fn in_their_order(fault: LineFault) {
    let semaphore = Semaphore::new(fault);
    assert!(!semaphore.poll(0));
    let releaser = {
        let semaphore = semaphore.clone();
        thread::spawn(move || {
            semaphore.release();
            semaphore.release();
        })
    };
    let second = {
        let semaphore = semaphore.clone();
        thread::spawn(move || {
            while !semaphore.poll(1) {
                semaphore.waiters[1].sleep();
            }
        })
    };
    semaphore.waiters[0].sleep();
    assert!(semaphore.poll(0), "the permit of the first in line is gone");
    releaser.join().unwrap();
    second.join().unwrap();
}

#[test]
fn a_line_of_waiters_is_fair() {
    explore(|| cancelled_in_line(LineFault::None));
    explore(|| in_their_order(LineFault::None));
}

#[test]
fn faults_of_a_line_are_found() {
    const TEST: &str = "faults_of_a_line_are_found";
    must_fail(TEST, "a grant to a dropped waiter is lost", || {
        cancelled_in_line(LineFault::GrantIsLost)
    });
    must_fail(TEST, "a dropped waiter stays in line", || {
        cancelled_in_line(LineFault::StaysInLine)
    });
    must_fail(TEST, "who comes later overtakes", || {
        in_their_order(LineFault::Overtakes)
    });
}
