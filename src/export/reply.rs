// SPDX-License-Identifier: GPL-2.0

//! Requests at the device and the answers to them.

use super::{connection::Connection, submit::Copy};
use crate::{
    dst_core::wire::{self, Message as WireMessage, HEADER_BYTES},
    exec::{Ring, WakerCell},
    net::Message,
    sys::{
        bio::Status,
        device_bio::{DeviceBio, DeviceBioEnd},
        segments::Segments,
    },
};
use kernel::pr_warn_once;
use kernel::{
    new_spinlock_irq,
    prelude::*,
    sync::{
        atomic::{ordering, Atomic},
        Arc, SpinLockIrq,
    },
};

/// The memory of one request: a bio and the pages it was given.
pub type Slot = DeviceBio<Pending>;

/// A request that is at the device.
pub struct Pending {
    /// Where the result goes.
    pub finished: Arc<FinishedQueue>,
    /// The request.
    pub request: WireMessage,
    /// It writes what was copied from another node.
    pub copy: Option<Copy>,
    /// The device's cache is made stable for it: it is a flush, or a write with FUA on a device that has none of its own.
    pub flushes: bool,
}

impl DeviceBioEnd for Pending {
    fn end(self, slot: Slot, status: Status) {
        if self.flushes && !status.is_ok() {
            self.finished.cache.is_lost();
        }
        // When the device is through, so that a failure before that is known.
        let cache = match self.request.opcode {
            wire::Opcode::Flush => self.finished.cache.identity(),
            _ => 0,
        };
        let payload = if status.is_ok() && self.request.opcode == wire::Opcode::Read {
            self.request.length
        } else {
            0
        };
        let slot = match self.copy {
            Some(copy) => copy.give_back(slot),
            None => slot,
        };
        self.finished.device_ends();
        self.finished.push(Finished {
            header: None,
            request: self.request.with_cache(cache),
            status: from_status(status),
            slot: Some(slot),
            payload,
        });
    }
}

/// A request that was worked off.
pub struct Finished {
    /// A ready answer, for a request that has no checked form.
    pub header: Option<[u8; HEADER_BYTES]>,
    /// The request, with what the answer says of the cache.
    pub request: WireMessage,
    /// How it ended.
    pub status: wire::Status,
    /// Its memory, with `payload` bytes of answer at the start.
    pub slot: Option<Slot>,
    /// The length of the answer's payload.
    pub payload: u32,
}

/// The identity of the cache of an export's device, which is another one after a flush that has failed: what was not
/// stable may be gone.
///
/// A device reports a failure once, to one of those who ask. Each client finds out by the identity, which it gets with the
/// answer to each flush and to each hello; as it is there for good, a lost answer is no loss.
pub struct Cache(Atomic<u64>);

impl Cache {
    /// What each failure adds; below it is what the exports of a load of the module differ in.
    const FAILURE: u64 = 1 << 32;

    /// The cache of the export with the number `id`, not 0, of which no flush has failed. May sleep. Errors:
    /// `ENOMEM`.
    pub fn new(id: u32) -> Result<Arc<Self>> {
        Ok(Arc::new(Self(Atomic::new(id.into())), GFP_KERNEL)?)
    }

    /// Unique while the module is loaded, never 0.
    pub fn identity(&self) -> u64 {
        self.0.load(ordering::Acquire)
    }

    /// The device could not make stable what is in its cache. Any context.
    pub fn is_lost(&self) {
        self.0.fetch_add(Self::FAILURE, ordering::Full);
    }
}

/// Results on their way from the device to the sender task. Holds nothing that may not be dropped
/// in an interrupt.
#[pin_data]
pub struct FinishedQueue {
    #[pin]
    ring: SpinLockIrq<Ring<Finished>>,
    #[pin]
    waker: WakerCell,
    at_device: Atomic<u32>,
    cache: Arc<Cache>,
}

impl FinishedQueue {
    /// A queue for `depth` results of a client of an export with this `cache`. May sleep. Errors: `ENOMEM`.
    pub fn new(depth: usize, cache: Arc<Cache>) -> Result<Arc<Self>> {
        let ring = Ring::new(depth)?;
        Arc::pin_init(
            pin_init!(Self {
                ring <- new_spinlock_irq!(ring, "dst_finished"),
                waker <- WakerCell::new(),
                at_device: Atomic::new(0),
                cache,
            }),
            GFP_KERNEL,
        )
    }

    /// Counts a bio that is about to be submitted.
    ///
    /// Ordered before whatever the caller looks at next.
    pub fn device_begins(&self) {
        self.at_device.fetch_add(1, ordering::Full);
    }

    /// Takes a bio out of the count.
    pub fn device_ends(&self) {
        self.at_device.fetch_sub(1, ordering::Release);
    }

    /// The bios at the device.
    pub fn at_device(&self) -> u32 {
        self.at_device.load(ordering::Acquire)
    }

    /// Appends a result and wakes the sender task. Any context. There is room for every slot, so
    /// it cannot be full.
    pub fn push(&self, finished: Finished) {
        let refused = self.ring.lock().push_back(finished).err();
        if refused.is_some() {
            pr_warn_once!("more results than requests\n");
        }
        self.waker.wake();
    }

    /// Takes the oldest result.
    pub fn pop(&self) -> Option<Finished> {
        self.ring.lock().pop_front()
    }

    /// Frees the queue's memory. For when nothing is at the device any more and nothing will be:
    /// who lets go of the queue last may be in an interrupt, where large memory cannot be freed.
    /// Process context.
    pub fn retire(&self) {
        if let Ok(nothing) = Ring::new(0) {
            let ring = core::mem::replace(&mut *self.ring.lock(), nothing);
            drop(ring);
        }
    }

    /// Registers the sender task.
    pub fn register(&self, context: &core::task::Context<'_>) {
        self.waker.register(context.waker());
    }

    /// Wakes the sender task.
    pub fn wake(&self) {
        self.waker.wake();
    }
}

/// An answer in the hands of the sender.
pub struct Reply {
    /// The encoded header.
    pub header: [u8; HEADER_BYTES],
    /// The memory with the payload at its start.
    pub slot: Option<Slot>,
    /// The length of the payload.
    pub payload: u32,
    /// The payload is sent by reference.
    pub splice: bool,
    /// It is no answer: the client is told that the server stops.
    pub goodbye: bool,
}

impl Message for Reply {
    type Owner = Arc<Connection>;

    fn header(&self) -> [u8; HEADER_BYTES] {
        self.header
    }

    fn payload_bytes(&self) -> u32 {
        self.payload
    }

    fn segments(&self, offset: u32) -> Segments<'_> {
        match &self.slot {
            Some(slot) => slot.segments(offset as usize, (self.payload - offset) as usize),
            None => Segments::empty(),
        }
    }

    fn splice(&self) -> bool {
        // The pages are not used again before TCP has dropped its references to them.
        self.splice
    }

    fn sent(self, owner: &Arc<Connection>) {
        if self.goodbye {
            owner.has_said_goodbye();
        }
        if let Some(slot) = self.slot {
            owner.buffers().give(slot);
        }
    }
}

/// The protocol's status for a result of the device.
pub fn from_status(status: Status) -> wire::Status {
    match status {
        Status::Ok => wire::Status::Ok,
        Status::NotSupported => wire::Status::Unsupported,
        Status::Timeout => wire::Status::TimedOut,
        Status::NoSpace => wire::Status::NoSpace,
        Status::Medium => wire::Status::Medium,
        Status::Protection => wire::Status::Protection,
        Status::Resource => wire::Status::NoMemory,
        Status::Offline => wire::Status::NoDevice,
        Status::Reservation => wire::Status::Busy,
        Status::Invalid => wire::Status::Invalid,
        _ => wire::Status::Io,
    }
}
