// SPDX-License-Identifier: GPL-2.0

//! One export: a device, who may use it, and who owns it.

use super::{config::ExportConfig, peer::Peer, reply::Cache, source::Reader};
use crate::{
    dst_core::{
        access::{self, Access, Prefix, Rule},
        label::MetadataArea,
        wire::{export_flags, features, Gate, Offer, DEFAULT_TRANSFER, MAX_QUEUE_DEPTH},
    },
    exec::{pool, JoinHandle, Pool, Pools, Timer},
    sys::{
        bdev::BlockDevice, bio::SECTOR_SHIFT, device_bio::DeviceOp, kthread::Reclaim,
        limits::Limits, net_namespace::Net, socket_address::SocketAddress,
    },
};
use core::net::IpAddr;
use kernel::{
    new_mutex,
    prelude::*,
    str::CString,
    sync::{
        atomic::{ordering, Atomic},
        Arc, Mutex,
    },
    time::{BootTime, Delta, Instant},
};

/// Defaults of what the administrator did not ask for.
pub mod defaults {
    /// Requests in work per connection.
    pub const QUEUE_DEPTH: u32 = 128;
    /// Connections at the same time.
    pub const MAX_CLIENTS: u32 = 64;
    /// Bytes of memory for the data of one client.
    pub const CLIENT_MEMORY: u64 = 8 << 20;
    /// Milliseconds for the hello.
    pub const HELLO_TIMEOUT: u32 = 10_000;
    /// Connections that wait to be accepted.
    pub const BACKLOG: u32 = 128;
}

/// How long a claim waits for the former owner's bios, in rounds of [`DRAIN_MS`].
const DRAIN_ROUNDS: u32 = 5_000;
/// Milliseconds.
const DRAIN_MS: i64 = 2;

/// Limits of an export.
#[derive(Clone, Copy)]
pub struct Settings {
    /// Nobody may write.
    pub read_only: bool,
    /// Writes complete from the device's volatile cache.
    pub write_back: bool,
    /// Several sessions may write.
    pub shared_writers: bool,
    /// Requests in work per connection.
    pub queue_depth: u32,
    /// Bytes of data in one request.
    pub max_transfer: u32,
    /// Connections at the same time.
    pub max_clients: u32,
    /// Bytes of memory for the data of one client.
    pub client_memory: u64,
    /// Milliseconds for the hello.
    pub hello_timeout: u32,
    /// Connections that wait to be accepted.
    pub backlog: u32,
    /// Milliseconds of silence; 0 for ever.
    pub idle_timeout: u32,
}

/// So many of the longest requests have room in the memory of a connection, if they have in that of its
/// client.
const LEAST_TRANSFERS: usize = 4;

struct Owner {
    session: [u8; 16],
    epoch: u64,
}

/// A device that clients can use.
#[pin_data]
pub struct Export {
    /// Unique while the module is loaded, never 0.
    pub id: u32,
    /// Its name, path and so on, as given.
    pub name: crate::net::config::Name,
    /// The device's path as it was given.
    pub path: Arc<CString>,
    /// Where it listens; set once before it does.
    pub address: SocketAddress,
    /// The namespace of the sockets.
    pub net: Net,
    /// Limits.
    pub settings: Settings,
    /// When it began to listen.
    pub since: Instant<BootTime>,
    /// The export is being deleted.
    pub stopping: Atomic<bool>,
    /// Connections refused before they had a [`Peer`].
    pub refused: Atomic<u64>,
    device: Arc<BlockDevice>,
    limits: Limits,
    area: Option<MetadataArea>,
    boot: [u8; 16],
    identity: [u8; 16],
    cache: Arc<Cache>,
    /// What copies from others.
    pub reader: Reader,
    pools: Arc<Pools>,
    epoch: Atomic<u64>,
    /// The storage that the label names.
    #[pin]
    member_of: Mutex<Option<[u8; 16]>>,
    #[pin]
    owner: Mutex<Owner>,
    #[pin]
    label_lock: Mutex<()>,
    #[pin]
    allowed: Mutex<Arc<KVec<Rule>>>,
    /// From where it may copy.
    #[pin]
    copy_from: Mutex<Arc<KVec<Prefix>>>,
    /// All connections whose tasks were not joined yet.
    #[pin]
    pub peers: Mutex<KVec<Arc<Peer>>>,
    /// The listening task.
    #[pin]
    pub listener: Mutex<Option<JoinHandle>>,
    counters: Counters,
    /// Threads that submit what clients ask for to the device. Their tasks keep the export; it does
    /// not end on one of these threads, since the registry keeps it until all tasks were joined.
    pub submitters: Pool,
    /// The thread that reads and writes the label, and waits for that. Apart from
    /// [`Self::submitters`]: the device may be a storage of this machine, whose data may come
    /// through an export of it.
    pub labeller: Pool,
}

/// What an export has served.
pub struct Counters {
    /// Reads.
    pub read_ios: Atomic<u64>,
    /// Bytes read.
    pub read_bytes: Atomic<u64>,
    /// Writes.
    pub write_ios: Atomic<u64>,
    /// Bytes written.
    pub write_bytes: Atomic<u64>,
    /// Requests that ended in an error of the device.
    pub errors: Atomic<u64>,
}

/// What the registry found out before it makes an export.
pub struct Parts {
    /// The number.
    pub id: u32,
    /// The open device.
    pub device: Arc<BlockDevice>,
    /// Where it listens, with the port in force.
    pub address: SocketAddress,
    /// The metadata area, if the device has room for one.
    pub area: Option<MetadataArea>,
    /// Storage and epoch in the label, if there is one.
    pub label: Option<([u8; 16], u64)>,
    /// The address list.
    pub allowed: KVec<Rule>,
    /// From where it may copy.
    pub copy_from: KVec<Prefix>,
    /// Identity of this load of the module.
    pub boot: [u8; 16],
    /// The workers.
    pub pools: Arc<Pools>,
}

impl Settings {
    /// What `config` asks for, the rest by default.
    pub fn of(config: &ExportConfig) -> Self {
        let max_transfer = config.max_transfer.unwrap_or(DEFAULT_TRANSFER);
        Self {
            read_only: config.read_only,
            write_back: config.write_back,
            shared_writers: config.shared_writers,
            queue_depth: config
                .queue_depth
                .unwrap_or(defaults::QUEUE_DEPTH)
                .clamp(1, MAX_QUEUE_DEPTH),
            max_transfer,
            max_clients: config.max_clients.unwrap_or(defaults::MAX_CLIENTS),
            client_memory: config
                .client_memory
                .unwrap_or(defaults::CLIENT_MEMORY)
                .max(max_transfer.into()),
            hello_timeout: config.hello_timeout.unwrap_or(defaults::HELLO_TIMEOUT),
            backlog: config.backlog.unwrap_or(defaults::BACKLOG),
            idle_timeout: config.idle_timeout.unwrap_or(0),
        }
    }
}

impl Export {
    /// An export that does not listen yet. May sleep. Errors: `ENOMEM`.
    pub fn new(config: &ExportConfig, path: Arc<CString>, parts: Parts) -> Result<Arc<Self>> {
        let limits = parts.device.limits();
        let mut settings = Settings::of(config);
        settings.read_only |= limits.read_only;
        let allowed = Arc::new(parts.allowed, GFP_KERNEL)?;
        let copy_from = Arc::new(parts.copy_from, GFP_KERNEL)?;
        let cache = Cache::new(parts.id)?;
        let threads = |count| pool::Settings::new(count, Reclaim::NoIo);
        let submitters = Pools::devices("export", &parts.id, threads(parts.pools.workers))?;
        let labeller = Pools::devices("label", &parts.id, threads(1))?;
        Arc::pin_init(
            pin_init!(Self {
                id: parts.id,
                name: config.name,
                path,
                address: parts.address,
                net: config.net.clone(),
                settings,
                since: Instant::now(),
                stopping: Atomic::new(false),
                refused: Atomic::new(0),
                device: parts.device,
                limits,
                area: parts.area,
                boot: parts.boot,
                identity: crate::sys::random::identity(),
                cache,
                reader: Reader::random(),
                pools: parts.pools,
                epoch: Atomic::new(parts.label.map_or(0, |(_, epoch)| epoch)),
                member_of <- new_mutex!(parts.label.map(|(storage, _)| storage), "dst_export_member"),
                owner <- new_mutex!(
                    Owner { session: [0; 16], epoch: 0 },
                    "dst_export_owner"
                ),
                label_lock <- new_mutex!((), "dst_export_label"),
                allowed <- new_mutex!(allowed, "dst_export_allowed"),
                copy_from <- new_mutex!(copy_from, "dst_export_copy_from"),
                peers <- new_mutex!(KVec::new(), "dst_export_peers"),
                listener <- new_mutex!(None, "dst_export_listener"),
                counters: Counters {
                    read_ios: Atomic::new(0),
                    read_bytes: Atomic::new(0),
                    write_ios: Atomic::new(0),
                    write_bytes: Atomic::new(0),
                    errors: Atomic::new(0),
                },
                submitters,
                labeller,
            }),
            GFP_KERNEL,
        )
    }

    /// For the log: the number.
    pub fn label(&self) -> u32 {
        self.id
    }

    /// The device.
    pub fn device(&self) -> &Arc<BlockDevice> {
        &self.device
    }

    /// The device's limits.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The metadata area.
    pub fn area(&self) -> Option<&MetadataArea> {
        self.area.as_ref()
    }

    /// Identity of the device's cache.
    pub fn cache(&self) -> &Arc<Cache> {
        &self.cache
    }

    /// The workers.
    pub fn pools(&self) -> &Pools {
        &self.pools
    }

    /// Bytes of memory for the data of one connection of a client that makes so many and asks for up to
    /// `transfer` bytes at once: its share, but enough for some of these.
    pub fn memory_for(&self, connections: u16, transfer: usize) -> usize {
        let all = self.settings.client_memory as usize;
        let share = all / usize::from(connections.max(1));
        share.max(LEAST_TRANSFERS * transfer).min(all)
    }

    /// The counters.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Whether writes are answered only when they are stable and the device needs to be told.
    pub fn is_write_through(&self) -> bool {
        self.limits.write_cache && !self.settings.write_back
    }

    /// Serialises reading and writing of the label.
    pub fn label_lock(&self) -> &Mutex<()> {
        &self.label_lock
    }

    /// Counts a request.
    pub fn count(&self, op: DeviceOp, bytes: u32) {
        let counters = &self.counters;
        match op {
            DeviceOp::Read => {
                counters.read_ios.fetch_add(1, ordering::Relaxed);
                counters
                    .read_bytes
                    .fetch_add(bytes.into(), ordering::Relaxed);
            }
            DeviceOp::Write => {
                counters.write_ios.fetch_add(1, ordering::Relaxed);
                counters
                    .write_bytes
                    .fetch_add(bytes.into(), ordering::Relaxed);
            }
            _ => {}
        }
    }

    /// Counts an error of the device.
    pub fn count_error(&self) {
        self.counters.errors.fetch_add(1, ordering::Relaxed);
    }

    /// The epoch in force.
    pub fn epoch(&self) -> u64 {
        self.epoch.load(ordering::Acquire)
    }

    /// The session that claimed the export last, and its epoch.
    pub fn owner(&self) -> ([u8; 16], u64) {
        let owner = self.owner.lock();
        (owner.session, owner.epoch)
    }

    /// Puts an epoch in force.
    pub fn set_owner(&self, session: [u8; 16], epoch: u64) {
        let mut owner = self.owner.lock();
        owner.session = session;
        owner.epoch = epoch;
        // Ordered before the look at what is at the device.
        self.epoch.xchg(epoch, ordering::Full);
    }

    /// What a request of `peer` must satisfy now.
    pub fn gate(&self, peer: &Peer) -> Gate {
        Gate {
            epoch: self.epoch(),
            read_only: self.settings.read_only || peer.read_only.load(ordering::Acquire),
        }
    }

    /// What the address list says of `address`.
    pub fn access_of(&self, address: &SocketAddress) -> Option<Access> {
        access::lookup(&self.allowed.lock(), address.ip())
    }

    /// The address list.
    pub fn allowed(&self) -> Arc<KVec<Rule>> {
        self.allowed.lock().clone()
    }

    /// Replaces the address list, also for the connections that stand.
    pub fn set_allowed(&self, rules: Arc<KVec<Rule>>) {
        *self.allowed.lock() = rules;
        for peer in self.peers.lock().iter() {
            match self.access_of(&peer.address) {
                Some(access) => {
                    let read_only = access == Access::ReadOnly;
                    peer.read_only.store(read_only, ordering::Release);
                }
                None => peer.close(),
            }
        }
    }

    /// From where it may copy.
    pub fn copy_from(&self) -> Arc<KVec<Prefix>> {
        self.copy_from.lock().clone()
    }

    /// Replaces the list of addresses that it may copy from.
    pub fn set_copy_from(&self, prefixes: Arc<KVec<Prefix>>) {
        let former = core::mem::replace(&mut *self.copy_from.lock(), prefixes);
        drop(former);
    }

    /// Whether it may copy from `address`.
    pub fn may_copy_from(&self, address: IpAddr) -> bool {
        let prefixes = self.copy_from();
        prefixes.iter().any(|prefix| prefix.contains(address))
    }

    /// Notes which storage the device's label names now.
    pub fn labelled(&self, storage: [u8; 16]) {
        *self.member_of.lock() = Some(storage);
    }

    /// The storage that the device's label names.
    pub fn member_of(&self) -> Option<[u8; 16]> {
        *self.member_of.lock()
    }

    /// Requests of all its connections that are at the device.
    pub fn at_device(&self) -> u32 {
        let peers = self.peers.lock();
        peers
            .iter()
            .fold(0, |sum: u32, peer| sum.saturating_add(peer.at_device()))
    }

    /// Waits until no bio of another connection is at the device; false if that takes too long.
    /// Errors: `ENOMEM`.
    pub async fn others_drained(&self, peer: &Arc<Peer>) -> Result<bool> {
        let mut timer = Timer::new()?;
        for _ in 0..DRAIN_ROUNDS {
            let busy = self
                .peers
                .lock()
                .iter()
                .any(|other| !Arc::ptr_eq(other, peer) && other.at_device() > 0);
            if !busy {
                return Ok(true);
            }
            timer.sleep(Delta::from_millis(DRAIN_MS)).await;
        }
        Ok(false)
    }

    /// What the export offers to `peer`.
    pub fn offer(&self, peer: &Peer) -> Offer {
        let limits = &self.limits;
        let mut flags = 0;
        let mut set = |on: bool, flag: u32| flags |= if on { flag } else { 0 };
        set(self.gate(peer).read_only, export_flags::READ_ONLY);
        set(
            limits.write_cache && self.settings.write_back,
            export_flags::VOLATILE_CACHE,
        );
        set(limits.fua, export_flags::FUA);
        set(limits.rotational, export_flags::ROTATIONAL);
        set(limits.stable_writes, export_flags::STABLE_WRITES);
        set(self.member_of().is_some(), export_flags::HAS_LABEL);
        set(self.area.is_none(), export_flags::RAW);
        // Longer ranges are split by the client.
        let at_most = |bytes: u64| {
            let whole = bytes.min(1 << 30) as u32;
            whole - whole % limits.logical_block.max(1)
        };
        Offer {
            supported: features::SUPPORTED,
            required: 0,
            flags,
            data_size: self
                .area
                .map_or(0, |area| area.data_sectors << SECTOR_SHIFT),
            device_size: self.device.sectors() << SECTOR_SHIFT,
            logical_block: limits.logical_block,
            physical_block: limits.physical_block,
            io_min: limits.io_min,
            io_opt: limits.io_opt,
            max_transfer: self.settings.max_transfer,
            queue_depth: self.settings.queue_depth,
            max_discard: at_most(limits.max_discard),
            discard_granularity: limits.discard_granularity,
            // Nothing but a flush makes it stable, so in write-through mode the client writes
            // zeroes itself where there is a cache.
            max_write_zeroes: if self.is_write_through() {
                0
            } else {
                at_most(limits.max_write_zeroes)
            },
            boot: self.boot,
            cache: self.cache.identity(),
            device: self.identity,
            epoch: self.epoch(),
        }
    }
}
