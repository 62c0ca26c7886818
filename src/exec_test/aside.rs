// SPDX-License-Identifier: GPL-2.0

//! Doing something on a thread of its own, and waiting for conditions.

use crate::sys::{
    completion::{Completion, Wait},
    kthread::{self, Thread},
};
use kernel::{
    new_mutex,
    prelude::*,
    sync::{Arc, Mutex},
    time::{delay::fsleep, Delta, Instant, Monotonic},
};

/// Milliseconds for what happens at once; a guest may be slow.
const LIMIT: u32 = 60_000;

/// As long as anything may take.
pub const PATIENT: Wait = Wait::at_most(LIMIT);

/// Waits until `condition` is true. Errors: `ETIMEDOUT`.
pub fn until(mut condition: impl FnMut() -> bool) -> Result {
    let begun = Instant::<Monotonic>::now();
    while !condition() {
        if begun.elapsed().as_millis() > LIMIT.into() {
            return Err(ETIMEDOUT);
        }
        fsleep(Delta::from_millis(1));
    }
    Ok(())
}

/// A gate that is closed.
pub fn gate() -> Result<Arc<Completion>> {
    Arc::pin_init(Completion::new(), GFP_KERNEL)
}

#[pin_data]
struct Outcome<T> {
    #[pin]
    value: Mutex<Option<T>>,
    #[pin]
    done: Completion,
}

/// A function that runs on a thread of its own, which may be interrupted.
pub struct Aside<T> {
    outcome: Arc<Outcome<T>>,
    /// The thread.
    pub thread: Thread,
}

impl<T: Send + Unpin + 'static> Aside<T> {
    /// Runs `function`. May sleep.
    pub fn run(function: impl FnOnce() -> T + Send + 'static) -> Result<Self> {
        let outcome = Arc::pin_init(
            pin_init!(Outcome {
                value <- new_mutex!(None),
                done <- Completion::new(),
            }),
            GFP_KERNEL,
        )?;
        let told = outcome.clone();
        let thread = Thread::spawn(c"dst_test_aside", 0, move |_| {
            kthread::allow_interrupt();
            let value = function();
            *told.value.lock() = Some(value);
            told.done.complete();
        })?;
        Ok(Self { outcome, thread })
    }

    /// Whether the function has returned.
    pub fn has_ended(&self) -> bool {
        self.outcome.done.wait(Wait::NONE).ok().is_ok()
    }

    /// What the function returns. Errors: `ETIMEDOUT` if it does not.
    pub fn value(&self) -> Result<T> {
        self.outcome.done.wait(PATIENT).ok()?;
        let value = self.outcome.value.lock().take();
        value.ok_or(ENODATA)
    }
}
