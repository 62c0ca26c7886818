// SPDX-License-Identifier: GPL-2.0

//! Requests that are at the devices, and extents that are being copied.

use super::{Route, Side, Way, What};

/// Names a request or a copy: its place, and how often the place was used before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket {
    pub(super) index: u32,
    pub(super) generation: u32,
}

/// How far a request is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    Free,
    /// Waits for the answer of the old device, of the new one.
    Open([bool; 2]),
    /// Has ended while nothing was answered: [`super::Migration::take_ended`].
    Over,
}

/// A place for a request.
#[derive(Clone, Copy, Debug)]
pub struct Request {
    pub(super) generation: u32,
    pub(super) progress: Progress,
    pub(super) what: What,
    pub(super) route: Route,
    pub(super) ok: bool,
}

impl Request {
    /// A place that nothing has.
    pub const FREE: Self = Self {
        generation: 0,
        progress: Progress::Free,
        what: What::Flush,
        route: Route::Old,
        ok: true,
    };

    pub(super) const fn is_open(&self) -> bool {
        matches!(self.progress, Progress::Open(_))
    }

    /// Whether it is under way and changes one of these sectors.
    pub(super) fn writes(&self, first: u64, sectors: u64) -> bool {
        self.is_open() && self.what.changes(first, sectors)
    }

    /// This side has answered, or nobody waits for it any more. Whether that was the last one.
    pub(super) fn settle(&mut self, side: Side) -> bool {
        let Progress::Open(waits) = &mut self.progress else {
            return false;
        };
        match side {
            Side::Old => waits[0] = false,
            Side::New => waits[1] = false,
        }
        !waits[0] && !waits[1]
    }

    pub(super) const fn waits_for(&self, side: Side) -> bool {
        match (self.progress, side) {
            (Progress::Open(waits), Side::Old) => waits[0],
            (Progress::Open(waits), Side::New) => waits[1],
            _ => false,
        }
    }

    pub(super) fn free(&mut self) {
        self.generation = self.generation.wrapping_add(1);
        self.progress = Progress::Free;
    }
}

/// What is done with an extent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lock {
    Free,
    /// No write begins here any more; some may be under way.
    Draining(u64),
    /// Being copied.
    Copying(u64),
    /// Being copied, for nothing: it has to be copied again.
    Void(u64),
}

/// A place for an extent that is being copied.
#[derive(Clone, Copy, Debug)]
pub struct Copying {
    pub(super) generation: u32,
    pub(super) lock: Lock,
    /// How it is copied, once it is.
    pub(super) way: Way,
}

impl Copying {
    /// A place that nothing has.
    pub const FREE: Self = Self {
        generation: 0,
        lock: Lock::Free,
        way: Way::Through,
    };

    pub(super) const fn extent(&self) -> Option<u64> {
        match self.lock {
            Lock::Free => None,
            Lock::Draining(extent) | Lock::Copying(extent) | Lock::Void(extent) => Some(extent),
        }
    }

    pub(super) fn free(&mut self) {
        self.generation = self.generation.wrapping_add(1);
        self.lock = Lock::Free;
        self.way = Way::Through;
    }
}
