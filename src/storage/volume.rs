// SPDX-License-Identifier: GPL-2.0

//! The way of a bio: from the disk to the nodes.
//!
//! A bio that lies on one node and is not longer than the node takes becomes one piece, at once.
//! A longer one, one that crosses nodes, or one that has to flush first gets a cursor, which
//! issues piece after piece as the nodes admit them. Nothing here sleeps but the node's own
//! submission; what a node does not admit is parked ([`super::parking`]), and the node's issue
//! task goes on with it when there is room. The bio's vectors are not touched, and it is not
//! cloned for remote nodes: each piece has an iterator of its own.

use super::{
    lane::Lane,
    moments::Moments,
    node::{what, Node, Permit},
    parking::{Cursor, Parked, Parking, Step},
    piece::Piece,
};
use crate::{
    dst_core::{
        map::{self, Layout, Linear, Segment},
        migration::What,
    },
    exec::wait_for,
    sys::{
        bio::{Bio, BioIter, Op, Status, SECTOR_SHIFT},
        disk::{DiskOpenMode, Operations},
    },
};
use core::task::Poll;
use kernel::{
    new_spinlock,
    prelude::*,
    sync::{atomic::ordering, Arc, ArcBorrow, SpinLock},
};

/// The layout of a storage.
pub type StorageLayout = Linear<KVVec<Segment>>;

/// The nodes of a started storage and the map onto them.
pub struct Volume {
    layout: Arc<StorageLayout>,
    nodes: KVec<Arc<Node>>,
    parking: Arc<Parking>,
}

/// What becomes of a cursor.
enum Advance {
    /// It was parked, or waits for its flushes.
    Parked,
    /// All of its bio was issued.
    Finished(Cursor),
}

impl Volume {
    /// Puts the nodes together. `layout` numbers them as `nodes` does; `moments` is their clock. May
    /// sleep.
    pub fn new(
        layout: StorageLayout,
        nodes: KVec<Arc<Node>>,
        moments: Arc<Moments>,
    ) -> Result<Arc<Self>> {
        let parking = Parking::new(moments)?;
        for node in &nodes {
            parking.add_node(node.lane.clone())?;
        }
        let volume = Self {
            layout: Arc::new(layout, GFP_KERNEL)?,
            nodes,
            parking,
        };
        Ok(Arc::new(volume, GFP_KERNEL)?)
    }

    /// The same with `node` behind the others, and with the map `layout`, which begins as this one's
    /// does. Both can be used at the same time; what is parked is parked for both. May sleep. Errors: `ENOMEM`.
    pub fn with_node(&self, layout: StorageLayout, node: Arc<Node>) -> Result<Arc<Self>> {
        let mut nodes = KVec::with_capacity(self.nodes.len() + 1, GFP_KERNEL)?;
        for known in &self.nodes {
            nodes.push(known.clone(), GFP_KERNEL)?;
        }
        let lane = node.lane.clone();
        nodes.push(node, GFP_KERNEL)?;
        let volume = Self {
            layout: Arc::new(layout, GFP_KERNEL)?,
            nodes,
            parking: self.parking.clone(),
        };
        let volume = Arc::new(volume, GFP_KERNEL)?;
        // Last: it is not taken back.
        volume.parking.add_node(lane)?;
        Ok(volume)
    }

    /// The same with `node` in the place of the one with this index, which has the same lane. May sleep. Errors: `ENOMEM`.
    pub fn with_replaced(&self, index: usize, node: &Arc<Node>) -> Result<Arc<Self>> {
        let mut nodes = KVec::with_capacity(self.nodes.len(), GFP_KERNEL)?;
        for (at, known) in self.nodes.iter().enumerate() {
            let node = if at == index { node } else { known };
            nodes.push(node.clone(), GFP_KERNEL)?;
        }
        let volume = Self {
            layout: self.layout.clone(),
            nodes,
            parking: self.parking.clone(),
        };
        Ok(Arc::new(volume, GFP_KERNEL)?)
    }

    /// The clock of the nodes.
    pub fn moments(&self) -> &Arc<Moments> {
        self.parking.moments()
    }

    /// Where bios wait.
    pub fn parking(&self) -> &Arc<Parking> {
        &self.parking
    }

    /// The nodes, in the order of the storage.
    pub fn nodes(&self) -> &[Arc<Node>] {
        &self.nodes
    }

    /// The map.
    pub fn layout(&self) -> &StorageLayout {
        &self.layout
    }

    /// The size in sectors.
    pub fn sectors(&self) -> u64 {
        self.layout.sectors()
    }

    /// Ends all further bios, and those that wait, in error. Pieces that nodes work on are the
    /// nodes' business. Process context.
    pub fn fail(&self) {
        self.parking.fail();
    }

    /// The pieces that nodes work on, and what is parked.
    pub fn in_flight(&self) -> u32 {
        self.nodes
            .iter()
            .fold(self.parking.flushing(), |sum: u32, node| {
                let waiting = node.lane.waiting.load(ordering::Relaxed);
                sum.saturating_add(node.lane.in_flight())
                    .saturating_add(waiting)
            })
    }

    /// Whether a piece is done without asking the node.
    fn passes(op: Op, node: &Node) -> bool {
        op == Op::Discard && !node.discard
    }

    fn map_op(op: Op) -> map::Op {
        match op {
            Op::Write => map::Op::Write,
            Op::Discard => map::Op::Discard,
            Op::WriteZeroes => map::Op::WriteZeroes,
            _ => map::Op::Read,
        }
    }

    /// The first piece of `iter`: its node, the sector there, and its iterator.
    fn first_piece(&self, op: Op, iter: &BioIter) -> Option<(usize, u64, BioIter)> {
        let sectors = u64::from(iter.bytes() >> SECTOR_SHIFT);
        let extent = self
            .layout
            .piece(Self::map_op(op), iter.sector(), sectors)?
            .first();
        let node = self.nodes.get(extent.node)?;
        let mut piece = *iter;
        let bytes = extent.sectors << SECTOR_SHIFT;
        piece.truncate(u32::try_from(bytes).unwrap_or(u32::MAX));
        piece.truncate(node.max_bytes(op));
        Some((extent.node, extent.node_sector, piece))
    }

    /// Starts a bio. `again` tells that it was parked before.
    fn start(&self, bio: Bio, again: bool) {
        let op = bio.op();
        let iter = bio.iter();
        let flush = op == Op::Flush || bio.flags().preflush();
        if self.parking.is_failing() {
            return bio.end(Status::Offline);
        }
        if op == Op::Unsupported {
            return bio.end(Status::NotSupported);
        }
        if iter.bytes() == 0 && !flush {
            return bio.end(Status::Ok);
        }
        match self.first_piece(op, &iter) {
            Some((lane, sector, piece)) if piece.bytes() == iter.bytes() && !flush => {
                self.start_whole(bio, again, lane, sector);
            }
            Some((lane, ..)) => self.start_cursor(bio, lane),
            None if op == Op::Flush => self.start_cursor(bio, 0),
            // The block layer checks the end of the device, so this is a fault of ours.
            None => bio.end(Status::Invalid),
        }
    }

    /// Starts a bio that is one piece, at `sector` of node `lane`.
    fn start_whole(&self, bio: Bio, again: bool, lane: usize, sector: u64) {
        let Some(node) = self.nodes.get(lane) else {
            return bio.end(Status::Invalid);
        };
        if Self::passes(bio.op(), node) {
            return bio.end(Status::Ok);
        }
        // Behind those that wait already.
        let permit = if again || !node.lane.has_waiting() {
            node.admit(false, what(bio.op(), sector, bio.iter().bytes()))
        } else {
            None
        };
        let Some(Permit { admitted, room }) = permit else {
            self.parking.park_bio(lane, bio, again);
            return self.after_parking(lane);
        };
        let iter = bio.iter();
        let piece = Piece::new(bio.share(), iter, sector, admitted);
        node.submit(room, if again { piece } else { piece.in_submitter() });
    }

    /// Starts a bio that needs a cursor, and begins on node `lane`.
    fn start_cursor(&self, bio: Bio, lane: usize) {
        match self.parking.begin(lane, bio) {
            Some(cursor) => self.proceed(cursor, None),
            // It goes on when a cursor is released, unless all of them were failed just before.
            None if self.parking.is_failing() => {
                self.parking.fail_all();
            }
            None => {}
        }
    }

    /// Looks once more after something was parked: room that came before that woke nobody.
    fn after_parking(&self, lane: usize) {
        let Some(node) = self.nodes.get(lane) else {
            return;
        };
        if node.has_room() || self.parking.is_failing() {
            node.lane.issuer.wake();
        }
    }

    /// Issues what the nodes admit of a bio that was begun. `at` is the node whose issue task does
    /// this, if it is one.
    fn proceed(&self, mut cursor: Cursor, at: Option<usize>) {
        loop {
            let advance = match cursor.step {
                Step::Flush(node) => self.issue_flushes(cursor, node, at),
                Step::Data => self.issue_data(cursor, at),
            };
            match advance {
                Advance::Parked => return,
                Advance::Finished(finished) if finished.step == Step::Data => {
                    let (id, failed) = (finished.id, finished.bio.failed());
                    finished.finish();
                    self.parking.release(id, failed);
                    return;
                }
                Advance::Finished(flushed) => {
                    cursor = flushed;
                    cursor.step = Step::Data;
                }
            }
        }
    }

    /// Admits a piece to node `index`, unless that is for its own issue task to do: a local
    /// device's driver may sleep, and another node's task must not share its fate.
    fn admit(&self, index: usize, bulk: bool, what: What, at: Option<usize>) -> Option<Permit> {
        let node = self.nodes.get(index)?;
        match at {
            Some(own) if own != index && node.may_sleep() => None,
            _ => node.admit(bulk, what),
        }
    }

    /// Flushes the nodes from `next` on. Data goes out only when all of them have answered.
    fn issue_flushes(&self, mut cursor: Cursor, next: usize, at: Option<usize>) -> Advance {
        for (index, node) in self.nodes.iter().enumerate().skip(next) {
            if !node.volatile_cache {
                continue;
            }
            if self.parking.is_failing() {
                cursor.bio.fail(Status::Offline);
                break;
            }
            let Some(Permit { admitted, room }) = self.admit(index, false, What::Flush, at) else {
                cursor.step = Step::Flush(index);
                self.park(index, cursor);
                return Advance::Parked;
            };
            self.parking.flush_begins(cursor.id);
            let piece = Piece::flush(&cursor, admitted, self.parking.clone());
            node.submit(room, piece);
        }
        cursor.step = Step::Data;
        match self.parking.await_flushes(cursor) {
            Some(mut cursor) => {
                cursor.step = Step::Flush(self.nodes.len());
                Advance::Finished(cursor)
            }
            None => Advance::Parked,
        }
    }

    fn issue_data(&self, mut cursor: Cursor, at: Option<usize>) -> Advance {
        let op = cursor.bio.op();
        let mut bulk = false;
        while cursor.iter.bytes() > 0 && !cursor.bio.failed() {
            // A long bio must not hold up a deletion.
            if self.parking.is_failing() {
                cursor.bio.fail(Status::Offline);
                break;
            }
            let Some((index, sector, iter)) = self.first_piece(op, &cursor.iter) else {
                cursor.bio.fail(Status::Invalid);
                break;
            };
            let Some(node) = self.nodes.get(index) else {
                cursor.bio.fail(Status::Invalid);
                break;
            };
            if Self::passes(op, node) {
                cursor.bio.advance(&mut cursor.iter, iter.bytes());
                continue;
            }
            let does = what(op, sector, iter.bytes());
            let Some(Permit { admitted, room }) = self.admit(index, bulk, does, at) else {
                self.park(index, cursor);
                return Advance::Parked;
            };
            let piece = Piece::new(cursor.bio.clone(), iter, sector, admitted);
            cursor.bio.advance(&mut cursor.iter, iter.bytes());
            node.submit(room, piece);
            bulk = true;
        }
        Advance::Finished(cursor)
    }

    fn park(&self, node: usize, cursor: Cursor) {
        self.parking.park(node, cursor);
        self.after_parking(node);
    }
}

/// What a disk refers to: the volume, until the storage is deleted.
///
/// A dead disk stays as long as somebody has it open, and must not keep the nodes' devices and
/// sockets with it. So a bio borrows the volume here; once the disk was removed nobody does that
/// any more, and the deleter takes the volume out and drops it, sleeping as long as that takes.
#[pin_data]
pub struct VolumeSlot {
    #[pin]
    volume: SpinLock<Option<Arc<Volume>>>,
}

impl VolumeSlot {
    /// A slot that holds `volume`. May sleep. Errors: `ENOMEM`.
    pub fn new(volume: Arc<Volume>) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                volume <- new_spinlock!(Some(volume), "dst_volume_slot"),
            }),
            GFP_KERNEL,
        )
    }

    /// The volume. Whoever has it when it was taken out may be the one who drops it: process
    /// context.
    pub fn get(&self) -> Option<Arc<Volume>> {
        self.volume.lock().clone()
    }

    /// Takes the volume out, after the disk was removed.
    pub fn take(&self) -> Option<Arc<Volume>> {
        self.volume.lock().take()
    }

    /// Puts `volume` in the place of the one that is there; bios may go on with that for a while.
    /// `false` if it was taken out. May sleep.
    pub fn replace(&self, volume: Arc<Volume>) -> bool {
        let mut place = self.volume.lock();
        if place.is_none() {
            return false;
        }
        let former = place.replace(volume);
        drop(place);
        drop(former);
        true
    }

    /// The issue task of node `index`, which counts in `lane`: goes on with what is parked for it. Runs where
    /// it may sleep on storage, since local nodes do. The node may come later.
    pub async fn issue(self: Arc<Self>, index: usize, lane: Arc<Lane>) {
        wait_for(c"parked bios", |context| {
            lane.issuer.register(context.waker());
            if let Some(volume) = self.get() {
                self.issue_parked(index, volume);
            }
            Poll::<()>::Pending
        })
        .await;
    }

    /// Goes on with what is parked for node `index`; `volume` is the newest one, or was a moment ago.
    fn issue_parked(&self, index: usize, mut volume: Arc<Volume>) {
        loop {
            if volume.parking.is_failing() {
                volume.parking.fail_all();
                return;
            }
            let node = volume.nodes.get(index);
            if !node.is_some_and(|node| node.lane.has_waiting() && node.has_room()) {
                return;
            }
            let Some(parked) = volume.parking.next(index) else {
                return;
            };
            // Looked up behind that: who parked it may have seen a newer one, with nodes that a flush must
            // not miss, and sectors that the older one does not have.
            volume = self.get().unwrap_or(volume);
            match parked {
                Parked::Bio(bio) => volume.start(bio, true),
                Parked::Cursor(cursor) => volume.proceed(cursor, Some(index)),
            }
        }
    }
}

/// The operations of a storage's disk.
pub struct VolumeDisk;

impl Operations for VolumeDisk {
    type Data = Arc<VolumeSlot>;

    fn submit(slot: ArcBorrow<'_, VolumeSlot>, bio: Bio) {
        match slot.get() {
            Some(volume) => volume.start(bio, false),
            None => bio.end(Status::Offline),
        }
    }

    fn open(_slot: ArcBorrow<'_, VolumeSlot>, _mode: DiskOpenMode) -> Result {
        Ok(())
    }

    fn release(_slot: ArcBorrow<'_, VolumeSlot>) {}
}
