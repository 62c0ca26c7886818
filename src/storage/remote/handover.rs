// SPDX-License-Identifier: GPL-2.0

//! What a remote node does when the node moves to it, or away from it.

use super::Remote;
use crate::{
    dst_core::{
        wire,
        write_back::{Identity, Life, Moment},
    },
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

    /// Takes the place of `other`, with all that is known of its cache: what is in there and was not flushed counts as lost
    /// once another cache answers. Before the first connection is used.
    pub fn succeed(&self, other: &Self) {
        let other = other.inner.lock().write_back;
        let mut inner = self.inner.lock();
        inner.write_back = other;
        // That of the first connection, too, is no late one.
        for line in inner.lines.iter_mut() {
            line.begun_in = other.life();
        }
    }

    /// Whether acknowledged writes would be lost with the server's cache, or are, and no flush has told of that.
    pub fn is_at_risk(&self) -> bool {
        let inner = self.inner.lock();
        inner.write_back.is_at_risk() || inner.write_back.has_untold_loss()
    }

    /// A server that said `identity` has carried out a flush that was asked for at the moment `covers`, over another
    /// connection. `false` if that is not the one whose cache is known here: this one was not flushed then.
    pub fn was_flushed(&self, identity: Identity, covers: Moment) -> bool {
        let mut inner = self.inner.lock();
        inner.write_back.flushed_beside(identity, covers)
    }

    /// Nobody relies on what is lost here: all of it is written again.
    pub fn forget_losses(&self) {
        self.inner.lock().write_back.forget();
    }

    /// Whether something that was sent on a connection that is lost may still change one of these sectors.
    pub fn is_exposed(&self, first: u64, sectors: u64) -> bool {
        self.inner.lock().table.is_exposed(first, sectors)
    }

    /// Whether I/O fails as soon as it is away.
    pub fn fails_fast(&self) -> bool {
        self.settings.fail_fast
    }

    /// Identity of the device, of the last server that was known as the node's.
    pub fn device(&self) -> [u8; 16] {
        self.inner.lock().device
    }

    /// Why a copy from another node was refused last; forgets it.
    pub fn take_copy_refusal(&self) -> Option<wire::Status> {
        self.inner.lock().copy_refusal.take()
    }

    /// Ends in error what waits for a connection. What comes later waits again. Process context.
    pub fn end_waiting(&self) {
        self.give_up(0, Status::Transport);
    }
}
