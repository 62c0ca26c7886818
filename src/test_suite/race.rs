// SPDX-License-Identifier: GPL-2.0

//! The check of the search for data races: two threads at one number, until the module goes.

use crate::{
    race::Number,
    sys::kthread::{cond_resched, Thread},
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{ordering, Atomic},
        Arc,
    },
};

/// What the threads do, one each, by the value of the module's parameter `race`.
const KINDS: [[fn(&Number); 2]; 3] = [
    [Number::add, Number::add],
    [read, Number::add_marked],
    [Number::add_cleanly, Number::add_cleanly],
];

fn read(number: &Number) {
    number.read();
}

struct Shared {
    number: Number,
    stopped: Atomic<u32>,
}

/// Two threads, which stop when this is dropped.
pub struct Race {
    shared: Arc<Shared>,
    threads: KVec<Thread>,
}

impl Race {
    /// Starts the threads: 1 that both change the number plainly, 2 that one reads it plainly and
    /// the other changes it atomically, 3 that nothing is plain; none with 0. Errors: `EINVAL`.
    pub fn start(kind: u32) -> Result<Option<Self>> {
        if kind == 0 {
            return Ok(None);
        }
        let steps = KINDS.get(kind as usize - 1).ok_or(EINVAL)?;
        let shared = Arc::new(
            Shared {
                number: Number::new(),
                stopped: Atomic::new(0),
            },
            GFP_KERNEL,
        )?;
        let mut race = Self {
            shared,
            threads: KVec::with_capacity(steps.len(), GFP_KERNEL)?,
        };
        for &step in steps {
            let shared = race.shared.clone();
            let thread = Thread::spawn(c"dst_test_race", 0, move |_| {
                while shared.stopped.load(ordering::Relaxed) == 0 {
                    for _ in 0..1000 {
                        step(&shared.number);
                    }
                    cond_resched();
                }
            })?;
            race.threads.push(thread, GFP_KERNEL)?;
        }
        Ok(Some(race))
    }
}

impl Drop for Race {
    fn drop(&mut self) {
        self.shared.stopped.store(1, ordering::Relaxed);
        // Each is joined.
        self.threads.clear();
    }
}
