// SPDX-License-Identifier: GPL-2.0

//! Requests and copies while the node moves.

use core::ops::DerefMut;

use super::{
    requests::{Lock, Progress},
    switch::Switch,
    Admission, Copied, Copy, Copying, Extents, Pause, Phase, Reason, Request, Route, Side, Ticket,
    Way, What,
};

/// Whether the new device's machine copies from the old one's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direct {
    /// The two cannot: one of the devices is here.
    Never,
    /// It is not known: one extent is copied so, and others that are to be copied meanwhile are not.
    Trial,
    /// It does.
    Always,
    /// It does not, at present.
    Refused,
}

/// A node that moves.
///
/// # Invariants
///
/// - An extent that is copied is the same on both devices, but for requests that go to both and are
///   under way.
/// - No write is under way that overlaps an extent that is being copied ([`Lock::Copying`]).
/// - Of two writes under way that overlap none goes to both.
pub struct Migration<B, C, R> {
    pub(super) extents: Extents<B>,
    pub(super) copies: C,
    pub(super) requests: R,
    /// Where the search for the next extent begins.
    cursor: u64,
    direct: Direct,
    pub(super) pause: Option<Pause>,
    /// The new device is not there.
    pub(super) away: bool,
    pub(super) switch: Switch,
}

impl<B, C, R> Migration<B, C, R>
where
    B: DerefMut<Target = [u64]>,
    C: DerefMut<Target = [Copying]>,
    R: DerefMut<Target = [Request]>,
{
    /// A migration that begins: nothing is under way at the old device. Works on so many extents at once
    /// as there are places in `copies`, on so many requests as in `requests`.
    pub fn new(extents: Extents<B>, mut copies: C, mut requests: R, way: Way) -> Self {
        copies.fill(Copying::FREE);
        requests.fill(Request::FREE);
        Self {
            extents,
            copies,
            requests,
            cursor: 0,
            direct: match way {
                Way::Direct => Direct::Trial,
                Way::Through => Direct::Never,
            },
            pause: None,
            away: false,
            switch: Switch::new(),
        }
    }

    /// Where it is.
    pub const fn phase(&self) -> Phase {
        self.switch.phase
    }

    /// What is copied.
    pub const fn extents(&self) -> &Extents<B> {
        &self.extents
    }

    /// Why nothing is copied.
    pub const fn paused(&self) -> Option<Pause> {
        self.pause
    }

    /// Whether the new device is away.
    pub const fn is_away(&self) -> bool {
        self.away
    }

    /// Whether nothing more comes of it, and nothing is under way that has a ticket.
    pub fn is_over(&self) -> bool {
        let ended = matches!(self.phase(), Phase::Moved | Phase::Ended(_) | Phase::Lost);
        ended && self.is_idle()
    }

    pub(super) fn is_idle(&self) -> bool {
        let free = |request: &Request| matches!(request.progress, Progress::Free);
        self.requests.iter().all(free)
    }

    /// What becomes of a request.
    pub fn admit(&mut self, what: What) -> Admission {
        let both = match self.phase() {
            Phase::Preparing => false,
            Phase::Copying => !self.away,
            Phase::Draining
            | Phase::Flushing
            | Phase::Recording
            | Phase::Revoking
            | Phase::TakingOver => return Admission::Wait,
            Phase::Telling | Phase::Settling | Phase::Moved => {
                return Admission::Go(None, Route::New)
            }
            Phase::Ended(_) => return Admission::Go(None, Route::Old),
            Phase::Lost => return Admission::Lost,
        };
        let route = match what {
            What::Read => Route::Old,
            What::Flush if both => Route::Both,
            What::Flush => Route::Old,
            What::Change(first, sectors) => {
                if self.is_locked(first, sectors) {
                    return Admission::Wait;
                }
                match both && self.extents.touch(first, sectors) {
                    true => Route::Both,
                    false => Route::Old,
                }
            }
        };
        if self.must_follow(what, route) {
            return Admission::Wait;
        }
        let free = |request: &Request| matches!(request.progress, Progress::Free);
        let Some(index) = self.requests.iter().position(free) else {
            return Admission::Wait;
        };
        let Some(place) = self.requests.get_mut(index) else {
            return Admission::Wait;
        };
        place.progress = Progress::Open([true, route == Route::Both]);
        place.what = what;
        place.route = route;
        place.ok = true;
        let ticket = Ticket {
            index: index as u32,
            generation: place.generation,
        };
        if let (What::Change(first, sectors), false) = (what, both) {
            // The new device misses it.
            self.extents.clear(first, sectors);
        }
        Admission::Go(Some(ticket), route)
    }

    /// Whether sectors lie in an extent that is being copied, or will be as soon as nothing is under way there.
    fn is_locked(&self, first: u64, sectors: u64) -> bool {
        let extents = self.extents.of(first, sectors);
        let mut locked = self.copies.iter().filter_map(Copying::extent);
        locked.any(|extent| extents.contains(&extent))
    }

    /// Whether a write has to wait for one that it overlaps.
    fn must_follow(&self, what: What, route: Route) -> bool {
        let What::Change(first, sectors) = what else {
            return false;
        };
        self.requests.iter().any(|other| {
            other.writes(first, sectors) && (route == Route::Both || other.route == Route::Both)
        })
    }

    /// One of the devices has answered a request. How it has ended, if that was the last answer; its place
    /// is free then. An answer that nobody waits for is ignored.
    pub fn answered(&mut self, ticket: Ticket, side: Side, ok: bool) -> Option<bool> {
        let request = self
            .requests
            .get_mut(ticket.index as usize)
            .filter(|request| request.generation == ticket.generation)?;
        if !request.waits_for(side) {
            return None;
        }
        let (what, last) = (request.what, request.settle(side));
        if side == Side::Old {
            request.ok = ok;
        }
        let result = request.ok;
        if last {
            request.free();
        }
        match (side, ok, what) {
            // Nobody knows what the old device has there now.
            (Side::Old, false, What::Change(first, sectors)) => self.extents.clear(first, sectors),
            (Side::New, false, _) => {
                self.give_up(Reason::NewFailed);
            }
            _ => {}
        }
        last.then_some(result)
    }

    /// A request that has ended because the new device's answer is no longer waited for, and how.
    pub fn take_ended(&mut self) -> Option<(Ticket, bool)> {
        let mut places = self.requests.iter_mut().zip(0_u32..);
        let over = |place: &(&mut Request, u32)| matches!(place.0.progress, Progress::Over);
        let (request, index) = places.find(over)?;
        let ticket = Ticket {
            index,
            generation: request.generation,
        };
        let ok = request.ok;
        request.free();
        Some((ticket, ok))
    }

    /// Nobody waits for the new device any more. It misses what was under way to it.
    pub(super) fn leave_new(&mut self) {
        for copy in self.copies.iter_mut() {
            if copy.extent().is_some() {
                copy.free();
            }
        }
        for request in self.requests.iter_mut() {
            if !request.waits_for(Side::New) {
                continue;
            }
            if let What::Change(first, sectors) = request.what {
                self.extents.clear(first, sectors);
            }
            if request.settle(Side::New) {
                request.progress = Progress::Over;
            }
        }
    }

    /// An extent that is to be copied now, if there is one. Asked again after every event, until there is
    /// none.
    pub fn copy(&mut self) -> Option<Copy> {
        if self.phase() != Phase::Copying || self.pause.is_some() || self.away {
            return None;
        }
        for index in 0..self.copies.len() {
            if let Some(Lock::Free) = self.copies.get(index).map(|copy| copy.lock) {
                let Some(extent) = self.next_extent() else {
                    continue;
                };
                self.cursor = extent + 1;
                self.copies.get_mut(index)?.lock = Lock::Draining(extent);
            }
            let Some(Lock::Draining(extent)) = self.copies.get(index).map(|copy| copy.lock) else {
                continue;
            };
            let (first, sectors) = self.extents.range(extent);
            if self
                .requests
                .iter()
                .any(|other| other.writes(first, sectors))
            {
                continue;
            }
            let way = self.next_way();
            let place = self.copies.get_mut(index)?;
            place.lock = Lock::Copying(extent);
            place.way = way;
            return Some(Copy {
                ticket: Ticket {
                    index: index as u32,
                    generation: place.generation,
                },
                first,
                sectors,
                way,
            });
        }
        None
    }

    /// The next extent that is neither copied nor locked.
    fn next_extent(&self) -> Option<u64> {
        let locked = |extent| {
            let mut locks = self.copies.iter().filter_map(Copying::extent);
            locks.any(|lock| lock == extent)
        };
        let search = |mut from| loop {
            let extent = self.extents.next(from)?;
            if !locked(extent) {
                return Some(extent);
            }
            from = extent + 1;
        };
        search(self.cursor).or_else(|| search(0))
    }

    /// Whether what was read for a copy may be written. To be asked when that is sent: afterwards the extent may be
    /// used otherwise.
    pub fn wants(&self, ticket: Ticket) -> bool {
        let place = self.copies.get(ticket.index as usize);
        place.is_some_and(|place| place.generation == ticket.generation && place.extent().is_some())
    }

    /// A copy has ended. What came of one that nobody waits for any more is ignored.
    pub fn copied(&mut self, ticket: Ticket, result: Copied) {
        let place = self.copies.get_mut(ticket.index as usize);
        let Some(place) = place.filter(|place| place.generation == ticket.generation) else {
            return;
        };
        let (lock, way) = (place.lock, place.way);
        place.free();
        if (way, result) == (Way::Direct, Copied::Done) && self.direct == Direct::Trial {
            self.direct = Direct::Always;
        }
        match (result, lock) {
            (Copied::Done, Lock::Copying(extent)) => self.extents.set(extent),
            (Copied::ReadFailed, Lock::Copying(extent) | Lock::Void(extent)) => {
                self.hold(Pause::Unreadable(self.extents.range(extent).0));
            }
            (Copied::WriteFailed, _) => {
                self.give_up(Reason::NewFailed);
            }
            (Copied::Refused, _) if self.direct != Direct::Never => self.direct = Direct::Refused,
            _ => {}
        }
    }

    /// How extents are copied now; directly also while one alone is, to see whether that can be done.
    pub fn way(&self) -> Way {
        match self.direct {
            Direct::Never | Direct::Refused => Way::Through,
            Direct::Trial | Direct::Always => Way::Direct,
        }
    }

    /// Whether direct copies are known to work.
    pub fn is_direct(&self) -> bool {
        self.direct == Direct::Always
    }

    /// How the next extent is copied: directly, if that is known to work; one alone, if it is not known.
    fn next_way(&self) -> Way {
        let mut direct = self
            .copies
            .iter()
            .filter(|copy| copy.extent().is_some() && copy.way == Way::Direct);
        match self.direct {
            Direct::Always => Way::Direct,
            Direct::Trial if direct.next().is_none() => Way::Direct,
            _ => Way::Through,
        }
    }

    /// Tries direct copies, one at first, though they were refused: what was in their way may be gone. `false` if
    /// they were not, or never were meant.
    pub fn try_again(&mut self) -> bool {
        let refused = self.direct == Direct::Refused;
        if refused {
            self.direct = Direct::Trial;
        }
        refused
    }

    /// Begins no more copies until [`Self::resume`].
    pub fn pause(&mut self) {
        self.hold(Pause::Asked);
    }

    pub(super) fn hold(&mut self, pause: Pause) {
        self.pause = Some(pause);
        for copy in self.copies.iter_mut() {
            if matches!(copy.lock, Lock::Draining(_)) {
                copy.free();
            }
        }
    }

    /// Goes on after a pause, whatever its cause.
    pub fn resume(&mut self) {
        self.pause = None;
    }

    /// Writes that the device of this side had acknowledged are lost, or may be. What it has told, or was
    /// told, before is worth nothing; all is copied again. A loss that is known
    /// only after both devices were flushed takes nothing that matters to the migration: `false`.
    pub fn lost_cache(&mut self, _side: Side) -> bool {
        let phase = self.phase();
        if !matches!(
            phase,
            Phase::Preparing | Phase::Copying | Phase::Draining | Phase::Flushing
        ) {
            return false;
        }
        self.extents.clear_all();
        for copy in self.copies.iter_mut() {
            if let Lock::Copying(extent) = copy.lock {
                copy.lock = Lock::Void(extent);
            }
        }
        if matches!(phase, Phase::Draining | Phase::Flushing) {
            self.retreat(Phase::Copying);
        }
        true
    }

    /// The devices, the old one and the new one, that a request may go to now.
    pub fn used(&self) -> [bool; 2] {
        match self.phase() {
            Phase::Preparing | Phase::Ended(_) | Phase::Lost => [true, false],
            Phase::Telling | Phase::Settling | Phase::Moved => [false, true],
            _ => [true, !self.away],
        }
    }
}
