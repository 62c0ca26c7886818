// SPDX-License-Identifier: GPL-2.0

//! What a migration asks for apart from copies: flushes, and changes of labels.

use super::{Copier, AGAIN, RETRY};
use crate::{
    dst_core::migration::{self, Phase, Side, Step, Task, What},
    storage::{moving::COPIES, node::Node},
    sys::bio::Status,
};

/// A flush that a step asks for.
#[derive(Clone, Copy)]
pub(super) struct Flush {
    task: Task,
    /// For which step one is under way; for an earlier one it says nothing of this.
    pub(super) issued: Option<Task>,
}

impl Copier {
    /// A flush has ended.
    pub(super) fn flushed(&mut self, side: usize, status: Status) {
        let Some(place) = self.flushes.get_mut(side) else {
            return;
        };
        let Some(flush) = place.as_mut() else {
            return;
        };
        let current = flush.issued.take() == Some(flush.task);
        // One that was not answered says nothing of the device.
        let failed = !matches!(status, Status::Ok | Status::Transport);
        if !current && !failed {
            // Once more, for the step that is wanted now.
            return;
        }
        let task = flush.task;
        *place = None;
        let Some([old, new]) = self.moving().sides() else {
            return;
        };
        // What was lost before the flush is known to be by now.
        self.look_at_lives([&old, &new]);
        if failed {
            let side = if side == 0 { Side::Old } else { Side::New };
            return self.moving().flush_failed(side);
        }
        if let (1, true, Some(remote)) = (side, status.is_ok(), new.remote()) {
            // All that was written there before it is copied, and stable. What a late end has noted since is
            // no loss.
            if self.moving().phase() == Phase::Flushing {
                remote.forget_losses();
            }
        }
        let ok = status.is_ok() && (side == 1 || is_told(&old, &new));
        let outcome = match ok {
            true => migration::Outcome::Done,
            false => migration::Outcome::Unknown,
        };
        self.moving().done(task, outcome);
    }

    /// Does what has to be done apart from copies.
    pub(super) fn take_steps(&mut self, nodes: [&Node; 2], now: u64) {
        self.issue_flushes(nodes);
        if now < self.step_not_before {
            return;
        }
        while let Some(task) = self.moving().next_step() {
            let side = match task.step {
                Step::FlushOld => 0,
                Step::FlushNew => 1,
                step => {
                    // For as long as it takes nothing else is told.
                    let outcome = self.mover.step(step, &|words| self.tell_that(now, words));
                    if step == Step::TakeOver {
                        self.refusal = self.mover.waits_for();
                    }
                    self.moving().done(task, outcome);
                    if outcome != migration::Outcome::Done {
                        self.step_not_before = self.job.now().saturating_add(AGAIN);
                        return;
                    }
                    continue;
                }
            };
            if let Some(place) = self.flushes.get_mut(side) {
                let issued = place.and_then(|flush| flush.issued);
                *place = Some(Flush { task, issued });
            }
            self.issue_flushes(nodes);
        }
    }

    fn issue_flushes(&mut self, nodes: [&Node; 2]) {
        for (side, node) in nodes.into_iter().enumerate() {
            let Some(Some(flush)) = self.flushes.get(side).copied() else {
                continue;
            };
            if flush.issued.is_some() {
                continue;
            }
            let cached = node.volatile_cache;
            let permit = cached.then(|| node.admit(false, What::Flush)).flatten();
            let now = self.mover.moving().moments().now();
            // What the new device fails to make stable ends the migration.
            let parking = self.mover.moving().parking();
            let parking = (side == 0).then(|| parking.clone());
            let gone = match permit {
                Some(permit) => self.loans.flush(COPIES + side, node, permit, now, parking),
                // There is no room.
                None if cached => false,
                None => true,
            };
            if !gone {
                self.not_before = self.job.now().saturating_add(RETRY);
                continue;
            }
            if let Some(Some(flush)) = self.flushes.get_mut(side) {
                flush.issued = Some(flush.task);
            }
            if !cached {
                self.flushed(side, Status::Ok);
            }
        }
    }
}

/// Whether all losses at the old device were told of, or the new one can tell of them.
fn is_told(old: &Node, new: &Node) -> bool {
    // Flushes tell of it that come to the node, wherever it is; they come to one that has a volatile cache.
    if old.lane.has_untold() && !new.volatile_cache {
        return false;
    }
    let untold = old.remote().is_some_and(|remote| remote.has_untold_loss());
    !untold || new.remote().is_some_and(|remote| remote.tells_losses())
}
