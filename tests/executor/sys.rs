// SPDX-License-Identifier: GPL-2.0

//! `src/sys` as far as the executor uses it. The line of waiters, the wakers and the cell of the
//! async mutex are the driver's own sources; what calls C functions there is modelled here.

include!(concat!(env!("OUT_DIR"), "/sys.rs"));

pub mod clock {
    //! Time is for people here.

    pub fn coarse_milliseconds() -> i64 {
        0
    }
}

pub mod static_text {
    //! A text for people, which nothing depends on.

    pub struct StaticText(std::sync::Mutex<Option<&'static core::ffi::CStr>>);

    impl StaticText {
        pub const fn new() -> Self {
            Self(std::sync::Mutex::new(None))
        }

        pub fn set(&self, text: Option<&'static core::ffi::CStr>) {
            *self.0.lock().unwrap() = text;
        }

        pub fn get(&self) -> Option<&'static core::ffi::CStr> {
            *self.0.lock().unwrap()
        }

        pub fn is(&self, text: &'static core::ffi::CStr) -> bool {
            self.get().is_some_and(|set| core::ptr::eq(set, text))
        }

        pub fn is_set(&self) -> bool {
            self.get().is_some()
        }
    }
}

pub mod global {
    //! A value under a mutex, which lives for ever: longer than one interleaving, so not loom's.

    loom::lazy_static! {
        /// So that loom tries every order of those who come.
        static ref TURN: loom::sync::Mutex<()> = loom::sync::Mutex::new(());
    }

    pub struct Global<T>(std::sync::Mutex<T>);

    impl<T> Global<T> {
        pub const fn new(value: T) -> Self {
            Self(std::sync::Mutex::new(value))
        }

        pub fn with<R>(&'static self, f: impl FnOnce(&mut T) -> R) -> R {
            let _turn = TURN.lock().unwrap();
            f(&mut self.0.lock().unwrap())
        }
    }
}

pub mod cpu {
    //! Threads run wherever loom lets them.

    pub struct CpuSet;

    impl CpuSet {
        pub fn of_kernel_threads() -> crate::Result<Self> {
            Ok(Self)
        }
    }
}

pub mod completion {
    //! `sys::completion`: a time limit is over, and a signal has come, at once if the event has not
    //! happened. Since a thread can be late for any reason, that is any time.

    use crate::sync::{completion, signal_pending};
    use crate::{Result, EINTR, ETIMEDOUT};

    #[derive(Clone, Copy)]
    pub struct Wait {
        pub limit: Option<u32>,
        pub interruptible: bool,
    }

    impl Wait {
        pub const FOREVER: Self = Self {
            limit: None,
            interruptible: false,
        };

        pub const fn at_most(milliseconds: u32) -> Self {
            Self {
                limit: Some(milliseconds),
                interruptible: false,
            }
        }

        pub const fn interruptible(self) -> Self {
            Self {
                interruptible: true,
                ..self
            }
        }
    }

    #[must_use]
    #[derive(PartialEq)]
    pub enum Waited {
        Done,
        TimedOut,
        Signal,
    }

    impl Waited {
        pub fn ok(self) -> Result {
            match self {
                Self::Done => Ok(()),
                Self::TimedOut => Err(ETIMEDOUT),
                Self::Signal => Err(EINTR),
            }
        }
    }

    pub struct Completion(completion::Completion);

    impl Completion {
        pub fn new() -> Self {
            Self(completion::Completion::new())
        }

        pub fn complete(&self) {
            self.0.complete_all();
        }

        pub fn wait(&self, how: Wait) -> Waited {
            let signal = how.interruptible && signal_pending();
            if how.limit.is_some() || signal {
                return match self.0.is_done() {
                    true => Waited::Done,
                    false if signal => Waited::Signal,
                    false => Waited::TimedOut,
                };
            }
            self.0.wait_for_completion();
            Waited::Done
        }
    }
}

pub mod kthread {
    //! Kernel threads. Which worker a function runs on is not known here ([`own`]), so the checks
    //! that refuse what would wait for itself are not part of the model.

    use super::cpu::CpuSet;
    use crate::Result;
    use core::{any::Any, ffi::CStr};

    pub const NICE_MIN: i32 = -20;
    pub const NICE_MAX: i32 = 19;

    #[derive(Clone, Copy, PartialEq, Eq)]
    pub enum Reclaim {
        NoIo,
        Reserves,
    }

    pub fn with_reclaim<R>(_: Reclaim, f: impl FnOnce() -> R) -> R {
        f()
    }

    pub struct Slot;

    impl Slot {
        pub fn hold<R>(&self, _: &dyn Any, f: impl FnOnce() -> R) -> R {
            f()
        }
    }

    pub fn own<R>(_: impl FnOnce(&dyn Any) -> R) -> Option<R> {
        None
    }

    pub struct Thread(Option<loom::thread::JoinHandle<()>>);

    impl Thread {
        pub fn spawn<F>(_: &CStr, _: i32, body: F) -> Result<Self>
        where
            F: FnOnce(&Slot) + Send + 'static,
        {
            Ok(Self(Some(loom::thread::spawn(move || body(&Slot)))))
        }

        pub fn set_nice(&self, _: i32) {}

        pub fn set_cpus(&self, _: &CpuSet) -> Result {
            Ok(())
        }
    }

    impl Drop for Thread {
        fn drop(&mut self) {
            crate::context::may_sleep("a thread is joined");
            if let Some(thread) = self.0.take() {
                if !std::thread::panicking() {
                    thread.join().unwrap();
                }
            }
        }
    }

    pub fn set_own_cpus(_: &CpuSet) -> Result {
        Ok(())
    }

    /// No turn to be had: loom interrupts threads wherever it likes.
    pub fn cond_resched() {}
}
