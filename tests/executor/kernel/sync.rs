// SPDX-License-Identifier: GPL-2.0

//! `kernel::sync`: locks, condition variables, completions and references, made of loom's.

use super::context;
use core::ops::{Deref, DerefMut};
use loom::sync as model;
use std::cell::Cell;

pub use std::sync::Arc;

/// A reference that counts nothing.
pub struct ArcBorrow<'a, T: ?Sized>(&'a Arc<T>);

impl<T: ?Sized> Clone for ArcBorrow<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ?Sized> Copy for ArcBorrow<'_, T> {}

impl<T: ?Sized> Deref for ArcBorrow<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0
    }
}

impl<T: ?Sized> From<ArcBorrow<'_, T>> for Arc<T> {
    fn from(borrow: ArcBorrow<'_, T>) -> Self {
        borrow.0.clone()
    }
}

impl<T> ArcBorrow<'_, T> {
    /// What a waker points to: `arc` is made of its pointer and never dropped, so the count stays
    /// as it is. The few bytes that hold the pointer are not given back.
    pub fn lent(arc: Arc<T>) -> Self {
        let place = Box::new(core::mem::ManuallyDrop::new(arc));
        Self(Box::leak(place))
    }
}

/// What the kernel's `Arc` has beside the standard library's.
pub trait KernelArc<T>: Sized {
    fn pin_init(value: impl super::PinInit<T>, _: super::Flags) -> super::Result<Self>;
    fn as_arc_borrow(&self) -> ArcBorrow<'_, T>;
}

impl<T> KernelArc<T> for Arc<T> {
    fn pin_init(value: impl super::PinInit<T>, _: super::Flags) -> super::Result<Self> {
        Ok(Arc::new(value.make()))
    }

    fn as_arc_borrow(&self) -> ArcBorrow<'_, T> {
        ArcBorrow(self)
    }
}

/// A lock. A spin lock makes its holder's context atomic.
pub struct Lock<T, const SPIN: bool> {
    inner: model::Mutex<T>,
}

pub type Mutex<T> = Lock<T, false>;
pub type SpinLockIrq<T> = Lock<T, true>;

pub struct Guard<'a, T, const SPIN: bool> {
    /// `None` while [`CondVar::wait`] has it.
    inner: Option<model::MutexGuard<'a, T>>,
}

impl<T, const SPIN: bool> Lock<T, SPIN> {
    pub fn new(value: T) -> Self {
        context::made();
        Self {
            inner: model::Mutex::new(value),
        }
    }

    pub fn lock(&self) -> Guard<'_, T, SPIN> {
        if SPIN {
            context::enter();
        } else {
            context::may_sleep("a mutex is taken");
        }
        Guard {
            inner: Some(self.inner.lock().unwrap()),
        }
    }
}

impl<T, const SPIN: bool> Drop for Lock<T, SPIN> {
    fn drop(&mut self) {
        context::freed("what has a lock is freed");
    }
}

impl<T, const SPIN: bool> Drop for Guard<'_, T, SPIN> {
    fn drop(&mut self) {
        drop(self.inner.take());
        if SPIN {
            context::leave();
        }
    }
}

impl<T, const SPIN: bool> Deref for Guard<'_, T, SPIN> {
    type Target = T;

    fn deref(&self) -> &T {
        self.inner.as_ref().unwrap()
    }
}

impl<T, const SPIN: bool> DerefMut for Guard<'_, T, SPIN> {
    fn deref_mut(&mut self) -> &mut T {
        self.inner.as_mut().unwrap()
    }
}

loom::thread_local! {
    static SIGNAL: Cell<bool> = Cell::new(false);
}

/// From now on a signal is pending for the calling thread.
pub fn send_signal() {
    SIGNAL.with(|signal| signal.set(true));
}

pub fn signal_pending() -> bool {
    SIGNAL.with(Cell::get)
}

/// Threads that sleep until they are told to look.
#[derive(Default)]
pub struct CondVar {
    inner: model::Condvar,
}

impl CondVar {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn wait<T, const SPIN: bool>(&self, guard: &mut Guard<'_, T, SPIN>) {
        if SPIN {
            context::leave();
        }
        context::may_sleep("a condition is waited for");
        let inner = guard.inner.take().unwrap();
        guard.inner = Some(self.inner.wait(inner).unwrap());
        if SPIN {
            context::enter();
        }
    }

    /// True if a signal was pending. One that comes later is not modelled: it would be the same
    /// as one that comes before this call, but for who else had the lock meanwhile.
    pub fn wait_interruptible<T, const SPIN: bool>(&self, guard: &mut Guard<'_, T, SPIN>) -> bool {
        let signal = signal_pending();
        if !signal {
            self.wait(guard);
        }
        signal
    }

    pub fn notify_one(&self) {
        self.inner.notify_one();
    }

    pub fn notify_all(&self) {
        self.inner.notify_all();
    }
}

#[macro_export]
macro_rules! new_lock {
    ($value:expr $(, $name:literal)? $(,)?) => {
        $crate::sync::Lock::new($value)
    };
}

#[macro_export]
macro_rules! new_condvar {
    ($($name:literal)?) => {
        $crate::sync::CondVar::new()
    };
}

pub mod completion {
    //! An event that happens once.

    use super::{context, model};

    pub struct Completion {
        done: model::Mutex<bool>,
        changed: model::Condvar,
    }

    impl Completion {
        pub fn new() -> Self {
            context::made();
            Self {
                done: model::Mutex::new(false),
                changed: model::Condvar::new(),
            }
        }

        pub fn complete_all(&self) {
            *self.done.lock().unwrap() = true;
            self.changed.notify_all();
        }

        pub fn is_done(&self) -> bool {
            *self.done.lock().unwrap()
        }

        pub fn wait_for_completion(&self) {
            context::may_sleep("a completion is waited for");
            let mut done = self.done.lock().unwrap();
            while !*done {
                done = self.changed.wait(done).unwrap();
            }
        }
    }

    impl Drop for Completion {
        fn drop(&mut self) {
            context::freed("what has a completion is freed");
        }
    }
}

pub mod atomic {
    //! Atomics. What the kernel orders fully is only acquired and released here, so a model that
    //! holds does not need more. A failed compare-exchange orders nothing, as in the kernel.

    use loom::sync::atomic as model;

    pub mod ordering {
        pub use super::Order::{Acquire, Full, Relaxed, Release};
    }

    #[derive(Clone, Copy)]
    pub enum Order {
        Relaxed,
        Acquire,
        Release,
        Full,
    }

    impl From<Order> for model::Ordering {
        fn from(order: Order) -> Self {
            match order {
                Order::Relaxed => Self::Relaxed,
                Order::Acquire => Self::Acquire,
                Order::Release => Self::Release,
                Order::Full => Self::AcqRel,
            }
        }
    }

    /// A number that loom has an atomic for.
    pub trait Value: Copy {
        type Atomic;

        fn atomic(self) -> Self::Atomic;
    }

    pub struct Atomic<T: Value>(T::Atomic);

    impl<T: Value> Atomic<T> {
        pub fn new(value: T) -> Self {
            Self(value.atomic())
        }
    }

    macro_rules! atomic {
        ($type:ty, $model:ty) => {
            impl Value for $type {
                type Atomic = $model;

                fn atomic(self) -> $model {
                    <$model>::new(self)
                }
            }

            impl Atomic<$type> {
                pub fn load(&self, order: Order) -> $type {
                    self.0.load(order.into())
                }

                pub fn store(&self, value: $type, order: Order) {
                    self.0.store(value, order.into());
                }

                pub fn cmpxchg(
                    &self,
                    old: $type,
                    new: $type,
                    order: Order,
                ) -> Result<$type, $type> {
                    let failed = model::Ordering::Relaxed;
                    self.0.compare_exchange(old, new, order.into(), failed)
                }

                pub fn fetch_add(&self, value: $type, order: Order) -> $type {
                    self.0.fetch_add(value, order.into())
                }

                pub fn fetch_sub(&self, value: $type, order: Order) -> $type {
                    self.0.fetch_sub(value, order.into())
                }
            }
        };
    }

    atomic!(u32, model::AtomicU32);
    atomic!(u64, model::AtomicU64);
    atomic!(usize, model::AtomicUsize);

    /// A figure for people, or one that a single thread changes at a time: nothing depends on when
    /// others see it, so loom need not look at it.
    pub struct Figure<T>(std::sync::Mutex<T>);

    impl<T: Copy + core::ops::Add<Output = T> + core::ops::Sub<Output = T>> Figure<T> {
        pub const fn new(value: T) -> Self {
            Self(std::sync::Mutex::new(value))
        }

        pub fn load(&self, _: Order) -> T {
            *self.0.lock().unwrap()
        }

        pub fn store(&self, value: T, _: Order) {
            *self.0.lock().unwrap() = value;
        }

        pub fn fetch_add(&self, value: T, _: Order) -> T {
            let mut place = self.0.lock().unwrap();
            let old = *place;
            *place = old + value;
            old
        }

        pub fn fetch_sub(&self, value: T, _: Order) -> T {
            let mut place = self.0.lock().unwrap();
            let old = *place;
            *place = old - value;
            old
        }
    }
}
