// SPDX-License-Identifier: GPL-2.0

//! A caller's place in a run queue, while all workers that it could have are busy.

use super::schedule::On;
use crate::sys::completion::{Completion, Wait, Waited};
use kernel::{
    list::{impl_list_arc_safe, impl_list_item, AtomicTracker, ListLinks, TryNewListArc},
    prelude::*,
    sync::{
        atomic::{ordering, Atomic},
        Arc,
    },
};

/// Nobody has answered.
const OPEN: u64 = u64::MAX;

/// The worker has left.
const GONE: u64 = u64::MAX - 1;

/// A caller that waits.
///
/// It is in the run queue's list until somebody takes it out: a worker, which answers it then, or
/// the caller, who gives it up. So one of both happens, and never both.
#[pin_data]
pub(super) struct Ticket {
    #[pin]
    links: ListLinks,
    #[pin]
    tracker: AtomicTracker,
    on: On,
    /// The number of the worker, or one of the constants above.
    answer: Atomic<u64>,
    #[pin]
    answered: Completion,
}

impl_list_arc_safe! {
    impl ListArcSafe<0> for Ticket { tracked_by tracker: AtomicTracker; }
}
impl_list_item! {
    impl ListItem<0> for Ticket { using ListLinks { self.links }; }
}

impl Ticket {
    /// A ticket for the worker or workers `on`. May sleep. Errors: `ENOMEM`.
    pub(super) fn new(on: On) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                links <- ListLinks::new(),
                tracker <- AtomicTracker::new(),
                on,
                answer: Atomic::new(OPEN),
                answered <- Completion::new(),
            }),
            GFP_KERNEL,
        )
    }

    /// Whether worker `number` may serve it.
    pub(super) fn fits(&self, number: u32) -> bool {
        match self.on {
            On::Any => true,
            On::Worker(wanted) => wanted == number,
        }
    }

    /// Whether worker `number` and no other may serve it.
    pub(super) fn only(&self, number: u32) -> bool {
        self.on == On::Worker(number)
    }

    /// Tells the caller that worker `number` was reserved for it.
    pub(super) fn answer(&self, number: u32) {
        self.answer.store(number.into(), ordering::Release);
        self.answered.complete();
    }

    /// Tells the caller that its worker has left.
    pub(super) fn answer_gone(&self) {
        self.answer.store(GONE, ordering::Release);
        self.answered.complete();
    }

    /// Waits for the answer. May sleep.
    pub(super) fn wait(&self, how: Wait) -> Waited {
        self.answered.wait(how)
    }

    /// The answer: `None` if there is none yet; `ESRCH` if the worker has left.
    pub(super) fn answered(&self) -> Option<Result<u32>> {
        match self.answer.load(ordering::Acquire) {
            OPEN => None,
            GONE => Some(Err(ESRCH)),
            number => Some(u32::try_from(number).map_err(|_| ESRCH)),
        }
    }
}
