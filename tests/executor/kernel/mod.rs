// SPDX-License-Identifier: GPL-2.0

//! The kernel crate as far as the executor uses it, made of loom's primitives.
//!
//! What stands for what:
//!
//! | kernel                        | here                                                            |
//! |-------------------------------|-----------------------------------------------------------------|
//! | `SpinLockIrq`                 | loom's mutex; its holder may not sleep nor free ([`context`])    |
//! | `Mutex`                       | loom's mutex                                                     |
//! | `CondVar`                     | loom's; no thread is woken for no reason                         |
//! | `Completion`                  | a flag under loom's mutex, and its condition variable            |
//! | `Atomic`                      | loom's atomic; `Full` as acquire and release                     |
//! | `Arc`, `KBox`, `KVec`         | the standard library's; counting references is not looked into   |
//! | `List`, `AtomicTracker`       | a queue, and the kernel's orders on loom's atomic                |
//! | an hrtimer                    | a thread that calls back when it likes, unless cancelled first   |
//! | a kernel thread               | a thread of loom's                                               |
//! | a soft or hard interrupt      | a thread of loom's whose context is atomic                       |
//! | a time limit, a pending signal | waiting ends at once if the event has not come, at any time that this is |

pub mod alloc;
pub mod context;
pub mod list;
pub mod sync;
pub mod time;

pub mod types {
    //! `kernel::types`.

    /// A value that is reached by a pointer alone.
    pub struct Opaque<T>(core::cell::UnsafeCell<T>);

    impl<T> Opaque<T> {
        pub const fn new(value: T) -> Self {
            Self(core::cell::UnsafeCell::new(value))
        }

        pub const fn get(&self) -> *mut T {
            self.0.get()
        }
    }
}

pub mod fmt {
    //! `kernel::fmt`.
    pub use core::fmt::*;
}

pub mod str {
    //! `kernel::str`: names are for people, so all are empty here.

    #[derive(Default)]
    pub struct CString;

    impl CString {
        pub fn try_from_fmt(_: core::fmt::Arguments<'_>) -> super::Result<Self> {
            Ok(Self)
        }
    }

    impl core::ops::Deref for CString {
        type Target = core::ffi::CStr;

        fn deref(&self) -> &core::ffi::CStr {
            c""
        }
    }
}

pub mod debugfs {
    //! `kernel::debugfs`: nobody reads here.

    pub struct Dir;
    pub struct File<T>(core::marker::PhantomData<T>);

    impl Dir {
        pub fn new(_: &core::ffi::CStr) -> Self {
            Self
        }

        pub fn read_callback_file<T, F>(&self, _: &core::ffi::CStr, _: T, _: &F) -> File<T>
        where
            F: Fn(&T, &mut core::fmt::Formatter<'_>) -> core::fmt::Result,
        {
            File(core::marker::PhantomData)
        }
    }
}

/// An error of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Error(i32);

pub type Result<T = (), E = Error> = core::result::Result<T, E>;

macro_rules! errors {
    ($($name:ident = $number:literal,)*) => {
        $(pub const $name: Error = Error(-$number);)*
    };
}

errors! {
    ESRCH = 3, EINTR = 4, EAGAIN = 11, ENOMEM = 12, EBUSY = 16, EINVAL = 22, ENOSPC = 28,
    EPIPE = 32, ERANGE = 34, EDEADLK = 35, ENODATA = 61, ESHUTDOWN = 108, ETIMEDOUT = 110,
    EALREADY = 114, ECANCELED = 125,
}

/// How memory is allocated. It never fails here.
#[derive(Clone, Copy)]
pub struct Flags;

pub const GFP_KERNEL: Flags = Flags;

/// What makes a `T` in its place. Here a value makes itself, and moves there.
pub trait PinInit<T> {
    fn make(self) -> T;
}

impl<T> PinInit<T> for T {
    fn make(self) -> T {
        self
    }
}

/// A structure's fields, each a value (`:`) or made in its place (`<-`).
#[macro_export]
macro_rules! pin_init {
    ($type:ident { $($fields:tt)* }) => {
        $crate::pin_init!(@ $type, [], $($fields)*)
    };
    (@ $type:ident, [$($done:tt)*],) => {
        $type { $($done)* }
    };
    (@ $type:ident, [$($done:tt)*], $field:ident <- $value:expr, $($rest:tt)*) => {
        $crate::pin_init!(@ $type, [$($done)* $field: $crate::PinInit::make($value),], $($rest)*)
    };
    (@ $type:ident, [$($done:tt)*], $field:ident : $value:expr, $($rest:tt)*) => {
        $crate::pin_init!(@ $type, [$($done)* $field: $value,], $($rest)*)
    };
    (@ $type:ident, [$($done:tt)*], $field:ident, $($rest:tt)*) => {
        $crate::pin_init!(@ $type, [$($done)* $field,], $($rest)*)
    };
}

#[macro_export]
macro_rules! fmt {
    ($($tokens:tt)*) => {
        format_args!("")
    };
}

/// What the module would only warn of.
#[macro_export]
macro_rules! warn_on {
    ($condition:expr) => {
        if $condition {
            $crate::must_not_be(stringify!($condition))
        }
    };
}

/// As [`warn_on`].
#[macro_export]
macro_rules! pr_warn_once {
    ($text:literal $($rest:tt)*) => {
        $crate::must_not_be($text)
    };
}

pub fn must_not_be(what: &str) {
    panic!("{what}");
}

pub use crate::{new_condvar, new_lock as new_mutex, new_lock as new_spinlock_irq};

pub mod prelude {
    //! `kernel::prelude`.
    pub use super::alloc::{KBox, KBoxInit, KVVec, KVec};
    pub use super::str::CString;
    pub use super::sync::KernelArc;
    pub use super::*;
    pub use crate::{fmt, pin_init};
    pub use core::{ffi::CStr, pin::Pin};
}
