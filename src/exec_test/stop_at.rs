// SPDX-License-Identifier: GPL-2.0

//! Cancelling a task at each of its await points in turn.

use super::context::{Context, Number};
use crate::{
    check,
    exec::{oneshot, Notify},
};
use core::{
    future::Future,
    pin::Pin,
    task::{Context as Polled, Poll},
};
use kernel::{prelude::*, sync::Arc};

/// Stops polling its future for good after a number of polls that were not the last.
#[pin_data]
struct StopAt<F> {
    #[pin]
    future: F,
    left: u32,
    reached: Arc<Notify>,
    polls: Number,
}

impl<F: Future<Output = ()>> Future for StopAt<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Polled<'_>) -> Poll<()> {
        let this = self.project();
        if *this.left == 0 {
            return Poll::Pending;
        }
        this.polls.add();
        let result = this.future.poll(context);
        *this.left = this.left.saturating_sub(1);
        if result.is_ready() || *this.left == 0 {
            this.reached.notify_one();
        }
        result
    }
}

/// Runs `work` as a task, cancels it after `polls` polls and joins it. Whether it was through
/// before that; its error is the result.
pub fn cancel_at(
    context: &Context,
    polls: u32,
    work: impl Future<Output = Result> + Send + 'static,
) -> Result<bool> {
    let reached = Arc::pin_init(Notify::new(), GFP_KERNEL)?;
    let polled = Number::new()?;
    let (sender, mut result) = oneshot::<Result>()?;
    let task = context.one.spawn(
        c"stopped",
        StopAt {
            future: async move {
                let _ = sender.send(work.await);
            },
            left: polls,
            reached: reached.clone(),
            polls: polled.clone(),
        },
    )?;
    context.wait(reached.notified(c"a number of polls"))?;
    task.cancel();
    context.wait(task.joined())?;
    let through = match result.try_receive() {
        Ok(result) => {
            result?;
            true
        }
        Err(_) => false,
    };
    check!(through || polled.get() == polls);
    Ok(through)
}
