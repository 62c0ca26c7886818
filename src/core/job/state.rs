// SPDX-License-Identifier: GPL-2.0

//! What a job is doing.
//!
//! ```text
//!             pause            nothing in flight
//!   running --------> pausing -------------------> paused
//!    | ^  ^              | |                       |  |
//!    | |  +--- resume ---+ |                       |  |
//!    | +-------------------|------ resume ---------+  |
//!    |                     |                          |
//!    |  cancel             | cancel            cancel |
//!    +-------------> cancelling <---------------------+
//!                        |
//!                        v  nothing in flight
//!     done, failed   cancelled
//! ```
//!
//! A job that is done or has failed may have been in any state before but paused: what was in
//! flight when it was told to pause or to end can be the last of it.

/// What a job is doing. The numbers are those of `job-state` in the netlink specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum State {
    /// It works.
    Running = 0,
    /// It issues nothing more, and waits for what is in flight.
    Pausing = 1,
    /// It waits to be resumed; nothing of it is in flight.
    Paused = 2,
    /// It issues nothing more, and ends when nothing is in flight.
    Cancelling = 3,
    /// It has ended well.
    Done = 4,
    /// It could not go on.
    Failed = 5,
    /// It was told to end before it was done.
    Cancelled = 6,
}

/// What an administrator asks of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// To wait.
    Pause,
    /// To go on.
    Resume,
    /// To end.
    Cancel,
}

/// Why a job does not take a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It has ended.
    Ended,
    /// It is about to end.
    Ending,
    /// It was told to pause before.
    Paused,
    /// It was not told to pause.
    NotPaused,
}

/// How a job ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// All of it was done.
    Done,
    /// It could not go on.
    Failed,
    /// It has stopped because it was told to.
    Cancelled,
}

impl State {
    /// All states.
    pub const ALL: [Self; 7] = [
        Self::Running,
        Self::Pausing,
        Self::Paused,
        Self::Cancelling,
        Self::Done,
        Self::Failed,
        Self::Cancelled,
    ];

    /// The word for the state.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Pausing => "pausing",
            Self::Paused => "paused",
            Self::Cancelling => "cancelling",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether it is over.
    pub const fn has_ended(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Cancelled)
    }

    /// Whether extents may be issued.
    pub const fn issues(self) -> bool {
        matches!(self, Self::Running)
    }

    /// The state after `request`, which may be the same one.
    ///
    /// # Errors
    ///
    /// Why the request is not taken; nothing changes then.
    pub const fn request(self, request: Request) -> Result<Self, Refused> {
        match (self, request) {
            (Self::Done | Self::Failed | Self::Cancelled, _) => Err(Refused::Ended),
            // Whoever cancels wants it to end, which it does.
            (_, Request::Cancel) => Ok(Self::Cancelling),
            (Self::Cancelling, _) => Err(Refused::Ending),
            (Self::Running, Request::Pause) => Ok(Self::Pausing),
            (Self::Pausing | Self::Paused, Request::Pause) => Err(Refused::Paused),
            (Self::Pausing | Self::Paused, Request::Resume) => Ok(Self::Running),
            (Self::Running, Request::Resume) => Err(Refused::NotPaused),
        }
    }

    /// The state once nothing is in flight: a pause is complete then.
    #[must_use]
    pub const fn settled(self) -> Self {
        match self {
            Self::Pausing => Self::Paused,
            other => other,
        }
    }

    /// The state after the job's end; the first end counts.
    #[must_use]
    pub const fn ended(self, end: End) -> Self {
        match (self, end) {
            (Self::Done | Self::Failed | Self::Cancelled, _) => self,
            (_, End::Done) => Self::Done,
            (_, End::Failed) => Self::Failed,
            (_, End::Cancelled) => Self::Cancelled,
        }
    }
}
