// SPDX-License-Identifier: GPL-2.0

//! Leases: who may work under a name, and until when.
//!
//! A lease is granted for a time and renewed before that is over. There are two sides, which may
//! lie on different machines with one clock rate between them:
//!
//! - the table's, an [`Entry`] for each name, decides who holds it;
//! - the holder's, a [`Holding`], decides when to renew and when to stop.
//!
//! ```text
//!   granted                        renew                stop            until
//!      |------------------------------|-------------------|---------------|
//!      |<-------- half ------------->|<------ half ----->|<--- margin -->|
//! ```
//!
//! A holder that was not renewed by `stop` cancels its work then, and has the margin to see it
//! ended before the table lets another one in. A renewal counts from when it was *asked for*, not
//! from when the answer came; the table, which hears of it later, counts from when it heard: its
//! end is never the earlier one.
//!
//! Where the table can see the work (both sides are one program), it also waits for the end of
//! work that has overstayed: two who work at the same time are worse than one who waits. So what
//! a late holder breaks is its own work, never the exclusion.
//!
//! Times are nanoseconds of one monotonic clock.

/// How long a lease is granted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    duration: u64,
    margin: u64,
}

impl Terms {
    /// The shortest time between two steps, in nanoseconds: what is left for work and for renewing
    /// must be more than that.
    pub const LEAST: u64 = 1_000_000;

    /// A lease of `duration`, of which the last `margin` is left for ending the work. `None` if
    /// that leaves less than twice [`Self::LEAST`] for work, or more than a century is asked for.
    pub const fn new(duration: u64, margin: u64) -> Option<Self> {
        const CENTURY: u64 = 100 * 365 * 86_400 * 1_000_000_000;
        match duration.checked_sub(margin) {
            Some(usable) if usable >= 2 * Self::LEAST && duration <= CENTURY => {
                Some(Self { duration, margin })
            }
            _ => None,
        }
    }

    /// How long one grant lasts.
    pub const fn duration(self) -> u64 {
        self.duration
    }

    /// What of it is left for ending the work.
    pub const fn margin(self) -> u64 {
        self.margin
    }
}

/// Why a lease is not granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Somebody has it until then, if it is not renewed or released.
    Held(u64),
    /// Its time is over or it was released, but work under it has not ended yet.
    Leaving,
}

/// Why a lease is not renewed, or no work may begin under it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// Its time is over.
    Late,
    /// It was revoked.
    Revoked,
    /// It was released, or somebody else has it.
    Gone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tenure {
    Free,
    Held { until: u64, revoked: bool },
}

/// What the table knows of one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The number of the last grant.
    number: u64,
    tenure: Tenure,
    /// Work under that grant is going on.
    working: bool,
}

impl Default for Entry {
    fn default() -> Self {
        Self::new()
    }
}

impl Entry {
    /// A name that nobody holds.
    pub const fn new() -> Self {
        Self {
            number: 0,
            tenure: Tenure::Free,
            working: false,
        }
    }

    /// Asks for the lease at `now`.
    pub fn acquire(&mut self, now: u64, terms: Terms) -> Result<Holding, Refused> {
        match self.tenure {
            // Also while it is revoked: its holder may not have heard of that.
            Tenure::Held { until, .. } if now < until => return Err(Refused::Held(until)),
            _ if self.working => return Err(Refused::Leaving),
            _ => {}
        }
        self.number = self.number.wrapping_add(1);
        let until = now.saturating_add(terms.duration);
        self.tenure = Tenure::Held {
            until,
            revoked: false,
        };
        Ok(Holding {
            number: self.number,
            until,
            terms,
        })
    }

    /// Looks whether the grant `number` is in force at `now`.
    fn check(&self, now: u64, number: u64) -> Result<(), Lost> {
        match self.tenure {
            Tenure::Held { until, revoked } if number == self.number => {
                if now >= until {
                    // Nobody else has it yet, but somebody may have been promised it.
                    Err(Lost::Late)
                } else if revoked {
                    Err(Lost::Revoked)
                } else {
                    Ok(())
                }
            }
            _ => Err(Lost::Gone),
        }
    }

    /// The holder asks at `now` for a whole new duration. Renewing never shortens a lease.
    pub fn renew(&mut self, now: u64, holding: &Holding) -> Result<(), Lost> {
        self.check(now, holding.number)?;
        if let Tenure::Held { until, .. } = &mut self.tenure {
            *until = (*until).max(now.saturating_add(holding.terms.duration));
        }
        Ok(())
    }

    /// Work begins under the grant; its end will be told with [`Self::end`].
    pub fn begin(&mut self, now: u64, holding: &Holding) -> Result<(), Lost> {
        self.check(now, holding.number)?;
        if holding.stops_at() <= now {
            return Err(Lost::Late);
        }
        self.working = true;
        Ok(())
    }

    /// The work under the grant `number` has ended.
    pub fn end(&mut self, number: u64) {
        if number == self.number {
            self.working = false;
        }
    }

    /// The holder needs it no more. Work that still goes on keeps others out until its end.
    pub fn release(&mut self, number: u64) {
        if number == self.number {
            self.tenure = Tenure::Free;
        }
    }

    /// Whoever holds it does not get it renewed any more.
    pub fn revoke(&mut self) {
        if let Tenure::Held { revoked, .. } = &mut self.tenure {
            *revoked = true;
        }
    }

    /// Whether the grant `number` was revoked.
    pub fn is_revoked(&self, number: u64) -> bool {
        number == self.number && matches!(self.tenure, Tenure::Held { revoked: true, .. })
    }

    /// Whether nobody holds it and no work is going on, at any time.
    pub fn is_free(&self) -> bool {
        self.tenure == Tenure::Free && !self.working
    }
}

/// What the holder does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Nothing until then.
    Wait(u64),
    /// Ask for renewal now.
    Renew,
    /// End the work: a renewal would come too late.
    Stop,
}

/// What the holder knows of its lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holding {
    number: u64,
    until: u64,
    terms: Terms,
}

impl Holding {
    /// The number of the grant.
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// When the work must be cancelled if nothing is renewed before.
    pub const fn stops_at(&self) -> u64 {
        self.until.saturating_sub(self.terms.margin)
    }

    /// When to ask for renewal: half of the time for work is over.
    pub const fn renews_at(&self) -> u64 {
        let usable = self.terms.duration.saturating_sub(self.terms.margin);
        self.stops_at().saturating_sub(usable / 2)
    }

    /// What to do at `now`.
    pub const fn next(&self, now: u64) -> Next {
        if now >= self.stops_at() {
            Next::Stop
        } else if now >= self.renews_at() {
            Next::Renew
        } else {
            Next::Wait(self.renews_at())
        }
    }

    /// A renewal that was asked for at `asked` was granted; the answer came at `now`. `false` if
    /// that is too late: the work was to be stopped by then, and stays so.
    pub fn renewed(&mut self, asked: u64, now: u64) -> bool {
        if now >= self.stops_at() {
            return false;
        }
        self.until = self.until.max(asked.saturating_add(self.terms.duration));
        true
    }
}
