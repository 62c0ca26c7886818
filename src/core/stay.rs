// SPDX-License-Identifier: GPL-2.0

//! The stay of a remote node at a place: which attempts to connect count there, and for how long they were in vain.
//!
//! The place is an export at an address, and the driver knows it. The node goes to another one when its disk is there
//! (`dst replace`). Before that it is *held*: no connection is used, until it is let go of, at the old place if nothing
//! came of it, or at the new one.
//!
//! An attempt to connect takes a while. It belongs to the [`Turn`] in which it began, and says nothing in a later one.
//!
//! The retry limit of a node is for one place, and counts the time in which it was tried there. So it begins anew at
//! another place; while the node is held it stands still, and goes on afterwards if the node stays where it was. Otherwise
//! whoever tries again and again to replace a node, in vain, would keep it from being given up.

/// Counts how often connecting has begun anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn(u32);

impl Turn {
    /// The one that a node begins with.
    pub const FIRST: Self = Self(0);
}

/// A node's stay at a place. The caller's lock protects it.
#[derive(Clone, Copy, Debug)]
pub struct Stay {
    turn: Turn,
    held: bool,
    fresh: bool,
    /// Milliseconds for which it was tried in vain.
    spent: u64,
    /// Up to when, if it is counted at present.
    seen: Option<u64>,
}

impl Stay {
    /// That of a node that has just come.
    pub const fn new() -> Self {
        Self {
            turn: Turn::FIRST,
            held: false,
            fresh: true,
            spent: 0,
            seen: None,
        }
    }

    /// The turn that it is.
    pub const fn turn(&self) -> Turn {
        self.turn
    }

    /// Whether it is not known yet if the node can be reached there: also a node that fails fast waits for that.
    pub const fn is_fresh(&self) -> bool {
        self.fresh && !self.held
    }

    /// Whether a connection that was begun in `turn` is used.
    pub fn is_current(&self, turn: Turn) -> bool {
        !self.held && self.turn == turn
    }

    /// An attempt to connect that was begun in `turn` has ended, whatever came of it. Whether it tells anything about the
    /// place; otherwise it is to be forgotten.
    pub fn settle(&mut self, turn: Turn) -> bool {
        let counts = self.is_current(turn);
        if counts {
            self.fresh = false;
        }
        counts
    }

    /// No connection is used any more, from the time `now` in milliseconds on; those that stand, if it is `connected`, are
    /// closed.
    pub fn hold(&mut self, connected: bool, now: u64) {
        self.count(now);
        self.seen = None;
        self.held = true;
        // Whether they can be made again is to be found out.
        self.fresh |= connected;
    }

    /// Another turn begins at the time `now` in milliseconds, `elsewhere` or where the node was.
    pub fn let_go(&mut self, elsewhere: bool, now: u64) {
        self.held = false;
        self.turn = Turn(self.turn.0.wrapping_add(1));
        self.seen = Some(now);
        if elsewhere {
            self.fresh = true;
            self.spent = 0;
        }
    }

    /// For how many milliseconds the node was tried in vain, at the time `now` in milliseconds; 0 while it is held, when it is
    /// not to be given up. To be called often, as what was between two calls is not known. `away` is false for one that is
    /// connected, and for one that may be away: then the time begins anew.
    pub fn tried(&mut self, away: bool, now: u64) -> u64 {
        if !away {
            (self.spent, self.seen) = (0, None);
        }
        if !away || self.held {
            return 0;
        }
        self.count(now);
        self.seen = Some(now);
        self.spent
    }

    /// Counts the time since it was looked at last.
    fn count(&mut self, now: u64) {
        let passed = self.seen.map_or(0, |seen| now.saturating_sub(seen));
        self.spent = self.spent.saturating_add(passed);
    }
}

impl Default for Stay {
    fn default() -> Self {
        Self::new()
    }
}
