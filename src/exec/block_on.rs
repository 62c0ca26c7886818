// SPDX-License-Identifier: GPL-2.0

//! Running a future on a thread that may sleep: the bridge from system calls to tasks.

use crate::sys::waker::{waker, Wake, WakerTable};
use core::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};
use kernel::{
    new_condvar, new_spinlock_irq,
    prelude::*,
    sync::{Arc, ArcBorrow, CondVar, SpinLockIrq},
};

#[pin_data]
struct Parker {
    #[pin]
    woken: SpinLockIrq<bool>,
    #[pin]
    changed: CondVar,
}

static WAKERS: WakerTable<Parker> = WakerTable::new();

impl Wake for Parker {
    fn table() -> &'static WakerTable<Self> {
        &WAKERS
    }

    fn wake(this: ArcBorrow<'_, Self>) {
        *this.woken.lock() = true;
        this.changed.notify_one();
    }
}

/// Polls `future` to its end on the calling thread, which sleeps meanwhile.
///
/// Process context, not on a worker of a pool. The future is taken pinned since futures are large
/// for a kernel stack; see [`boxed`]. Errors: `ENOMEM`; `EINTR` when a signal came.
pub fn block_on<T>(future: Pin<&mut impl Future<Output = T>>) -> Result<T> {
    run(future, true)
}

/// The same without regard to signals, for what ends soon and must be done.
pub fn block_on_deaf<T>(future: Pin<&mut impl Future<Output = T>>) -> Result<T> {
    run(future, false)
}

fn run<T>(mut future: Pin<&mut impl Future<Output = T>>, interruptible: bool) -> Result<T> {
    let parker = Arc::pin_init(
        pin_init!(Parker {
            woken <- new_spinlock_irq!(false, "dst_parker"),
            changed <- new_condvar!("dst_parker_changed"),
        }),
        GFP_KERNEL,
    )?;
    let waker = waker(parker.clone());
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return Ok(value);
        }
        let mut woken = parker.woken.lock();
        while !*woken {
            if !interruptible {
                parker.changed.wait(&mut woken);
            } else if parker.changed.wait_interruptible(&mut woken) {
                return Err(EINTR);
            }
        }
        *woken = false;
    }
}

/// Moves a future to the heap. Not inlined, so that the copy on the stack is gone when it runs.
/// May sleep. Errors: `ENOMEM`.
#[inline(never)]
pub fn boxed<F: Future>(future: F) -> Result<Pin<KBox<F>>> {
    Ok(KBox::pin(future, GFP_KERNEL)?)
}
