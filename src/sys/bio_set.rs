// SPDX-License-Identifier: GPL-2.0

//! Bios for local nodes: clones of pieces of an accepted bio, from a reserve of their own.
//!
//! # Why an allocation here cannot deadlock
//!
//! While a task is in `submit_bio`, bios that it submits are only put on `current->bio_list` and
//! sent after our operation has returned. So if one accepted bio needs several clones, and the
//! reserve runs out, the task would wait for clones that sit unsent on its own list. The set is
//! therefore made with `BIOSET_NEED_RESCUER`: before `bio_alloc_bioset` sleeps, it hands the bios
//! of this set that are on the list to a work item, which sends them from a context with a list of
//! its own. They then end and return to the reserve without any help from the sleeping task.
//!
//! Two things keep the rescuer itself from getting stuck:
//!
//! - It only sends bios of its own set, so no set may be used on two levels of a tree: a lower
//!   level's clones would be waited for by the work item that has to send them. Every local node
//!   has a set of its own, which makes this so.
//! - No context `C` and no bookkeeping is allocated apart from the clone: `C` lies in front of the
//!   bio (`front_pad`), so there is no second allocation that could wait for the first.
//!
//! C header: [`include/linux/bio.h`](srctree/include/linux/bio.h)

use super::{
    bdev::BlockDevice,
    bio::{BioIter, SharedBio, Status},
};
use core::{marker::PhantomData, mem::MaybeUninit, pin::Pin, ptr::NonNull};
use kernel::{
    bindings,
    error::to_result,
    ffi::c_int,
    prelude::*,
    sync::{Arc, Completion},
    types::Opaque,
};

// The C structures contain empty ones, which Rust calls not FFI-safe; no such value is passed.
#[allow(improper_ctypes)]
extern "C" {
    fn dst_blk_bio_set_init_users(
        users: *mut bindings::percpu_ref,
        release: Option<unsafe extern "C" fn(*mut bindings::percpu_ref)>,
    ) -> c_int;
    fn dst_blk_bio_set_get(users: *mut bindings::percpu_ref);
    fn dst_blk_bio_set_put(users: *mut bindings::percpu_ref);
    fn dst_blk_bio_set_kill(users: *mut bindings::percpu_ref);
    fn dst_blk_bio_set_clone(
        set: *mut bindings::bio_set,
        source: *mut bindings::bio,
        iter: *const bindings::bvec_iter,
        bdev: *mut bindings::block_device,
        sector: bindings::sector_t,
        drop: bindings::blk_opf_t,
        nowait: bool,
    ) -> *mut bindings::bio;
    fn dst_blk_bio_set_flush(
        set: *mut bindings::bio_set,
        bdev: *mut bindings::block_device,
    ) -> *mut bindings::bio;
}

/// What happens when a clone or a flush has ended.
pub trait CloneEnd: Send + Sized + 'static {
    /// Gets the context back, with the source's handle that was given at submission.
    ///
    /// Runs in any context, hard interrupts included: it must not sleep, and takes only locks
    /// that are taken with interrupts off everywhere. It must not drop the last reference to the
    /// [`BioSet`], whose `Drop` waits for this call to return.
    fn end(self, source: Option<SharedBio>, status: Status);
}

/// Which flags of the source a clone keeps. All others (sync, meta, nounmap, ...) it always does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// Neither wait for memory nor in the device; without it the flag is cleared.
    ///
    /// Only for clones made in the submitter's own context. A device that does not support it
    /// does not get the flag.
    pub nowait: bool,
    /// Flush this device before the data. Clear it when flushing is a step of its own.
    pub preflush: bool,
    /// Have the data on stable storage when the clone ends.
    pub fua: bool,
}

impl Keep {
    /// For data whose pre-flush, if any, has been done, sent from where waiting is allowed.
    pub const DATA: Self = Self {
        nowait: false,
        preflush: false,
        fua: true,
    };
}

/// A clone that was not made because nothing was to wait; nothing has been sent.
pub struct Refused<C> {
    /// The source that was passed in.
    pub source: SharedBio,
    /// The context that was passed in.
    pub context: C,
}

/// What lies in front of each bio of a set.
struct Front<C> {
    context: C,
    source: Option<SharedBio>,
    set: NonNull<Inner>,
}

impl<C> Front<C> {
    /// Size in front of the bio: enough for `Self`, and it keeps the bio aligned.
    const PAD: usize = {
        assert!(
            align_of::<Self>() <= align_of::<u64>(),
            "bio sets only align to 8 bytes"
        );
        size_of::<Self>().next_multiple_of(16)
    };
}

/// The part of a set that must not move.
///
/// # Invariants
///
/// `set` and `users` are initialised until `Inner` is dropped by [`BioSet::drop`].
#[pin_data]
struct Inner {
    #[pin]
    set: Opaque<bindings::bio_set>,
    /// One reference for the set itself and one for each bio under way.
    #[pin]
    users: Opaque<bindings::percpu_ref>,
    #[pin]
    all_back: Completion,
    device: Arc<BlockDevice>,
}

// SAFETY: A bio set, a percpu_ref and a completion may be used and released by any task.
unsafe impl Send for Inner {}

// SAFETY: The C functions used on the fields through a shared reference do their own locking.
unsafe impl Sync for Inner {}

/// Makes bios with a context `C` for one local block device, and knows when all are back.
///
/// Dropping it sleeps until every bio has come back and its [`CloneEnd::end`] has returned; only
/// then it lets go of the device.
pub struct BioSet<C: CloneEnd> {
    inner: Pin<KBox<Inner>>,
    contexts: PhantomData<fn(C) -> C>,
}

impl<C: CloneEnd> BioSet<C> {
    /// Makes a set for `device` that can always provide `reserve` bios. May sleep.
    pub fn new(device: Arc<BlockDevice>, reserve: u32) -> Result<Self> {
        let pad = u32::try_from(Front::<C>::PAD).map_err(|_| EINVAL)?;
        let inner = KBox::try_pin_init(
            try_pin_init!(Inner {
                set <- Opaque::try_ffi_init(|set: *mut bindings::bio_set| {
                    // SAFETY: The slot is valid for writes. A `bio_set` must be zero before its
                    // initialisation, because some members are only set for certain flags.
                    unsafe {
                        set.write_bytes(0, 1);
                        to_result(bindings::bioset_init(
                            set,
                            reserve.max(1),
                            pad,
                            bindings::BIOSET_NEED_RESCUER as c_int,
                        ))
                    }
                }),
                users <- Opaque::ffi_init(|users: *mut bindings::percpu_ref| {
                    // SAFETY: The slot is valid for writes, and a `percpu_ref` may be zero.
                    unsafe { users.write_bytes(0, 1) }
                }),
                all_back <- Completion::new(),
                device,
            }),
            GFP_KERNEL,
        )?;
        // SAFETY: `users` is pinned and not yet initialised.
        let made = to_result(unsafe {
            dst_blk_bio_set_init_users(inner.users.get(), Some(Self::all_back))
        });
        if let Err(error) = made {
            // SAFETY: The set was initialised above and has never been used.
            unsafe { bindings::bioset_exit(inner.set.get()) };
            return Err(error);
        }
        // INVARIANT: Both have been initialised.
        Ok(Self {
            inner,
            contexts: PhantomData,
        })
    }

    /// The device that the bios go to.
    pub fn device(&self) -> &Arc<BlockDevice> {
        &self.inner.device
    }

    /// Sends the piece `iter` of `source` to `sector` of the device.
    ///
    /// The clone shares the source's vectors and pages; the handle stored with it keeps the
    /// source from ending before. May sleep for memory (`GFP_NOIO`, never fails) unless
    /// `keep.nowait` is set, which is the only case that can be refused. Called in process
    /// context; the end may come before this returns.
    pub fn submit_clone(
        &self,
        source: SharedBio,
        iter: BioIter,
        sector: u64,
        keep: Keep,
        context: C,
    ) -> Result<(), Refused<C>> {
        let mut drop_flags = 0;
        if !keep.preflush {
            drop_flags |= 1 << bindings::req_flag_bits___REQ_PREFLUSH;
        }
        if !keep.fua {
            drop_flags |= 1 << bindings::req_flag_bits___REQ_FUA;
        }
        let nowait = keep.nowait && source.flags().nowait();
        // SAFETY: The set is initialised, the source is valid and stays so while its handle is
        // in front of the clone, the piece is checked to belong to it, and the device is open.
        let bio = unsafe {
            dst_blk_bio_set_clone(
                self.inner.set.get(),
                source.as_ptr(),
                &source.own(&iter),
                self.inner.device.as_ptr(),
                sector,
                drop_flags,
                nowait,
            )
        };
        let Some(bio) = NonNull::new(bio) else {
            return Err(Refused { source, context });
        };
        // SAFETY: The bio comes from our set just now.
        unsafe { self.send(bio, Some(source), context) };
        Ok(())
    }

    /// Asks the device to flush its volatile cache.
    ///
    /// `source`, if any, is kept from ending until then. May sleep for memory (`GFP_NOIO`, never
    /// fails). Called in process context; the end may come before this returns.
    pub fn submit_flush(&self, source: Option<SharedBio>, context: C) {
        // SAFETY: The set is initialised and the device is open.
        let bio =
            unsafe { dst_blk_bio_set_flush(self.inner.set.get(), self.inner.device.as_ptr()) };
        match NonNull::new(bio) {
            // SAFETY: The bio comes from our set just now.
            Some(bio) => unsafe { self.send(bio, source, context) },
            // An allocation that may wait succeeds in the end; this is for the compiler.
            None => context.end(source, Status::Resource),
        }
    }

    /// Puts the context in front of the bio and submits it.
    ///
    /// # Safety
    ///
    /// `bio` must be freshly allocated from this set.
    unsafe fn send(&self, bio: NonNull<bindings::bio>, source: Option<SharedBio>, context: C) {
        // SAFETY: `users` is initialised, and the set's own reference keeps it alive.
        unsafe { dst_blk_bio_set_get(self.inner.users.get()) };
        // SAFETY: The set was made with `PAD` bytes in front of each bio, aligned as `PAD`
        // asserts, and the bio is ours until it is submitted.
        unsafe {
            Self::front(bio.as_ptr()).write(MaybeUninit::new(Front {
                context,
                source,
                set: NonNull::from(&*self.inner),
            }));
            (*bio.as_ptr()).bi_end_io = Some(Self::end_io);
            bindings::submit_bio_noacct(bio.as_ptr());
        }
    }

    /// Where the context of a bio of this set lies.
    fn front(bio: *mut bindings::bio) -> *mut MaybeUninit<Front<C>> {
        bio.wrapping_byte_sub(Front::<C>::PAD).cast()
    }

    /// # Safety
    ///
    /// Only as `bi_end_io` of a bio that [`Self::send`] has submitted, once.
    unsafe extern "C" fn end_io(bio: *mut bindings::bio) {
        // SAFETY: `send` has initialised the memory in front of the bio, and this is the only
        // place that takes it out.
        let (front, status) = unsafe {
            (
                Self::front(bio).read().assume_init(),
                Status::from_raw((*bio).bi_status),
            )
        };
        // SAFETY: The bio has ended, so it is ours again; nothing in front of it is used any more.
        unsafe { bindings::bio_put(bio) };
        front.context.end(front.source, status);
        // SAFETY: The reference taken in `send` keeps `Inner` alive until here.
        unsafe { dst_blk_bio_set_put(front.set.as_ref().users.get()) };
    }

    /// # Safety
    ///
    /// Only as the release function of `users` of an [`Inner`].
    unsafe extern "C" fn all_back(users: *mut bindings::percpu_ref) {
        // SAFETY: `users` is the field of an `Inner`, which is freed only after this signal.
        let inner = unsafe { &*kernel::container_of!(Opaque::cast_from(users), Inner, users) };
        inner.all_back.complete_all();
    }
}

impl<C: CloneEnd> Drop for BioSet<C> {
    fn drop(&mut self) {
        // SAFETY: `users` and `set` are initialised. Nobody submits any more, as that needs a
        // reference to `self`, and after the wait no bio is left and no `end_io` is running.
        unsafe {
            dst_blk_bio_set_kill(self.inner.users.get());
            self.inner.all_back.wait_for_completion();
            bindings::percpu_ref_exit(self.inner.users.get());
            bindings::bioset_exit(self.inner.set.get());
        }
    }
}
