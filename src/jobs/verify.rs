// SPDX-License-Identifier: GPL-2.0

//! The job that reads every sector, of a storage or of one of its nodes, and tells which is the first
//! that cannot be read.
//!
//! Node after node is read from its beginning to its end, many extents at a time. A node that is
//! suspended or away is waited for, for as long as that lasts. An error of the device is looked into:
//! the extent is read again in parts until one block is left.

use super::{
    config::{BadSector, Reason},
    job::{Job, Order, Outcome, Progress},
    loans::Loans,
    pace::Pace,
    registry::Work,
};
use crate::{
    dst_core::{
        job::{
            narrow::{Narrow, Step},
            state::{End, State},
            window::{Extent, Window},
            yielding::PERIOD,
        },
        map::Layout,
        migration::What,
        units::{sectors_to_bytes, SECTOR_BYTES},
    },
    exec::Timer,
    storage::{
        beside::Site,
        fault::Outcome as Answer,
        node::{Hindrance, Node},
        volume::Volume,
    },
    sys::bio::{Op, Status, SECTOR_SHIFT},
};
use core::{fmt, future::Future, num::NonZeroU32};
use kernel::{page::PAGE_SIZE, prelude::*, sync::Arc};

/// Extents in flight.
const WINDOW: usize = 16;

/// Bytes of an extent, where the node takes as many at a time.
const EXTENT: u32 = 512 << 10;

/// Bytes of pages that a job has.
pub const MEMORY: usize = WINDOW * EXTENT as usize;

/// Microseconds until a node without room, or one that answered that it is away, is asked again.
const RETRY: u64 = 20_000;

/// So many extents may fail and be readable afterwards.
const HEALED: u32 = 8;

/// A run of sectors of a node.
struct Part {
    node: u32,
    /// The sector of the storage that is the node's first.
    start: u64,
    sectors: u64,
}

/// What is to be read.
pub struct Plan {
    volume: Arc<Volume>,
    parts: KVec<Part>,
    block: NonZeroU32,
}

/// Plans the reading of all nodes of a storage, or of `node`. Errors: `ENOMEM`; `ENOENT` for a node
/// that is not there.
pub fn plan(site: &Site, node: Option<u32>) -> Answer<Plan> {
    let volume = site.volume.clone();
    let mut parts = KVec::new();
    for (index, _) in (0_u32..).zip(volume.nodes()) {
        if node.is_some_and(|node| node != index) {
            continue;
        }
        let Some((start, sectors)) = volume.layout().range_of(index as usize) else {
            continue;
        };
        let part = Part {
            node: index,
            start,
            sectors,
        };
        parts.push(part, GFP_KERNEL)?;
    }
    if parts.is_empty() {
        return Err(ENOENT.into());
    }
    let block = NonZeroU32::new(site.logical_block >> SECTOR_SHIFT);
    Ok(Plan {
        volume,
        parts,
        block: block.unwrap_or(NonZeroU32::MIN),
    })
}

impl Plan {
    /// Bytes that are to be read.
    pub fn bytes(&self) -> u64 {
        let sectors = self.parts.iter().map(|part| part.sectors);
        let sectors = sectors.fold(0_u64, u64::saturating_add);
        sectors_to_bytes(sectors).unwrap_or(u64::MAX)
    }

    /// The reading, as `job`. May sleep. Errors: `ENOMEM`.
    #[inline(never)]
    pub fn work(self, job: Arc<Job>) -> Result<Work> {
        let pages = (EXTENT as usize).div_ceil(PAGE_SIZE);
        let pace = Pace::new(&job.order(), job.now());
        let reader = Reader {
            loans: Loans::new(job.signal().clone(), WINDOW, pages, 0)?,
            pace,
            waits_for: Reason::new(),
            job,
        };
        let timer = Timer::new()?;
        let body: KBox<dyn Future<Output = Outcome> + Send> =
            KBox::new(reader.run(self, timer), GFP_KERNEL)?;
        Ok(body.into())
    }
}

/// What is to be done after a pass.
enum Next {
    /// To wait for a signal, or for so many microseconds.
    Wait(Option<u64>),
    /// There is nothing more to do, and nothing in flight.
    Over(Option<Outcome>),
}

/// The reading of one part.
struct Sweep {
    window: Window<WINDOW>,
    /// The search in an extent that cannot be read, which is all that is read then.
    narrow: Option<Narrow>,
    /// The error that was seen last.
    error: Status,
    healed: u32,
    /// Nothing is issued before this time.
    not_before: u64,
    /// Why the reading cannot go on.
    stuck: Option<Reason>,
}

/// What reads.
struct Reader {
    job: Arc<Job>,
    loans: Loans,
    pace: Pace,
    waits_for: Reason,
}

/// How an error is taken.
enum Verdict {
    /// The device cannot read this.
    Unreadable,
    /// The way there failed; it may come back.
    Away,
    /// It is of no use to go on.
    Hopeless,
}

fn judge(status: Status, node: &Node) -> Verdict {
    match status {
        // One that was given up does not come back, nor does a storage that is being deleted.
        Status::Offline => Verdict::Hopeless,
        Status::Transport if node.hindrance() == Some(Hindrance::Lost) => Verdict::Hopeless,
        Status::Transport | Status::Resource | Status::WouldBlock => Verdict::Away,
        _ => Verdict::Unreadable,
    }
}

/// An error in words.
pub(super) struct Words(pub(super) Status);

impl fmt::Display for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Status::Medium => "the medium is damaged",
            Status::Protection => "its checksum is wrong",
            Status::Timeout => "the device does not answer in time",
            Status::Target => "the device refuses",
            Status::Reservation => "somebody else has reserved the device",
            Status::Offline => "all I/O to it fails",
            Status::Transport => "it was given up",
            _ => "an I/O error",
        })
    }
}

impl Reader {
    async fn run(mut self, plan: Plan, mut timer: Timer) -> Outcome {
        for part in &plan.parts {
            if let Some(outcome) = self.sweep(&plan, part, &mut timer).await {
                return outcome;
            }
        }
        Outcome::plain(End::Done)
    }

    /// Reads a part; `None` if all of it can be read.
    async fn sweep(&mut self, plan: &Plan, part: &Part, timer: &mut Timer) -> Option<Outcome> {
        let Some(node) = plan.volume.nodes().get(part.node as usize) else {
            return Some(Outcome::failed(&"the storage has lost a node"));
        };
        let extent = extent_bytes(node, plan.block) >> SECTOR_SHIFT;
        let extent = NonZeroU32::new(extent).unwrap_or(plan.block);
        let mut sweep = Sweep {
            window: Window::new(0, part.sectors, extent),
            narrow: None,
            error: Status::Ok,
            healed: 0,
            not_before: 0,
            stuck: None,
        };
        self.pace.turn_to(node);
        loop {
            let seen = self.job.signal().seen();
            match self.pass(&mut sweep, node, part, plan.block) {
                Next::Over(outcome) => return outcome,
                Next::Wait(limit) => self.job.wait(timer, seen, limit).await,
            }
        }
    }

    /// Takes in what has come back and issues what may go.
    fn pass(&mut self, sweep: &mut Sweep, node: &Node, part: &Part, block: NonZeroU32) -> Next {
        while let Some((index, status)) = self.loans.collect() {
            self.returned(sweep, node, part, index, status);
        }
        let order = self.job.order();
        let now = self.job.now();
        let over = self.pace.tick(&order, node, self.loans.lent(), now);
        if over || !order.state.issues() {
            self.waits_for = hindered(node, part.node);
            self.tell(now);
        }
        if self.loans.lent() == 0 {
            if let Some(outcome) = self.verdict(sweep, &order, part, block) {
                self.tell(now);
                return Next::Over(outcome);
            }
        }
        match order.state {
            State::Running if sweep.stuck.is_none() => {
                let wait = self.issue(sweep, node, now).unwrap_or(PERIOD);
                Next::Wait(Some(wait.min(PERIOD)))
            }
            State::Pausing if self.loans.lent() == 0 => {
                self.tell(now);
                self.job.settle();
                Next::Wait(None)
            }
            _ => Next::Wait(None),
        }
    }

    /// What the reading has come to, with nothing in flight; the inner value is `None` at the end of a
    /// part.
    fn verdict(
        &self,
        sweep: &mut Sweep,
        order: &Order,
        part: &Part,
        block: NonZeroU32,
    ) -> Option<Option<Outcome>> {
        if sweep.window.is_finished() {
            return Some(None);
        }
        if order.state == State::Cancelling {
            return Some(Some(Outcome::plain(End::Cancelled)));
        }
        if let Some(reason) = &sweep.stuck {
            return Some(Some(Outcome::failed(reason)));
        }
        match sweep.narrow.map(|narrow| narrow.step()) {
            Some(Step::Found(sector)) => return Some(Some(bad_sector(sweep, part, sector))),
            Some(Step::Healed) => {
                sweep.narrow = None;
                sweep.healed = sweep.healed.saturating_add(1);
                if sweep.healed > HEALED {
                    return Some(Some(Outcome::failed(&format_args!(
                        "node {} reads nothing reliably: {} times something could not be read and \
                         then could, last near its sector {}",
                        part.node,
                        sweep.healed,
                        sweep.window.low_water()
                    ))));
                }
                sweep.window.retry_failed();
            }
            Some(Step::Read(_)) => {}
            None => {
                let failure = sweep.window.failure();
                sweep.narrow = failure.map(|extent| Narrow::new(extent, block));
            }
        }
        None
    }

    /// A buffer came back.
    fn returned(
        &mut self,
        sweep: &mut Sweep,
        node: &Node,
        part: &Part,
        index: usize,
        status: Status,
    ) {
        if status.is_ok() {
            match &mut sweep.narrow {
                Some(narrow) => narrow.answer(true),
                None => {
                    let before = sweep.window.done();
                    sweep.window.complete(index);
                    let sectors = sweep.window.done().saturating_sub(before);
                    self.pace.count(sectors.saturating_mul(SECTOR_BYTES));
                }
            }
            return;
        }
        match judge(status, node) {
            Verdict::Unreadable => {
                sweep.error = status;
                match &mut sweep.narrow {
                    Some(narrow) => narrow.answer(false),
                    None => sweep.window.fail(index),
                }
            }
            Verdict::Away => {
                // What is searched for is asked for again as it is.
                sweep.window.give_back(index);
                sweep.not_before = self.job.now().saturating_add(RETRY);
            }
            Verdict::Hopeless => {
                sweep.window.give_back(index);
                let words = Words(status);
                let node = part.node;
                let reason = Reason::from_display(&format_args!("node {node}: {words}"));
                sweep.stuck = Some(reason);
            }
        }
    }

    /// Issues what may go now; tells after how many microseconds more may, if that is known.
    fn issue(&mut self, sweep: &mut Sweep, node: &Node, now: u64) -> Option<u64> {
        if now < sweep.not_before {
            return Some(sweep.not_before.saturating_sub(now));
        }
        while let Some((index, extent)) = sweep.take(self.loans.lent()) {
            // Not longer than a buffer.
            let bytes = extent.sectors << SECTOR_SHIFT;
            if let Err(wait) = self.pace.take(now, bytes) {
                sweep.give_back(index);
                return Some(wait);
            }
            let permit = node.admit(true, What::Read);
            // Who stops the job looks at what is at the node after he has done so.
            let allowed = self.job.order().state.issues();
            let Some(permit) = permit.filter(|_| allowed) else {
                self.pace.give_back(bytes);
                sweep.give_back(index);
                return Some(RETRY);
            };
            let (first, sectors) = (extent.first, extent.sectors);
            if !self.loans.read(index, node, permit, first, sectors) {
                sweep.give_back(index);
                sweep.stuck = Some(Reason::from_display(&"an extent has no buffer"));
                return Some(0);
            }
        }
        None
    }

    fn tell(&self, now: u64) {
        self.job.report(Progress {
            done: self.pace.done(),
            rate: self.pace.rate(now),
            in_flight: self.loans.lent(),
            waits_for: self.waits_for,
            way: Reason::new(),
        });
    }
}

impl Sweep {
    /// What is to be read next, with `lent` buffers away.
    fn take(&mut self, lent: u32) -> Option<(usize, Extent)> {
        match &self.narrow {
            None => self.window.take(),
            Some(narrow) => match narrow.step() {
                // One at a time, as each depends on the one before.
                Step::Read(extent) if lent == 0 => Some((0, extent)),
                _ => None,
            },
        }
    }

    /// What was taken did not go.
    fn give_back(&mut self, index: usize) {
        if self.narrow.is_none() {
            self.window.give_back(index);
        }
    }
}

/// Bytes that are read from `node` at a time: whole blocks.
fn extent_bytes(node: &Node, block: NonZeroU32) -> u32 {
    let most = node.max_bytes(Op::Read).min(EXTENT);
    let block = block.get().saturating_mul(SECTOR_BYTES as u32);
    most.saturating_sub(most.checked_rem(block).unwrap_or(0))
}

fn bad_sector(sweep: &Sweep, part: &Part, sector: u64) -> Outcome {
    let of_storage = part.start.saturating_add(sector);
    let words = Words(sweep.error);
    let node = part.node;
    Outcome {
        end: End::Failed,
        reason: Reason::from_display(&format_args!(
            "sector {of_storage} cannot be read, which is sector {sector} of node {node}: {words}"
        )),
        bad: Some(BadSector {
            node: part.node,
            sector: of_storage,
        }),
    }
}

/// What the job waits for, if the node is known not to answer.
fn hindered(node: &Node, index: u32) -> Reason {
    let words = match node.hindrance() {
        None => return Reason::new(),
        Some(Hindrance::Suspended) => "to be resumed",
        Some(Hindrance::Away) => "to be connected again",
        Some(Hindrance::Lost) => "to be given up",
    };
    Reason::from_display(&format_args!("node {index} {words}"))
}
