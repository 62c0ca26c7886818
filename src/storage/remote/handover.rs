// SPDX-License-Identifier: GPL-2.0

//! What a remote node does when the node moves to it, or away from it.

use super::Remote;
use crate::{
    dst_core::write_back::{Life, Moment},
    sys::bio::Status,
};

impl Remote {
    /// The time in which the server's cache keeps what it has taken. Once a connection to a server with
    /// another one was made, what it had is lost. Always the same for a node without a volatile cache.
    pub fn life(&self) -> Life {
        self.inner.lock().write_back.life()
    }

    /// A write of which another device had a copy has ended at the moment `at`; here it was acknowledged in
    /// `life`. Any context.
    pub fn wrote(&self, life: Life, at: Moment) {
        if self.moments.is_some() {
            self.inner.lock().write_back.write_ended(life, at);
        }
    }

    /// Whether acknowledged writes are lost of which no flush has told.
    pub fn has_untold_loss(&self) -> bool {
        self.inner.lock().write_back.has_untold_loss()
    }

    /// Whether it can tell of a loss.
    pub fn tells_losses(&self) -> bool {
        self.moments.is_some()
    }

    /// Takes the place of `other`, which is flushed, and tells of the losses there.
    pub fn inherit(&self, other: &Self) {
        let other = other.inner.lock().write_back;
        self.inner.lock().write_back.inherit(&other);
    }

    /// Nobody relies on what is lost here: all of it is written again.
    pub fn forget_losses(&self) {
        self.inner.lock().write_back.forget();
    }

    /// Ends in error what waits for a connection. What comes later waits again. Process context.
    pub fn end_waiting(&self) {
        self.give_up(0, Status::Transport);
    }
}
