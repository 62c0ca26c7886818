// SPDX-License-Identifier: GPL-2.0

//! The start of a storage: from configured nodes to a disk.
//!
//! Everything is checked before anything is written, and everything is made before the disk is
//! shown. What was made is taken apart again if a later step fails.

use super::{
    disk::make_disk,
    fault::{Fault, Outcome},
    holding::Devices,
    judgement::Wanted,
    member::Member,
    membership::Membership,
    moments::Moments,
    running::Running,
    seed::{make_node, run_node, Seed},
    storage::Storage,
    survey,
    volume::{StorageLayout, Volume, VolumeSlot},
    wait::{Deadline, Patience},
};
use crate::{
    dst_core::{
        map::{
            self, stack_limits, ConfigError, Layout, Linear, NodeSpec, Note, Segment, Stacked,
            MAX_NODES,
        },
        text::Text,
    },
    exec::{JoinHandle, Pools, TaskName},
    fault,
    sys::refusal::Field,
};
use kernel::{prelude::*, sync::Arc};

/// Milliseconds for taking apart what a failed start has made.
const UNDO_MS: u32 = 5_000;

/// What the checks of a start came to.
struct Plan {
    devices: Devices,
    stacked: Stacked,
    layout: StorageLayout,
    /// `None` for a storage without labels.
    membership: Option<Membership>,
    read_only: bool,
}

/// Starts `storage`, whose operation lock is held. Waits for the nodes.
///
/// Errors: why it cannot be started; it is as it was before then, but for epochs on nodes, and for devices that hold no
/// node if it got as far as its disk.
pub fn start(storage: &Arc<Storage>, force: bool, patience: Patience<'_>) -> Outcome {
    let members = copy_of(&storage.state().members)?;
    check_numbers(&members)?;
    let plan = check(storage, &members, force, patience)?;
    let built = build(storage, plan, force, patience);
    if built.is_err() {
        // Connections that were given away may have been made anew by tasks that have ended since.
        for member in members.iter().filter(|member| !member.is_connected()) {
            member.renew_session();
        }
    }
    let running = built?;
    let shown = show(storage, &running);
    if shown.is_err() {
        undo(storage, &running);
    }
    shown
}

fn copy_of(members: &[Arc<Member>]) -> Outcome<KVec<Arc<Member>>> {
    let mut copy = KVec::with_capacity(members.len(), GFP_KERNEL)?;
    for member in members {
        copy.push(member.clone(), GFP_KERNEL)?;
    }
    Ok(copy)
}

/// A node's place in the order is its index, so there may be no gap.
fn check_numbers(members: &[Arc<Member>]) -> Outcome {
    if members.is_empty() {
        return Err(fault!(
            EINVAL,
            None,
            "the storage has no nodes; add some first"
        ));
    }
    match members
        .iter()
        .zip(0_u32..)
        .find(|(member, index)| member.index() != *index)
    {
        None => Ok(()),
        Some((_, index)) => Err(fault!(
            EINVAL,
            Field::Index,
            "there is no node {}, and nodes are numbered without gaps; add it, or add the others \
             again",
            index
        )),
    }
}

fn place_refusal(error: ConfigError) -> Fault {
    let text: Text<200> = Text::from_display(&error);
    let text = text.as_str();
    match error {
        ConfigError::BeyondNode(..) | ConfigError::ZeroSize(_) => {
            fault!(EINVAL, Field::Size, "{}", text)
        }
        ConfigError::UnalignedStart(..) | ConfigError::Overlap(..) | ConfigError::Gap(..) => {
            fault!(EINVAL, Field::Start, "{}", text)
        }
        _ => fault!(EINVAL, None, "{}", text),
    }
}

/// Looks at all nodes and decides everything. Writes nothing.
#[inline(never)]
fn check(
    storage: &Storage,
    members: &[Arc<Member>],
    force: bool,
    patience: Patience<'_>,
) -> Outcome<Plan> {
    let config = storage.config();
    // First of all, as connections that were lost are made again here.
    let mut found = KVec::new();
    for member in members {
        storage.wait_for(Some(member.place()));
        if config.raw {
            let read_only = config.read_only || member.facts().limits.read_only;
            survey::probe(member, !force && !read_only, patience)?;
        } else {
            found.push(survey::survey(member, patience)?, GFP_KERNEL)?;
        }
    }
    let given = copy_of(members)?;
    let mut devices = match config.raw {
        true => Devices::plain(given),
        false => Devices::sort(config, storage.kind(), given, found)?,
    };
    let found = core::mem::replace(&mut devices.found, KVec::new());
    let mut problem = devices.problem.take();
    let limits = devices.members.iter().map(|member| member.facts().limits);
    let stacked = stack_limits(limits)
        .map_err(|error| fault!(EOPNOTSUPP, None, "{}", format_args!("{error}")))?;
    let kind = storage.kind();
    let sizes = devices.sizes(config, kind, &found)?;
    let place = |sizes: &[Option<u64>]| lay_out(storage, &devices.members, &stacked, sizes, None);
    let (mut layout, sized) = match place(&sizes) {
        Ok(layout) => (layout, sizes.iter().any(Option::is_some)),
        Err(fault) if fault.error() == ENOMEM => return Err(fault),
        // The labels may be those of another storage, or about to be overwritten.
        Err(fault) => (
            place(&[]).map_err(|_| problem.take().unwrap_or(fault))?,
            false,
        ),
    };
    let read_only = config.read_only || stacked.read_only;
    let mut membership = None;
    if !config.raw {
        let wanted = wanted(storage, &devices, &layout, force, read_only);
        let known = Membership::examine(&wanted, found, problem, patience)?;
        if sized && known.is_new() {
            // Labels that are overwritten say nothing about the new storage.
            layout = lay_out(storage, &devices.members, &stacked, &[], None)?;
        }
        membership = Some(known);
    }
    Ok(Plan {
        devices,
        stacked,
        layout,
        membership,
        read_only,
    })
}

/// What is asked for of these devices.
fn wanted<'a>(
    storage: &'a Storage,
    devices: &'a Devices,
    layout: &'a StorageLayout,
    force: bool,
    read_only: bool,
) -> Wanted<'a> {
    Wanted {
        config: storage.config(),
        kind: storage.kind(),
        members: &devices.members,
        witness: devices.witness(),
        aside: &devices.aside,
        moves: devices.moves,
        layout,
        force,
        read_only,
    }
}

/// Places the nodes, which have these `sizes` as far as nothing else was asked for and they are known. In a storage that is
/// `placed`, and ends there, those that have a place keep it, and another one
/// comes behind them.
#[inline(never)]
pub(super) fn lay_out(
    storage: &Storage,
    members: &[Arc<Member>],
    stacked: &Stacked,
    sizes: &[Option<u64>],
    placed: Option<u64>,
) -> Outcome<StorageLayout> {
    let mut specs = KVVec::with_capacity(members.len(), GFP_KERNEL)?;
    let mut segments = KVVec::with_capacity(members.len(), GFP_KERNEL)?;
    for (at, member) in members.iter().enumerate() {
        let facts = member.facts();
        let size = sizes.get(at).copied().flatten();
        let spec = match facts.range.filter(|_| placed.is_some()) {
            Some((start, size)) => NodeSpec {
                start: Some(start),
                size: Some(size),
                available: facts.sectors.max(size),
            },
            None => NodeSpec {
                start: member.config.start.or(placed),
                size: member.config.size.or(size),
                available: facts.sectors,
            },
        };
        specs.push(spec, GFP_KERNEL)?;
        segments.push(Segment::EMPTY, GFP_KERNEL)?;
    }
    let name = storage.config().name;
    let mut note = |note: Note| pr_info!("{}: {}\n", name.as_str(), format_args!("{note}"));
    map::place(
        storage.kind(),
        &specs,
        stacked.logical_block,
        &mut segments,
        &mut note,
    )
    .map_err(place_refusal)?;
    Linear::new(segments).map_err(place_refusal)
}

/// Makes this machine the owner, and then all but the disk.
#[inline(never)]
fn build(
    storage: &Arc<Storage>,
    plan: Plan,
    force: bool,
    patience: Patience<'_>,
) -> Outcome<Arc<Running>> {
    let read_only = plan.read_only;
    if let Some(membership) = &plan.membership {
        let wanted = wanted(storage, &plan.devices, &plan.layout, force, read_only);
        membership.take(&wanted, patience)?;
    }
    let members = &plan.devices.members;
    let moments = Moments::new()?;
    let mut nodes = KVec::with_capacity(members.len(), GFP_KERNEL)?;
    let mut seeds = KVec::with_capacity(members.len(), GFP_KERNEL)?;
    for (index, member) in members.iter().enumerate() {
        member.learn(|facts| facts.range = plan.layout.range_of(index));
        let (identity, epoch) = match &plan.membership {
            Some(membership) => (
                membership.storage,
                membership.epoch_of(index, member, read_only),
            ),
            // Without labels a node's epoch is its own affair.
            None => ([0; 16], member.facts().epoch),
        };
        let (node, seed) = make_node(member, identity, epoch, &moments, None)?;
        nodes.push(Arc::new(node, GFP_KERNEL)?, GFP_KERNEL)?;
        seeds.push(seed, GFP_KERNEL)?;
    }
    let sectors = plan.layout.sectors();
    let volume = Volume::new(plan.layout, nodes, moments)?;
    let running = run(storage, volume, seeds)?;
    // Last, as only what follows takes it back when it fails.
    let mut state = storage.state();
    state.sectors = sectors;
    state.logical_block = plan.stacked.logical_block;
    state.physical_block = plan.stacked.physical_block;
    state.read_only = read_only;
    let alignment = plan.devices.members.iter();
    let alignment = alignment.map(|member| member.facts().dma_alignment);
    state.shown = Some((plan.stacked, alignment.fold(0, u32::max)));
    (state.newest, state.events) = (None, 0);
    if let Some(membership) = &plan.membership {
        state.uuid = Some(membership.storage);
        state.epoch = membership.epoch;
        state.newest = membership.newest();
        state.events = membership.events();
    }
    drop(state);
    storage.adopt(plan.devices);
    Ok(running)
}

/// Spawns the tasks.
#[inline(never)]
fn run(storage: &Arc<Storage>, volume: Arc<Volume>, seeds: KVec<Seed>) -> Outcome<Arc<Running>> {
    let slot = VolumeSlot::new(volume)?;
    // Only the issue tasks of local nodes can sleep on storage. With one thread for each of them
    // and one more, no node's task ever waits for a thread.
    let local = seeds.iter().filter(|seed| !seed.is_remote()).count();
    let local = u32::try_from(local).unwrap_or(u32::MAX);
    let settings = storage.state().workers.settings(local);
    let issuers = Pools::devices("io", &storage.config().name.as_str(), settings)?;
    // Room for all that there can be: nobody waits for memory while he adds one.
    let mut issue: KVec<JoinHandle> = KVec::with_capacity(MAX_NODES, GFP_KERNEL)?;
    let mut nodes = KVec::with_capacity(MAX_NODES, GFP_KERNEL)?;
    for (index, seed) in seeds.into_iter().enumerate() {
        let (active, task) = run_node(storage, &slot, &issuers, index, seed)?;
        issue.push(task, GFP_KERNEL)?;
        nodes.push(active, GFP_KERNEL)?;
    }
    Ok(Running::new(slot, nodes, issue, issuers)?)
}

/// Makes the storage known as running and shows its disk.
#[inline(never)]
fn show(storage: &Arc<Storage>, running: &Arc<Running>) -> Outcome {
    // A deletion by force asks for the interrupt first and looks here then; so it sees what is
    // running, or its request is seen below.
    storage.state().running = Some(running.clone());
    storage.wait_for(None);
    check_interrupt(storage)?;
    let (sectors, read_only) = {
        let state = storage.state();
        (state.sectors, state.read_only)
    };
    spawn_watch(storage, running)?;
    running.settle();
    let disk = make_disk(storage, running, sectors, read_only)?;
    storage.state().device_number = Some(disk.device_number());
    running.set_disk(disk);
    // Partitions were looked for; that may have taken as long as a node was away.
    check_interrupt(storage)
}

/// Apart, so that its future is on the stack only while it is made.
#[inline(never)]
fn spawn_watch(storage: &Arc<Storage>, running: &Arc<Running>) -> Outcome {
    let watch = storage.clone().watch(running.clone());
    let pool = &storage.context().pools.control;
    let name = TaskName::with(c"storage-watch", fmt!("{}", storage.config().name.as_str()))?;
    running.set_watch(pool.spawn(name, watch)?);
    Ok(())
}

fn check_interrupt(storage: &Storage) -> Outcome {
    if storage.is_interrupted() {
        Err(fault!(ECANCELED, None, "the storage is being deleted"))
    } else {
        Ok(())
    }
}

/// Takes apart what a start has made that did not succeed.
#[inline(never)]
fn undo(storage: &Storage, running: &Running) {
    let deadline = Deadline::after(UNDO_MS);
    match running.dismantle(true, &deadline) {
        Ok(()) => {
            let running = storage.state().running.take();
            drop(running);
            let member = |at| storage.state().members.get(at).cloned();
            for member in (0..).map_while(member) {
                member.renew_session();
            }
        }
        // What is left keeps its place; a deletion goes on with it.
        Err(left) => pr_warn!(
            "{}: {} requests are still at local devices\n",
            storage.config().name.as_str(),
            left
        ),
    }
    let mut state = storage.state();
    state.sectors = 0;
    state.logical_block = 0;
    state.physical_block = 0;
    state.device_number = None;
    state.read_only = storage.config().read_only;
}
