// SPDX-License-Identifier: GPL-2.0

//! A node of a storage that runs begins to move to another device.
//!
//! Everything is checked first; then the new device is labelled as a copy, and claimed, which nobody believes; then
//! nothing more is given to the node until it has answered what it has, and what comes after that
//! goes the way of a node that moves ([`super::moving`]). From there on it is the work of a job.

use super::{
    beside::Site,
    config::{NodeConfig, NodeSelector},
    direct,
    fault::Outcome,
    growing::{check_fits, check_still},
    labelling::{check_owned, claim, write_label, Owned},
    member::Member,
    mover::{Mover, Parts},
    moving::Moving,
    node::{Hindrance, Node, Target},
    running::Running,
    seed::{make_node, run_connection},
    storage::Storage,
    survey::{survey, Found},
    suspending::drained,
    volume::Volume,
    wait::{Deadline, Patience},
};
use crate::{
    dst_core::{
        label::Label,
        map::Layout,
        migration::{Reason, Side},
        text::Text,
    },
    exec::Timer,
    fault,
    sys::{clock::seconds_since_1970, random, refusal::Field},
};
use kernel::{prelude::*, sync::Arc};

/// Milliseconds for another request to end.
const BEGIN_MS: u32 = 8_000;

/// Milliseconds for the new device and the labels.
const LABELS_MS: u32 = 60_000;

/// Milliseconds for the node to answer what it has.
const DRAIN_MS: u32 = 5_000;

impl Storage {
    /// Lets node `index` begin to move to the device that `config` describes; `begin` has a job do it. Waits for the
    /// node and the device.
    ///
    /// Errors: why not; the storage is as it was, but for a label on the device, which does not count.
    #[inline(never)]
    pub fn migrate<T>(
        self: &Arc<Self>,
        index: u32,
        config: NodeConfig,
        begin: impl FnOnce(&Site, Arc<Mover>) -> Outcome<T>,
    ) -> Outcome<T> {
        let _operation = self.lock_operation(&Deadline::after(BEGIN_MS))?;
        let running = self.running_parts()?;
        let old = self.movable(&running, index)?;
        let deadline = Deadline::after(LABELS_MS);
        let config = NodeConfig {
            index: Some(index),
            ..config
        };
        let new = self.open_device(config, index, &deadline)?;
        let mover = self.prepare(&running, old, new, self.patience(&deadline));
        self.wait_for(None);
        let mover = mover?;
        let begun = self.site().and_then(|site| begin(&site, mover.clone()));
        if begun.is_err() {
            mover.moving().give_up(Reason::Cancelled);
            mover.finish(Side::Old);
        }
        begun
    }

    /// The node with this index, if it can move now.
    fn movable(&self, running: &Running, index: u32) -> Outcome<Arc<Member>> {
        let old = self.settled_node(running, index)?;
        let volume = running.volume().get().ok_or(ECANCELED)?;
        let node = volume.nodes().get(index as usize).ok_or(ENOENT)?;
        let words = match node.hindrance() {
            None => return Ok(old),
            Some(Hindrance::Suspended) => "is suspended; let it go on first (dst resume)",
            Some(Hindrance::Away) => "is away; wait until it is connected",
            Some(Hindrance::Lost) => "was given up: there is nothing to copy from",
        };
        Err(fault!(EAGAIN, Field::Index, "node {} {}", index, words))
    }

    /// The node with this index, of a storage whose labels say where its nodes are, none of which moves.
    pub(super) fn settled_node(&self, running: &Running, index: u32) -> Outcome<Arc<Member>> {
        let name = self.config().name;
        let name = name.as_str();
        let which = NodeSelector {
            index: Some(index),
            ..NodeSelector::default()
        };
        let old = {
            let state = self.state();
            let at = self.position(&state, &which)?;
            if state.read_only {
                return Err(fault!(
                    EROFS,
                    None,
                    "the storage \"{}\" is read-only, and its labels have to be written",
                    name
                ));
            }
            state.members.get(at).ok_or(ENOENT)?.clone()
        };
        if self.config().raw {
            return Err(fault!(
                EOPNOTSUPP,
                None,
                "the storage \"{}\" has no labels, which would say where the node is when its machine \
                 crashes in the middle",
                name
            ));
        }
        check_still(running)?;
        Ok(old)
    }

    /// Checks and labels the new device, and lets the node's requests go the way of one that moves.
    #[inline(never)]
    fn prepare(
        self: &Arc<Self>,
        running: &Arc<Running>,
        old: Arc<Member>,
        new: Arc<Member>,
        patience: Patience<'_>,
    ) -> Outcome<Arc<Mover>> {
        let deleted = || fault!(ECANCELED, Field::Name, "the storage is being deleted");
        let volume = running.volume().get().ok_or_else(deleted)?;
        let index = old.index();
        let range = volume.layout().range_of(index as usize).ok_or(EINVAL)?;
        let (owned, shown, events) = {
            let state = self.state();
            let owned = Owned {
                storage: state.uuid.ok_or(EINVAL)?,
                epoch: state.epoch,
            };
            (owned, state.shown.ok_or(EINVAL)?, state.events)
        };
        check_fits(&new, (&shown.0, shown.1), range)?;
        let identity = random::identity();
        self.label_copy(&owned, &old, &new, identity, patience)?;
        new.learn(|facts| facts.range = Some(range));
        self.wait_for(Some(old.place()));
        self.reroute(
            running,
            &volume,
            range.1,
            Draft {
                old,
                new,
                identity,
                owned,
                events: events.saturating_add(1),
            },
        )
    }

    /// Labels the new device as a copy and claims it; then looks whether nobody else did.
    #[inline(never)]
    fn label_copy(
        &self,
        owned: &Owned,
        old: &Member,
        new: &Arc<Member>,
        identity: [u8; 16],
        patience: Patience<'_>,
    ) -> Outcome {
        self.wait_for(Some(new.place()));
        let found = survey(new, patience)?;
        self.check_takeable(new, &found, Some(owned.storage), patience)?;
        self.wait_for(Some(old.place()));
        let source = survey(old, patience);
        old.hang_up();
        let source = source?;
        let source = check_owned(old, owned, &source)?;
        let label = copy_label(source, old, new, identity, &found)?;
        self.wait_for(Some(new.place()));
        write_label(new, &label, &found, patience)?;
        new.learn(|facts| facts.uuid = Some(identity));
        if label.epoch != owned.epoch {
            claim(new, owned.epoch, patience)?;
        }
        let now = survey(new, patience)?;
        check_owned(new, owned, &now)?;
        Ok(())
    }

    /// Makes the parts of the new device, and exchanges the node for one that moves while nothing is at it.
    #[inline(never)]
    fn reroute(
        self: &Arc<Self>,
        running: &Arc<Running>,
        volume: &Arc<Volume>,
        sectors: u64,
        draft: Draft,
    ) -> Outcome<Arc<Mover>> {
        let index = draft.old.index();
        let known = volume.nodes().get(index as usize).ok_or(ENOENT)?.clone();
        let lane = known.lane.clone();
        let (storage, epoch) = (draft.owned.storage, draft.owned.epoch);
        let moments = volume.moments();
        let (node, seed) = make_node(&draft.new, storage, epoch, moments, Some(lane.clone()))?;
        let sides = [
            Arc::new(known.renewed(), GFP_KERNEL)?,
            Arc::new(node, GFP_KERNEL)?,
        ];
        if draft.new.address().is_none() {
            // One worker for each local node, and one more.
            let local = self.state().local_nodes();
            if let Some(issuers) = running.issuers() {
                issuers.require(local.saturating_add(2))?;
            }
        }
        let way = direct::first_way(&draft.old, &draft.new);
        let moving = Moving::new(sides.clone(), volume.parking().clone(), sectors, way)?;
        let combined = Arc::new(combine(&sides, moving.clone()), GFP_KERNEL)?;
        let moved = volume.with_replaced(index as usize, &combined)?;
        let device = run_connection(self, index as usize, seed)?;
        running.set_arriving(device.clone());
        let mover = Mover::new(Parts {
            storage: self.clone(),
            running: running.clone(),
            moving,
            combined,
            index,
            old: draft.old,
            new: draft.new,
            device: device.clone(),
            identity: draft.identity,
            owned: draft.owned,
            events: draft.events,
        });
        let attached = mover.and_then(|mover| {
            running.attach(mover.clone())?;
            Ok(mover)
        });
        let undo = || {
            device.stop();
            device.join();
            running.turn_back();
        };
        let mover = attached.inspect_err(|_| undo())?;
        self.drain(&known).inspect_err(|_| {
            lane.open();
            mover.abandon();
            running.turn_back();
        })?;
        running.volume().replace(moved);
        known.retire();
        lane.open();
        Ok(mover)
    }

    /// Shuts the gate of a node and waits until it has answered what it has.
    fn drain(&self, node: &Node) -> Outcome {
        let lane = &node.lane;
        lane.shut();
        let deadline = Deadline::after(DRAIN_MS);
        let drained = drained(lane.clone(), Timer::new()?);
        match self.patience(&deadline).run(drained) {
            Ok(()) => Ok(()),
            Err(ETIMEDOUT) => Err(fault!(
                EAGAIN,
                None,
                "the node has not answered {} requests in {} seconds; try again when it answers faster",
                lane.in_flight(),
                DRAIN_MS / 1000
            )),
            Err(ECANCELED) => Err(fault!(
                ECANCELED,
                Field::Name,
                "the storage is being deleted"
            )),
            Err(error) => Err(error.into()),
        }
    }
}

/// What is known of a migration that begins.
struct Draft {
    old: Arc<Member>,
    new: Arc<Member>,
    identity: [u8; 16],
    owned: Owned,
    events: u64,
}

/// On the heap, as labels are large and there is little stack to spare here.
#[inline(never)]
fn copy_label(
    source: &Label,
    old: &Member,
    new: &Member,
    identity: [u8; 16],
    found: &Found,
) -> Outcome<KBox<Label>> {
    let facts = new.facts();
    let in_force = match new.address() {
        Some(_) => facts.epoch,
        None => 0,
    };
    let label = source
        .copy(
            identity,
            Text::from_display(old.place()),
            (facts.device_sectors, facts.sectors),
            found.label(),
            in_force,
            seconds_since_1970(),
        )
        .map_err(|problem| {
            fault!(
                EINVAL,
                None,
                "{}: {}",
                new.place(),
                format_args!("{problem}")
            )
        })?;
    Ok(KBox::new(label, GFP_KERNEL)?)
}

/// The node that is on both devices: what one of them cannot do it cannot.
fn combine([old, new]: &[Arc<Node>; 2], moving: Arc<Moving>) -> Node {
    let least = |a: u32, b: u32| match (a, b) {
        (0, limit) | (limit, 0) => limit,
        (a, b) => a.min(b),
    };
    let mut node = Node::new(Target::Moving(moving), old.lane.clone());
    node.volatile_cache = old.volatile_cache || new.volatile_cache;
    node.max_transfer = least(old.max_transfer, new.max_transfer);
    node.discard = old.discard && new.discard;
    node.max_discard = least(old.max_discard, new.max_discard);
    node.max_write_zeroes = least(old.max_write_zeroes, new.max_write_zeroes);
    node
}
