// SPDX-License-Identifier: GPL-2.0

//! Bios that our disks have accepted, and those that jobs lend to the same way.
//!
//! A [`Bio`] is the sole handle of one such bio; a [`SharedBio`] is a counted one, for a bio
//! whose pieces are on their way to several nodes. Either way the bio ends exactly once, and not
//! before the last handle is gone: whoever reads or fills its pages keeps a handle.
//!
//! No memory is allocated for this. The block layer leaves two fields of a bio to the driver that
//! has accepted it: `bi_next` (parking list, then reference count) and `bi_cookie` (start of the
//! accounting; the core only uses it for polled bios, and ends those before `submit_bio` as our
//! disks do not offer polling). Vectors and iterator of the bio are never changed.
//!
//! C header: [`include/linux/bio.h`](srctree/include/linux/bio.h)

mod list;
mod shared;
mod status;

pub use self::{list::BioList, shared::SharedBio, status::Status};

use super::segments::Segments;
use core::{mem::ManuallyDrop, ptr::NonNull};
use kernel::{
    bindings,
    ffi::{c_uint, c_void},
    prelude::*,
    sync::atomic::{ordering, Atomic},
};

// The C structures contain empty ones, which Rust calls not FFI-safe; no such value is passed.
#[allow(improper_ctypes)]
extern "C" {
    fn dst_blk_bio_advance(
        bio: *const bindings::bio,
        iter: *mut bindings::bvec_iter,
        bytes: c_uint,
    );
    fn dst_blk_bio_gather(
        bio: *const bindings::bio,
        iter: *const bindings::bvec_iter,
        vecs: *mut bindings::bio_vec,
        max: c_uint,
        bytes: *mut usize,
    ) -> c_uint;
    fn dst_blk_bio_start_accounting(bio: *mut bindings::bio) -> u32;
    fn dst_blk_bio_end_accounting(bio: *mut bindings::bio, cookie: u32);
    fn dst_blk_bio_copy(
        bio: *const bindings::bio,
        iter: *const bindings::bvec_iter,
        buffer: *mut c_void,
        bytes: c_uint,
        to_bio: bool,
    ) -> bool;
}

/// `bi_cookie` of a bio that is not accounted for (`BLK_QC_T_NONE`).
const NOT_ACCOUNTED: u32 = u32::MAX;

/// A sector is `1 << SECTOR_SHIFT` bytes.
pub const SECTOR_SHIFT: u32 = kernel::block::SECTOR_SHIFT;

/// What a bio asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Read into the bio's pages.
    Read,
    /// Write the bio's pages. May carry a flush to be done first, see [`Flags::preflush`].
    Write,
    /// Flush the volatile cache: a write without data that carries the pre-flush flag.
    Flush,
    /// Forget the range.
    Discard,
    /// Make the range read as zeroes.
    WriteZeroes,
    /// Anything that our disks never offer: secure erase and the zone operations.
    Unsupported,
}

/// Flags of a bio (`REQ_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flags(u32);

impl Flags {
    const fn has(self, bit: u32) -> bool {
        self.0 & (1 << bit) != 0
    }

    /// The volatile cache is to be flushed before this bio's own data is written.
    pub const fn preflush(self) -> bool {
        self.has(bindings::req_flag_bits___REQ_PREFLUSH)
    }

    /// The data is to be on stable storage when the bio ends.
    pub const fn fua(self) -> bool {
        self.has(bindings::req_flag_bits___REQ_FUA)
    }

    /// The submitter must not be made to wait.
    pub const fn nowait(self) -> bool {
        self.has(bindings::req_flag_bits___REQ_NOWAIT)
    }

    /// Write-zeroes must not free the blocks.
    pub const fn nounmap(self) -> bool {
        self.has(bindings::req_flag_bits___REQ_NOUNMAP)
    }

    /// Somebody waits for this bio.
    pub const fn sync(self) -> bool {
        self.has(bindings::req_flag_bits___REQ_SYNC)
    }

    /// Metadata of a filesystem.
    pub const fn meta(self) -> bool {
        self.has(bindings::req_flag_bits___REQ_META)
    }

    /// Read ahead: may fail without harm.
    pub const fn read_ahead(self) -> bool {
        self.has(bindings::req_flag_bits___REQ_RAHEAD)
    }
}

/// A position and a length within a bio. Each piece of a bio has its own.
///
/// It may only be used with the bio that it came from, and not after that has ended.
#[derive(Clone, Copy)]
pub struct BioIter {
    pub(super) raw: bindings::bvec_iter,
    /// The bio, for comparison only.
    of: NonNull<bindings::bio>,
}

// SAFETY: The pointer is only compared.
unsafe impl Send for BioIter {}

// SAFETY: The pointer is only compared.
unsafe impl Sync for BioIter {}

impl BioIter {
    /// First sector, on the disk that accepted the bio.
    #[inline]
    pub fn sector(&self) -> u64 {
        self.raw.bi_sector
    }

    /// Length in bytes; for operations without data the length of the range.
    #[inline]
    pub fn bytes(&self) -> u32 {
        self.raw.bi_size
    }

    /// Shortens the piece to `bytes` bytes. Does nothing if it is not longer.
    #[inline]
    pub fn truncate(&mut self, bytes: u32) {
        self.raw.bi_size = self.raw.bi_size.min(bytes);
    }
}

/// The sole handle of a bio that one of our disks has accepted, or that was lent
/// ([`DeviceBio::lend`](super::device_bio::DeviceBio::lend)).
///
/// Dropping it ends the bio with [`Status::Io`].
///
/// # Invariants
///
/// - The pointee is a valid bio that was handed to our `submit_bio`, or lent, and has not ended. Only
///   one that was lent has no block device.
/// - Its `bi_next` and `bi_cookie` belong to us; `bi_cookie` is [`NOT_ACCOUNTED`] or the low half
///   of the time when the accounting started.
/// - No other `Bio` has this pointer. If a [`SharedBio`] has it, this `Bio` is only reachable
///   through that by shared reference.
#[repr(transparent)]
pub struct Bio(NonNull<bindings::bio>);

// SAFETY: An accepted bio may be worked on and ended by any task and in any context.
unsafe impl Send for Bio {}

// SAFETY: The methods that take `&self` only read fields that nobody changes until the bio ends
// (`bi_status` is not one of them), and copying page contents is a matter of the pages' owner.
unsafe impl Sync for Bio {}

impl Bio {
    /// Takes over a bio in `submit_bio` and starts its accounting.
    ///
    /// # Safety
    ///
    /// `bio` must be valid, just handed to the `submit_bio` operation of one of our disks, and
    /// ended only through the returned handle.
    #[inline]
    pub(super) unsafe fn accept(bio: NonNull<bindings::bio>) -> Self {
        // SAFETY: `bio` is valid and ours by the requirements of this function. Its `bi_next` is
        // null, as for every bio that is submitted.
        unsafe {
            (*bio.as_ptr()).__bindgen_anon_1.bi_cookie = dst_blk_bio_start_accounting(bio.as_ptr());
        }
        // INVARIANT: As above.
        Self(bio)
    }

    /// Takes over a bio that belongs to a [`DeviceBio`](super::device_bio::DeviceBio). It is not
    /// accounted for.
    ///
    /// # Safety
    ///
    /// `bio` must be valid, as `bio_init` leaves it, not submitted to anything, and ended only
    /// through the returned handle.
    pub(super) unsafe fn lent(bio: NonNull<bindings::bio>) -> Self {
        // INVARIANT: Valid and ours by the requirements of this function. `bio_init` has set
        // `bi_cookie` to `BLK_QC_T_NONE`.
        Self(bio)
    }

    /// The raw bio, still owned by `self`.
    #[inline]
    pub(super) fn as_ptr(&self) -> *mut bindings::bio {
        self.0.as_ptr()
    }

    /// Flags and operation as one word.
    #[inline]
    fn opf(&self) -> u32 {
        // SAFETY: The bio is valid by the type invariants.
        unsafe { (*self.as_ptr()).bi_opf }
    }

    /// What the bio asks for.
    #[inline]
    pub fn op(&self) -> Op {
        match self.opf() & 0xff {
            bindings::req_op_REQ_OP_READ => Op::Read,
            bindings::req_op_REQ_OP_WRITE if self.bytes() == 0 && self.flags().preflush() => {
                Op::Flush
            }
            bindings::req_op_REQ_OP_WRITE => Op::Write,
            bindings::req_op_REQ_OP_DISCARD => Op::Discard,
            bindings::req_op_REQ_OP_WRITE_ZEROES => Op::WriteZeroes,
            _ => Op::Unsupported,
        }
    }

    /// The bio's flags.
    #[inline]
    pub fn flags(&self) -> Flags {
        Flags(self.opf())
    }

    /// The whole bio as a piece.
    #[inline]
    pub fn iter(&self) -> BioIter {
        // SAFETY: The bio is valid by the type invariants, and nobody changes `bi_iter`.
        let raw = unsafe { (*self.as_ptr()).bi_iter };
        BioIter { raw, of: self.0 }
    }

    /// The C view of a piece of this bio; an empty one if `iter` belongs to another bio.
    #[inline]
    pub(super) fn own(&self, iter: &BioIter) -> bindings::bvec_iter {
        let mut raw = iter.raw;
        if iter.of != self.0 {
            kernel::pr_warn_once!("a piece of another bio was used\n");
            raw.bi_size = 0;
        }
        raw
    }

    /// First sector, on the whole disk also for a bio that was sent to a partition.
    #[inline]
    pub fn sector(&self) -> u64 {
        self.iter().sector()
    }

    /// Length in bytes. Bio-based disks get bios unsplit: it can be anything below 4 GiB.
    #[inline]
    pub fn bytes(&self) -> u32 {
        self.iter().bytes()
    }

    /// Moves the start of a piece of this bio forward by `bytes`, at most to its end.
    #[inline]
    pub fn advance(&self, iter: &mut BioIter, bytes: u32) {
        let mut raw = self.own(iter);
        let bytes = bytes.min(raw.bi_size);
        // SAFETY: The bio is valid, `raw` is a position in it, and `bytes` is not more than it
        // has left.
        unsafe { dst_blk_bio_advance(self.as_ptr(), &mut raw, bytes) };
        iter.raw = raw;
    }

    /// Copies the memory segments at the start of a piece, as many as fit.
    ///
    /// Empty for operations without data. [`Segments::bytes`] tells how much of the piece it
    /// covers; advance the piece by what was transferred and ask again.
    #[inline]
    pub fn segments(&self, iter: &BioIter) -> Segments<'_> {
        let raw = self.own(iter);
        // SAFETY: The C function writes no more than `max` elements, all with memory of this bio,
        // whose pages stay allocated until it ends: not while it is borrowed.
        unsafe {
            Segments::fill_with(|vecs, max| {
                let mut bytes = 0;
                let count =
                    dst_blk_bio_gather(self.as_ptr(), &raw, vecs, max as c_uint, &mut bytes);
                (count as usize, bytes)
            })
        }
    }

    /// Copies `data` into the memory at the start of a piece. For reads.
    ///
    /// `EINVAL` if the piece is shorter or the operation has no data.
    pub fn write_at(&self, iter: &BioIter, data: &[u8]) -> Result {
        let bytes = c_uint::try_from(data.len()).map_err(|_| EINVAL)?;
        // SAFETY: `data` is valid for reads of `bytes` bytes and, as the direction is into the
        // bio, is not written.
        let done = unsafe {
            dst_blk_bio_copy(
                self.as_ptr(),
                &self.own(iter),
                data.as_ptr().cast_mut().cast(),
                bytes,
                true,
            )
        };
        done.then_some(()).ok_or(EINVAL)
    }

    /// Copies from the memory at the start of a piece to `data`. For writes.
    ///
    /// `EINVAL` if the piece is shorter or the operation has no data.
    pub fn read_at(&self, iter: &BioIter, data: &mut [u8]) -> Result {
        let bytes = c_uint::try_from(data.len()).map_err(|_| EINVAL)?;
        // SAFETY: `data` is valid for writes of `bytes` bytes.
        let done = unsafe {
            dst_blk_bio_copy(
                self.as_ptr(),
                &self.own(iter),
                data.as_mut_ptr().cast(),
                bytes,
                false,
            )
        };
        done.then_some(()).ok_or(EINVAL)
    }

    /// Ends the bio and its accounting. Callable in any context.
    pub fn end(self, status: Status) {
        let bio = ManuallyDrop::new(self);
        bio.note(status);
        // SAFETY: By the type invariants this is the only handle, and it is forgotten here.
        unsafe { bio.finish() };
    }

    /// Makes a counted handle of this one, for a bio with several pieces.
    #[inline]
    pub fn share(self) -> SharedBio {
        let bio = ManuallyDrop::new(self);
        // SAFETY: The bio is valid and its `bi_next` is ours.
        unsafe { (*bio.as_ptr()).bi_next = core::ptr::without_provenance_mut(1) };
        // INVARIANT: There is one handle, and the count says so.
        SharedBio(bio.0)
    }

    /// The bio's result so far.
    fn result(&self) -> &Atomic<i8> {
        // SAFETY: The bio is valid while `self` lives. `bi_status` is one byte, as the type, and
        // others too only access it as a whole.
        unsafe { Atomic::from_ptr((&raw mut (*self.as_ptr()).bi_status).cast::<i8>()) }
    }

    /// Keeps `status` as the bio's result if it is the first error.
    ///
    /// A success never overwrites what is there: the status of a bio that others are chained to
    /// may already hold the error of one of these.
    fn note(&self, status: Status) {
        if !status.is_ok() {
            let _ = self
                .result()
                .cmpxchg(0, status.as_raw() as i8, ordering::Relaxed);
        }
    }

    /// The first error, if there has been one.
    fn noted(&self) -> Status {
        Status::from_raw(self.result().load(ordering::Relaxed) as bindings::blk_status_t)
    }

    /// Ends the accounting and the bio.
    ///
    /// # Safety
    ///
    /// The caller must be the last to use the bio through any handle.
    unsafe fn finish(&self) {
        let bio = self.as_ptr();
        // SAFETY: The bio is valid, and by the requirements nobody else uses it. `bi_next` is
        // null again, as the submitter may use the bio anew.
        unsafe {
            (*bio).bi_next = core::ptr::null_mut();
            let cookie = (*bio).__bindgen_anon_1.bi_cookie;
            if cookie != NOT_ACCOUNTED {
                (*bio).__bindgen_anon_1.bi_cookie = NOT_ACCOUNTED;
                dst_blk_bio_end_accounting(bio, cookie);
            }
            bindings::bio_endio(bio);
        }
    }
}

impl Drop for Bio {
    fn drop(&mut self) {
        self.note(Status::Io);
        // SAFETY: By the type invariants this is the only handle, and it is going away.
        unsafe { self.finish() };
    }
}
