// SPDX-License-Identifier: GPL-2.0

//! `kernel::time`: nobody looks at the clock here. A timer may fire at any time after it was
//! started, and must not once it was cancelled.

use core::marker::PhantomData;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Delta(i64);

impl Delta {
    pub const fn from_nanos(nanoseconds: i64) -> Self {
        Self(nanoseconds)
    }

    pub const fn from_millis(milliseconds: i64) -> Self {
        Self(milliseconds * 1_000_000)
    }

    pub const fn from_secs(seconds: i64) -> Self {
        Self(seconds * 1_000_000_000)
    }

    pub const fn as_nanos(self) -> i64 {
        self.0
    }
}

#[derive(Clone, Copy)]
pub struct Monotonic;

#[derive(Clone, Copy)]
pub struct Instant<C>(PhantomData<C>);

impl<C> Instant<C> {
    pub fn now() -> Self {
        Self(PhantomData)
    }
}

impl<C> core::ops::Add<Delta> for Instant<C> {
    type Output = Self;

    fn add(self, _: Delta) -> Self {
        self
    }
}

pub mod hrtimer {
    //! A timer is a thread: [`interrupt`] makes its context that of a hard interrupt.

    use super::{Instant, PhantomData};
    use crate::{
        context::interrupt,
        sync::{Arc, ArcBorrow, KernelArc},
    };
    use loom::{sync as model, thread};

    pub struct AbsoluteMode<C>(PhantomData<C>);

    pub struct HrTimer<T>(PhantomData<fn(T)>);

    impl<T> HrTimer<T> {
        pub fn new() -> Self {
            Self(PhantomData)
        }
    }

    pub struct HrTimerCallbackContext<'a, T>(PhantomData<&'a fn(T)>);

    pub enum HrTimerRestart {
        NoRestart,
    }

    pub trait HrTimerCallback: Sized {
        type Pointer<'a>;

        fn run(this: ArcBorrow<'_, Self>, _: HrTimerCallbackContext<'_, Self>) -> HrTimerRestart;
    }

    #[macro_export]
    macro_rules! impl_has_hr_timer {
        ($($tokens:tt)*) => {};
    }

    pub use crate::impl_has_hr_timer;

    /// Stops the timer when dropped, and waits for a callback that is running.
    pub struct Handle {
        cancelled: Arc<model::Mutex<bool>>,
        thread: Option<thread::JoinHandle<()>>,
    }

    pub trait HrTimerPointer {
        fn start<C>(self, at: Instant<C>) -> Handle;
    }

    impl<T: HrTimerCallback + Send + Sync + 'static> HrTimerPointer for Arc<T> {
        fn start<C>(self, _: Instant<C>) -> Handle {
            let cancelled = Arc::new(model::Mutex::new(false));
            let shared = cancelled.clone();
            let thread = thread::spawn(move || {
                if !*shared.lock().unwrap() {
                    interrupt(|| T::run(self.as_arc_borrow(), HrTimerCallbackContext(PhantomData)));
                }
            });
            Handle {
                cancelled,
                thread: Some(thread),
            }
        }
    }

    impl Drop for Handle {
        fn drop(&mut self) {
            crate::context::may_sleep("a timer is cancelled");
            *self.cancelled.lock().unwrap() = true;
            if let Some(thread) = self.thread.take() {
                thread.join().unwrap();
            }
        }
    }
}

pub use hrtimer::impl_has_hr_timer;
