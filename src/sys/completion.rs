// SPDX-License-Identifier: GPL-2.0

//! Waiting for one event, with a time limit and signals.
//!
//! The kernel crate's `Completion` waits for ever and takes no signal. This one says how the
//! waiting ended, in a value that has to be looked at: a signal cannot be mistaken for the event.
//!
//! C header: `include/linux/completion.h`.

use kernel::{bindings, prelude::*, time::msecs_to_jiffies, types::Opaque};

/// How long, and whether a signal ends it.
#[derive(Clone, Copy)]
pub struct Wait {
    /// Milliseconds; for ever if not given, not at all if 0.
    pub limit: Option<u32>,
    /// Ends when a signal is pending for the caller.
    pub interruptible: bool,
}

impl Wait {
    /// Until it has happened.
    pub const FOREVER: Self = Self {
        limit: None,
        interruptible: false,
    };
    /// Not at all.
    pub const NONE: Self = Self {
        limit: Some(0),
        interruptible: false,
    };

    /// For at most so many milliseconds.
    pub const fn at_most(milliseconds: u32) -> Self {
        Self {
            limit: Some(milliseconds),
            interruptible: false,
        }
    }

    /// The same, but a signal ends it.
    pub const fn interruptible(self) -> Self {
        Self {
            interruptible: true,
            ..self
        }
    }
}

/// How waiting has ended.
#[must_use = "waiting may have ended without the event"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waited {
    /// It has happened.
    Done,
    /// The time was over first.
    TimedOut,
    /// A signal came first.
    Signal,
}

impl Waited {
    /// `ETIMEDOUT` when the time was over, `EINTR` when a signal came.
    pub fn ok(self) -> Result {
        match self {
            Self::Done => Ok(()),
            Self::TimedOut => Err(ETIMEDOUT),
            Self::Signal => Err(EINTR),
        }
    }
}

/// An event that happens once.
///
/// # Invariants
///
/// The structure is initialised and does not move.
#[pin_data]
pub struct Completion {
    #[pin]
    inner: Opaque<bindings::completion>,
}

// SAFETY: The C functions lock the structure themselves.
unsafe impl Send for Completion {}
// SAFETY: As above.
unsafe impl Sync for Completion {}

impl Completion {
    /// For an event that has not happened.
    pub fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            // SAFETY: The slot is valid memory for the structure.
            inner <- Opaque::ffi_init(|slot: *mut bindings::completion| unsafe {
                bindings::init_completion(slot)
            }),
        })
    }

    /// It has happened, now and for ever; all who wait go on. Any context.
    pub fn complete(&self) {
        // SAFETY: By the type invariant.
        unsafe { bindings::complete_all(self.inner.get()) };
    }

    /// Waits until it has happened. May sleep, unless the limit is 0.
    pub fn wait(&self, how: Wait) -> Waited {
        let event = self.inner.get();
        let limit = match how.limit {
            // SAFETY: By the type invariant.
            Some(0) if unsafe { bindings::completion_done(event) } => return Waited::Done,
            Some(0) => return Waited::TimedOut,
            limit => limit.map(msecs_to_jiffies),
        };
        // SAFETY: By the type invariant, for all four; process context is the caller's business.
        let result = unsafe {
            match (limit, how.interruptible) {
                (None, false) => {
                    bindings::wait_for_completion(event);
                    return Waited::Done;
                }
                (None, true) => match bindings::wait_for_completion_interruptible(event) {
                    0 => return Waited::Done,
                    _ => return Waited::Signal,
                },
                (Some(limit), false) => {
                    i64::from(bindings::wait_for_completion_timeout(event, limit) != 0)
                }
                (Some(limit), true) => {
                    bindings::wait_for_completion_interruptible_timeout(event, limit) as i64
                }
            }
        };
        match result {
            0 => Waited::TimedOut,
            1.. => Waited::Done,
            _ => Waited::Signal,
        }
    }
}
