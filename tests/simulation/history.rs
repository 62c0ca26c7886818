// SPDX-License-Identifier: GPL-2.0

//! What the application has asked for and been told, what has really happened at the device, and the
//! rules that both have to keep. [`World::step`] looks at them after each event.
//!
//! - **Order.** Of a write and a later request that name the same sector: if the application was told
//!   of the end of the write before it asked for the other, nothing of the write is carried out after
//!   anything of the other, whether the write has succeeded or failed. Of two writes that name the same
//!   sector, neither of which has ended, the later one goes out only if the earlier one is on its way.
//! - **Truth.** A request that has succeeded was carried out, in full; a read brings what the device had
//!   then; nothing ends twice.
//! - **Freshness.** A read brings the last write that had succeeded when it was asked for, or one that was
//!   under way then; and nothing that is older than what an earlier read has brought. What a crash takes
//!   from a volatile cache is excepted until the next flush.
//! - **Durability.** What is stable at the device is never older than what was promised: with
//!   write-through every write that has succeeded, with write-back those that had succeeded before a
//!   flush was asked for that has succeeded. A write that is lost is excepted from a flush if one was
//!   asked for after its end and had failed before this one was asked for.
//! - **Patience.** Nothing ends in error without a reason; a loss is told once.
//! - **Progress.** When the faults have stopped, every request ends, and no place is left in use.
//!
//! [`World::step`]: crate::world::World

use std::collections::BTreeSet;

/// Names a request of the application, also what a write writes; 0 is what was there at first.
pub type Id = u64;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// To read.
    Read,
    /// To write the request's [`Id`] to each sector.
    Write,
    /// To make stable what was written.
    Flush,
}

/// A request.
#[derive(Clone, Debug)]
pub struct Request {
    /// What is asked for.
    pub kind: Kind,
    /// The first sector.
    pub first: usize,
    /// How many.
    pub sectors: usize,
    begin: u64,
    end: Option<u64>,
    succeeded: bool,
    /// It may end in error.
    excused: bool,
    /// Of each sector whether it was carried out; of a flush whether it was.
    done: Vec<bool>,
    /// Of each sector whether it was carried out last before a crash that took it.
    lost: Vec<bool>,
    /// When a flush that covers it has failed since it was lost.
    told: Option<u64>,
    /// Of a read: what the device had, each time.
    found: Vec<Vec<Id>>,
}

impl Request {
    fn names(&self, sector: usize) -> bool {
        (self.first..self.first + self.sectors).contains(&sector)
    }

    /// Whether both name a sector.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.first < other.first + other.sectors && other.first < self.first + self.sectors
    }
}

/// So many reads of a sector are remembered.
const SEEN: usize = 64;

/// What a read has brought of a sector.
#[derive(Clone, Copy)]
struct Seen {
    begin: u64,
    end: u64,
    value: Id,
}

/// Of writes to a sector: when something was told of each, and the latest time at which it or one before
/// was asked for.
#[derive(Clone, Default)]
struct Latest(Vec<(u64, u64)>);

impl Latest {
    fn add(&mut self, now: u64, begin: u64) {
        let latest = self.by(u64::MAX).max(begin);
        self.0.push((now, latest));
    }

    /// The latest time at which one was asked for of those that were told of before `time`.
    fn by(&self, time: u64) -> u64 {
        match self.0.partition_point(|(told, _)| *told < time) {
            0 => 0,
            count => self.0[count - 1].1,
        }
    }
}

#[derive(Clone, Default)]
struct Sector {
    /// When the latest of the requests that were carried out here was asked for.
    any: u64,
    /// Writes that have succeeded since a crash took something.
    settled: Latest,
    /// What reads have brought since then.
    seen: Vec<Seen>,
    /// Writes that are promised to be stable.
    promised: Latest,
    /// When a crash took something last.
    crashed: u64,
}

/// All of it.
pub struct History {
    write_through: bool,
    requests: Vec<Request>,
    open: BTreeSet<Id>,
    sectors: Vec<Sector>,
    /// Writes that have succeeded and are not promised to be stable.
    unpromised: Vec<Id>,
    /// When the client has learned of a server's end last, or that an answer came too late.
    news: u64,
    /// Since then a flush that was asked for later has failed to tell of the loss; when it had.
    told: Option<u64>,
    /// When a flush has told of a loss last, of whichever.
    last_told: u64,
    clock: u64,
}

/// A rule that was broken.
pub type Broken = String;

impl History {
    /// Of a node with so many sectors.
    pub fn new(sectors: usize, write_through: bool) -> Self {
        let nothing = Request {
            kind: Kind::Write,
            first: 0,
            sectors,
            begin: 0,
            end: Some(0),
            succeeded: true,
            excused: true,
            done: vec![true; sectors],
            lost: vec![false; sectors],
            told: None,
            found: Vec::new(),
        };
        Self {
            write_through,
            requests: vec![nothing],
            open: BTreeSet::new(),
            sectors: vec![Sector::default(); sectors],
            unpromised: Vec::new(),
            last_told: 0,
            news: 0,
            told: None,
            clock: 1,
        }
    }

    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    /// The application asks.
    pub fn begin(&mut self, kind: Kind, first: usize, sectors: usize) -> Id {
        let (id, begin) = (self.requests.len() as Id, self.tick());
        self.requests.push(Request {
            kind,
            first,
            sectors,
            begin,
            end: None,
            succeeded: false,
            excused: false,
            done: vec![false; sectors.max(1)],
            lost: vec![false; sectors],
            told: None,
            found: Vec::new(),
        });
        self.open.insert(id);
        id
    }

    /// The request.
    pub fn request(&self, id: Id) -> &Request {
        &self.requests[id as usize]
    }

    /// How many have not ended.
    pub fn open(&self) -> usize {
        self.open.len()
    }

    /// Those that have not ended.
    pub fn stuck(&self) -> Vec<Id> {
        self.open.iter().copied().collect()
    }

    /// The device carries out one sector of a request.
    pub fn carried_out(&mut self, id: Id, sector: usize) -> Result<(), Broken> {
        let request = &mut self.requests[id as usize];
        let state = &mut self.sectors[sector];
        let changes = request.kind == Kind::Write;
        // What a late read brings, nobody takes.
        if changes && request.end.is_some_and(|end| end < state.any) {
            return Err(format!(
                "order: write {id} is carried out at sector {sector} after a request that was asked for after its end"
            ));
        }
        state.any = state.any.max(request.begin);
        request.done[sector - request.first] = true;
        request.lost[sector - request.first] = false;
        Ok(())
    }

    /// The device carries out a flush.
    pub fn flushed(&mut self, id: Id) {
        self.requests[id as usize].done[0] = true;
    }

    /// A write goes out. Those that the application has asked for before, that name the same sectors
    /// and have not ended, must be on their way.
    pub fn goes_out(&self, id: Id, out: impl Fn(Id) -> bool) -> Result<(), Broken> {
        let own = self.request(id);
        if own.kind != Kind::Write {
            return Ok(());
        }
        let before = self.open.range(..id).find(|before| {
            let other = self.request(**before);
            other.kind == Kind::Write && other.overlaps(own) && !out(**before)
        });
        match before {
            Some(before) => Err(format!("order: write {id} overtakes {before}")),
            None => Ok(()),
        }
    }

    /// The application is told of the end.
    pub fn end(&mut self, id: Id, succeeded: bool) -> Result<(), Broken> {
        let now = self.tick();
        if !self.open.remove(&id) {
            return Err(format!("truth: {id} ends twice"));
        }
        let request = &mut self.requests[id as usize];
        request.end = Some(now);
        request.succeeded = succeeded;
        if succeeded && request.done.contains(&false) {
            return Err(format!(
                "truth: {:?} {id} succeeds and was not carried out",
                request.kind
            ));
        }
        if !succeeded && !request.excused {
            return Err(format!(
                "patience: {:?} {id} fails without a reason",
                request.kind
            ));
        }
        match request.kind {
            Kind::Write if succeeded => self.write_succeeds(id, now),
            Kind::Flush if succeeded => self.flush_succeeds(id, now),
            Kind::Flush => self.flush_fails(id, now),
            _ => {}
        }
        Ok(())
    }

    fn write_succeeds(&mut self, id: Id, now: u64) {
        let request = &self.requests[id as usize];
        for (at, sector) in (request.first..).take(request.sectors).enumerate() {
            let state = &mut self.sectors[sector];
            if self.write_through {
                state.promised.add(now, request.begin);
            }
            if !request.lost[at] {
                state.settled.add(now, request.begin);
            }
        }
        if !self.write_through {
            self.unpromised.push(id);
        }
    }

    fn flush_succeeds(&mut self, id: Id, now: u64) {
        let begin = self.request(id).begin;
        let (requests, sectors) = (&self.requests, &mut self.sectors);
        self.unpromised.retain(|write| {
            let write = &requests[*write as usize];
            if write.end.is_none_or(|end| end > begin) {
                return true;
            }
            if write.told.is_none_or(|told| told > begin) {
                for sector in &mut sectors[write.first..write.first + write.sectors] {
                    sector.promised.add(now, write.begin);
                }
            }
            false
        });
    }

    fn flush_fails(&mut self, id: Id, now: u64) {
        let begin = self.request(id).begin;
        for write in &self.unpromised {
            let write = &mut self.requests[*write as usize];
            if write.end.is_some_and(|end| end < begin) && write.lost.contains(&true) {
                write.told.get_or_insert(now);
            }
        }
    }

    /// There is a reason for `id` to end in error.
    pub fn excuse(&mut self, id: Id) {
        self.requests[id as usize].excused = true;
    }

    /// The client learns that the server has lost its cache.
    pub fn news(&mut self) {
        self.news = self.tick();
        self.told = None;
    }

    /// A flush fails only because the server has lost its cache. `all`: with it all of that is told. `beside`: there is
    /// another that will tell of a loss, of whichever, and has not yet.
    pub fn tells(&mut self, id: Id, all: bool, beside: bool) -> Result<(), Broken> {
        let now = self.tick();
        let begin = self.request(id).begin;
        if self.news == 0 {
            return Err(format!("patience: flush {id} fails, and no cache was lost"));
        }
        // One that was asked for before another told of an earlier loss fails with that.
        let beside = beside || self.last_told > begin;
        if !beside && self.told.is_some_and(|told| told < begin) {
            return Err(format!("patience: flush {id} tells again of what was told"));
        }
        if all {
            self.last_told = now;
        }
        if all && begin > self.news {
            self.told.get_or_insert(now);
        }
        self.excuse(id);
        Ok(())
    }

    /// The device has found this for a read: of each sector who wrote it.
    pub fn found(&mut self, id: Id, data: Vec<Id>) {
        self.requests[id as usize].found.push(data);
    }

    /// A read has brought this to the application, which is told of its end now.
    pub fn brought(&mut self, id: Id, data: &[Id]) -> Result<(), Broken> {
        let end = self.tick();
        let read = &self.requests[id as usize];
        if !read.found.iter().any(|found| found == data) {
            let found = &read.found;
            return Err(format!(
                "truth: read {id} brings {data:?}, there was {found:?}"
            ));
        }
        let (begin, first) = (read.begin, read.first);
        for (sector, value) in (first..).zip(data.iter().copied()) {
            self.fresh(id, begin, sector, value)?;
            let state = &mut self.sectors[sector];
            if begin > state.crashed {
                state.seen.push(Seen { begin, end, value });
                if state.seen.len() > SEEN {
                    state.seen.remove(0);
                }
            }
        }
        Ok(())
    }

    /// When the write of `value` had ended, for good.
    fn over(&self, value: Id) -> u64 {
        self.request(value).end.unwrap_or(u64::MAX)
    }

    fn fresh(&self, id: Id, begin: u64, sector: usize, value: Id) -> Result<(), Broken> {
        let (state, over) = (&self.sectors[sector], self.over(value));
        if value != 0 && !self.request(value).names(sector) {
            return Err(format!(
                "truth: read {id} brings {value} from sector {sector}"
            ));
        }
        if over < state.settled.by(begin).max(state.promised.by(begin)) {
            return Err(format!(
                "freshness: read {id} brings {value} from sector {sector}, which a later write had replaced"
            ));
        }
        let newer = state
            .seen
            .iter()
            .find(|seen| seen.end < begin && seen.value != value && over < seen.begin);
        match newer {
            Some(seen) => Err(format!(
                "freshness: read {id} brings {value} from sector {sector}, an earlier read has brought {}",
                seen.value
            )),
            None => Ok(()),
        }
    }

    /// A crash has taken what `id` had written to `sector`.
    pub fn forgotten(&mut self, id: Id, sector: usize) {
        let now = self.tick();
        let request = &mut self.requests[id as usize];
        request.lost[sector - request.first] = true;
        let state = &mut self.sectors[sector];
        state.settled.0.clear();
        state.seen.clear();
        state.crashed = now;
    }

    /// `stable` is what the device would have of each sector after a crash.
    pub fn durable(&self, stable: impl Iterator<Item = Id>) -> Result<(), Broken> {
        for (sector, value) in stable.enumerate() {
            if self.over(value) < self.sectors[sector].promised.by(u64::MAX) {
                return Err(format!(
                    "durability: sector {sector} has {value} stable, which is older than what was promised"
                ));
            }
        }
        Ok(())
    }

    /// The application is gone with its machine; another one begins.
    pub fn gone(&mut self) -> Result<(), Broken> {
        for id in self.stuck() {
            self.excuse(id);
            self.end(id, false)?;
        }
        self.begin_anew();
        Ok(())
    }

    /// Another client begins, which knows of nothing: what was not promised to be stable never will be.
    pub fn begin_anew(&mut self) {
        self.unpromised.clear();
        self.news = 0;
        self.told = None;
    }
}
