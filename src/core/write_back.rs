// SPDX-License-Identifier: GPL-2.0

//! Whether acknowledged writes may have been lost with a server's volatile cache.
//!
//! The hello carries an identity of the server's boot and cache. If it is another one while
//! acknowledged writes are not known to be stable, these may be gone, and flushes must fail: that
//! they do not is what their callers rely on.
//!
//! The caller has a clock that goes on with each write that ends well, before the write's own caller is
//! told of that; with each write that fails and each copy of an extent, too, while a [node moves](super::migration). So what a flush promises is a [`Moment`]: that all is stable which had ended by then,
//! when the flush was asked for. A loss is told by a flush that covers all of it. One that covers less
//! fails too but tells only of a part, so the next one has to fail again.
//!
//! With the flush that tells fail all that were asked for before its end was known ([`Endings`]): each of
//! their callers was about to be told that its own writes are stable. One that is asked for between that end and the
//! moment in which it is noted here fails, too: nobody can say whether its caller knew.
//!
//! A flush that nobody has asked for can fail too, and devices commonly report such an error once. So the next one that was asked
//! for since tells of it ([`Since`]), whatever the device says then. A server gives its cache another identity when a flush
//! of the device fails, whoever has asked for that, and says it with the answer to each flush, which is as good as a new
//! connection.
//!
//! An answer can come late, of a write that was sent before the cache was known to be another one. So a
//! write keeps the [`Life`] that its connection had when it was sent, and counts as lost if that is over when it is
//! acknowledged.

/// An identity of a server's boot and cache.
pub type Identity = ([u8; 16], u64);

/// The time in which a server has the same identity; by default the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Life(u64);

/// A moment of the caller's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(u64);

impl Moment {
    /// Before all writes: of a flush of which it is not known when its caller asked.
    pub const BEFORE_ALL: Self = Self(0);

    /// So many writes have ended.
    pub const fn after(writes: u64) -> Self {
        Self(writes)
    }
}

/// From when on a flush has to be asked for to tell of one that has failed in silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Since(u64);

/// What a flush promises to its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Promise {
    /// What has ended by then is stable.
    pub covers: Moment,
    /// The era in which it was asked for.
    era: u64,
}

impl Promise {
    /// Whether it was certainly asked for after `since`.
    pub fn is_since(&self, since: Since) -> bool {
        self.era >= since.0
    }
}

/// Which flushes were asked for before an end in error was known, for all servers of a storage.
///
/// An era ends when the caller of a request was told that it has failed.
#[derive(Clone, Copy, Debug)]
pub struct Endings {
    era: u64,
    /// Requests that will tell their callers of a loss.
    telling: u32,
    /// The era in which the last of these did: promises of this era and of earlier ones are broken.
    told: u64,
}

impl Endings {
    /// Nothing has failed.
    pub const fn new() -> Self {
        Self {
            era: 2,
            telling: 0,
            told: 0,
        }
    }

    /// A flush is asked for at the moment `now`.
    pub const fn promise(&self, now: Moment) -> Promise {
        Promise {
            covers: now,
            era: self.era,
        }
    }

    /// The promise of a flush that was asked for in an earlier era, nobody knows which.
    pub const fn unknown() -> Promise {
        Promise {
            covers: Moment::BEFORE_ALL,
            era: 1,
        }
    }

    /// Something has failed of which no caller is told: begins an era.
    pub fn failed_in_silence(&mut self) -> Since {
        self.era += 1;
        Since(self.era)
    }

    /// A request will tell its caller of all of a loss; [`Self::failed`] follows.
    pub fn tells(&mut self) {
        self.telling = self.telling.saturating_add(1);
    }

    /// The caller of a request was told that it has failed; `tells`: of all of a
    /// loss.
    pub fn failed(&mut self, tells: bool) {
        if tells {
            self.telling = self.telling.saturating_sub(1);
            self.told = self.era;
        }
        self.era += 1;
    }

    /// Whether the caller of a flush may be told that it has succeeded, as far as losses are
    /// concerned that others have told of.
    pub fn holds(&self, promise: &Promise) -> bool {
        if self.telling > 0 {
            return false;
        }
        promise.era > self.told
    }
}

impl Default for Endings {
    fn default() -> Self {
        Self::new()
    }
}

/// What becomes of a flush that the server has answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// No loss is known that it would have to tell of.
    Sound,
    /// It fails, and tells of a part of a loss.
    Fails,
    /// It fails, and when its caller knows that, all of the loss is told.
    Tells,
}

/// What is known of one server's cache.
#[derive(Clone, Copy, Debug)]
pub struct WriteBack {
    identity: Option<Identity>,
    life: u64,
    /// When the last write that it has acknowledged ended.
    acknowledged: Moment,
    /// What had ended by then is stable.
    stable: Moment,
    /// What the cache had then was not known.
    unknown: Moment,
    /// Of what had ended by then some may be lost, and no flush has told of all of that.
    lost: Option<Moment>,
}

impl WriteBack {
    /// Of a server that nothing is known of.
    pub const fn new() -> Self {
        Self {
            identity: None,
            life: 0,
            acknowledged: Moment::BEFORE_ALL,
            stable: Moment::BEFORE_ALL,
            unknown: Moment::BEFORE_ALL,
            lost: None,
        }
    }

    /// A connection was made; `identity` is what its hello said.
    pub fn connected(&mut self, identity: Identity) -> Life {
        if self.identity.is_some_and(|before| before != identity) {
            self.begin_another();
        }
        self.identity = Some(identity);
        Life(self.life)
    }

    /// What the former cache had and was not stable is lost.
    fn begin_another(&mut self) {
        self.life += 1;
        if self.stable < self.acknowledged {
            self.lost = Some(self.acknowledged);
            self.stable = self.acknowledged;
        }
        // Nothing is left in the cache that could be lost.
        self.stable = self.stable.max(self.unknown);
    }

    /// A write ended at the moment `at` that was sent on a connection of `life`. May be called
    /// after its caller was told.
    pub fn write_ended(&mut self, life: Life, at: Moment) {
        self.acknowledged = self.acknowledged.max(at);
        if life.0 != self.life {
            self.lost = self.lost.max(Some(at));
        }
    }

    /// The server answered a flush that covers what had ended by `covers`; `ok`: with success.
    pub fn flush_ended(&mut self, covers: Moment, ok: bool) -> Verdict {
        if ok {
            self.stable = self.stable.max(covers);
        }
        match self.lost {
            None => Verdict::Sound,
            Some(lost) if covers >= lost => {
                self.lost = None;
                Verdict::Tells
            }
            Some(_) => Verdict::Fails,
        }
    }

    /// Whether the hello of a connection that began to be made in the life `begun` may say `identity`: it is late if another
    /// one has become known meanwhile, and it is asked again then.
    pub fn may_be(&self, identity: Identity, begun: Life) -> bool {
        begun.0 == self.life || self.identity == Some(identity)
    }

    /// Whether the server is the one that was known last, whatever it calls its cache.
    pub fn is_of(&self, boot: &[u8; 16]) -> bool {
        self.identity.is_some_and(|(known, _)| known == *boot)
    }

    /// The server of the present life, which runs on, has said what it calls its cache by now; 0 if it does not say.
    /// `true` if it is another one: the connections of that life that stand go on in the next, and what was sent on them
    /// before this is of the one before.
    pub fn answered(&mut self, cache: u64) -> bool {
        match &mut self.identity {
            Some((_, known)) if cache != 0 && *known != cache => {
                *known = cache;
                self.begin_another();
                true
            }
            _ => false,
        }
    }

    /// The server has carried out, with success, a flush that nobody is told of: one that was asked for at the moment
    /// `covers`. What is lost stays to be told.
    pub fn flushed_unasked(&mut self, covers: Moment) {
        self.stable = self.stable.max(covers);
    }

    /// The same on a connection beside those that it is told of, by a server that said `identity` there. `false` if that is not
    /// the cache that is known here: it has nothing of what the one here had, and changes nothing.
    pub fn flushed_beside(&mut self, identity: Identity, covers: Moment) -> bool {
        let same = self.identity == Some(identity);
        if same {
            self.flushed_unasked(covers);
        }
        same
    }

    /// What the cache has at the moment `at` is not known: a write has failed, or it is that of an earlier owner.
    /// No flush has to tell if it is lost, but a copy that was made of it would be something else then.
    pub fn unsure(&mut self, at: Moment) {
        self.unknown = self.unknown.max(at);
    }

    /// Whether writes would be lost with the server's cache, or something of which nobody knows.
    pub fn is_at_risk(&self) -> bool {
        self.stable < self.acknowledged.max(self.unknown)
    }

    /// The time that it is in.
    pub const fn life(&self) -> Life {
        Life(self.life)
    }

    /// Whether a loss is known of which not all was told.
    pub const fn has_untold_loss(&self) -> bool {
        self.lost.is_some()
    }

    /// Nobody relies on what may be lost: all of it is written again.
    pub fn forget(&mut self) {
        self.lost = None;
    }

    /// This server takes the place of `other`, which is flushed: a loss there that no flush has told of is
    /// told here. The moments of both are those of the same clock.
    pub fn inherit(&mut self, other: &Self) {
        self.lost = self.lost.max(other.lost);
    }
}

impl Default for WriteBack {
    fn default() -> Self {
        Self::new()
    }
}
