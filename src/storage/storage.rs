// SPDX-License-Identifier: GPL-2.0

//! One storage: its configuration, and the state machine that it goes through.
//!
//! ```text
//!                    start                  disk added
//!  (add) configuring -----> starting --------------------> running <-> degraded
//!             |    ^           |                              |            |
//!             |    +-----------+ refused or interrupted       +-----+------+
//!             |                                                     | delete
//!             +-------------- delete ------------> (gone) <---- stopping
//! ```
//!
//! Running, degraded and failed are one state here; which of them is told follows from what the
//! nodes are doing. A storage that is stopping can only be deleted further.

use super::{
    assembly,
    config::{Place, Reason, StorageConfig, StorageObserver, StorageState},
    fault::{Fault, Outcome},
    member::Member,
    running::Running,
    wait::{Deadline, Interrupt, Patience},
    workers::Workers,
};
use crate::{
    dst_core::{
        label::Newest,
        map::{Kind, Stacked},
    },
    exec::Pools,
    fault,
    sys::refusal::Field,
};
use kernel::{
    new_mutex,
    prelude::*,
    sync::{
        atomic::{ordering, Atomic},
        Arc, Mutex, MutexGuard,
    },
    time::{delay::fsleep, BootTime, Delta, Instant},
    ThisModule,
};

/// Milliseconds for a start, if nothing else is asked for.
const START_MS: u32 = 30_000;

/// Milliseconds for a deletion, if nothing else is asked for.
const DELETE_MS: u32 = 8_000;

/// Programs like udev open a disk for a moment; so often a deletion looks again.
const CLOSE_ROUNDS: u32 = 20;

/// Milliseconds between two looks.
const CLOSE_MS: i64 = 50;

/// What all storages share.
pub struct Context {
    /// The module, which disks pin.
    pub module: &'static ThisModule,
    /// The workers.
    pub pools: Arc<Pools>,
    /// Who is told of changes.
    pub observer: Option<Arc<dyn StorageObserver>>,
    /// Changes whenever a storage or node comes or goes; never 0.
    pub generation: Atomic<u32>,
}

impl Context {
    /// Counts a change of the lists.
    pub fn changed(&self) {
        if self.generation.fetch_add(1, ordering::Relaxed) == u32::MAX {
            // Was the last number, and is 0 now.
            self.generation.fetch_add(1, ordering::Relaxed);
        }
    }
}

/// What changes during the life of a storage.
pub struct State {
    /// Configuring, starting, running or stopping.
    pub phase: StorageState,
    /// The storage was deleted; who still refers to it finds nothing.
    pub gone: bool,
    /// The state that was told last, and when it was entered.
    pub told: (StorageState, Instant<BootTime>),
    /// The nodes, sorted by index.
    pub members: KVec<Arc<Member>>,
    /// What is asked for of the workers.
    pub workers: Workers,
    /// The moving parts, from shortly before the disk is there.
    pub running: Option<Arc<Running>>,
    /// Identity, once there is one.
    pub uuid: Option<[u8; 16]>,
    /// Number of the owner.
    pub epoch: u64,
    /// The node that came last while the storage was used, as all labels have it.
    pub newest: Option<Newest>,
    /// How many migrations it has seen, likewise.
    pub events: u64,
    /// The limits with which the disk was shown, and the alignment of memory.
    pub shown: Option<(Stacked, u32)>,
    /// The disk refuses writes.
    pub read_only: bool,
    /// Sectors of the disk.
    pub sectors: u64,
    /// Bytes.
    pub logical_block: u32,
    /// Bytes.
    pub physical_block: u32,
    /// Major and minor number of the disk.
    pub device_number: Option<(u32, u32)>,
    /// What the operation under way waits for; empty if for nothing.
    pub waits_for: Reason,
}

/// A storage.
///
/// Locking: `operation` is held by the one request that changes the storage, also while it waits
/// for the network. `state` is held for moments, inside it. Information needs only `state`.
#[pin_data]
pub struct Storage {
    number: u64,
    config: StorageConfig,
    kind: Kind,
    context: Arc<Context>,
    #[pin]
    interrupt: Interrupt,
    #[pin]
    pub(super) operation: Mutex<()>,
    #[pin]
    state: Mutex<State>,
}

impl Storage {
    /// A storage without nodes. May sleep. Errors: `ENOMEM`.
    pub fn new(
        number: u64,
        config: StorageConfig,
        kind: Kind,
        context: Arc<Context>,
    ) -> Result<Arc<Self>> {
        let state = State {
            phase: StorageState::Configuring,
            gone: false,
            told: (StorageState::Configuring, Instant::now()),
            members: KVec::new(),
            workers: Workers::default(),
            running: None,
            uuid: config.uuid,
            epoch: 0,
            newest: None,
            events: 0,
            shown: None,
            read_only: config.read_only,
            sectors: 0,
            logical_block: 0,
            physical_block: 0,
            device_number: None,
            waits_for: Reason::new(),
        };
        Arc::pin_init(
            pin_init!(Self {
                number,
                config,
                kind,
                context,
                interrupt <- Interrupt::new(),
                operation <- new_mutex!((), "dst_storage_operation"),
                state <- new_mutex!(state, "dst_storage_state"),
            }),
            GFP_KERNEL,
        )
    }

    /// Its number, never used again.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// As it was asked for.
    pub fn config(&self) -> &StorageConfig {
        &self.config
    }

    /// The algorithm.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What it shares with the others.
    pub fn context(&self) -> &Arc<Context> {
        &self.context
    }

    /// Locks the state. Nothing that waits for a node is done under this lock.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Enters `phase`. The observer is told by [`Self::announce`].
    pub(super) fn enter(&self, phase: StorageState) {
        let mut state = self.state();
        state.phase = phase;
        state.told = (phase, Instant::now());
    }

    /// Tells the observer about the storage as it is. No lock may be held.
    pub(super) fn announce(&self) {
        if let Some(observer) = &self.context.observer {
            observer.storage_changed(&self.info());
        }
    }

    /// Tells the observer about a node as it is. No lock may be held.
    pub(super) fn announce_node(&self, index: u32) {
        if let (Some(observer), Some(info)) = (&self.context.observer, self.node_info(index)) {
            observer.node_changed(&info);
        }
    }

    fn announce_nodes(&self) {
        let mut next = Some(0);
        while let Some(from) = next {
            next = self.index_from(from).and_then(|index| {
                self.announce_node(index);
                index.checked_add(1)
            });
        }
    }

    pub(super) fn missing(&self) -> Fault {
        fault!(
            ENOENT,
            Field::Name,
            "there is no storage \"{}\"",
            self.config.name.as_str()
        )
    }

    /// Whether a deletion by force has begun.
    pub fn is_interrupted(&self) -> bool {
        self.interrupt.requested()
    }

    /// The bounds of a request's waiting.
    pub(super) fn patience<'a>(&'a self, deadline: &'a Deadline) -> Patience<'a> {
        Patience {
            interrupt: &self.interrupt,
            deadline,
        }
    }

    /// Notes for people that the operation under way waits for an answer from `place`, or for
    /// nothing any more.
    pub(super) fn wait_for(&self, place: Option<&Place>) {
        let text = match place {
            Some(place) => Reason::from_display(&format_args!("an answer from {place}")),
            None => Reason::new(),
        };
        self.state().waits_for = text;
    }

    /// Checks that nodes can be added and removed.
    pub(super) fn check_configuring(&self) -> Outcome {
        let state = self.state();
        if state.gone {
            return Err(self.missing());
        }
        let name = self.config.name.as_str();
        match state.phase {
            StorageState::Configuring => Ok(()),
            StorageState::Stopping => Err(fault!(
                EBUSY,
                Field::Name,
                "the storage \"{}\" is being deleted",
                name
            )),
            _ => Err(fault!(
                EBUSY,
                Field::Name,
                "the storage \"{}\" is started already; delete it to change it",
                name
            )),
        }
    }

    /// Starts the storage. Waits for the nodes, and for the first reads of the new disk.
    pub fn start(self: &Arc<Self>, force: bool, limit: Option<u32>) -> Outcome {
        let _operation = self.operation.lock();
        self.check_configuring()?;
        self.enter(StorageState::Starting);
        self.announce();
        let deadline = Deadline::after(limit.unwrap_or(START_MS));
        let started = assembly::start(self, force, self.patience(&deadline));
        self.wait_for(None);
        // Something is left of a failed start only if a local device does not answer.
        let left = self.state().running.is_some();
        self.enter(match started {
            Ok(()) => StorageState::Running,
            Err(_) if left || self.is_interrupted() => StorageState::Stopping,
            Err(_) => StorageState::Configuring,
        });
        self.announce();
        self.announce_nodes();
        started
    }

    /// Deletes the storage; nothing of it is left on success. Refused while the disk is open,
    /// unless `force`: then all I/O fails, and the disk is dead for those who have it open.
    ///
    /// Errors: `EBUSY` if the disk is open, or if requests are still at local devices when the
    /// time is over; in the second case the storage is stopping, and the call may be repeated.
    pub fn delete(&self, force: bool, limit: Option<u32>) -> Outcome {
        let deadline = Deadline::after(limit.unwrap_or(DELETE_MS));
        if force {
            // Whoever holds the operation lock may wait for the network, or for I/O of the disk.
            self.interrupt.request();
            let running = self.state().running.clone();
            if let Some(running) = running {
                running.fail_io();
            }
        }
        let _operation = self.lock_operation(&deadline)?;
        if self.state().gone {
            // Somebody else was faster; by force, that it has gone is all that was wanted.
            return if force { Ok(()) } else { Err(self.missing()) };
        }
        let running = self.state().running.clone();
        if let Some(running) = running {
            if !force {
                self.close_disk(&running)?;
            }
            self.enter(StorageState::Stopping);
            running.dismantle(force, &deadline).map_err(|left| {
                self.announce();
                fault!(
                    EBUSY,
                    Field::Name,
                    "the storage \"{}\" is stopping: {} requests are still at local devices; \
                     delete it again when these have answered",
                    self.config.name.as_str(),
                    left
                )
            })?;
        }
        self.vanish();
        Ok(())
    }

    /// Takes the operation lock. A start may sleep in the first reads of a local device.
    pub(super) fn lock_operation(&self, deadline: &Deadline) -> Outcome<MutexGuard<'_, ()>> {
        loop {
            if let Some(guard) = self.operation.try_lock() {
                return Ok(guard);
            }
            if deadline.passed() {
                return Err(fault!(
                    EBUSY,
                    Field::Name,
                    "another request about the storage \"{}\" still waits for a device; try again \
                     later",
                    self.config.name.as_str()
                ));
            }
            fsleep(Delta::from_millis(CLOSE_MS));
        }
    }

    /// Refuses further opens of the disk, if it is not open.
    fn close_disk(&self, running: &Running) -> Outcome {
        for round in 1.. {
            match running.with_disk(|disk| disk.begin_removal()) {
                None | Some(Ok(())) => break,
                Some(Err(_)) if round < CLOSE_ROUNDS => fsleep(Delta::from_millis(CLOSE_MS)),
                Some(Err(error)) => {
                    return Err(fault!(
                        error,
                        Field::Disk,
                        "/dev/{} is open; unmount it, or use --force, which fails its I/O",
                        self.config.disk.as_str()
                    ))
                }
            }
        }
        Ok(())
    }

    /// Lets go of the nodes and tells that the storage has gone.
    fn vanish(&self) {
        self.enter(StorageState::Stopping);
        let mut state = self.state();
        state.gone = true;
        let running = state.running.take();
        drop(state);
        drop(running);
        self.announce_nodes();
        self.announce();
        let members = core::mem::replace(&mut self.state().members, KVec::new());
        drop(members);
        self.context.changed();
    }
}
