// SPDX-License-Identifier: GPL-2.0

//! The job that moves a node to another device while it is used.
//!
//! What is copied when, and what has to follow on what, is decided in [`crate::dst_core::migration`]; here extents are
//! read and written, the devices flushed, and steps taken as that asks for them. A device that is away is waited for;
//! while the new one is, the old one is used alone after a few seconds, and what it misses is copied again.
//!
//! An administrator may pause and cancel it until the new device takes over. When something at the old device keeps it from
//! going on, it pauses itself and tells why.

mod copies;
mod steps;
mod words;

use super::{
    config::Reason,
    job::{Job, Order, Outcome, Signal},
    loans::Loans,
    pace::Pace,
    registry::Work,
};
use crate::{
    dst_core::{
        job::{
            state::{End, Request, State},
            yielding::PERIOD,
        },
        map::Layout,
        migration::{self, Pause, Phase, Side, Way},
        units::sectors_to_bytes,
        wire::{self, CopySource},
        write_back::Life,
    },
    exec::Timer,
    storage::{
        beside::Site,
        fault::Outcome as Answer,
        mover::Mover,
        moving::{Moving, Watcher, COPIES},
        node::{Hindrance, Node},
    },
    sys::bio::{Status, SECTOR_SHIFT},
};
use copies::Slot;
use core::{future::Future, mem::MaybeUninit, num::NonZeroU32};
use kernel::{page::PAGE_SIZE, prelude::*, sync::Arc};
use steps::Flush;

/// Bytes that are read, and written, at a time, where the devices take as many.
const CHUNK: u32 = 1 << 20;

/// Microseconds until a device without room, or one that answered that it is away, is asked again.
const RETRY: u64 = 20_000;

/// Microseconds until a step that has failed is tried again.
const AGAIN: u64 = 500_000;

/// Microseconds until the new device's machine is asked again to copy from the old one's, after it was in vain. Each time
/// twice as many, up to [`DIRECT_PAUSE`].
const DIRECT_AGAIN: u64 = 30_000_000;

/// Microseconds at most between two times.
const DIRECT_PAUSE: u64 = 480_000_000;

/// Milliseconds of silence after which the old device's machine counts as not answering, while it is not known that it does.
const TRIAL_MS: u32 = 2_000;

/// Microseconds for which the new device may be away before the old one is used alone.
const AWAY: u64 = 5_000_000;

/// Microseconds after which a flush of the new device, for which all I/O of the node waits, counts as one that hangs.
const SLOW_FLUSH: u64 = 30_000_000;

/// A migration that was prepared.
pub struct Plan {
    mover: Arc<Mover>,
    sectors: u64,
    block: NonZeroU32,
}

/// Plans the move. Errors: `ENOENT` for a node that is not there.
pub fn plan(site: &Site, mover: Arc<Mover>) -> Answer<Plan> {
    let (_, sectors) = site
        .volume
        .layout()
        .range_of(mover.index() as usize)
        .ok_or(ENOENT)?;
    let block = NonZeroU32::new(site.logical_block >> SECTOR_SHIFT);
    Ok(Plan {
        mover,
        sectors,
        block: block.unwrap_or(NonZeroU32::MIN),
    })
}

impl Plan {
    /// Bytes of the node.
    pub fn bytes(&self) -> u64 {
        sectors_to_bytes(self.sectors).unwrap_or(u64::MAX)
    }

    /// The move, as `job`. May sleep. Errors: `ENOMEM`.
    ///
    /// This is the deepest place of a request, and memory is reclaimed on the same stack: whatever is large is on the
    /// heap, or gone before anything else is allocated.
    #[inline(never)]
    pub fn work(self, job: Arc<Job>) -> Result<Work> {
        let pages = (CHUNK as usize).div_ceil(PAGE_SIZE);
        let room = KBox::new_uninit(GFP_KERNEL)?;
        let timer = Timer::new()?;
        let loans = Loans::new(job.signal().clone(), COPIES, pages, 2)?;
        let mut copier = self.copier(job, loans, room)?;
        copier.explain_way();
        copier.moving().watch(copier.job.signal().clone());
        let body: KBox<dyn Future<Output = Outcome> + Send> =
            KBox::new(run(copier, timer), GFP_KERNEL)?;
        Ok(body.into())
    }

    /// What moves the node, put into `room`. Does not allocate.
    #[inline(never)]
    fn copier(
        self,
        job: Arc<Job>,
        loans: Loans,
        room: KBox<MaybeUninit<Copier>>,
    ) -> Result<KBox<Copier>> {
        let moving = self.mover.moving();
        let [old, new] = moving.sides().ok_or(EINVAL)?;
        let direct = moving.way() == Way::Direct;
        let source = self.mover.copy_source(job.begun().id);
        let source = source.filter(|_| direct);
        let copier = Copier {
            loans,
            pace: Pace::new(&job.order(), job.now()),
            lives: [life(&old), life(&new)],
            total: self.bytes(),
            block: self.block,
            mover: self.mover,
            slots: [const { Slot::FREE }; COPIES],
            flushes: [None; 2],
            source,
            direct_again: 0,
            direct_pause: DIRECT_AGAIN,
            no_direct: None,
            way: Reason::new(),
            not_before: 0,
            step_not_before: 0,
            away_since: None,
            flushing_since: None,
            held: false,
            waited: false,
            closed: false,
            waits_for: Reason::new(),
            failure: None,
            refusal: Reason::new(),
            job,
        };
        Ok(KBox::write(room, copier))
    }
}

/// Moves the node; how that has ended. A function of its own, so that the future holds no more than where the parts are.
async fn run(mut copier: KBox<Copier>, mut timer: Timer) -> Outcome {
    loop {
        let seen = copier.job.signal().seen();
        if let Some(outcome) = copier.pass() {
            return outcome;
        }
        let now = copier.job.now();
        let next = copier.not_before.max(copier.step_not_before);
        let wait = match next.checked_sub(now) {
            Some(wait) if wait > 0 => wait.min(PERIOD),
            _ => PERIOD,
        };
        copier.job.wait(&mut timer, seen, Some(wait)).await;
    }
}

impl Watcher for Signal {
    fn moved_on(&self) {
        self.send();
    }
}

fn life(node: &Node) -> Life {
    node.remote()
        .map_or(Life::default(), |remote| remote.life())
}

/// What moves a node.
struct Copier {
    job: Arc<Job>,
    mover: Arc<Mover>,
    loans: Loans,
    pace: Pace,
    /// In which lives of the devices' caches the extents were copied.
    lives: [Life; 2],
    total: u64,
    block: NonZeroU32,
    slots: [Slot; COPIES],
    /// Of the old device, of the new one.
    flushes: [Option<Flush>; 2],
    /// The old device, as the new one's machine is told of it, if it can be.
    source: Option<CopySource>,
    /// When that is asked again to copy from there, and how long after the time before that was.
    direct_again: u64,
    direct_pause: u64,
    /// Why it did not.
    no_direct: Option<wire::Status>,
    /// Which way the data goes; empty if there is only one.
    way: Reason,
    /// Nothing is copied before this time.
    not_before: u64,
    /// No step is taken before this time.
    step_not_before: u64,
    /// Since when the new device is away.
    away_since: Option<u64>,
    /// Since when it is to be flushed.
    flushing_since: Option<u64>,
    /// It has paused by itself.
    held: bool,
    /// It was told to pause when it looked last.
    waited: bool,
    /// The way to the new device is closed, for good.
    closed: bool,
    waits_for: Reason,
    /// How a copy could not be written, and at which sector of the node.
    failure: Option<(Status, u64)>,
    /// Why the new device does not take the label.
    refusal: Reason,
}

impl Copier {
    fn moving(&self) -> &Moving {
        self.mover.moving()
    }

    /// Takes in what has come back and does what can be done; how it has ended, if it has.
    fn pass(&mut self) -> Option<Outcome> {
        while let Some((index, status)) = self.loans.collect() {
            match index.checked_sub(COPIES) {
                None => self.returned(index, status),
                Some(side) => self.flushed(side, status),
            }
        }
        if self.mover.is_interrupted() {
            return self.interrupted();
        }
        let [old, new] = self.moving().sides()?;
        let order = self.job.order();
        let now = self.job.now();
        self.look_at_lives([&old, &new]);
        self.obey(&order);
        self.look_at_new(&new, now);
        let over = self.pace.tick(&order, &old, self.loans.lent(), now);
        self.hold(&order, now);
        if let Some(outcome) = self.end(now) {
            return Some(outcome);
        }
        self.try_direct(now);
        self.copy(&order, &old, &new, now);
        self.moving().switch();
        self.take_steps([&old, &new], now);
        if over || !order.state.issues() {
            self.explain(&old);
            self.tell(now);
        }
        let at_rest = matches!(self.moving().phase(), Phase::Preparing | Phase::Copying);
        let free = self.slots.iter().all(|slot| slot.copy.is_none());
        if order.state == State::Pausing && self.loans.lent() == 0 && at_rest && free {
            self.tell(now);
            self.job.settle();
        }
        None
    }

    /// The storage is being deleted; what the labels say is put in order by its next start.
    fn interrupted(&mut self) -> Option<Outcome> {
        if !core::mem::replace(&mut self.closed, true) {
            self.mover.close_new();
        }
        if self.loans.lent() > 0 {
            return None;
        }
        self.mover.abandon();
        Some(Outcome::plain(End::Cancelled))
    }

    /// What a device has lost with its cache has to be copied again.
    fn look_at_lives(&mut self, nodes: [&Node; 2]) {
        for ((node, known), side) in nodes
            .into_iter()
            .zip(&mut self.lives)
            .zip([Side::Old, Side::New])
        {
            let now = life(node);
            if core::mem::replace(known, now) == now {
                continue;
            }
            let again = self.mover.moving().lost_cache(side);
            if let (true, Side::New, Some(remote)) = (again, side, node.remote()) {
                remote.forget_losses();
            }
        }
    }

    /// Whether the new device has a copy, or a flush, of the job's.
    fn writes(&self) -> bool {
        let copies = self
            .slots
            .iter()
            .any(|slot| slot.lent && (slot.read || slot.asked));
        let flush = self.flushes[1].is_some_and(|flush| flush.issued.is_some());
        copies || flush
    }

    fn obey(&mut self, order: &Order) {
        let moving = self.mover.moving();
        let waits = matches!(order.state, State::Pausing | State::Paused);
        let goes_on = core::mem::replace(&mut self.waited, waits) && !waits;
        match (order.state, moving.paused()) {
            (State::Cancelling, _) => {
                moving.give_up(migration::Reason::Cancelled);
            }
            (State::Pausing | State::Paused, None) => moving.pause(),
            (State::Running, Some(_)) if goes_on => {
                self.held = false;
                moving.resume();
            }
            _ => {}
        }
    }

    /// Pauses the job when the migration has paused by itself.
    fn hold(&mut self, order: &Order, now: u64) {
        let paused = self.moving().paused();
        if paused == Some(Pause::NotRecorded) && !self.mover.is_refused() {
            // The old device did not answer; it may do so soon.
            if now >= self.step_not_before && order.state == State::Running {
                self.moving().resume();
            }
            return;
        }
        let by_itself = paused.is_some_and(|pause| pause != Pause::Asked);
        if by_itself && !self.held && order.state == State::Running {
            self.held = true;
            // If it was told something else meanwhile it does that.
            let _ = self.job.request(Request::Pause, "");
        }
    }

    /// Uses the old device alone while the new one is away, and the new one again when it is back.
    fn look_at_new(&mut self, new: &Node, now: u64) {
        let Some(remote) = new.remote() else {
            return;
        };
        // With a device that hangs others of its connections may stand, but a request that was sent on one that is lost goes out
        // on no other: it has to be fenced first.
        let flushes = self.flushes[1].is_some_and(|flush| flush.issued.is_some());
        let since = *self.flushing_since.get_or_insert(now);
        if !flushes {
            self.flushing_since = None;
        }
        let slow = flushes && now.saturating_sub(since) >= SLOW_FLUSH;
        let away = !remote.is_up() || remote.exposed() > 0 || slow;
        let moving = self.mover.moving();
        if !away {
            self.away_since = None;
            // Not while it may carry out what it was given before.
            if moving.is_away() && moving.is_left_alone() && !self.writes() {
                moving.attach();
            }
            return;
        }
        if new.hindrance() == Some(Hindrance::Lost) {
            moving.give_up(migration::Reason::NewFailed);
            return;
        }
        let since = *self.away_since.get_or_insert(now);
        if now.saturating_sub(since) < AWAY {
            return;
        }
        if !moving.is_away() {
            moving.detach();
        }
        if moving.is_away() {
            // Nobody waits for that any more but the bios whose pages it has.
            remote.end_waiting();
        }
    }

    /// How it has ended, once nothing is in flight.
    fn end(&mut self, now: u64) -> Option<Outcome> {
        let phase = self.moving().phase();
        if !matches!(phase, Phase::Moved | Phase::Ended(_) | Phase::Lost) {
            return None;
        }
        if phase != Phase::Moved && !core::mem::replace(&mut self.closed, true) {
            self.mover.close_new();
        }
        if self.loans.lent() > 0 {
            return None;
        }
        self.tell(now);
        let why = match phase {
            Phase::Moved => {
                self.mover.finish(Side::New);
                return Some(Outcome::plain(End::Done));
            }
            Phase::Ended(reason) => {
                let why = self.why_given_up(reason);
                self.mover.finish(Side::Old);
                match why {
                    None => return Some(Outcome::plain(End::Cancelled)),
                    Some(why) => why,
                }
            }
            _ => {
                self.mover.surrender();
                Reason::from_display(&format_args!(
                    "another machine has taken the storage over: {}",
                    self.mover.waits_for()
                ))
            }
        };
        Some(Outcome::failed(&why))
    }
}
