// SPDX-License-Identifier: GPL-2.0

//! The executor: `async` tasks on pools of kernel threads.
//!
//! A [`Pool`] is a run queue served by kernel threads, a [`Spawner`] what makes tasks on it. A
//! [`Task`] is a future on the heap with a state word; whoever wakes it, a wait-queue callback in a
//! soft interrupt included, sets a bit, puts it on the run queue and wakes one thread. The
//! transitions of the state word are the pure table in [`crate::dst_core::task_state`], which the
//! host model-checks.
//!
//! Invariants:
//! - A future is polled by one thread at a time, and never after it has ended or was cancelled.
//! - A pool that is dropped cancels its tasks and waits for them, and its threads are joined before
//!   that returns. A [`JoinHandle`] cancels and joins its task when dropped, so no code of the module
//!   runs on behalf of a handle that is gone.
//! - An I/O spawns no task and allocates nothing here: tasks are made at set-up.
//!
//! Locking: waker cells nest inside foreign wait-queue locks, the run queue's lock inside waker
//! cells. All of them disable interrupts.
//!
//! Cancellation: a cancelled task is run once more by its pool, to drop the future, and is then
//! done. Dropping a future is where its resources are released, so futures must not own memory
//! that hardware, the block layer or the network can still reach.

pub mod awaits;
pub mod block_on;
pub mod blocking;
pub mod channel;
pub mod lease;
pub mod mutex;
pub mod notify;
pub mod oneshot;
pub mod pool;
pub mod pools;
pub mod ring;
pub mod run_queue;
pub mod schedule;
pub mod scope;
pub mod select;
pub mod semaphore;
pub mod slab;
pub mod spawner;
pub mod task;
pub mod tasks;
pub mod ticket;
pub mod timer;
pub mod value;
pub mod waker_cell;
pub mod worker;

pub use awaits::wait_for;
pub use block_on::{block_on, block_on_deaf, boxed};
pub use blocking::run_blocking;
pub use channel::channel;
pub use lease::Leases;
pub use mutex::AsyncMutex;
pub use notify::Notify;
pub use oneshot::oneshot;
pub use pool::{Pool, Settings};
pub use pools::Pools;
pub use ring::Ring;
pub use schedule::{On, Pending};
pub use scope::{scope, Scope};
pub use select::{both, select, Either};
pub use semaphore::Semaphore;
pub use spawner::Spawner;
pub use task::{yield_now, JoinHandle, TaskName};
pub use tasks::TasksFile;
pub use timer::{timeout, timeout_at, Timer};
pub use value::{join_all, spawn_value, ValueHandle};
pub use waker_cell::WakerCell;
