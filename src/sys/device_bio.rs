// SPDX-License-Identifier: GPL-2.0

//! Bios with pages of their own, for serving a local device to others and for jobs.
//!
//! A [`DeviceBio`] is allocated once, with its vectors and pages, and used for one I/O after the
//! other without any allocation. While the I/O is under way the block layer owns it; it comes back,
//! together with the context that went with it, through [`DeviceBioEnd::end`].
//!
//! Pages whose contents were handed to a socket by reference may not be filled anew before the
//! socket has let go of them: see [`DeviceBio::pages_busy`] and [`DeviceBio::refresh`].
//!
//! C header: [`include/linux/bio.h`](srctree/include/linux/bio.h)

use super::{
    bdev::BlockDevice,
    bio::{Bio, Status, SECTOR_SHIFT},
    segments::Segments,
};
use core::{mem::MaybeUninit, ptr::NonNull};
use kernel::{
    bindings,
    ffi::c_ushort,
    page::{Page, PAGE_SIZE},
    prelude::*,
    sync::Arc,
    types::Opaque,
};

// The C structures contain empty ones, which Rust calls not FFI-safe; no such value is passed.
#[allow(improper_ctypes)]
extern "C" {
    fn dst_blk_device_bio_page_busy(page: *mut bindings::page) -> bool;
}

/// Most pages of one [`DeviceBio`]: 4 MiB with 4 KiB pages.
pub const MAX_PAGES: usize = 1024;

/// What to do on the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceOp {
    /// Read the range into the pages.
    Read,
    /// Write the pages to the range.
    Write,
    /// Flush the volatile cache; the range is ignored.
    Flush,
    /// Forget the range.
    Discard,
    /// Make the range read as zeroes.
    WriteZeroes,
}

/// Modifiers of an operation; those that make no sense for it are ignored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeviceFlags {
    /// Write: on stable storage when it ends. A device without a volatile cache ignores it.
    pub fua: bool,
    /// Write: flush the volatile cache first.
    pub preflush: bool,
    /// Write-zeroes: do not free the blocks.
    pub nounmap: bool,
    /// Somebody waits for the result.
    pub sync: bool,
}

/// What happens when an I/O has ended.
pub trait DeviceBioEnd: Send + Sized + 'static {
    /// Gets back the context and the bio, whose pages hold what was read.
    ///
    /// Runs in any context, hard interrupts included, and possibly before
    /// [`DeviceBio::submit`] has returned. It must not sleep, and takes only locks that are taken
    /// with interrupts off everywhere.
    fn end(self, bio: DeviceBio<Self>, status: Status);
}

/// # Invariants
///
/// - `table` has as many elements as `pages` has room for.
/// - While the block layer owns the bio, `device` is the device it was sent to, `context` is
///   there, and nobody else uses the structure.
struct Inner<C> {
    bio: Opaque<bindings::bio>,
    table: KVec<bindings::bio_vec>,
    pages: KVec<Page>,
    device: Option<Arc<BlockDevice>>,
    context: Option<C>,
}

/// A reusable bio with pages, at rest.
///
/// # Invariants
///
/// The block layer does not own the bio.
pub struct DeviceBio<C: DeviceBioEnd>(KBox<Inner<C>>);

// SAFETY: The bio at rest is plain memory; pages, device and context (none at rest) may be sent.
unsafe impl<C: DeviceBioEnd> Send for DeviceBio<C> {}

// SAFETY: Through a shared reference only addresses and page contents can be reached.
unsafe impl<C: DeviceBioEnd> Sync for DeviceBio<C> {}

impl<C: DeviceBioEnd> DeviceBio<C> {
    /// A bio with room for `capacity` pages, at most [`MAX_PAGES`], but none yet. May sleep.
    pub fn without_pages(capacity: usize) -> Result<Self> {
        if capacity > MAX_PAGES {
            return Err(EINVAL);
        }
        let empty = bindings::bio_vec::default();
        // INVARIANT: The table has an element for each page that `pages` has room for.
        Ok(Self(KBox::new(
            Inner {
                bio: Opaque::uninit(),
                table: KVec::from_elem(empty, capacity, GFP_KERNEL)?,
                pages: KVec::with_capacity(capacity, GFP_KERNEL)?,
                device: None,
                context: None,
            },
            GFP_KERNEL,
        )?))
    }

    /// A bio with `pages` pages of its own, at most [`MAX_PAGES`]. May sleep.
    pub fn new(pages: usize) -> Result<Self> {
        let mut this = Self::without_pages(pages)?;
        for _ in 0..pages {
            this.0
                .pages
                .push(Page::alloc_page(GFP_KERNEL)?, GFP_KERNEL)?;
        }
        Ok(this)
    }

    /// Adds a page behind the others; gives it back if there is no room.
    pub fn attach(&mut self, page: Page) -> Result<(), Page> {
        if self.0.pages.len() >= self.0.table.len() {
            return Err(page);
        }
        self.0
            .pages
            .push_within_capacity(page)
            .map_err(|refused| refused.0)
    }

    /// Takes the last page out.
    pub fn detach(&mut self) -> Option<Page> {
        self.0.pages.pop()
    }

    /// The pages.
    pub fn pages(&self) -> &[Page] {
        &self.0.pages
    }

    /// How many bytes the pages hold.
    pub fn capacity_bytes(&self) -> usize {
        self.0.pages.len() * PAGE_SIZE
    }

    /// Whether anybody else, such as a socket, still holds a reference to one of the pages.
    ///
    /// The kernel itself sometimes takes one for a moment, so a true may go away by itself.
    pub fn pages_busy(&self) -> bool {
        self.0.pages.iter().any(page_busy)
    }

    /// Exchanges each page that somebody else still references for a new one; the old one is
    /// freed when its last user lets go. Sleeps for memory; on `ENOMEM` some pages may still be
    /// busy.
    pub fn refresh(&mut self) -> Result {
        for page in self.0.pages.iter_mut().filter(|page| page_busy(page)) {
            *page = Page::alloc_page(GFP_KERNEL)?;
        }
        Ok(())
    }

    /// Memory segments of `bytes` bytes at `offset` in the pages, for a socket to send from or
    /// receive into; see [`Segments::from_pages`] for where it ends.
    pub fn segments(&self, offset: usize, bytes: usize) -> Segments<'_> {
        Segments::from_pages(&self.0.pages, offset, bytes)
    }

    /// Copies from the pages at `offset`. `EINVAL` if they end before.
    ///
    /// Sees whatever is there if a socket is filling the pages at the same time.
    pub fn read_at(&self, offset: usize, data: &mut [u8]) -> Result {
        self.each_part(offset, data.len(), |page, within, done, length| {
            // SAFETY: `data[done..done + length]` is valid for writes. Only the holder of the
            // bio has the pages filled, and a mixture of contents would be no more than that.
            unsafe { page.read_raw(data[done..done + length].as_mut_ptr(), within, length) }
        })
    }

    /// Copies to the pages at `offset`. `EINVAL` if they end before.
    pub fn write_at(&mut self, offset: usize, data: &[u8]) -> Result {
        self.each_part(offset, data.len(), |page, within, done, length| {
            // SAFETY: `data[done..done + length]` is valid for reads. As for races, see
            // `read_at`; `self` is borrowed exclusively, so nobody copies at the same time.
            unsafe { page.write_raw(data[done..done + length].as_ptr(), within, length) }
        })
    }

    /// Calls `copy(page, offset in it, bytes done, bytes to do)` for each page of a range.
    fn each_part(
        &self,
        offset: usize,
        bytes: usize,
        mut copy: impl FnMut(&Page, usize, usize, usize) -> Result,
    ) -> Result {
        let end = offset.checked_add(bytes).ok_or(EINVAL)?;
        if end > self.capacity_bytes() {
            return Err(EINVAL);
        }
        let mut done = 0;
        while done < bytes {
            let at = offset + done;
            let within = at % PAGE_SIZE;
            let length = (PAGE_SIZE - within).min(bytes - done);
            copy(&self.0.pages[at / PAGE_SIZE], within, done, length)?;
            done += length;
        }
        Ok(())
    }

    /// Sends the bio to `device`: `bytes` bytes at `sector`, for reads and writes from the start
    /// of the pages.
    ///
    /// Process context; may sleep, as the device may let its submitters wait, and so must not be
    /// called by a worker that others wait for. All errors, also of the arguments
    /// ([`Status::Invalid`]: not whole sectors, or more than the pages hold), come through
    /// [`DeviceBioEnd::end`], possibly before this returns.
    ///
    /// Discards may be as large as the argument goes, the devices split them; write-zeroes only
    /// up to [`Limits::max_write_zeroes`]. A reference to the device is kept until the bio is
    /// sent to another one, [`DeviceBio::forget_device`] is called, or the bio is dropped.
    ///
    /// [`Limits::max_write_zeroes`]: super::limits::Limits::max_write_zeroes
    pub fn submit(
        mut self,
        device: &Arc<BlockDevice>,
        op: DeviceOp,
        flags: DeviceFlags,
        sector: u64,
        bytes: u32,
        context: C,
    ) {
        let data = matches!(op, DeviceOp::Read | DeviceOp::Write);
        if bytes % (1 << SECTOR_SHIFT) != 0 || (data && bytes as usize > self.capacity_bytes()) {
            return context.end(self, Status::Invalid);
        }
        if op != DeviceOp::Flush && bytes == 0 {
            return context.end(self, Status::Ok);
        }
        let used = if data { self.fill_table(bytes) } else { 0 };
        let table = self.table();
        let inner = &mut *self.0;
        if !inner
            .device
            .as_ref()
            .is_some_and(|known| Arc::ptr_eq(known, device))
        {
            inner.device = Some(device.clone());
        }
        inner.context = Some(context);
        let inner = KBox::into_raw(self.0);
        // SAFETY: `inner` is valid and ours. The bio gets a table whose first `used` elements
        // describe pages that stay with it, and a device that is open until the reference above
        // goes. From `submit_bio` on nobody but `end_io` uses it.
        unsafe {
            let bio = (*inner).bio.get();
            bindings::bio_init(
                bio,
                device.as_ptr(),
                table,
                (*inner).table.len() as c_ushort,
                operation(op, flags),
            );
            (*bio).bi_vcnt = used as c_ushort;
            (*bio).bi_iter.bi_sector = sector;
            (*bio).bi_iter.bi_size = if op == DeviceOp::Flush { 0 } else { bytes };
            (*bio).bi_private = inner.cast();
            (*bio).bi_end_io = Some(Self::end_io);
            bindings::submit_bio(bio);
        }
    }

    /// Lends the bio to the way that accepted bios go, as if a disk of ours had just accepted a read
    /// or write of `bytes` bytes at `sector`, or a flush, which has none: it comes back through [`DeviceBioEnd::end`] when its
    /// last handle is gone, on whatever nodes its pieces were. It has no block device, so it is not
    /// accounted for and seen in no trace. Any context.
    ///
    /// Errors: nothing was lent, as these are not whole sectors, more than the pages hold, or none
    /// but for a flush; or `op` is another one.
    pub fn lend(
        mut self,
        op: DeviceOp,
        sector: u64,
        bytes: u32,
        context: C,
    ) -> core::result::Result<Bio, (Self, C)> {
        let possible = match op {
            DeviceOp::Read | DeviceOp::Write => {
                bytes % (1 << SECTOR_SHIFT) == 0
                    && bytes > 0
                    && bytes as usize <= self.capacity_bytes()
            }
            DeviceOp::Flush => bytes == 0,
            DeviceOp::Discard | DeviceOp::WriteZeroes => false,
        };
        if !possible {
            return Err((self, context));
        }
        let used = self.fill_table(bytes);
        let table = self.table();
        self.0.context = Some(context);
        let inner = KBox::into_raw(self.0);
        // SAFETY: `inner` is valid and ours. The bio gets a table whose first `used` elements
        // describe pages that stay with it. From here on nobody but `end_io` uses it, which is
        // called when the handle and what it was shared to are gone.
        unsafe {
            let bio = (*inner).bio.get();
            bindings::bio_init(
                bio,
                core::ptr::null_mut(),
                table,
                (*inner).table.len() as c_ushort,
                operation(op, DeviceFlags::default()),
            );
            (*bio).bi_vcnt = used as c_ushort;
            (*bio).bi_iter.bi_sector = sector;
            (*bio).bi_iter.bi_size = bytes;
            (*bio).bi_private = inner.cast();
            (*bio).bi_end_io = Some(Self::end_io);
            Ok(Bio::lent(NonNull::new_unchecked(bio)))
        }
    }

    /// Drops the reference to the device of the last I/O.
    pub fn forget_device(&mut self) {
        self.0.device = None;
    }

    /// The table for a bio; a bio without data has none.
    fn table(&mut self) -> *mut bindings::bio_vec {
        match self.0.table.is_empty() {
            true => core::ptr::null_mut(),
            false => self.0.table.as_mut_ptr(),
        }
    }

    /// Lets the table describe the first `bytes` bytes of the pages; returns the elements used.
    fn fill_table(&mut self, bytes: u32) -> usize {
        let inner = &mut *self.0;
        let mut left = bytes as usize;
        let mut used = 0;
        for (element, page) in inner.table.iter_mut().zip(inner.pages.iter()) {
            if left == 0 {
                break;
            }
            let length = left.min(PAGE_SIZE);
            *element = bindings::bio_vec {
                bv_page: page.as_ptr(),
                bv_len: length as u32,
                bv_offset: 0,
            };
            left -= length;
            used += 1;
        }
        used
    }

    /// # Safety
    ///
    /// Only as `bi_end_io` of a bio that [`Self::submit`] has submitted, once.
    unsafe extern "C" fn end_io(bio: *mut bindings::bio) {
        // SAFETY: `submit` has put a pointer from `KBox::into_raw` there, and the block layer has
        // just given the bio back.
        let (mut inner, status) = unsafe {
            let status = Status::from_raw((*bio).bi_status);
            let inner = (*bio).bi_private.cast::<Inner<C>>();
            bindings::bio_uninit(bio);
            (KBox::from_raw(inner), status)
        };
        let context = inner.context.take();
        // INVARIANT: The block layer has given the bio back.
        let this = Self(inner);
        if let Some(context) = context {
            context.end(this, status);
        }
    }
}

/// Whether somebody else holds a reference to the page.
fn page_busy(page: &Page) -> bool {
    // SAFETY: The page is valid while it is borrowed.
    unsafe { dst_blk_device_bio_page_busy(page.as_ptr()) }
}

/// The block layer's word for an operation and its flags.
fn operation(op: DeviceOp, flags: DeviceFlags) -> bindings::blk_opf_t {
    let flag = |on: bool, bit: u32| u32::from(on) << bit;
    let sync = flag(flags.sync, bindings::req_flag_bits___REQ_SYNC);
    match op {
        DeviceOp::Read => bindings::req_op_REQ_OP_READ | sync,
        DeviceOp::Write => {
            bindings::req_op_REQ_OP_WRITE
                | sync
                | flag(flags.fua, bindings::req_flag_bits___REQ_FUA)
                | flag(flags.preflush, bindings::req_flag_bits___REQ_PREFLUSH)
        }
        DeviceOp::Flush => {
            bindings::req_op_REQ_OP_WRITE | flag(true, bindings::req_flag_bits___REQ_PREFLUSH)
        }
        DeviceOp::Discard => bindings::req_op_REQ_OP_DISCARD | sync,
        DeviceOp::WriteZeroes => {
            bindings::req_op_REQ_OP_WRITE_ZEROES
                | sync
                | flag(flags.nounmap, bindings::req_flag_bits___REQ_NOUNMAP)
        }
    }
}

/// Runs `submits`, gathering what it submits so that the devices see it as one batch.
///
/// Process context. A plug ends early if the task sleeps.
pub fn plugged<R>(submits: impl FnOnce() -> R) -> R {
    let mut plug = MaybeUninit::<bindings::blk_plug>::uninit();
    let plug = NonNull::from(&mut plug).cast::<bindings::blk_plug>();
    // SAFETY: The plug stays where it is until it is finished below, by the same task. Kernel
    // code does not unwind, so it is.
    unsafe { bindings::blk_start_plug(plug.as_ptr()) };
    let result = submits();
    // SAFETY: Started above.
    unsafe { bindings::blk_finish_plug(plug.as_ptr()) };
    result
}
