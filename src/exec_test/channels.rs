// SPDX-License-Identifier: GPL-2.0

//! Oneshots and channels.

use super::{
    context::{Context, Counter, Number, Token},
    locks::keep_busy,
};
use crate::{
    check,
    exec::{channel, channel::Refused, oneshot, spawn_value, yield_now},
};
use kernel::prelude::*;

/// One value arrives; a second one is given back.
pub fn once(context: &Context) -> Result {
    let (sender, mut receiver) = oneshot::<u32>()?;
    check!(receiver.try_receive() == Err(EAGAIN));
    let task = spawn_value(&context.one, c"receiver", async move {
        let first = receiver.receive().await;
        (first, receiver.receive().await)
    });
    let mut task = task?;
    check!(sender.send(7) == Ok(()));
    check!(sender.send(8) == Err(8) || sender.send(8) == Err(8));
    check!(context.wait(task.joined())? == Ok((Ok(7), Err(EPIPE))));
    check!(sender.send(9) == Err(9));
    Ok(())
}

/// Each side learns that the other is gone; a value that nobody takes is dropped.
pub fn once_closed(context: &Context) -> Result {
    let counter = Counter::new()?;
    let (sender, mut receiver) = oneshot::<Token>()?;
    let mut task = spawn_value(&context.one, c"receiver", async move {
        receiver.receive().await.map(drop)
    })?;
    drop(sender);
    check!(context.wait(task.joined())? == Ok(Err(EPIPE)));

    let (sender, receiver) = oneshot::<Token>()?;
    drop(receiver);
    check!(sender.send(counter.token()).is_err());
    check!(counter.dropped() == 1);

    let (sender, receiver) = oneshot::<Token>()?;
    check!(sender.send(counter.token()).is_ok());
    drop(sender);
    check!(counter.dropped() == 1);
    drop(receiver);
    check!(counter.dropped() == 2);

    // A value that was sent is there although the sender has gone.
    let (sender, mut receiver) = oneshot::<u32>()?;
    check!(sender.send(3) == Ok(()));
    drop(sender);
    check!(context.wait(receiver.receive())? == Ok(3));
    Ok(())
}

/// Values arrive in their order, and no more of them lie in the channel than it has room for.
pub fn in_order(context: &Context) -> Result {
    let (producer, mut consumer) = channel::<u32>(4)?;
    let sent = Number::new()?;
    let counted = sent.clone();
    let task = context.many.spawn(c"producer", async move {
        for n in 0..500 {
            if producer.send(n).await.is_err() {
                return;
            }
            counted.add();
        }
    })?;
    for n in 0..500 {
        check!(context.wait(consumer.receive())? == Some(n));
        // The one that was taken, four in the channel.
        check!(sent.get() <= n.saturating_add(5));
    }
    check!(context.wait(consumer.receive())?.is_none());
    context.wait(task.joined())?;
    Ok(())
}

/// A full channel refuses, an empty one says so, none without capacity is made.
pub fn bounded(_context: &Context) -> Result {
    check!(matches!(channel::<u32>(0).map(drop), Err(error) if error == EINVAL));
    let (producer, mut consumer) = channel::<u32>(2)?;
    check!(consumer.try_receive() == Err(EAGAIN));
    check!(producer.try_send(1).is_ok() && producer.try_send(2).is_ok());
    check!(matches!(producer.try_send(3), Err(Refused::Full(3))));
    check!(consumer.try_receive() == Ok(1));
    check!(producer.try_send(3).is_ok());
    check!(consumer.try_receive() == Ok(2) && consumer.try_receive() == Ok(3));
    drop(producer);
    check!(consumer.try_receive() == Err(EPIPE));
    Ok(())
}

/// Many producers and a narrow channel: nothing is lost, each producer's values keep their order.
pub fn many_producers(context: &Context) -> Result {
    const PRODUCERS: usize = 6;
    const VALUES: u32 = 200;
    let (producer, mut consumer) = channel::<(usize, u32)>(2)?;
    let mut tasks = KVec::with_capacity(PRODUCERS, GFP_KERNEL)?;
    for who in 0..PRODUCERS {
        let producer = producer.clone();
        let task = context.many.spawn(c"producer", async move {
            for n in 0..VALUES {
                let _ = producer.send((who, n)).await;
            }
        })?;
        tasks.push(task, GFP_KERNEL)?;
    }
    drop(producer);
    let mut next = [0u32; PRODUCERS];
    while let Some((who, n)) = context.wait(consumer.receive())? {
        let expected = next.get_mut(who).ok_or(EINVAL)?;
        check!(n == *expected);
        *expected = n.saturating_add(1);
    }
    check!(next == [VALUES; PRODUCERS]);
    Ok(())
}

/// What was sent before the last producer went is received, and then the end.
pub fn producers_gone(context: &Context) -> Result {
    let (producer, mut consumer) = channel::<u32>(4)?;
    let other = producer.clone();
    let mut task = spawn_value(&context.one, c"consumer", async move {
        let mut sum = 0u32;
        while let Some(value) = consumer.receive().await {
            sum = sum.saturating_add(value);
        }
        sum
    })?;
    drop(producer);
    check!(!task.handle().is_done());
    check!(context.wait(async { other.send(20).await })?.is_ok());
    check!(other.try_send(22).is_ok());
    drop(other);
    check!(context.wait(task.joined())? == Ok(42));
    Ok(())
}

/// Producers that wait get their values back when the consumer goes or closes the channel; what
/// lies in the channel is dropped with it, or received still.
pub fn consumer_gone(context: &Context) -> Result {
    let counter = Counter::new()?;
    for closed in [false, true] {
        let (producer, mut consumer) = channel::<Token>(1)?;
        check!(producer.try_send(counter.token()).is_ok());
        let (waiting, token) = (producer.clone(), counter.token());
        let mut task = spawn_value(&context.one, c"producer", async move {
            waiting.send(token).await.is_err()
        })?;
        // The producer stands in line before the consumer goes.
        let after = context.one.spawn(c"after", yield_now())?;
        context.wait(after.joined())?;
        let dropped = counter.dropped();
        if closed {
            consumer.close();
            check!(matches!(
                producer.try_send(counter.token()),
                Err(Refused::Closed(_))
            ));
            check!(consumer.try_receive().is_ok());
            check!(consumer.try_receive().is_err_and(|error| error == EPIPE));
            check!(counter.dropped() >= dropped.saturating_add(2));
        } else {
            drop(consumer);
        }
        check!(context.wait(task.joined())? == Ok(true));
        check!(producer.is_closed());
        check!(matches!(
            producer.try_send(counter.token()),
            Err(Refused::Closed(_))
        ));
    }
    check!(counter.made() == counter.dropped());
    Ok(())
}

/// A producer that always finds room lets others run.
pub fn endless_producer(context: &Context) -> Result {
    const ROOM: u32 = 100_000;
    let (producer, mut consumer) = channel::<u32>(ROOM as usize)?;
    let sent = Number::new()?;
    let counted = sent.clone();
    // Both are in the queue before the worker takes the first, so the other one comes right after the
    // producer's first turn, whatever this thread is held up by.
    let (hold, holding) = (Number::new()?, Number::new()?);
    let busy = keep_busy(context, &hold, &holding)?;
    let task = context.one.spawn(c"endless producer", async move {
        for n in 0..ROOM {
            let _ = producer.send(n).await;
            counted.add();
        }
    });
    let seen = sent.clone();
    let other = spawn_value(&context.one, c"other", async move { seen.get() });
    // Before anything can fail: all of them are joined then.
    hold.set(1);
    let (task, mut other) = (task?, other?);
    let seen = context.wait(other.joined())??;
    check!(seen < ROOM / 2);
    context.wait(busy.joined())?;
    context.wait(task.joined())?;
    check!(sent.get() == ROOM);
    check!(consumer.try_receive() == Ok(0));
    Ok(())
}
