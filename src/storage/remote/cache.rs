// SPDX-License-Identifier: GPL-2.0

//! Whether acknowledged writes may have been lost with the server's volatile cache.
//!
//! The hello carries an identity of the server's boot and cache. If it is another one after a
//! reconnect while acknowledged writes had not been flushed, these may be gone, and the next flush
//! must fail: that is what its caller relies on.
//!
//! So do all other callers whose flushes are under way then. A flush fails if it began before the
//! end of the one that told of the loss was known; [`Parking::era`] counts these ends.
//!
//! [`Parking::era`]: crate::storage::parking::Parking::era

/// What is known of the server's cache.
pub(super) struct Cache {
    identity: Option<([u8; 16], u64)>,
    /// A write was acknowledged since the last flush was sent.
    dirty: bool,
    /// A flush that has to cover acknowledged writes has not ended well yet.
    unflushed: bool,
    flushes: u32,
    lost: bool,
    /// The era in which a loss was told last: flushes of this era and of earlier ones fail.
    told: u64,
}

impl Cache {
    pub(super) const fn new() -> Self {
        Self {
            identity: None,
            dirty: false,
            unflushed: false,
            flushes: 0,
            lost: false,
            told: 0,
        }
    }

    /// A connection was made; `identity` is what its hello said. Flushes that were under way will
    /// be sent again.
    pub(super) fn connected(&mut self, identity: ([u8; 16], u64)) {
        let other = self.identity.is_some_and(|before| before != identity);
        if other && (self.dirty || self.unflushed) {
            self.lost = true;
            self.dirty = false;
            self.unflushed = false;
        }
        self.flushes = 0;
        self.identity = Some(identity);
    }

    /// A write was acknowledged.
    pub(super) fn write_ended(&mut self) {
        self.dirty = true;
    }

    /// A flush is about to be sent: it covers what was acknowledged until now.
    pub(super) fn flush_sent(&mut self) {
        self.unflushed |= core::mem::replace(&mut self.dirty, false);
        self.flushes = self.flushes.saturating_add(1);
    }

    /// The server answered, in era `now`, a flush that began in era `began`. False if it has to
    /// fail all the same.
    pub(super) fn flush_ended(&mut self, ok: bool, began: u64, now: u64) -> bool {
        self.flushes = self.flushes.saturating_sub(1);
        if ok && self.flushes == 0 {
            self.unflushed = false;
        }
        if core::mem::replace(&mut self.lost, false) {
            self.told = now;
        }
        began > self.told
    }
}
