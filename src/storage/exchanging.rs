// SPDX-License-Identifier: GPL-2.0

//! The parts of a node are exchanged while nothing is at it: it goes on at a device of this machine, or no more.
//!
//! The node is suspended, and stays so, as its gate must not open on the way. Everything that can fail comes first; then
//! the volume gets the new node, which has the same lane with all that is parked, and the old one is retired.

use super::{
    beside::Site,
    fault::Outcome,
    flushing::flush,
    growing::check_fits,
    member::Member,
    node::{Node, Target},
    remote::InTheWay,
    replacing::{in_the_way, is_lost, Leaving},
    seed::{make_node, run_connection},
    storage::Storage,
    wait::Deadline,
};
use crate::{fault, sys::refusal::Field};
use kernel::{prelude::*, sync::Arc};

impl Storage {
    /// Lets a node that is suspended go on at another place with parts of their own.
    #[inline(never)]
    pub(super) fn exchange(
        self: &Arc<Self>,
        leaving: Leaving,
        idle: impl FnOnce(&Site) -> Outcome,
        deadline: &Deadline,
    ) -> Outcome {
        check_drained(&leaving)?;
        idle(&self.site()?)?;
        self.check_stable(&leaving, deadline)?;
        let member = self.open_there(&leaving, deadline)?;
        let shown = self.state().shown.ok_or(EINVAL)?;
        check_fits(&member, (&shown.0, shown.1), leaving.held.range)?;
        self.write_again(&member, &leaving.held, self.patience(deadline))?;
        member.learn(|facts| facts.range = Some(leaving.held.range));
        self.exchange_parts(&leaving, member)
    }

    /// Checks that nothing is lost at the device that is left of which no flush has told, as at another one none might; and that
    /// a device of this machine has nothing in its volatile cache.
    #[inline(never)]
    fn check_stable(&self, leaving: &Leaving, deadline: &Deadline) -> Outcome {
        let (node, lane) = (&leaving.node, &leaving.node.lane);
        let (index, place) = (leaving.held.index, leaving.member.place());
        let volume = leaving.running.volume().get().ok_or(ECANCELED)?;
        let stable = match &node.target {
            // One that is asked for does not find out what an earlier one has lost.
            _ if lane.has_untold() => false,
            _ if !node.volatile_cache || lane.is_stable() => true,
            Target::Local(local) => flush(local, lane, volume.parking(), self.patience(deadline))?,
            // What is in a server's cache is known, and carried on.
            Target::Remote(_) | Target::Moving(_) => true,
        };
        match stable {
            true => Ok(()),
            false => Err(fault!(
                EIO,
                Field::Index,
                "writes to {} may be in its cache yet, or be lost: it was not possible to make them stable, now or \
                 when node {} was suspended; put the device back and resume the node, so that a flush tells its users, \
                 or delete the storage and start it again",
                place,
                index
            )),
        }
    }

    /// Opens or connects the device to use it.
    #[inline(never)]
    fn open_there(&self, leaving: &Leaving, deadline: &Deadline) -> Outcome<Arc<Member>> {
        let (storage, pools) = (leaving.held.storage, self.context().pools.clone());
        let config = leaving.config.clone();
        self.wait_for(Some(&config.place));
        let patience = self.patience(deadline);
        Member::open(config, self.config(), Some(storage), pools, patience)
    }

    /// Makes the new parts and puts them in the place of the old ones.
    #[inline(never)]
    fn exchange_parts(self: &Arc<Self>, leaving: &Leaving, member: Arc<Member>) -> Outcome {
        let deleted = || fault!(ECANCELED, Field::Name, "the storage is being deleted");
        let running = &leaving.running;
        let volume = running.volume().get().ok_or_else(deleted)?;
        let (index, lane) = (leaving.held.index, leaving.node.lane.clone());
        let (storage, epoch) = (leaving.held.storage, leaving.held.epoch);
        let (node, seed) = make_node(&member, storage, epoch, volume.moments(), Some(lane))?;
        carry_losses(leaving, &node)?;
        if !seed.is_remote() {
            // One worker for each local node, and one more.
            let local = self.state().local_nodes();
            if let Some(issuers) = running.issuers() {
                issuers.require(local.saturating_add(2))?;
            }
        }
        let moved = volume.with_replaced(index as usize, &Arc::new(node, GFP_KERNEL)?)?;
        drop(volume);
        let active = run_connection(self, index as usize, seed)?;
        if !running.volume().replace(moved) {
            active.stop();
            active.join();
            return Err(deleted());
        }
        // From here on nothing fails. Whoever has the former volume in hand looks for the new one.
        leaving.node.retire();
        let former = running.exchange(index, active);
        self.put_in_place(&leaving.member, member);
        if let Some(former) = former {
            former.stop();
            former.join();
        }
        Ok(())
    }
}

/// Checks that nothing is at the node or on its way there, and that nothing comes of what was sent before.
fn check_drained(leaving: &Leaving) -> Outcome {
    let (index, lane) = (leaving.held.index, &leaving.node.lane);
    if lane.suspended().is_none() {
        let why = match is_lost(&leaving.node) {
            true => "was given up, and gets other connections only while nothing is at it",
            false => {
                "comes to a device of this machine, or leaves one, only while nothing is at it"
            }
        };
        return Err(fault!(
            EBUSY,
            Field::Index,
            "node {} {}: suspend it first (dst suspend)",
            index,
            why
        ));
    }
    let remote = leaving.node.remote();
    let left = lane.in_flight();
    match remote {
        _ if left == 0 => {}
        Some(remote) if !remote.is_connected() => {
            return Err(fault!(
                EBUSY,
                Field::Index,
                "{} requests wait for a connection to {}, and a device of this machine cannot take them over: \
                 export the device on this machine (dst export add), and name the address of that export",
                left,
                leaving.member.place()
            ))
        }
        _ => return Err(in_the_way(leaving, &InTheWay::Connected)),
    }
    match remote.map_or(0, |remote| remote.exposed()) {
        0 => Ok(()),
        _ if leaving.force => Ok(()),
        exposed => Err(in_the_way(leaving, &InTheWay::Exposed(exposed))),
    }
}

/// Lets the new parts tell of what is lost with the cache of the server that is left, or may be. Errors: `EIO` if they
/// cannot.
fn carry_losses(leaving: &Leaving, new: &Node) -> Outcome {
    let Some(old) = leaving.node.remote() else {
        return Ok(());
    };
    match new.remote() {
        Some(new) if new.tells_losses() => {
            new.succeed(old);
            Ok(())
        }
        _ if old.is_at_risk() => Err(fault!(
            EIO,
            Field::Index,
            "writes that {} has acknowledged may have been in its cache, and that they are lost could not be told \
             there: export the device with --write-back, and name the address of that export",
            leaving.member.place()
        )),
        _ => Ok(()),
    }
}
