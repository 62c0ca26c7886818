// SPDX-License-Identifier: GPL-2.0

//! Kernel threads.
//!
//! A [`Thread`] runs one closure and is joined when its handle is dropped, so no thread of this
//! module can outlive the module's text. Telling the closure to return is the caller's business:
//! the run queue that it serves has a flag for that.
//!
//! C headers: `include/linux/kthread.h`, `include/linux/sched/mm.h`.

use core::{ffi::c_int, ffi::c_void, ptr::NonNull};
use kernel::{bindings, error::from_err_ptr, prelude::*};

// The kernel's own bindings pass these structures by pointer in the same way; the lint minds an
// empty lock class deep inside them.
#[allow(improper_ctypes)]
extern "C" {
    fn dst_blk_kthread_create(
        run: unsafe extern "C" fn(*mut c_void) -> c_int,
        data: *mut c_void,
        name: *const kernel::ffi::c_char,
    ) -> *mut bindings::task_struct;
    fn dst_blk_cond_resched();
    fn dst_blk_kthread_wait_stop();
    fn dst_blk_memalloc_noreclaim_save() -> u32;
    fn dst_blk_memalloc_noreclaim_restore(flags: u32);
    fn dst_blk_memalloc_noio_save() -> u32;
    fn dst_blk_memalloc_noio_restore(flags: u32);
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
    body: *mut c_void,
    discard: unsafe fn(*mut c_void),
}

// SAFETY: A task may be stopped from any thread.
unsafe impl Send for Thread {}
// SAFETY: No method takes `&self` but [`Thread::set_nice`], which the scheduler serialises.
unsafe impl Sync for Thread {}

/// Drops a body that no thread runs.
///
/// # Safety
///
/// As for [`run`].
unsafe fn discard<F>(data: *mut c_void) {
    // SAFETY: By the requirement of this function.
    drop(unsafe { KBox::<F>::from_raw(data.cast()) });
}

/// # Safety
///
/// `data` must come from `KBox::into_raw` of a `KBox<F>`, whose ownership passes to this call.
unsafe extern "C" fn run<F: FnOnce()>(data: *mut c_void) -> c_int {
    // SAFETY: By the requirement of this function.
    let body = unsafe { KBox::<F>::from_raw(data.cast()) };
    KBox::into_inner(body)();
    // A thread that returned could be freed before `kthread_stop` reaches it, so it stays until
    // it is asked to end.
    // SAFETY: A kernel thread calls this on itself.
    unsafe { dst_blk_kthread_wait_stop() };
    0
}

impl Thread {
    /// Starts a thread called `name` (15 bytes of it are seen in `ps`) that runs `body` once.
    ///
    /// May sleep. Errors: `ENOMEM`, `EINTR` when the caller was killed meanwhile.
    pub fn spawn<F: FnOnce() + Send + 'static>(name: &CStr, body: F) -> Result<Self> {
        let data: *mut c_void = KBox::into_raw(KBox::new(body, GFP_KERNEL)?).cast();
        // SAFETY: `run` takes the ownership of `data` as it asks for, when the thread starts.
        let task = unsafe { dst_blk_kthread_create(run::<F>, data, name.as_char_ptr()) };
        let task = from_err_ptr(task).inspect_err(|_| {
            // SAFETY: The thread was not made, so the box is still ours.
            unsafe { discard::<F>(data) };
        })?;
        // SAFETY: The thread was made above and was not started yet.
        unsafe { bindings::wake_up_process(task) };
        Ok(Self {
            // INVARIANT: Made and woken above.
            task: NonNull::new(task).ok_or(ENOMEM)?,
            body: data,
            discard: discard::<F>,
        })
    }

    /// Sets the nice level, -20 to 19. May sleep.
    pub fn set_nice(&self, nice: i32) {
        // SAFETY: By the type invariant the task is allocated.
        unsafe {
            bindings::set_user_nice(
                self.task.as_ptr(),
                nice.clamp(-20, 19) as kernel::ffi::c_long,
            )
        };
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the task is allocated and was not stopped before.
        let result = unsafe { bindings::kthread_stop(self.task.as_ptr()) };
        if result == -(bindings::EINTR as c_int) {
            // SAFETY: Stopped before its first instruction, the thread never called `run`, so by
            // the type invariant the body is still ours.
            unsafe { (self.discard)(self.body) };
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
