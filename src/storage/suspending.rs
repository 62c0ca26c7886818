// SPDX-License-Identifier: GPL-2.0

//! Suspending a node of a started storage, letting it go on, and forgetting its write error.
//!
//! I/O to a suspended node waits where I/O to a node without room waits ([`super::parking`]), so
//! it takes no memory, keeps its order, and ends with the storage. What the node was given before
//! is not taken back; once it was answered, what is in the node's volatile cache is made stable, so that its disk can
//! be carried elsewhere. Nothing else waits, but for flushes: they go to every node that has a
//! volatile cache.

use super::{
    config::{NodeSelector, StorageState, Suspension},
    errand::{Answer, Request},
    fault::Outcome,
    flushing::flush,
    lane::Lane,
    node::Target,
    running::Running,
    storage::Storage,
    wait::Deadline,
};
use crate::{exec::Timer, fault, sys::refusal::Field};
use kernel::{
    prelude::*,
    sync::{atomic::ordering, Arc},
    time::Delta,
};

/// Milliseconds for what the node was given before, if nothing else is asked for.
const DRAIN_MS: u32 = 5_000;

/// Milliseconds for a resumption to wait for another request.
const RESUME_MS: u32 = 8_000;

/// Milliseconds between two looks.
const LOOK_MS: i64 = 2;

impl Storage {
    /// Suspends a node. Waits until it has answered what it was given before, or the time is over;
    /// tells what is left.
    pub fn node_suspend(&self, which: &NodeSelector, limit: Option<u32>) -> Outcome<Suspension> {
        let deadline = Deadline::after(limit.unwrap_or(DRAIN_MS));
        let _operation = self.lock_operation(&deadline)?;
        let (running, index) = self.running_node(which)?;
        let active = running.node(index).ok_or(ENOENT)?;
        if !active.lane.suspend() {
            return Err(fault!(
                EALREADY,
                None,
                "node {} of \"{}\" is suspended already",
                index,
                self.config().name.as_str()
            ));
        }
        self.notice(&running);
        let drained = Timer::new()
            .map(|timer| drained(active.lane.clone(), timer))
            .and_then(|drained| self.patience(&deadline).run(drained));
        match drained {
            Ok(()) | Err(ETIMEDOUT) => {}
            Err(error) => {
                active.lane.resume();
                self.notice(&running);
                return Err(match error {
                    ECANCELED => fault!(ECANCELED, Field::Name, "the storage is being deleted"),
                    EINTR => fault!(EINTR, None, "interrupted; the node goes on"),
                    error => error.into(),
                });
            }
        }
        if drained.is_ok() {
            self.stabilise(&running, index, &deadline);
        }
        Ok(Suspension {
            index,
            in_flight: active.lane.in_flight(),
            queued: active.lane.waiting.load(ordering::Relaxed),
        })
    }

    /// Makes stable what a node has acknowledged that has answered all that it was given, so that its disk can be carried
    /// elsewhere. If that fails, the next flush that is asked for does: at a local device ([`super::flushing`]), and at a server,
    /// whose cache has another name then.
    #[inline(never)]
    fn stabilise(&self, running: &Running, index: u32, deadline: &Deadline) {
        let member = self.state().members.get(index as usize).cloned();
        let (Some(volume), Some(member)) = (running.volume().get(), member) else {
            return;
        };
        let Some(node) = volume.nodes().get(index as usize) else {
            return;
        };
        // What has ended by then is at the device.
        let covers = volume.moments().now();
        let stable = match &node.target {
            _ if !node.volatile_cache => true,
            Target::Local(local) => {
                let patience = self.patience(deadline);
                matches!(
                    flush(local, &node.lane, volume.parking(), patience),
                    Ok(true)
                )
            }
            Target::Remote(remote) if remote.is_up() => {
                let flushed = member.call(self.patience(deadline), Request::Flush);
                member.hang_up();
                match flushed {
                    Ok(Answer::Flushed(identity)) => remote.was_flushed(identity, covers),
                    _ => false,
                }
            }
            Target::Remote(_) | Target::Moving(_) => false,
        };
        if stable {
            node.lane.note_stable();
        } else {
            pr_warn!(
                "storage \"{}\": node {}: {}: what it has acknowledged is not known to be stable\n",
                self.config().name.as_str(),
                index,
                member.place()
            );
        }
    }

    /// Lets a suspended node go on; returns its index.
    pub fn node_resume(&self, which: &NodeSelector) -> Outcome<u32> {
        let _operation = self.lock_operation(&Deadline::after(RESUME_MS))?;
        let (running, index) = self.running_node(which)?;
        let active = running.node(index).ok_or(ENOENT)?;
        if !active.lane.resume() {
            return Err(fault!(
                EINVAL,
                None,
                "node {} of \"{}\" is not suspended",
                index,
                self.config().name.as_str()
            ));
        }
        self.notice(&running);
        Ok(index)
    }

    /// Forgets the write error of a node that the administrator has looked at; returns its index.
    pub fn node_clear(&self, which: &NodeSelector) -> Outcome<u32> {
        let _operation = self.lock_operation(&Deadline::after(RESUME_MS))?;
        let (running, index) = self.running_node(which)?;
        let active = running.node(index).ok_or(ENOENT)?;
        if !active.lane.clear_write_error() {
            return Err(fault!(
                EINVAL,
                None,
                "node {} of \"{}\" has no write error",
                index,
                self.config().name.as_str()
            ));
        }
        self.announce_node(index);
        Ok(index)
    }

    /// The moving parts, and the index of the node that is meant.
    fn running_node(&self, which: &NodeSelector) -> Outcome<(Arc<Running>, u32)> {
        let running = self.running_parts()?;
        let state = self.state();
        let at = self.position(&state, which)?;
        let member = state.members.get(at).ok_or(ENOENT)?;
        Ok((running, member.index()))
    }

    /// The moving parts of a storage that has started.
    pub(super) fn running_parts(&self) -> Outcome<Arc<Running>> {
        let state = self.state();
        if state.gone {
            return Err(self.missing());
        }
        let name = self.config().name.as_str();
        match (state.phase, &state.running) {
            (StorageState::Running, Some(running)) => Ok(running.clone()),
            (StorageState::Stopping, _) => Err(fault!(
                EBUSY,
                Field::Name,
                "the storage \"{}\" is being deleted",
                name
            )),
            _ => Err(fault!(
                EINVAL,
                Field::Name,
                "the storage \"{}\" is not started: there is no I/O to its nodes",
                name
            )),
        }
    }
}

/// Waits until nothing is at the node, or on its way there.
pub(super) async fn drained(lane: Arc<Lane>, mut timer: Timer) {
    while lane.in_flight() > 0 {
        timer.sleep(Delta::from_millis(LOOK_MS)).await;
    }
}
