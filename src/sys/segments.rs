// SPDX-License-Identifier: GPL-2.0

//! A bounded window of memory segments for one socket operation.
//!
//! C header: [`include/linux/bvec.h`](srctree/include/linux/bvec.h)

use core::{marker::PhantomData, mem::MaybeUninit};
use kernel::{
    bindings,
    page::{Page, PAGE_SIZE},
};

// The C structures contain empty ones, which Rust calls not FFI-safe; no such value is passed.
#[allow(improper_ctypes)]
extern "C" {
    fn dst_blk_segments_splice_ok(
        vecs: *const bindings::bio_vec,
        count: kernel::ffi::c_uint,
    ) -> bool;
}

/// Most segments that one [`Segments`] holds.
///
/// A segment may span many physically contiguous pages, so this is at least 128 KiB of payload
/// with 4 KiB pages and far more with large folios.
pub const MAX_SEGMENTS: usize = 32;

/// Up to [`MAX_SEGMENTS`] stretches of page memory, copied out of a bio or a page list.
///
/// The segments describe memory that somebody else owns; `'a` ties them to that owner. The
/// memory may be written through them (a socket receives into it) whatever the kind of borrow,
/// because page contents are never reachable as Rust references.
///
/// # Invariants
///
/// - `vecs[first..first + count]` is initialised, and `first + count <= MAX_SEGMENTS`.
/// - Each of these describes memory that stays allocated for `'a`, and has a length above zero.
/// - `bytes` is the sum of their lengths.
pub struct Segments<'a> {
    vecs: [MaybeUninit<bindings::bio_vec>; MAX_SEGMENTS],
    first: usize,
    count: usize,
    bytes: usize,
    owner: PhantomData<&'a Page>,
}

// SAFETY: The segments are plain addresses of memory that is not bound to a task or a CPU.
unsafe impl Send for Segments<'_> {}

// SAFETY: Nothing can be changed through a shared reference to `Segments`.
unsafe impl Sync for Segments<'_> {}

impl<'a> Segments<'a> {
    /// An empty window.
    #[inline]
    pub const fn empty() -> Self {
        // INVARIANT: The initialised part is empty.
        Self {
            vecs: [const { MaybeUninit::uninit() }; MAX_SEGMENTS],
            first: 0,
            count: 0,
            bytes: 0,
            owner: PhantomData,
        }
    }

    /// Builds the window by letting `fill` write into the array.
    ///
    /// `fill` gets the array and its size and returns how many elements it wrote and how many
    /// bytes they cover.
    ///
    /// # Safety
    ///
    /// `fill` must initialise as many elements from the start as it returns, each with a length
    /// above zero and for memory that stays allocated for `'a`, and the bytes must be their sum.
    #[inline]
    pub unsafe fn fill_with(
        fill: impl FnOnce(*mut bindings::bio_vec, usize) -> (usize, usize),
    ) -> Self {
        let mut segments = Self::empty();
        let (count, bytes) = fill(segments.vecs.as_mut_ptr().cast(), MAX_SEGMENTS);
        // INVARIANT: By the safety requirements of this function.
        segments.count = count;
        segments.bytes = bytes;
        segments
    }

    /// The segments of `bytes` bytes that start `offset` bytes into the memory of `pages`.
    ///
    /// Ends early when the pages or the room in the window end; [`Segments::bytes`] tells how far
    /// it reaches.
    pub fn from_pages(pages: &'a [Page], offset: usize, bytes: usize) -> Self {
        let mut segments = Self::empty();
        let mut within = offset % PAGE_SIZE;
        let mut left = bytes;

        for page in pages.iter().skip(offset / PAGE_SIZE).take(MAX_SEGMENTS) {
            let length = left.min(PAGE_SIZE - within);
            if length == 0 {
                break;
            }
            // INVARIANT: The page is borrowed for `'a`, the stretch lies inside it and is not
            // empty, and `take` keeps the count within the array.
            segments.vecs[segments.count].write(bindings::bio_vec {
                bv_page: page.as_ptr(),
                bv_len: length as u32,
                bv_offset: within as u32,
            });
            segments.count += 1;
            segments.bytes += length;
            left -= length;
            within = 0;
        }
        segments
    }

    /// How many segments are left.
    #[inline]
    pub fn count(&self) -> usize {
        self.count
    }

    /// How many bytes are left.
    #[inline]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether nothing is left.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The first segment left, for building an `iov_iter`. Valid for [`Segments::len`] elements.
    #[inline]
    pub fn as_ptr(&self) -> *const bindings::bio_vec {
        self.vecs.as_ptr().wrapping_add(self.first).cast()
    }

    /// Number of elements behind [`Segments::as_ptr`]; the same as [`Segments::count`].
    #[inline]
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether every page may be handed to a socket by reference (`MSG_SPLICE_PAGES`).
    ///
    /// Slab memory and pages without a reference count may not: they have to be copied.
    pub fn splice_ok(&self) -> bool {
        // SAFETY: By the type invariants, `as_ptr()` is valid for `count` initialised elements
        // that describe allocated memory.
        unsafe { dst_blk_segments_splice_ok(self.as_ptr(), self.count as u32) }
    }

    /// Drops the first `bytes` bytes, after that much has been transferred.
    ///
    /// More than is left empties the window.
    pub fn advance(&mut self, bytes: usize) {
        let mut left = bytes;

        while left > 0 && self.count > 0 {
            // SAFETY: By the type invariants, the element at `first` is initialised while
            // `count` is above zero.
            let vec = unsafe { self.vecs[self.first].assume_init_mut() };
            let length = vec.bv_len as usize;
            // INVARIANT: Either the element leaves the window, or its rest, which is not empty,
            // stays in it; `bytes` shrinks by as much.
            if left < length {
                vec.bv_offset += left as u32;
                vec.bv_len -= left as u32;
                self.bytes -= left;
                return;
            }
            self.first += 1;
            self.count -= 1;
            self.bytes -= length;
            left -= length;
        }
    }

    /// Shortens the window to its first `bytes` bytes. Does nothing if it is not longer.
    pub fn truncate(&mut self, bytes: usize) {
        let mut kept = 0;
        let mut count = 0;

        while count < self.count && kept < bytes {
            // SAFETY: By the type invariants, the elements from `first` on are initialised for
            // `count` of them.
            let vec = unsafe { self.vecs[self.first + count].assume_init_mut() };
            // INVARIANT: `kept < bytes`, so the shortened element is not empty.
            vec.bv_len = vec.bv_len.min((bytes - kept).min(u32::MAX as usize) as u32);
            kept += vec.bv_len as usize;
            count += 1;
        }
        // INVARIANT: `kept` is the sum of the lengths of the first `count` elements.
        self.count = count;
        self.bytes = kept;
    }
}
