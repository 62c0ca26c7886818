// SPDX-License-Identifier: GPL-2.0

//! A node of a storage that runs goes on at another place, where its disk is now.
//!
//! The disk was carried to another machine, or its machine has another address. Its label says that it is the
//! node's ([`crate::dst_core::label::replacement`]), so nothing is copied. There must never be two ways to the
//! disk with requests under way: a node that is connected has to be suspended first, and of one that is away no
//! request that changes data may be unanswered, unless the administrator says that nothing more comes of it.
//!
//! A remote node that is behind an export again keeps its parts: what was not answered waits in its table and is sent to the
//! new place ([`super::remote::Remote::hold`]). Where a device of this machine is left or taken, the parts are
//! exchanged while nothing is at the node ([`super::exchanging`]).
//!
//! The label is written once more at the new place. So an image of the disk that is left at the old one is known
//! to be older, for as long as this machine owns the storage.

use super::{
    beside::Site,
    config::{NodeConfig, Place, StorageConfig},
    configuring::{check_limits, same_device},
    fault::{Fault, Outcome},
    labelling::{check_owned, write_label, Owned},
    member::Member,
    node::{Hindrance, Node, Target},
    remote::{InTheWay, Remote},
    running::Running,
    storage::Storage,
    survey::survey,
    wait::{Deadline, Patience},
};
use crate::{
    dst_core::label::{recognise, Held, Kin, Label, Unlike},
    fault,
    sys::{clock::seconds_since_1970, refusal::Field},
};
use kernel::{prelude::*, sync::Arc};

/// Milliseconds for another request to end.
const BEGIN_MS: u32 = 8_000;

/// Milliseconds for the device and its label.
const LABEL_MS: u32 = 60_000;

/// A node that is about to go on elsewhere.
pub(super) struct Leaving {
    /// The storage's moving parts.
    pub(super) running: Arc<Running>,
    /// The node as it is configured.
    pub(super) member: Arc<Member>,
    /// The node in the volume.
    pub(super) node: Arc<Node>,
    /// What is known of its label.
    pub(super) held: Held,
    /// Where it is to go on.
    pub(super) config: NodeConfig,
    /// Nothing more comes of what was sent to the old place.
    pub(super) force: bool,
}

impl Storage {
    /// Lets node `index` go on at the device that `config` describes, if that holds the node; `false` if it is another
    /// one, to which the node can only move. `idle` refuses if somebody uses the node beside the disk. Waits for the device.
    ///
    /// Errors: why not; all is as it was, but for the sequence number of the label there.
    #[inline(never)]
    pub fn replace(
        self: &Arc<Self>,
        index: u32,
        config: NodeConfig,
        idle: impl FnOnce(&Site) -> Outcome,
    ) -> Outcome<bool> {
        let _operation = self.lock_operation(&Deadline::after(BEGIN_MS))?;
        let running = self.running_parts()?;
        let member = self.settled_node(&running, index)?;
        let deadline = Deadline::after(LABEL_MS);
        let leaving = self.leaving(running, member, config)?;
        let replaced = self.look_and_leave(leaving, idle, &deadline);
        self.wait_for(None);
        if let Ok(true) = replaced {
            self.context().changed();
            self.announce_node(index);
            self.announce();
        }
        replaced
    }

    /// What is known of the node.
    fn leaving(
        &self,
        running: Arc<Running>,
        member: Arc<Member>,
        config: NodeConfig,
    ) -> Outcome<Leaving> {
        let index = member.index();
        let volume = running.volume().get().ok_or(ECANCELED)?;
        let node = volume.nodes().get(index as usize).ok_or(ENOENT)?.clone();
        let facts = member.facts();
        let held = {
            let state = self.state();
            Held {
                storage: state.uuid.ok_or(EINVAL)?,
                node: facts.uuid.ok_or(EINVAL)?,
                index,
                range: facts.range.ok_or(EINVAL)?,
                epoch: state.epoch,
                events: state.events,
                sequence: facts.sequence,
            }
        };
        Ok(Leaving {
            running,
            node,
            held,
            force: config.force,
            config: config.instead_of(&member.config, index),
            member,
        })
    }

    #[inline(never)]
    fn look_and_leave(
        self: &Arc<Self>,
        leaving: Leaving,
        idle: impl FnOnce(&Site) -> Outcome,
        deadline: &Deadline,
    ) -> Outcome<bool> {
        let there = self.peek(&leaving, deadline)?;
        let patience = self.patience(deadline);
        let found = survey(&there, patience)?;
        let kin = match found.label() {
            Some(label) => judge(&there, label, &leaving.held)?,
            None => Kin::Other,
        };
        if kin == Kin::Other {
            check_movable(&leaving, there.place())?;
            return Ok(false);
        }
        let label = found.label().ok_or(EINVAL)?;
        match (&leaving.node.target, there.address()) {
            (Target::Remote(remote), Some(_)) if !is_lost(&leaving.node) => {
                self.relocate(&leaving, remote, there, label, patience)?;
            }
            _ => {
                drop(there);
                self.exchange(leaving, idle, deadline)?;
            }
        }
        Ok(true)
    }

    /// Opens or connects the device to look at it.
    #[inline(never)]
    fn peek(&self, leaving: &Leaving, deadline: &Deadline) -> Outcome<Arc<Member>> {
        let config = leaving.config.clone();
        let place = config.place.clone();
        check_limits(&config)?;
        // One that was given up may go on where it was.
        if !is_lost(&leaving.node) || !place.is_same(leaving.member.place()) {
            self.check_place(&place)?;
        }
        let pools = self.context().pools.clone();
        let reading = reading(self.config())?;
        self.wait_for(Some(&place));
        let opened = Member::open(config, &reading, None, pools, self.patience(deadline));
        let there = opened.map_err(|fault| match (fault.error(), self.known_device(&place)) {
            (EBUSY, Some(other)) => same_device(&place, other),
            _ => fault,
        })?;
        self.check_export(&there, Some(leaving.held.index))?;
        Ok(there)
    }

    /// Sends a remote node to the export where its disk is now.
    #[inline(never)]
    fn relocate(
        &self,
        leaving: &Leaving,
        remote: &Arc<Remote>,
        there: Arc<Member>,
        label: &Label,
        patience: Patience<'_>,
    ) -> Outcome {
        let Place::Remote { address, export } = *there.config.place else {
            return Err(EINVAL.into());
        };
        if !leaving.config.asks_for_the_same(&leaving.member.config) {
            return Err(fault!(
                EINVAL,
                None,
                "{} carries the label of the node, which goes on there with the connections and limits that it has; leave \
                 these options out",
                there.place()
            ));
        }
        let known = there.known(label).ok_or(ECONNRESET)?;
        remote.compare(&known).map_err(|differs| {
            let place = there.place();
            fault!(EINVAL, None, "{}: {}", place, differs.as_str())
        })?;
        let config = leaving.config.clone();
        let member = leaving.member.elsewhere(config, &there.facts())?;
        drop(there);
        let lane = &leaving.node.lane;
        let drained = lane.suspended().is_some() && lane.in_flight() == 0;
        remote
            .hold(drained, leaving.force)
            .map_err(|problem| in_the_way(leaving, &problem))?;
        let written = self.write_again(&member, &leaving.held, patience);
        member.hang_up();
        leaving.member.resume_session(&member);
        if let Err(fault) = written {
            remote.let_go(None);
            return Err(fault);
        }
        if !remote.let_go(Some((address, export))) {
            return Err(in_the_way(leaving, &InTheWay::Failed));
        }
        self.put_in_place(&leaving.member, member);
        Ok(())
    }

    /// Looks once more, now over a connection that may write, and writes the label with the next sequence number.
    #[inline(never)]
    pub(super) fn write_again(
        &self,
        member: &Member,
        held: &Held,
        patience: Patience<'_>,
    ) -> Outcome {
        self.wait_for(Some(member.place()));
        let found = survey(member, patience)?;
        member.learn(|facts| facts.uuid = Some(held.node));
        let owned = Owned {
            storage: held.storage,
            epoch: held.epoch,
        };
        let label = check_owned(member, &owned, &found)?;
        judge(member, label, held)?;
        write_label(member, &*next(label)?, &found, patience)
    }

    /// The storage knows the node under its new place.
    pub(super) fn put_in_place(&self, old: &Arc<Member>, new: Arc<Member>) {
        let mut state = self.state();
        let mut members = state.members.iter_mut();
        let place = members.find(|member| Arc::ptr_eq(member, old));
        let former = place.map(|place| core::mem::replace(place, new));
        drop(state);
        drop(former);
    }
}

/// Apart, as labels are large.
#[inline(never)]
fn next(label: &Label) -> Outcome<KBox<Label>> {
    Ok(KBox::new(label.next(seconds_since_1970()), GFP_KERNEL)?)
}

/// The storage as one that only reads, so that nobody else is kept from the device while it is looked at.
#[inline(never)]
fn reading(config: &StorageConfig) -> Outcome<KBox<StorageConfig>> {
    let mut reading = KBox::new(config.clone(), GFP_KERNEL)?;
    reading.read_only = true;
    Ok(reading)
}

/// Judges the label that was found on the device of `member`.
fn judge(member: &Member, label: &Label, held: &Held) -> Outcome<Kin> {
    recognise(label, member.facts().sectors, held).map_err(|unlike| {
        let error = match unlike {
            Unlike::TakenOver(..) => ESTALE,
            Unlike::Newer => EROFS,
            _ => EINVAL,
        };
        fault!(
            error,
            None,
            "{}: {}",
            member.place(),
            format_args!("{unlike}")
        )
    })
}

pub(super) fn is_lost(node: &Node) -> bool {
    let Target::Remote(remote) = &node.target else {
        return false;
    };
    remote.standing().phase == super::remote::Phase::Failed
}

/// Refuses to move a node whose data cannot be read, and tells what can be done.
fn check_movable(leaving: &Leaving, place: &Place) -> Outcome {
    let away = leaving.node.remote().is_some_and(|remote| !remote.is_up());
    let index = leaving.held.index;
    if away {
        return Err(fault!(
            EAGAIN,
            Field::Index,
            "node {} does not answer, and {} does not carry its label: there is nothing to copy from. If its \
             disk is in another machine now, or the machine has another address, name that; otherwise bring its \
             machine back",
            index,
            place
        ));
    }
    match leaving.node.hindrance() {
        Some(Hindrance::Suspended) => Err(fault!(
            EAGAIN,
            Field::Index,
            "node {} is suspended, and {} does not carry its label, so that its data has to be copied: let it \
             go on first (dst resume)",
            index,
            place
        )),
        _ => Ok(()),
    }
}

/// Why a node cannot leave the export that it is at.
pub(super) fn in_the_way(leaving: &Leaving, problem: &InTheWay) -> Fault {
    let (index, place) = (leaving.held.index, leaving.member.place());
    let left = leaving.node.lane.in_flight();
    match problem {
        InTheWay::Connected if leaving.node.lane.suspended().is_some() => fault!(
            EBUSY,
            Field::Index,
            "node {} is suspended, and {} requests that it was given before are not answered yet; wait until they \
             are, or until it is away",
            index,
            left
        ),
        InTheWay::Connected => fault!(
            EBUSY,
            Field::Index,
            "node {} is connected to {}, and two ways to one disk would mix up its data: suspend it first \
             (dst suspend)",
            index,
            place
        ),
        InTheWay::Exposed(count) => fault!(
            EBUSY,
            Field::Index,
            "{} requests that change data were sent to {} and not answered; if that machine still has the disk it \
             may carry them out later. Make sure that it is off, or does not have the disk any more; then \
             use --force",
            count,
            place
        ),
        InTheWay::Failed => fault!(EAGAIN, Field::Index, "node {} was given up meanwhile", index),
        InTheWay::Slow => fault!(
            ETIMEDOUT,
            Field::Index,
            "the connections of node {} to {} do not close in time; try again",
            index,
            place
        ),
    }
}
