// SPDX-License-Identifier: GPL-2.0

//! A [`Waker`] made of a reference-counted object.
//!
//! The standard library's `Wake` trait lives in `alloc`, which the kernel does not have; this is
//! its counterpart over the kernel's [`Arc`].

use core::{
    mem::ManuallyDrop,
    task::{RawWaker, RawWakerVTable, Waker},
};
use kernel::sync::{Arc, ArcBorrow};

/// What a waker does.
pub trait Wake: Send + Sync + 'static {
    /// Makes the object runnable. Called in any context, hard interrupts and foreign locks
    /// included: it must not sleep, free memory or drop a last reference.
    fn wake(this: ArcBorrow<'_, Self>);
}

struct Table<W>(core::marker::PhantomData<W>);

impl<W: Wake> Table<W> {
    const VTABLE: RawWakerVTable =
        RawWakerVTable::new(Self::clone, Self::wake, Self::wake_by_ref, Self::drop);

    /// # Safety
    ///
    /// `data` must come from `Arc::<W>::into_raw`, whose reference stays with the caller.
    unsafe fn clone(data: *const ()) -> RawWaker {
        // SAFETY: By the requirement; `ManuallyDrop` leaves the reference with the caller.
        let arc = ManuallyDrop::new(unsafe { Arc::<W>::from_raw(data.cast()) });
        RawWaker::new(Arc::into_raw((*arc).clone()).cast(), &Self::VTABLE)
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
    unsafe {
        Waker::from_raw(RawWaker::new(
            Arc::into_raw(arc).cast(),
            &Table::<W>::VTABLE,
        ))
    }
}
