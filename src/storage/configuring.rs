// SPDX-License-Identifier: GPL-2.0

//! Adding nodes to a storage, and removing those of one that was not started.

use super::{
    config::{NodeConfig, NodeSelector, NodeState, Place, StorageState},
    fault::{Fault, Outcome},
    member::Member,
    storage::{State, Storage},
    wait::Deadline,
};
use crate::{
    dst_core::{
        map::MAX_NODES,
        transaction::MAX_CONNECTIONS,
        wire::{MAX_QUEUE_DEPTH, MAX_TRANSFER, MIN_TRANSFER},
    },
    fault,
    sys::{
        bdev::{BlockDevice, OpenMode},
        refusal::Field,
    },
};
use kernel::{prelude::*, sync::Arc};

/// Milliseconds for adding a node, whatever its own limits are.
const ADD_MS: u32 = 60_000;

/// The least milliseconds of silence after which a server is asked whether it is alive. Silence is
/// looked at four times a second.
const KEEPALIVE_LEAST_MS: u32 = 1_000;

/// The most tries of a request.
const TRIES_MOST: u32 = 1_000;

/// The most milliseconds of a limit: a day.
const LIMIT_MOST_MS: u32 = 86_400_000;

impl Storage {
    /// Adds a node; returns its index. Waits for the node's device or export, and, if the storage runs
    /// already, for all nodes: see [`Self::grow`].
    pub fn node_add(&self, config: NodeConfig) -> Outcome<u32> {
        let _operation = self.operation.lock();
        if self.state().phase == StorageState::Running {
            return self.grow(config);
        }
        self.check_configuring()?;
        let member = self.open_node(config, &Deadline::after(ADD_MS))?;
        let index = member.index();
        self.insert(member)?;
        self.context().changed();
        self.announce_node(index);
        self.announce();
        Ok(index)
    }

    /// Opens or connects a node that is to be added, and gives it an index.
    #[inline(never)]
    pub(super) fn open_node(
        &self,
        config: NodeConfig,
        deadline: &Deadline,
    ) -> Outcome<Arc<Member>> {
        let index = self.choose_index(config.index)?;
        self.open_device(config, index, deadline)
    }

    /// Opens or connects a device that is to be added as the node with this index, or in its place.
    #[inline(never)]
    pub(super) fn open_device(
        &self,
        config: NodeConfig,
        index: u32,
        deadline: &Deadline,
    ) -> Outcome<Arc<Member>> {
        check_limits(&config)?;
        self.check_place(&config.place)?;
        let patience = self.patience(deadline);
        let place = config.place.clone();
        let pools = self.context().pools.clone();
        let config = NodeConfig {
            index: Some(index),
            ..config
        };
        // Who joins a storage that runs is not labelled as one of its nodes yet.
        let storage = match self.state().phase {
            StorageState::Running => None,
            _ => self.config().uuid,
        };
        self.wait_for(Some(&place));
        let opened = Member::open(config, self.config(), storage, pools, patience);
        self.wait_for(None);
        let member = opened.map_err(|fault| match (fault.error(), self.known_device(&place)) {
            (EBUSY, Some(other)) => same_device(&place, other),
            _ => fault,
        })?;
        self.check_export(&member, None)?;
        Ok(member)
    }

    fn insert(&self, member: Arc<Member>) -> Outcome {
        let mut state = self.state();
        let index = member.index();
        let at = state
            .members
            .iter()
            .filter(|other| other.index() < index)
            .count();
        state.members.reserve(1, GFP_KERNEL)?;
        state
            .members
            .insert_within_capacity(at, member)
            .map_err(|_| ENOMEM)?;
        Ok(())
    }

    fn choose_index(&self, wanted: Option<u32>) -> Outcome<u32> {
        let state = self.state();
        // One node can have a second device beside it.
        let most = match state.phase {
            StorageState::Running => MAX_NODES,
            _ => MAX_NODES + 1,
        };
        if state.members.len() >= most {
            return Err(fault!(
                ENOSPC,
                None,
                "a storage has at most {} nodes",
                MAX_NODES
            ));
        }
        let last = state.members.last().map(|member| member.index());
        let index = wanted.unwrap_or_else(|| last.map_or(0, |last| last.saturating_add(1)));
        if index as usize >= most {
            return Err(fault!(
                EINVAL,
                Field::Index,
                "nodes are numbered from 0 to {}",
                most - 1
            ));
        }
        match state.members.iter().find(|member| member.index() == index) {
            None => Ok(index),
            Some(member) => Err(fault!(
                EEXIST,
                Field::Index,
                "there is a node {} already: {}",
                index,
                member.place()
            )),
        }
    }

    /// Refuses a node that was given before in the same words.
    pub(super) fn check_place(&self, place: &Place) -> Outcome {
        let state = self.state();
        let mut members = state.members.iter();
        let same = members.find(|member| member.place().is_same(place));
        same.map_or(Ok(()), |member| Err(same_device(place, member.index())))
    }

    /// The node that has the device at `place` open, perhaps under another name.
    pub(super) fn known_device(&self, place: &Place) -> Option<u32> {
        let Place::Local(path) = place else {
            return None;
        };
        let mode = OpenMode {
            write: false,
            exclusive: false,
        };
        let number = BlockDevice::open(path, mode).ok()?.device_number();
        let state = self.state();
        let same = |member: &&Arc<Member>| {
            member
                .device()
                .is_some_and(|device| device.device_number() == number)
        };
        state.members.iter().find(same).map(|member| member.index())
    }

    /// Refuses an export of a device that is a node already by way of another export or address, but of the node
    /// `replaced`.
    pub(super) fn check_export(&self, member: &Member, replaced: Option<u32>) -> Outcome {
        let device = member.facts().device;
        if device == [0; 16] {
            return Ok(());
        }
        let state = self.state();
        let same = state
            .members
            .iter()
            .find(|other| other.facts().device == device && Some(other.index()) != replaced);
        same.map_or(Ok(()), |other| {
            Err(same_device(member.place(), other.index()))
        })
    }

    /// Removes a node.
    pub fn node_del(&self, which: &NodeSelector) -> Outcome {
        let _operation = self.operation.lock();
        self.check_configuring()?;
        let mut state = self.state();
        let at = self.position(&state, which)?;
        let removed = state.members.remove(at).map_err(|_| ENOENT)?;
        drop(state);
        self.removed(&removed);
        self.announce();
        Ok(())
    }

    /// The place of the one node that is meant, in the list of `state`.
    pub(super) fn position(&self, state: &State, which: &NodeSelector) -> Outcome<usize> {
        let members = state.members.iter().enumerate();
        let mut matching = members.filter(|(_, member)| matches(member, which));
        match (matching.next(), matching.next()) {
            (Some((at, _)), None) => Ok(at),
            (None, _) => Err(Fault::new(
                ENOENT,
                which.index.map(|_| Field::Index),
                fmt!(
                    "the storage \"{}\" has no such node",
                    self.config().name.as_str()
                ),
            )),
            _ => Err(fault!(
                EINVAL,
                None,
                "more than one node of \"{}\" matches; give its index",
                self.config().name.as_str()
            )),
        }
    }

    /// Removes all nodes.
    pub fn node_del_all(&self) -> Outcome {
        let _operation = self.operation.lock();
        self.check_configuring()?;
        let removed = core::mem::replace(&mut self.state().members, KVec::new());
        for member in &removed {
            self.removed(member);
        }
        self.announce();
        Ok(())
    }

    /// Tells that a node has gone.
    pub(super) fn removed(&self, member: &Member) {
        self.context().changed();
        if let Some(observer) = &self.context().observer {
            let mut info = self.member_info(member, None);
            info.state = NodeState::Stopping;
            observer.node_changed(&info);
        }
    }
}

pub(super) fn same_device(place: &Place, index: u32) -> Fault {
    fault!(
        EEXIST,
        None,
        "{} is node {} of this storage already",
        place,
        index
    )
}

pub(super) fn check_limits(config: &NodeConfig) -> Outcome {
    let bad = |field, name: &str, most: u32| {
        Err(fault!(
            EINVAL,
            field,
            "{}: 1 to {} are possible",
            name,
            most
        ))
    };
    let outside =
        |value: Option<u32>, most: u32| value.is_some_and(|value| !(1..=most).contains(&value));
    if outside(config.connections, MAX_CONNECTIONS as u32) {
        return bad(Field::Connections, "connections", MAX_CONNECTIONS as u32);
    }
    if config
        .keepalive
        .is_some_and(|silence| !(KEEPALIVE_LEAST_MS..=LIMIT_MOST_MS).contains(&silence))
    {
        return Err(fault!(
            EINVAL,
            Field::Keepalive,
            "milliseconds of silence: {} to {} are possible",
            KEEPALIVE_LEAST_MS,
            LIMIT_MOST_MS
        ));
    }
    if outside(
        config.request_timeout.filter(|limit| *limit != 0),
        LIMIT_MOST_MS,
    ) {
        return bad(
            Field::RequestTimeout,
            "milliseconds for an answer",
            LIMIT_MOST_MS,
        );
    }
    if outside(config.request_tries.filter(|tries| *tries != 0), TRIES_MOST) {
        return bad(Field::RequestTries, "tries of a request", TRIES_MOST);
    }
    if config.request_timeout == Some(0) && config.request_tries.is_some_and(|tries| tries > 0) {
        return Err(fault!(
            EINVAL,
            Field::RequestTries,
            "tries are counted by time-outs, and request-timeout 0 means that there are none"
        ));
    }
    if outside(config.queue_depth, MAX_QUEUE_DEPTH) {
        return bad(Field::QueueDepth, "requests in flight", MAX_QUEUE_DEPTH);
    }
    let transfer = config.max_transfer.unwrap_or(MIN_TRANSFER);
    if !(MIN_TRANSFER..=MAX_TRANSFER).contains(&transfer) {
        return Err(fault!(
            EINVAL,
            Field::MaxTransfer,
            "{} bytes in one request; {} to {} are possible",
            transfer,
            MIN_TRANSFER,
            MAX_TRANSFER
        ));
    }
    if config.size == Some(0) {
        return Err(fault!(
            EINVAL,
            Field::Size,
            "a size of 0; leave it out to use the whole node"
        ));
    }
    Ok(())
}

fn matches(member: &Member, which: &NodeSelector) -> bool {
    let path = match member.place() {
        Place::Local(path) => Some(path.to_bytes()),
        Place::Remote { .. } => None,
    };
    let fits = |given: Option<u64>, has: Option<u64>| given.is_none() || given == has;
    // Where it was placed, once it was.
    let (start, size) = match member.facts().range {
        Some((start, size)) => (Some(start), Some(size)),
        None => (member.config.start, member.config.size),
    };
    which.index.is_none_or(|index| index == member.index())
        && which
            .path
            .as_ref()
            .is_none_or(|wanted| path == Some(wanted.to_bytes()))
        && (which.address.is_none() || which.address == member.address())
        && fits(which.start, start)
        && fits(which.size, size)
}
