// SPDX-License-Identifier: GPL-2.0

//! The memory that a client may use: slots for requests and pages for their data.

use super::reply::Slot;
use crate::{
    exec::{timeout, wait_for, Ring, Timer, WakerCell},
    sys::device_bio::MAX_PAGES,
};
use core::{pin::pin, task::Poll};
use kernel::pr_warn_once;
use kernel::{
    new_spinlock_irq,
    page::{Page, PAGE_SIZE},
    prelude::*,
    sync::{
        atomic::{ordering, Atomic},
        SpinLockIrq,
    },
    time::{Delta, Instant, Monotonic},
};

struct Tables {
    slots: KVVec<Slot>,
    pages: KVVec<Page>,
    /// Slots whose pages TCP still refers to, in the order in which they were sent.
    lingering: Ring<Slot>,
}

/// The slots and pages of one connection, all allocated at its start.
#[pin_data]
pub struct Buffers {
    #[pin]
    tables: SpinLockIrq<Tables>,
    #[pin]
    room: WakerCell,
}

/// How often lingering pages are looked at while a request waits for them, in milliseconds.
const LINGER_MS: i64 = 1;

/// How long a request waits for lingering pages until others take their place, in milliseconds. More than TCP needs
/// on most networks. It cannot be relied on to let go by itself: the kernel leaves buffers that are to be freed to the
/// CPU that made them, which does that with the next packet it gets (`skb_attempt_defer_free`), and a receiver on this machine
/// keeps them until it reads.
const LINGER_LIMIT_MS: i64 = 100;

/// How long a wait lasts before it looks again without having been woken, in milliseconds.
const IDLE_MS: i64 = 1000;

impl Tables {
    /// Takes the pages out of a slot, which then waits for the next request.
    fn recycle(&mut self, mut slot: Slot) {
        while let Some(page) = slot.detach() {
            // There is room for every page that was ever taken out.
            if self.pages.push_within_capacity(page).is_err() {
                pr_warn_once!("more pages than a connection has\n");
            }
        }
        slot.forget_device();
        if self.slots.push_within_capacity(slot).is_err() {
            pr_warn_once!("more slots than a connection has\n");
        }
    }

    fn reclaim(&mut self) {
        while self
            .lingering
            .front()
            .is_some_and(|slot| !slot.pages_busy())
        {
            if let Some(slot) = self.lingering.pop_front() {
                self.recycle(slot);
            }
        }
    }

    fn take(&mut self, pages: usize) -> Option<Slot> {
        if self.slots.is_empty() || self.pages.len() < pages {
            self.reclaim();
        }
        if self.pages.len() < pages {
            return None;
        }
        let mut slot = self.slots.pop()?;
        for _ in 0..pages {
            if let Some(page) = self.pages.pop() {
                // A slot has room for the longest request.
                let _ = slot.attach(page);
            }
        }
        Some(slot)
    }
}

impl Buffers {
    /// `depth` slots and `memory` bytes of pages, which serve requests of up to `max_transfer`
    /// bytes. May sleep. Errors: `ENOMEM`, `EINVAL` if the memory is less than one request needs.
    pub fn new(depth: usize, memory: usize, max_transfer: usize) -> Result<impl PinInit<Self>> {
        let per_slot = max_transfer.div_ceil(PAGE_SIZE).max(1);
        let count = memory / PAGE_SIZE;
        if count < per_slot || per_slot > MAX_PAGES {
            return Err(EINVAL);
        }
        let mut tables = Tables {
            slots: KVVec::with_capacity(depth, GFP_KERNEL)?,
            pages: KVVec::with_capacity(count, GFP_KERNEL)?,
            lingering: Ring::new(depth)?,
        };
        for _ in 0..depth {
            tables
                .slots
                .push(Slot::without_pages(per_slot)?, GFP_KERNEL)?;
        }
        for _ in 0..count {
            tables
                .pages
                .push(Page::alloc_page(GFP_KERNEL)?, GFP_KERNEL)?;
        }
        Ok(pin_init!(Self {
            tables <- new_spinlock_irq!(tables, "dst_buffers"),
            room <- WakerCell::new(),
        }))
    }

    /// Waits for a slot with pages for `bytes` bytes. `None` once `closed` is set: all may be with the sender for
    /// as long as the peer is silent.
    pub async fn take(&self, bytes: u32, timer: &mut Timer, closed: &Atomic<bool>) -> Option<Slot> {
        let pages = (bytes as usize).div_ceil(PAGE_SIZE);
        let begun = Instant::<Monotonic>::now();
        while !closed.load(ordering::Acquire) {
            if self.lingers() && begun.elapsed().as_millis() >= LINGER_LIMIT_MS {
                self.exchange_lingering();
            }
            // TCP does not tell when it lets go of a page. While all slots are at the device or
            // with the sender, whoever gives one back wakes this task.
            let pause = if self.lingers() { LINGER_MS } else { IDLE_MS };
            let attempt = wait_for(c"a slot and pages", |context| {
                self.room.register(context.waker());
                let mut tables = self.tables.lock();
                match tables.take(pages) {
                    Some(slot) => Poll::Ready(Some(slot)),
                    // Looked at again after a short pause.
                    None if pause == IDLE_MS && !tables.lingering.is_empty() => Poll::Ready(None),
                    None => Poll::Pending,
                }
            });
            let taken = timeout(timer, Delta::from_millis(pause), pin!(attempt)).await;
            if let Some(Some(slot)) = taken {
                return Some(slot);
            }
        }
        None
    }

    /// Takes new pages in place of those that TCP keeps of the slot that was sent first. What it keeps is bounded
    /// by the buffers of the socket. Sleeps for memory, which may be short: then it waits longer.
    fn exchange_lingering(&self) {
        let oldest = self.tables.lock().lingering.pop_front();
        if let Some(mut slot) = oldest {
            let _ = slot.refresh();
            self.give(slot);
        }
    }

    fn lingers(&self) -> bool {
        !self.tables.lock().lingering.is_empty()
    }

    /// Gives a slot back. Any context.
    pub fn give(&self, slot: Slot) {
        let mut tables = self.tables.lock();
        if slot.pages_busy() {
            if tables.lingering.push_back(slot).is_err() {
                pr_warn_once!("more slots than a connection has\n");
            }
        } else {
            tables.recycle(slot);
        }
        drop(tables);
        self.room.wake();
    }
}
