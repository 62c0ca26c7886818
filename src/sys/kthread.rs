// SPDX-License-Identifier: GPL-2.0

//! Kernel threads.
//!
//! A [`Thread`] runs one closure and is joined when its handle is dropped, so no thread of this
//! module can outlive the module's text. Telling the closure to return is the caller's business:
//! the run queue that it serves has a flag for that.
//!
//! A thread can have one value of its own ([`Slot::hold`]), which whatever runs on it reaches by
//! [`own`] without being handed it.
//!
//! C headers: `include/linux/kthread.h`, `include/linux/sched.h`, `include/linux/sched/mm.h`.

use super::cpu::CpuSet;
use core::{any::Any, cell::Cell, ffi::c_int, ffi::c_void, ptr::NonNull};
use kernel::{bindings, error::from_err_ptr, error::to_result, prelude::*};

// The kernel's own bindings pass these structures by pointer in the same way; the lint minds an
// empty lock class deep inside them.
#[allow(improper_ctypes)]
extern "C" {
    fn dst_blk_kthread_create(
        run: unsafe extern "C" fn(*mut c_void) -> c_int,
        data: *mut c_void,
        name: *const kernel::ffi::c_char,
    ) -> *mut bindings::task_struct;
    fn dst_blk_kthread_own_data(run: unsafe extern "C" fn(*mut c_void) -> c_int) -> *mut c_void;
    fn dst_blk_kthread_allow_interrupt();
    fn dst_blk_kthread_interrupt(task: *mut bindings::task_struct);
    fn dst_blk_kthread_run_time(task: *mut bindings::task_struct) -> u64;
    fn dst_blk_cond_resched();
    fn dst_blk_kthread_wait_stop();
    fn dst_blk_memalloc_noreclaim_save() -> u32;
    fn dst_blk_memalloc_noreclaim_restore(flags: u32);
    fn dst_blk_memalloc_noio_save() -> u32;
    fn dst_blk_memalloc_noio_restore(flags: u32);
}

/// The lowest nice level: the largest share of a CPU.
pub const NICE_MIN: i32 = -20;
/// The highest nice level.
pub const NICE_MAX: i32 = 19;

/// Where a thread finds its own value.
///
/// # Invariants
///
/// Only the thread that it was made for reaches it. A pointer in it is that of a value borrowed
/// by a [`Slot::hold`] that has not returned.
pub struct Slot {
    held: Cell<Option<NonNull<dyn Any>>>,
}

impl Slot {
    /// Runs `f`, during which [`own`] finds `value` on this thread.
    pub fn hold<R>(&self, value: &dyn Any, f: impl FnOnce() -> R) -> R {
        // INVARIANT: The borrow lasts until `f` has returned, and the pointer is gone then.
        let before = self.held.replace(Some(NonNull::from(value)));
        let result = f();
        self.held.set(before);
        result
    }
}

/// What a thread is given: its work, and the place for its own value.
struct Body {
    work: KBox<dyn FnMut(&Slot) + Send>,
    slot: Slot,
}

/// A running kernel thread; dropping the handle waits until the thread's closure has returned.
///
/// # Invariants
///
/// `task` is a thread made by `kthread_create` that was woken once and not yet stopped; it stays
/// allocated until `kthread_stop` was called on it, since its body waits for that call. `body` is
/// the pointer that the thread was given; the thread owns it if its function was called.
pub struct Thread {
    task: NonNull<bindings::task_struct>,
    body: NonNull<Body>,
}

// SAFETY: A task may be stopped from any thread, and its body is `Send`.
unsafe impl Send for Thread {}
// SAFETY: The methods that take `&self` change scheduling properties, which the scheduler
// serialises.
unsafe impl Sync for Thread {}

/// # Safety
///
/// `data` must come from `KBox::into_raw` of a `KBox<Body>`, whose ownership passes to this call.
unsafe extern "C" fn run(data: *mut c_void) -> c_int {
    let body: *mut Body = data.cast();
    // SAFETY: By the requirement of this function the body is there, and nothing else uses the
    // work; the slot is used by this thread alone, by shared references.
    unsafe { ((*body).work)(&(*body).slot) };
    // SAFETY: By the requirement of this function. The work has returned, so nothing on this
    // thread asks for its slot any more.
    drop(unsafe { KBox::from_raw(body) });
    // A thread that returned could be freed before `kthread_stop` reaches it, so it stays until
    // it is asked to end.
    // SAFETY: A kernel thread calls this on itself.
    unsafe { dst_blk_kthread_wait_stop() };
    0
}

/// Calls `f` with the value that the current thread holds ([`Slot::hold`]); `None` if it holds
/// none, if it is no [`Thread`], or in an interrupt. Any context.
pub fn own<R>(f: impl FnOnce(&dyn Any) -> R) -> Option<R> {
    // SAFETY: No requirements; the function compares the pointer only.
    let body: *mut Body = unsafe { dst_blk_kthread_own_data(run) }.cast();
    if body.is_null() {
        return None;
    }
    // SAFETY: The current thread executes `run`, and not what follows the work there, since that
    // calls nothing of ours: the body is there. By the invariant of `Slot` the slot is this
    // thread's.
    let held = unsafe { (*body).slot.held.get() }?;
    // SAFETY: By the invariant of `Slot` the value is borrowed by a call further up this thread's
    // stack, which cannot return before `f` has.
    Some(f(unsafe { held.as_ref() }))
}

impl Thread {
    /// Starts a thread called `name` (15 bytes of it are its `comm`, all are seen in `ps`) with a
    /// nice level ([`Self::set_nice`]) that runs `body` once.
    ///
    /// May sleep. Errors: `ENOMEM`, `EINTR` when the caller was killed meanwhile.
    pub fn spawn<F: FnOnce(&Slot) + Send + 'static>(
        name: &CStr,
        nice: i32,
        body: F,
    ) -> Result<Self> {
        let mut once = Some(body);
        let work = move |slot: &Slot| {
            if let Some(body) = once.take() {
                body(slot);
            }
        };
        let body = Body {
            work: KBox::new(work, GFP_KERNEL)?,
            slot: Slot {
                held: Cell::new(None),
            },
        };
        let body = NonNull::from(KBox::leak(KBox::new(body, GFP_KERNEL)?));
        // SAFETY: `run` takes the ownership of the body as it asks for, when the thread starts.
        let task = unsafe { dst_blk_kthread_create(run, body.as_ptr().cast(), name.as_char_ptr()) };
        let task = from_err_ptr(task)
            .and_then(|task| NonNull::new(task).ok_or(ENOMEM))
            .inspect_err(|_| {
                // SAFETY: The thread was not made, so the body is still ours.
                drop(unsafe { KBox::from_raw(body.as_ptr()) });
            })?;
        // INVARIANT: Made above, woken below.
        let thread = Self { task, body };
        thread.set_nice(nice);
        // SAFETY: The thread was made above and was not started yet.
        unsafe { bindings::wake_up_process(thread.task.as_ptr()) };
        Ok(thread)
    }

    /// Sets the nice level, [`NICE_MIN`] to [`NICE_MAX`]. May sleep.
    pub fn set_nice(&self, nice: i32) {
        // SAFETY: By the type invariant the task is allocated.
        unsafe {
            bindings::set_user_nice(
                self.task.as_ptr(),
                nice.clamp(NICE_MIN, NICE_MAX) as kernel::ffi::c_long,
            )
        };
    }

    /// Lets the thread run on these CPUs only. The body must have begun: a kernel thread sets its
    /// CPUs itself when it starts. May sleep. Errors: `EINVAL` when none of them can be used; then
    /// nothing has changed.
    pub fn set_cpus(&self, cpus: &CpuSet) -> Result {
        // SAFETY: By the type invariant the task is allocated; the mask is only read.
        to_result(unsafe {
            bindings::set_cpus_allowed_ptr(self.task.as_ptr(), cpus.mask().as_raw())
        })
    }

    /// Sends a signal, which ends interruptible waiting of a thread that has called
    /// [`allow_interrupt`].
    pub fn interrupt(&self) {
        // SAFETY: By the type invariant the task is allocated.
        unsafe { dst_blk_kthread_interrupt(self.task.as_ptr()) };
    }

    /// Nanoseconds for which the thread has had a CPU, as of its last tick or switch.
    pub fn run_time(&self) -> u64 {
        // SAFETY: By the type invariant the task is allocated.
        unsafe { dst_blk_kthread_run_time(self.task.as_ptr()) }
    }
}

/// Lets [`Thread::interrupt`] reach the current thread, a kernel thread; without it such a thread
/// gets no signal.
pub fn allow_interrupt() {
    // SAFETY: Changes the signal handling of the current thread only, which shares it with none.
    unsafe { dst_blk_kthread_allow_interrupt() };
}

/// Lets the current thread run on these CPUs only. May sleep. Errors: as [`Thread::set_cpus`].
pub fn set_own_cpus(cpus: &CpuSet) -> Result {
    // SAFETY: The current task is allocated while it runs this; the mask is only read.
    to_result(unsafe {
        bindings::set_cpus_allowed_ptr(bindings::get_current(), cpus.mask().as_raw())
    })
}

impl Drop for Thread {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the task is allocated and was not stopped before.
        let result = unsafe { bindings::kthread_stop(self.task.as_ptr()) };
        if result == -(bindings::EINTR as c_int) {
            // SAFETY: Stopped before its first instruction, the thread never called `run`, so by
            // the type invariant the body is still ours.
            drop(unsafe { KBox::from_raw(self.body.as_ptr()) });
        }
    }
}

/// Lets other threads run if the scheduler wants so. Process context.
pub fn cond_resched() {
    // SAFETY: No requirements but process context, where it may sleep.
    unsafe { dst_blk_cond_resched() };
}

/// What the page allocator may do for the current thread while a scope lasts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Reclaim {
    /// No block or file system I/O is started to free memory.
    NoIo,
    /// No reclaim at all, and the reserves may be used: for threads that write dirty pages out.
    Reserves,
}

/// Runs `f` with the current thread's allocations limited as `reclaim` says.
pub fn with_reclaim<R>(reclaim: Reclaim, f: impl FnOnce() -> R) -> R {
    // SAFETY: The scopes nest, each is left below on the thread that entered it.
    let saved = unsafe {
        match reclaim {
            Reclaim::NoIo => dst_blk_memalloc_noio_save(),
            Reclaim::Reserves => dst_blk_memalloc_noreclaim_save(),
        }
    };
    let result = f();
    // SAFETY: `saved` is what entering this scope gave.
    unsafe {
        match reclaim {
            Reclaim::NoIo => dst_blk_memalloc_noio_restore(saved),
            Reclaim::Reserves => dst_blk_memalloc_noreclaim_restore(saved),
        }
    }
    result
}
