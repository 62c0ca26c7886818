// SPDX-License-Identifier: GPL-2.0

//! Several futures in one task: the first that ends, or all of them.
//!
//! The futures are taken pinned, so what they have done so far is not lost with the call: the one
//! that did not win can be awaited again. They are polled in the order given and all of them on
//! each wake-up, which is right for a few; many things at a time are tasks of a scope.

use core::{
    future::{poll_fn, Future},
    pin::Pin,
    task::Poll,
};

/// The result of [`select`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Either<A, B> {
    /// The first future ended.
    First(A),
    /// The second future ended.
    Second(B),
}

/// Awaits whichever of two futures ends first; `first` if both are ready.
pub async fn select<A, B>(
    mut first: Pin<&mut impl Future<Output = A>>,
    mut second: Pin<&mut impl Future<Output = B>>,
) -> Either<A, B> {
    poll_fn(|context| {
        if let Poll::Ready(value) = first.as_mut().poll(context) {
            return Poll::Ready(Either::First(value));
        }
        second.as_mut().poll(context).map(Either::Second)
    })
    .await
}

/// Awaits both futures.
pub async fn both<A, B>(
    mut first: Pin<&mut impl Future<Output = A>>,
    mut second: Pin<&mut impl Future<Output = B>>,
) -> (A, B) {
    let (mut a, mut b) = (None, None);
    poll_fn(|context| {
        // One that has ended is not polled again.
        if a.is_none() {
            if let Poll::Ready(value) = first.as_mut().poll(context) {
                a = Some(value);
            }
        }
        if b.is_none() {
            if let Poll::Ready(value) = second.as_mut().poll(context) {
                b = Some(value);
            }
        }
        match (a.take(), b.take()) {
            (Some(a), Some(b)) => Poll::Ready((a, b)),
            (left, right) => {
                (a, b) = (left, right);
                Poll::Pending
            }
        }
    })
    .await
}
