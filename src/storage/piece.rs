// SPDX-License-Identifier: GPL-2.0

//! A piece of a bio: what one node is asked to do.

use super::{
    lane::Admitted,
    moving::Part,
    parking::{Cursor, CursorId, Parking},
};
use crate::{
    dst_core::write_back::{Endings, Life, Moment, Promise, Verdict},
    sys::bio::{BioIter, Op, SharedBio, Status},
};
use kernel::sync::Arc;

/// The part of a bio that lies on one node, not longer than the node takes at a time.
///
/// The bio ends when all its pieces, and the cursor that makes them, are gone. A piece is moved
/// to whoever works on it; dropping it without [`Piece::end`] counts as an error, so no path can
/// lose one. Pieces may be ended and dropped in any context.
pub struct Piece {
    bio: SharedBio,
    iter: BioIter,
    op: Op,
    sector: u64,
    fua: bool,
    nowait: bool,
    flush_of: Option<FlushOf>,
    /// A flush of which no caller is told: what had ended by then becomes stable.
    unasked: Option<Moment>,
    /// Where flushes are that tell of it if it fails.
    silent: Option<Arc<Parking>>,
    /// What it tells a node that moves.
    part: Option<Part>,
    /// Of the connection that a server is asked for it on.
    life: Life,
    /// Bytes that it has copied from another node; its data says from which.
    copy: Option<u32>,
    /// Declared, and so dropped, after the bio: a node without pieces has no bio of ours either.
    share: Share,
}

/// The cursor that waits for a flush, and what is promised to its bio.
struct FlushOf {
    parking: Arc<Parking>,
    id: CursorId,
    promise: Promise,
}

/// The piece's part in the counters of its node.
struct Share {
    admitted: Admitted,
    op: Op,
    bytes: u32,
    background: bool,
    newcomer: bool,
    outcome: Option<Status>,
}

impl Drop for Share {
    fn drop(&mut self) {
        let ok = self.newcomer || self.outcome.is_some_and(Status::is_ok);
        let lane = self.admitted.lane();
        if !ok && self.is_declined() {
            return;
        }
        if self.background {
            lane.count_background(self.bytes, ok);
        } else {
            lane.count(self.op, self.bytes, ok);
        }
    }
}

impl Share {
    /// A device that cannot discard, or write zeroes by itself, says so, and the block layer does without: no error.
    fn is_declined(&self) -> bool {
        let by_itself = matches!(self.op, Op::Discard | Op::WriteZeroes);
        by_itself && self.outcome == Some(Status::NotSupported)
    }

    fn new(admitted: Admitted, op: Op, bytes: u32) -> Self {
        Self {
            admitted,
            op,
            bytes,
            background: false,
            newcomer: false,
            outcome: None,
        }
    }
}

impl Piece {
    /// The piece `iter` of `bio`, which lies at `sector` of the node that has `admitted` it.
    pub fn new(bio: SharedBio, iter: BioIter, sector: u64, admitted: Admitted) -> Self {
        let op = bio.op();
        let fua = bio.flags().fua();
        Self {
            // A write without data is a flush, and only a whole bio is that.
            op,
            bio,
            iter,
            sector,
            fua,
            nowait: false,
            flush_of: None,
            unasked: None,
            silent: None,
            part: None,
            life: Life::default(),
            copy: None,
            share: Share::new(admitted, op, iter.bytes()),
        }
    }

    /// A flush of the node that has `admitted` it, on behalf of `cursor`.
    pub fn flush(cursor: &Cursor, admitted: Admitted, parking: Arc<Parking>) -> Self {
        let bio = cursor.bio.clone();
        let mut iter = bio.iter();
        iter.truncate(0);
        Self {
            op: Op::Flush,
            bio,
            iter,
            sector: 0,
            fua: false,
            nowait: false,
            flush_of: Some(FlushOf {
                parking,
                id: cursor.id,
                promise: cursor.promise,
            }),
            unasked: None,
            silent: None,
            part: None,
            life: Life::default(),
            copy: None,
            share: Share::new(admitted, Op::Flush, 0),
        }
    }

    /// Another piece of the same sectors of the bio, for the device that its node moves to, which has `admitted` it. Its
    /// result is not the bio's. As a flush it covers what has ended by `now`.
    pub fn twin(&self, admitted: Admitted, now: Moment) -> Self {
        Self {
            op: self.op,
            bio: self.bio.clone(),
            iter: self.iter,
            sector: self.sector,
            fua: self.fua,
            nowait: false,
            flush_of: None,
            unasked: Some(now),
            silent: None,
            part: None,
            life: Life::default(),
            copy: None,
            share: Share::new(admitted, self.op, self.iter.bytes()),
        }
        .in_background()
        .at_newcomer()
    }

    /// What a node that moves is told when the piece ends.
    pub fn tell(&mut self, part: Option<Part>) {
        self.part = part;
    }

    /// Marks a flush as one that nobody has asked for, at the moment `now`. If it fails, one in `parking` tells, unless that is
    /// not to be told.
    pub fn unasked(mut self, now: Moment, parking: Option<Arc<Parking>>) -> Self {
        self.unasked = Some(now);
        self.silent = parking;
        self
    }

    /// For a flush that nobody has asked for: when it was issued.
    pub fn covers_unasked(&self) -> Option<Moment> {
        self.unasked
    }

    /// It goes to a server: what that loses is told with its cache.
    pub fn at_server(mut self) -> Self {
        self.silent = None;
        self
    }

    /// It is sent on a connection of `life`.
    pub fn goes_in(&mut self, life: Life) {
        self.life = life;
    }

    /// The life of the connection that it was sent on last.
    pub fn life(&self) -> Life {
        self.life
    }

    /// Notes that the piece is a write that is lost with its device's cache, acknowledged in `life`. `false` if whoever
    /// ends it has to count it.
    pub fn counts(&mut self, life: Life) -> bool {
        self.part.as_mut().is_some_and(|part| part.counts(life))
    }

    /// Passes the bio's wish not to wait on: its submitter is the caller.
    pub fn in_submitter(mut self) -> Self {
        self.nowait = self.bio.flags().nowait();
        self
    }

    /// Marks the piece as that of a job: it is no I/O of the disk.
    pub fn in_background(mut self) -> Self {
        self.share.background = true;
        self
    }

    /// Marks the piece of a job as one for a device that is not the node's yet: that it fails is no error of the node.
    pub fn at_newcomer(mut self) -> Self {
        self.share.newcomer = true;
        self
    }

    /// Makes the piece, whose data is a [`CopySource`](crate::dst_core::wire::CopySource), ask a remote node to copy so
    /// many bytes from there.
    pub fn copying(mut self, bytes: u32) -> Self {
        self.copy = Some(bytes);
        self
    }

    /// How many bytes it has copied from another node, if it does that.
    pub fn copies(&self) -> Option<u32> {
        self.copy
    }

    /// Whether the submission must not wait.
    pub fn nowait(&self) -> bool {
        self.nowait
    }

    /// What is asked for.
    pub fn op(&self) -> Op {
        self.op
    }

    /// Whether a write must be stable when it ends.
    pub fn fua(&self) -> bool {
        self.fua
    }

    /// Whether write-zeroes must keep the blocks allocated.
    pub fn nounmap(&self) -> bool {
        self.bio.flags().nounmap()
    }

    /// The first sector (of 512 bytes) on the node.
    pub fn sector(&self) -> u64 {
        self.sector
    }

    /// The length of its data in bytes.
    pub fn bytes(&self) -> u32 {
        self.iter.bytes()
    }

    /// What it promises, as a flush.
    pub fn promise(&self) -> Promise {
        let flush = self.flush_of.as_ref();
        flush.map_or(Endings::unknown(), |flush| flush.promise)
    }

    /// Whether it may succeed, as a flush, as far as others have told of losses.
    pub fn holds(&self) -> bool {
        let flush = self.flush_of.as_ref();
        flush.is_none_or(|flush| flush.parking.holds(&flush.promise))
    }

    /// Its end tells, as that of a flush, that acknowledged writes are lost.
    pub fn tells(&self) {
        if let Some(flush) = &self.flush_of {
            flush.parking.tells(flush.id);
        }
    }

    /// The bio that this is a piece of.
    pub fn bio(&self) -> &SharedBio {
        &self.bio
    }

    /// The place of the piece in its bio.
    pub fn iter(&self) -> BioIter {
        self.iter
    }

    /// Ends the piece. The first error of its pieces becomes the bio's.
    pub fn end(mut self, status: Status) {
        let status = self.judge(status);
        let flush = self.flush_of.take();
        self.finish(status);
        // The bio ends with its cursor, not with this.
        drop(self);
        if let Some(flush) = flush {
            flush.parking.flush_ended(flush.id);
        }
    }

    /// Fails a flush whose caller must not believe that its writes are stable, as an earlier one has failed in silence; and
    /// notes that this one does.
    fn judge(&self, status: Status) -> Status {
        let lane = self.share.admitted.lane();
        let Some(flush) = &self.flush_of else {
            if let Some(parking) = self.silent.as_ref().filter(|_| !status.is_ok()) {
                lane.note_untold(parking);
            }
            return status;
        };
        match lane.judge_flush(&flush.promise) {
            Verdict::Tells => flush.parking.tells(flush.id),
            Verdict::Fails => {}
            Verdict::Sound if !status.is_ok() || flush.parking.holds(&flush.promise) => {
                return status
            }
            Verdict::Sound => {}
        }
        Status::Io
    }

    fn finish(&mut self, status: Status) {
        let part = self.part.take();
        let copy = part.as_ref().is_some_and(Part::is_copy);
        self.share.outcome = Some(status);
        let sector = self.sector;
        if let Some(part) = part {
            part.ends(status, sector);
        }
        if copy {
            return;
        }
        // Discards are hints.
        let data = matches!(self.op, Op::Write | Op::WriteZeroes | Op::Flush);
        if !status.is_ok() && data && !self.share.background && !self.share.is_declined() {
            self.share
                .admitted
                .lane()
                .note_write_error(status, self.sector);
        }
        self.bio.fail(status);
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        if self.share.outcome.is_none() {
            self.finish(Status::Io);
            if let Some(flush) = self.flush_of.take() {
                flush.parking.flush_ended(flush.id);
            }
        }
    }
}
