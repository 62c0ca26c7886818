// SPDX-License-Identifier: GPL-2.0

//! Whether acknowledged writes may have been lost with a server's volatile cache.
//!
//! The hello carries an identity of the server's boot and cache. If it is another one while
//! acknowledged writes are not known to be stable, these may be gone, and flushes must fail: that
//! they do not is what their callers rely on.
//!
//! Acknowledged writes are counted. What a flush promises is a number of them ([`Covers`]): those
//! that had ended before its caller asked. A loss is told by a flush that covers all of it.
//! One that covers less fails too but tells only of a part, so the next one has to fail again. With
//! the flush that tells fail all whose callers asked before its end was known; the caller of this
//! module counts such ends as eras.
//!
//! An answer can come late, on a connection to a server that is known to be gone by then. So a
//! connection keeps the [`Life`] that it was made in, and a write that is acknowledged by an
//! earlier one counts as lost.

/// An identity of a server's boot and cache.
pub type Identity = ([u8; 16], u64);

/// The time in which a server has the same identity; by default the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Life(u64);

/// The writes that a flush makes stable: so many of the acknowledged ones, from the first on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Covers(u64);

impl Covers {
    /// None: of a flush of which it is not known when its caller asked.
    pub const NOTHING: Self = Self(0);
}

/// What is known of the server's cache.
#[derive(Clone, Copy, Debug)]
pub struct WriteBack {
    identity: Option<Identity>,
    life: u64,
    /// Writes.
    acknowledged: u64,
    /// So many of them are stable.
    stable: u64,
    /// Of so many of them some may be lost, and no flush has told of all of that.
    lost: Option<u64>,
    /// The era in which a loss was told last: flushes of this era and of earlier ones fail.
    told: u64,
}

impl WriteBack {
    /// Of a server that nothing is known of.
    pub const fn new() -> Self {
        Self {
            identity: None,
            life: 0,
            acknowledged: 0,
            stable: 0,
            lost: None,
            told: 0,
        }
    }

    /// A connection was made; `identity` is what its hello said.
    pub fn connected(&mut self, identity: Identity) -> Life {
        if self.identity.is_some_and(|before| before != identity) {
            self.life += 1;
            if self.stable < self.acknowledged {
                self.lost = Some(self.acknowledged);
                self.stable = self.acknowledged;
            }
        }
        self.identity = Some(identity);
        Life(self.life)
    }

    /// A write has ended that was acknowledged on a connection of `life`. Called after its caller was
    /// told rather than before: a flush that is asked for in between does not have to cover it.
    pub fn write_ended(&mut self, life: Life) {
        self.acknowledged += 1;
        if life.0 != self.life {
            self.lost = Some(self.acknowledged);
        }
    }

    /// What a flush covers whose caller asks now.
    pub const fn covers(&self) -> Covers {
        Covers(self.acknowledged)
    }

    /// The server answered, in era `now`, a flush that began in era `began`. False if it has to
    /// fail all the same.
    pub fn flush_ended(&mut self, covers: Covers, ok: bool, began: u64, now: u64) -> bool {
        if ok {
            self.stable = self.stable.max(covers.0);
        }
        if let Some(lost) = self.lost {
            if covers.0 >= lost {
                self.lost = None;
                self.told = now;
            }
            return false;
        }
        began > self.told
    }
}

impl Default for WriteBack {
    fn default() -> Self {
        Self::new()
    }
}
