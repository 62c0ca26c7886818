// SPDX-License-Identifier: GPL-2.0

//! A [`Waker`] made of a reference-counted object.
//!
//! The standard library's `Wake` trait lives in `alloc`, which the kernel does not have; this is
//! its counterpart over the kernel's [`Arc`]. Besides, it can tell whose waker one is, so that
//! what is polled finds the task that polls it.

use core::{
    marker::PhantomData,
    mem::ManuallyDrop,
    task::{RawWaker, RawWakerVTable, Waker},
};
use kernel::sync::{atomic::Atomic, Arc, ArcBorrow};

/// What a waker does.
pub trait Wake: Send + Sync + Sized + 'static {
    /// The table of this type's wakers, a `static`.
    fn table() -> &'static WakerTable<Self>;

    /// Makes the object runnable. Called in any context in which a spin lock may be taken, hard
    /// interrupts and foreign locks included: it must not sleep, free memory or drop a last
    /// reference. With `PREEMPT_RT` spin locks sleep, and the interrupts that it leaves hard, such
    /// as timers of the hard mode, are no such context.
    fn wake(this: ArcBorrow<'_, Self>);
}

/// The operations of the wakers of a `W`. The wakers of a type are known by its address.
///
/// # Invariants
///
/// `raw` is handed out by [`waker`] alone, and only with a pointer that `Arc::<W>::into_raw` gave.
pub struct WakerTable<W> {
    raw: RawWakerVTable,
    /// What can change has an address of its own: the compiler does not merge it with a constant
    /// of the same bytes, nor make a `static` of it unasked.
    _address: Atomic<u32>,
    _type: PhantomData<fn(W)>,
}

impl<W: Wake> WakerTable<W> {
    /// A table, for a `static`.
    #[allow(clippy::new_without_default)]
    pub const fn new() -> Self {
        // INVARIANT: Nobody has seen it yet.
        Self {
            raw: RawWakerVTable::new(Self::clone, Self::wake, Self::wake_by_ref, Self::drop),
            _address: Atomic::new(0),
            _type: PhantomData,
        }
    }

    /// # Safety
    ///
    /// `data` must come from `Arc::<W>::into_raw`, whose reference stays with the caller.
    unsafe fn clone(data: *const ()) -> RawWaker {
        // SAFETY: By the requirement; `ManuallyDrop` leaves the reference with the caller.
        let arc = ManuallyDrop::new(unsafe { Arc::<W>::from_raw(data.cast()) });
        RawWaker::new(Arc::into_raw((*arc).clone()).cast(), &W::table().raw)
    }

    /// # Safety
    ///
    /// As [`Self::clone`], but the reference is taken over.
    unsafe fn wake(data: *const ()) {
        // SAFETY: By the requirement.
        let arc = unsafe { Arc::<W>::from_raw(data.cast()) };
        W::wake(arc.as_arc_borrow());
    }

    /// # Safety
    ///
    /// As [`Self::clone`].
    unsafe fn wake_by_ref(data: *const ()) {
        // SAFETY: By the requirement; `ManuallyDrop` leaves the reference with the caller.
        let arc = ManuallyDrop::new(unsafe { Arc::<W>::from_raw(data.cast()) });
        W::wake(arc.as_arc_borrow());
    }

    /// # Safety
    ///
    /// As [`Self::wake`].
    unsafe fn drop(data: *const ()) {
        // SAFETY: By the requirement.
        drop(unsafe { Arc::<W>::from_raw(data.cast()) });
    }
}

/// Makes a waker that holds a reference to `arc`.
pub fn waker<W: Wake>(arc: Arc<W>) -> Waker {
    // SAFETY: The functions of the table keep the contract of `RawWakerVTable`: they are thread
    // safe because `W: Send + Sync`, and references are counted by the `Arc`.
    unsafe { Waker::from_raw(RawWaker::new(Arc::into_raw(arc).cast(), &W::table().raw)) }
}

/// The object that `waker` was made of, if it is a `W`. Any context.
pub fn target<W: Wake>(waker: &Waker) -> Option<ArcBorrow<'_, W>> {
    if !core::ptr::eq(waker.vtable(), &W::table().raw) {
        return None;
    }
    // SAFETY: Tables of other types lie elsewhere, since this one lives for ever, so by its
    // invariants the pointer comes from `Arc::<W>::into_raw`. The reference that `waker` holds
    // lasts as long as it is borrowed, and nobody has the object exclusively meanwhile.
    Some(unsafe { ArcBorrow::from_raw(waker.data().cast()) })
}
