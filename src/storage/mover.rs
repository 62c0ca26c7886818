// SPDX-License-Identifier: GPL-2.0

//! What is done for a node that moves, apart from its requests and copies: the steps that change labels, and the
//! exchange of the node's parts in the end.
//!
//! All of this waits for nodes, on a thread of its own, without the storage's operation lock: a deletion joins that
//! thread while it holds the lock. It ends all waiting by [`Beside::stop`].

use super::{
    beside::Beside,
    config::Reason,
    direct,
    labelling::{try_update_label, NotUpdated, Owned},
    member::Member,
    moving::Moving,
    node::Node,
    running::{Active, Running},
    storage::Storage,
    wait::{Deadline, Interrupt, Patience},
};
use crate::{
    dst_core::{
        label::{Change, Partner},
        migration::{Outcome, Side, Step},
        text::Text,
        wire::CopySource,
    },
    sys::refusal::Refusal,
};
use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        atomic::{ordering, Atomic},
        Arc, Mutex,
    },
    time::{delay::fsleep, Delta},
};

/// Milliseconds for an update of a label.
const STEP_MS: u32 = 30_000;

/// Milliseconds between two looks for memory, or for the storage's operation lock.
const LOOK_MS: i64 = 20;

type Told = core::result::Result<(), NotUpdated>;

/// What a mover is made of.
pub struct Parts {
    /// The storage.
    pub storage: Arc<Storage>,
    /// Its moving parts.
    pub running: Arc<Running>,
    /// The way of requests meanwhile.
    pub moving: Arc<Moving>,
    /// The node in the volume meanwhile.
    pub combined: Arc<Node>,
    /// The index of the node.
    pub index: u32,
    /// The device that is left.
    pub old: Arc<Member>,
    /// The one that is moved to.
    pub new: Arc<Member>,
    /// Its connections.
    pub device: Arc<Active>,
    /// The new label's identity of the node.
    pub identity: [u8; 16],
    /// What the labels say of the storage.
    pub owned: Owned,
    /// How many migrations it has seen with this one.
    pub events: u64,
}

/// Moves a node.
#[pin_data]
pub struct Mover {
    parts: Parts,
    /// Of one waiting at a time: that of the steps.
    #[pin]
    interrupt: Interrupt,
    ended: Atomic<bool>,
    /// The last step that has failed will fail again.
    refused: Atomic<bool>,
    /// What the last step that has failed, or is under way, waits for.
    #[pin]
    waits_for: Mutex<Reason>,
}

impl Mover {
    /// May sleep. Errors: `ENOMEM`.
    pub fn new(parts: Parts) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                parts,
                interrupt <- Interrupt::new(),
                ended: Atomic::new(false),
                refused: Atomic::new(false),
                waits_for <- new_mutex!(Reason::new(), "dst_mover"),
            }),
            GFP_KERNEL,
        )
    }

    /// The way of requests.
    pub fn moving(&self) -> &Arc<Moving> {
        &self.parts.moving
    }

    /// The index of the node.
    pub fn index(&self) -> u32 {
        self.parts.index
    }

    /// The device that is left.
    pub fn old(&self) -> &Member {
        &self.parts.old
    }

    /// The device that is moved to.
    pub fn new_device(&self) -> &Member {
        &self.parts.new
    }

    /// What the new device's machine is told of the old one, for the copies of job `job`; `None` if it cannot be told.
    pub fn copy_source(&self, job: u32) -> Option<CopySource> {
        let parts = &self.parts;
        direct::source(&parts.old, &parts.new, parts.owned.storage, job)
    }

    /// Whether the storage is being deleted.
    pub fn is_interrupted(&self) -> bool {
        self.interrupt.requested()
    }

    /// Whether the last step that has failed would fail again.
    pub fn is_refused(&self) -> bool {
        self.refused.load(ordering::Relaxed)
    }

    /// What the steps wait for; may be empty.
    pub fn waits_for(&self) -> Reason {
        *self.waits_for.lock()
    }

    fn wait_for(&self, reason: Reason) {
        *self.waits_for.lock() = reason;
    }

    /// Does a step that changes labels; `says` is told what it waits for. Sleeps.
    #[inline(never)]
    pub fn step(&self, step: Step, says: &dyn Fn(Reason)) -> Outcome {
        let parts = &self.parts;
        let events = parts.events;
        let told = match step {
            // Both were done before the node began to move, or are no labels.
            Step::Prepare | Step::FlushOld | Step::FlushNew => Ok(()),
            Step::Record => {
                let by = Partner {
                    node: parts.identity,
                    place: Text::from_display(parts.new.place()),
                };
                self.tell(&parts.old, &Change::Replaced { by, events }, says)
            }
            Step::Revoke => {
                let change = Change::Kept {
                    by: parts.identity,
                    events: events.saturating_sub(1),
                };
                self.tell(&parts.old, &change, says)
            }
            Step::TakeOver => {
                let told = self.tell(&parts.new, &Change::TakenOver { events }, says);
                if told.is_ok() {
                    self.inherit();
                }
                told
            }
            Step::Tell => self.tell_others(&Change::Told { events }, says),
            Step::Settle => self.tell(&parts.new, &Change::Settled, says),
        };
        match told {
            Ok(()) => {
                self.wait_for(Reason::new());
                Outcome::Done
            }
            Err(NotUpdated { fault, doubt }) => {
                let error = fault.error();
                self.wait_for(Reason::from_display(&Refusal::from(fault).text()));
                let lasting = matches!(error, EROFS | EACCES | EPERM | EOPNOTSUPP);
                self.refused.store(lasting, ordering::Relaxed);
                match (error, doubt) {
                    (ESTALE, _) => Outcome::Fenced,
                    (_, false) => Outcome::Refused,
                    (_, true) => Outcome::Unknown,
                }
            }
        }
    }

    /// Before anything is admitted to the new device: losses at the old one that no flush has told of.
    fn inherit(&self) {
        let Some([old, new]) = self.parts.moving.sides() else {
            return;
        };
        if let (Some(old), Some(new)) = (old.remote(), new.remote()) {
            new.inherit(old);
        }
    }

    fn tell(&self, member: &Member, change: &Change, says: &dyn Fn(Reason)) -> Told {
        let deadline = Deadline::deaf(STEP_MS);
        let patience = Patience {
            interrupt: &self.interrupt,
            deadline: &deadline,
        };
        let answer = Reason::from_display(&format_args!("an answer from {}", member.place()));
        self.wait_for(answer);
        says(answer);
        let node = member.facts().uuid.unwrap_or([0; 16]);
        // A device of this machine that does not answer holds up a deletion, which has to know.
        let counted = member.device().map(|_| self.parts.combined.lane.hold());
        let told = try_update_label(member, &self.parts.owned, patience, &|label| {
            label.change(node, change)
        });
        drop(counted);
        member.hang_up();
        told
    }

    fn tell_others(&self, change: &Change, says: &dyn Fn(Reason)) -> Told {
        let mut outcome: Told = Ok(());
        for index in 0.. {
            let member = {
                let state = self.parts.storage.state();
                match state.members.get(index) {
                    Some(member) => member.clone(),
                    None => break,
                }
            };
            if member.index() == self.parts.index {
                continue;
            }
            let told = self.tell(&member, change, says);
            if outcome.is_ok() {
                outcome = told;
            }
            if outcome.is_err() && self.is_interrupted() {
                break;
            }
        }
        outcome
    }

    /// Closes the way to the new device, which is not used: what is on its way there ends. Sleeps.
    pub fn close_new(&self) {
        self.parts.device.stop();
        self.parts.device.join();
    }

    /// Lets the node be on one of the devices alone, the `new` one or the old one, and lets go of the other. Nothing is
    /// copied any more. Sleeps.
    #[inline(never)]
    pub fn finish(&self, side: Side) {
        let parts = &self.parts;
        if !self.put_in_place(side) {
            // The storage is being deleted.
            return self.end();
        }
        parts.combined.retire();
        // Who waits looks for the one that is there now.
        parts.combined.lane.issuer.wake();
        match side {
            Side::New => {
                // Nothing was given to the old device after the switch has begun.
                drop(parts.moving.leave());
                if let Some(former) = self.exchange() {
                    former.stop();
                    former.join();
                }
            }
            Side::Old => {
                self.close_new();
                // Who ends a request to both needs the devices. Those of the new one are ended, or a deletion waits
                // for them as well.
                while !parts.moving.is_left_alone()
                    || !parts.moving.has_settled() && !self.is_interrupted()
                {
                    fsleep(Delta::from_millis(LOOK_MS));
                }
                drop(parts.moving.leave());
                parts.running.turn_back();
            }
        }
        self.end();
        parts.storage.context().changed();
        parts.storage.announce_node(parts.index);
        parts.storage.announce();
    }

    /// Leaves everything as it is: the storage is being deleted, or the node has not begun to move.
    pub fn abandon(&self) {
        self.close_new();
        self.end();
    }

    /// Leaves everything as it is for good: another machine owns the storage, and may have other labels than this one knows.
    pub fn surrender(&self) {
        self.close_new();
        self.parts.running.lose();
        self.end();
        self.parts.storage.context().changed();
        self.parts.storage.announce_node(self.parts.index);
        self.parts.storage.announce();
    }

    fn end(&self) {
        self.ended.store(true, ordering::Release);
        self.parts.running.forget_ended();
    }

    /// Puts the device of one side in the node's place in the volume; `false` if there is no volume any more.
    fn put_in_place(&self, side: Side) -> bool {
        let parts = &self.parts;
        let index = parts.index as usize;
        while !self.is_interrupted() {
            let (Some(volume), Some([old, new])) =
                (parts.running.volume().get(), parts.moving.sides())
            else {
                return false;
            };
            let node = match side {
                Side::Old => old,
                Side::New => new,
            };
            // Under no lock: nothing else exchanges nodes while one moves.
            if let Ok(volume) = volume.with_replaced(index, &node) {
                return parts.running.volume().replace(volume);
            }
            fsleep(Delta::from_millis(LOOK_MS));
        }
        false
    }

    /// Lets the storage know the new device as its node; returns the parts of the old one.
    fn exchange(&self) -> Option<Arc<Active>> {
        let parts = &self.parts;
        while !self.is_interrupted() {
            // Requests that wait for nodes hold the lock; a deletion does while it joins this thread.
            let Some(_operation) = parts.storage.operation.try_lock() else {
                fsleep(Delta::from_millis(LOOK_MS));
                continue;
            };
            let mut state = parts.storage.state();
            state.events = parts.events;
            let place = state
                .members
                .iter_mut()
                .find(|member| Arc::ptr_eq(member, &parts.old));
            let former = place.map(|place| core::mem::replace(place, parts.new.clone()));
            drop(state);
            drop(former);
            // In one with that: whoever has the lock next takes both for granted.
            return parts.running.arrive(parts.index);
        }
        None
    }
}

impl Beside for Mover {
    fn stop(&self) {
        self.interrupt.request();
    }

    fn join(&self) {
        // The job does.
    }

    fn has_ended(&self) -> bool {
        self.ended.load(ordering::Acquire)
    }
}
