// SPDX-License-Identifier: GPL-2.0

//! The moving parts of a started storage, and how they are brought to a stop.
//!
//! The order of stopping: first all I/O fails, that of tasks that sleep in the disk's open mutex
//! or in a filesystem included, and jobs are told to end; then nothing is left on its way to a
//! device; then the disk goes, after which no bio comes any more; then jobs, tasks and nodes. Each step may be done again,
//! so a stop that ran out of time is taken up by the next one.

use super::{
    beside::Beside,
    config::NodeState,
    lane::Lane,
    remote::Remote,
    volume::{VolumeDisk, VolumeSlot},
    wait::Deadline,
};
use crate::{
    exec::{JoinHandle, Pool},
    sys::{bio::Status, disk::Disk},
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

/// How often is looked whether I/O has ended, in milliseconds.
const DRAIN_MS: i64 = 5;

/// How long the tasks have to take their connections over, in milliseconds.
const SETTLE_MS: u32 = 1_000;

/// A remote node and the tasks of its connections.
pub struct Connection {
    /// The node.
    pub remote: Arc<Remote>,
    tasks: KVec<JoinHandle>,
    retry_limit: Option<u32>,
    given_up: Atomic<bool>,
}

/// A node of a started storage.
pub struct Active {
    /// Its counters, and the gate before it.
    pub lane: Arc<Lane>,
    /// Its connection, if it is remote.
    pub connection: Option<Connection>,
    /// The state that was told last.
    told: Atomic<u32>,
}

/// Whether a node moves.
#[derive(Clone)]
pub enum Arriving {
    /// None does.
    None,
    /// To this device.
    To(Arc<Active>),
    /// One did when another machine took the storage over, and is neither here nor there.
    Lost,
}

/// What a started storage consists of.
#[pin_data]
pub struct Running {
    volume: Arc<VolumeSlot>,
    /// The nodes in their order. More may come while it runs, none go.
    #[pin]
    nodes: Mutex<KVec<Arc<Active>>>,
    /// Whether a node moves. One at a time does.
    #[pin]
    arriving: Mutex<Arriving>,
    failing: Atomic<bool>,
    /// Work on the nodes that is not I/O of the disk.
    #[pin]
    beside: Mutex<KVec<Arc<dyn Beside>>>,
    #[pin]
    issue: Mutex<KVec<JoinHandle>>,
    /// Where these run. Ends after them.
    #[pin]
    issuers: Mutex<Option<Arc<Pool>>>,
    #[pin]
    watch: Mutex<Option<JoinHandle>>,
    #[pin]
    disk: Mutex<Option<Disk<VolumeDisk>>>,
}

impl Connection {
    /// Puts a node and its tasks together.
    pub fn new(remote: Arc<Remote>, tasks: KVec<JoinHandle>, retry_limit: Option<u32>) -> Self {
        Self {
            remote,
            tasks,
            retry_limit,
            given_up: Atomic::new(false),
        }
    }

    /// Whether requests go out.
    pub fn is_up(&self) -> bool {
        self.remote.is_up()
    }

    fn stop(&self, status: Status) {
        self.remote.fail(status);
        for task in &self.tasks {
            task.cancel();
        }
    }

    async fn enforce_limit(&self, suspended: bool) {
        let Some(limit) = self.retry_limit else {
            return;
        };
        if self.given_up.load(ordering::Relaxed) || self.remote.tried(suspended) < u64::from(limit)
        {
            return;
        }
        self.given_up.store(true, ordering::Relaxed);
        self.stop(Status::Transport);
        for task in &self.tasks {
            task.joined().await;
        }
        self.remote.drain();
    }
}

impl Active {
    /// A node that is told to be up.
    pub fn new(lane: Arc<Lane>, connection: Option<Connection>) -> Self {
        Self {
            lane,
            connection,
            told: Atomic::new(NodeState::Up as u32),
        }
    }

    /// Ends everything at a remote node in error, and its tasks. Does not wait for them.
    pub fn stop(&self) {
        if let Some(connection) = &self.connection {
            connection.stop(Status::Offline);
        }
    }

    /// Waits for the tasks of a node that was stopped, and ends what they have left. Sleeps, but not for the network.
    pub fn join(&self) {
        if let Some(connection) = &self.connection {
            for task in &connection.tasks {
                task.join();
            }
            connection.remote.drain();
        }
    }

    /// Whether the node's state is another one than at the last call.
    pub fn changed(&self) -> bool {
        let now = self.condition().map_or(NodeState::Up, |now| now.state) as u32;
        self.told.xchg(now, ordering::Relaxed) != now
    }

    /// Closes connections that take too long.
    pub fn guard(&self) {
        if let Some(connection) = &self.connection {
            connection.remote.guard();
        }
    }

    /// Fails the node when it was away for longer than it may be. While it is suspended it may.
    pub async fn enforce_limit(&self) {
        if let Some(connection) = &self.connection {
            let suspended = self.lane.suspended().is_some();
            connection.enforce_limit(suspended).await;
        }
    }
}

impl Running {
    /// Puts the parts together. There is no disk yet. May sleep. Errors: `ENOMEM`.
    pub fn new(
        volume: Arc<VolumeSlot>,
        nodes: KVec<Arc<Active>>,
        issue: KVec<JoinHandle>,
        issuers: Pool,
    ) -> Result<Arc<Self>> {
        let issuers = Arc::new(issuers, GFP_KERNEL)?;
        Arc::pin_init(
            pin_init!(Self {
                volume,
                nodes <- new_mutex!(nodes, "dst_running_nodes"),
                arriving <- new_mutex!(Arriving::None, "dst_running_arriving"),
                failing: Atomic::new(false),
                beside <- new_mutex!(KVec::new(), "dst_running_beside"),
                issue <- new_mutex!(issue, "dst_running_issue"),
                issuers <- new_mutex!(Some(issuers), "dst_running_issuers"),
                watch <- new_mutex!(None, "dst_running_watch"),
                disk <- new_mutex!(None, "dst_running_disk"),
            }),
            GFP_KERNEL,
        )
    }

    /// The node with an index.
    pub fn node(&self, index: u32) -> Option<Arc<Active>> {
        self.nodes.lock().get(index as usize).cloned()
    }

    /// The nodes in their order.
    pub fn nodes(&self) -> impl Iterator<Item = Arc<Active>> + '_ {
        (0_u32..).map_while(|index| self.node(index))
    }

    /// Keeps one more node and its issue task. There is room for as many as a storage can have. Called with
    /// the storage's operation lock held.
    pub fn add_node(&self, node: Arc<Active>, issue: JoinHandle) {
        // There is room.
        drop(self.issue.lock().push_within_capacity(issue).err());
        drop(self.nodes.lock().push_within_capacity(node.clone()).err());
        if self.is_failing() {
            // Who lets all I/O fail may have looked at the nodes before.
            node.stop();
        }
    }

    /// Whether a node moves.
    pub fn arriving(&self) -> Arriving {
        self.arriving.lock().clone()
    }

    /// The device that a node moves to.
    pub fn arriving_device(&self) -> Option<Arc<Active>> {
        match self.arriving() {
            Arriving::To(device) => Some(device),
            Arriving::None | Arriving::Lost => None,
        }
    }

    /// Keeps the device that a node is about to move to. Called with the storage's operation lock held.
    pub fn set_arriving(&self, device: Arc<Active>) {
        *self.arriving.lock() = Arriving::To(device);
    }

    /// A node has moved to the device that was to be moved to; returns the one that it was on. Stops
    /// the new one if all I/O fails.
    pub fn arrive(&self, index: u32) -> Option<Arc<Active>> {
        let mut arriving = self.arriving.lock();
        let Arriving::To(device) = &*arriving else {
            return None;
        };
        let device = device.clone();
        let former = {
            let mut nodes = self.nodes.lock();
            let place = nodes.get_mut(index as usize)?;
            core::mem::replace(place, device.clone())
        };
        *arriving = Arriving::None;
        drop(arriving);
        if self.is_failing() {
            // Who lets all I/O fail may have looked before.
            device.stop();
            device.join();
        }
        Some(former)
    }

    /// Keeps the parts of a node in the place of those that it had, which are returned; nobody uses these. Stops the new ones
    /// if all I/O fails. Called with the storage's operation lock held.
    pub fn exchange(&self, index: u32, parts: Arc<Active>) -> Option<Arc<Active>> {
        let former = {
            let mut nodes = self.nodes.lock();
            let place = nodes.get_mut(index as usize)?;
            core::mem::replace(place, parts.clone())
        };
        if self.is_failing() {
            // Who lets all I/O fail may have looked before.
            parts.stop();
            parts.join();
        }
        Some(former)
    }

    /// Forgets the device that a node was to move to; nobody uses it.
    pub fn turn_back(&self) {
        let before = core::mem::replace(&mut *self.arriving.lock(), Arriving::None);
        drop(before);
    }

    /// Forgets the device that a node was to move to, which was stopped: another machine has the storage. No node moves, comes
    /// or is replaced any more.
    pub fn lose(&self) {
        let before = core::mem::replace(&mut *self.arriving.lock(), Arriving::Lost);
        drop(before);
    }

    /// What the disk refers to.
    pub fn volume(&self) -> &Arc<VolumeSlot> {
        &self.volume
    }

    /// The pool whose workers issue I/O. Only for requests that keep the storage from being
    /// deleted meanwhile: a deletion is to join the workers.
    pub fn issuers(&self) -> Option<Arc<Pool>> {
        self.issuers.lock().clone()
    }

    /// The number of workers that issue I/O.
    pub fn workers(&self) -> usize {
        self.issuers
            .lock()
            .as_ref()
            .map_or(0, |pool| pool.workers())
    }

    /// Keeps the disk.
    pub fn set_disk(&self, disk: Disk<VolumeDisk>) {
        *self.disk.lock() = Some(disk);
    }

    /// Keeps the handle of the task that watches.
    pub fn set_watch(&self, watch: JoinHandle) {
        *self.watch.lock() = Some(watch);
    }

    /// How often the disk is open. While somebody waits for the disk's openers, that cannot be
    /// asked, and the answer is 1.
    pub fn openers(&self) -> u32 {
        match self.disk.try_lock() {
            Some(disk) => disk.as_ref().map_or(0, Disk::openers),
            None => 1,
        }
    }

    /// Waits a little until all nodes are connected, so that a disk is not told to be degraded
    /// as soon as it is there.
    pub fn settle(&self) {
        let deadline = Deadline::after(SETTLE_MS);
        let up = |node: Arc<Active>| node.connection.as_ref().is_none_or(Connection::is_up);
        while !self.nodes().all(up) && !deadline.passed() {
            fsleep(Delta::from_millis(1));
        }
    }

    /// Asks the disk, if there is one.
    pub fn with_disk<T>(&self, ask: impl FnOnce(&Disk<VolumeDisk>) -> T) -> Option<T> {
        self.disk.lock().as_ref().map(ask)
    }

    /// Whether all I/O fails.
    pub fn is_failing(&self) -> bool {
        self.failing.load(ordering::Relaxed)
    }

    /// Pieces on their way to nodes and bios that wait for one.
    pub fn in_flight(&self) -> u32 {
        self.nodes().fold(0, |sum: u32, node| {
            sum.saturating_add(node.lane.in_flight())
                .saturating_add(node.lane.waiting.load(ordering::Relaxed))
        })
    }

    fn fail_volume(&self) {
        if let Some(volume) = self.volume.get() {
            volume.fail();
        }
    }

    /// Has `work` stopped with the storage, and joined before its nodes go. May sleep. Errors:
    /// `ENOMEM`; then it is not known here.
    pub fn attach(&self, work: Arc<dyn Beside>) -> Result {
        let mut beside = self.beside.lock();
        beside.retain(|work| !work.has_ended());
        Ok(beside.push(work, GFP_KERNEL)?)
    }

    /// Forgets work that has ended.
    pub fn forget_ended(&self) {
        self.beside.lock().retain(|work| !work.has_ended());
    }

    /// Ends all I/O in error, now and in future, but for what local devices work on. Takes
    /// locks that are held for moments only, and may be called at any time, several times. Sleeps, but not for the network.
    pub fn fail_io(&self) {
        self.failing.store(true, ordering::Relaxed);
        for work in self.beside.lock().iter() {
            work.stop();
        }
        self.fail_volume();
        let arriving = self.arriving_device();
        for node in Iterator::chain(self.nodes(), arriving.clone()) {
            node.stop();
        }
        for node in Iterator::chain(self.nodes(), arriving) {
            node.join();
        }
    }

    /// Waits until nothing is on its way. Errors: how much still is when the time is over.
    fn drained(&self, deadline: &Deadline) -> Result<(), u32> {
        loop {
            // A bio that was about to be parked when the others were ended.
            self.fail_volume();
            match self.in_flight() {
                0 => return Ok(()),
                left if deadline.passed() => return Err(left),
                _ => fsleep(Delta::from_millis(DRAIN_MS)),
            }
        }
    }

    /// Stops everything. `kill` tells filesystems on the disk that it is dead; without it the
    /// disk must not be open. Sleeps. Nothing is left on success.
    ///
    /// Errors: so many requests are still at local devices when the time is over; everything else
    /// has failed, and the call may be repeated.
    pub fn dismantle(&self, kill: bool, deadline: &Deadline) -> Result<(), u32> {
        self.fail_io();
        // Before the disk's open mutex is taken and filesystems are told: whoever holds that up
        // may wait for I/O.
        self.drained(deadline)?;
        let disk = self.disk.lock().take();
        if let Some(disk) = disk {
            if kill {
                disk.begin_forced_removal();
                disk.mark_dead();
            }
            disk.remove();
        }
        // No task is in the disk's submission any more; what it left behind:
        self.drained(deadline)?;
        // Was stopped, and has nothing left to wait for.
        let beside = core::mem::replace(&mut *self.beside.lock(), KVec::new());
        for work in &beside {
            work.join();
        }
        let watch = self.watch.lock().take();
        drop(watch);
        let issue = core::mem::replace(&mut *self.issue.lock(), KVec::new());
        drop(issue);
        let issuers = self.issuers.lock().take();
        drop(issuers);
        // The last reference: the devices are closed here.
        drop(self.volume.take());
        Ok(())
    }
}
