// SPDX-License-Identifier: GPL-2.0

//! The sending half of a connection: a queue of messages and whoever empties it.
//!
//! A message is handed over by value, so that its memory has one owner while it is sent. The
//! thread that queues it empties the queue itself if nobody else is at it (no context switch per
//! message); where it may not sleep, or where the socket is full, the sender task goes on exactly
//! where the other stopped.
//!
//! No wake-up is lost: whoever has the lock looks at the queue and at the socket again after
//! letting go of it, and who did not get the lock has changed the queue before trying.

use super::{
    session::{frame, HEAD_BYTES},
    stream::STARVED_MS,
    Budget, Stream,
};
use crate::{
    dst_core::wire::HEADER_BYTES,
    exec::{wait_for, Ring, Timer},
    sys::segments::Segments,
};
use core::task::{Context, Poll};
use kernel::{
    new_mutex, new_spinlock_irq,
    prelude::*,
    sync::{Arc, Mutex, SpinLockIrq},
    time::Delta,
};

/// Something that is sent over a connection.
pub trait Message: Send + Sized + Unpin + 'static {
    /// What [`Message::sent`] reports to.
    type Owner;

    /// The message header; copied once, when sending begins.
    fn header(&self) -> [u8; HEADER_BYTES];

    /// The number of payload bytes that follow the header.
    fn payload_bytes(&self) -> u32;

    /// The payload from byte `offset` on, or the first part of that.
    fn segments(&self, offset: u32) -> Segments<'_>;

    /// Whether the payload's pages stay unchanged until the peer has answered this message or
    /// they are no longer referenced, so that they need not be copied.
    fn splice(&self) -> bool;

    /// Called when all of the message was handed to TCP. Process context.
    fn sent(self, owner: &Self::Owner);
}

struct Current<M> {
    message: M,
    head: [u8; HEAD_BYTES],
    done: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// Nothing is left to send.
    Idle,
    /// The socket is full; it will tell when it has room.
    Full,
    /// The socket has room, but memory is short.
    Starved,
    /// The connection is broken.
    Broken,
    /// The sending thread has done its share; there may be more.
    Spent,
}

/// Why the sender task cannot just go on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Pause {
    /// Memory is short: try again after [`STARVED_MS`].
    Starved,
    /// The connection is broken.
    Broken,
}

struct Queue<M> {
    messages: Ring<M>,
    /// Nothing is taken any more. Changed under the lock, so that no message is queued after the
    /// queue was emptied for good.
    closed: bool,
}

/// The sending half of one connection.
#[pin_data]
pub struct Sender<M: Message> {
    stream: Arc<Stream>,
    #[pin]
    current: Mutex<Option<Current<M>>>,
    #[pin]
    queue: SpinLockIrq<Queue<M>>,
}

impl<M: Message> Sender<M> {
    /// A sender with room for `capacity` messages that wait. May sleep. Errors: `ENOMEM`.
    pub fn new(stream: Arc<Stream>, capacity: usize) -> Result<Arc<Self>> {
        let messages = Ring::new(capacity)?;
        Arc::pin_init(
            pin_init!(Self {
                stream,
                current <- new_mutex!(None, "dst_sender_current"),
                queue <- new_spinlock_irq!(
                    Queue { messages, closed: false },
                    "dst_sender_queue"
                ),
            }),
            GFP_KERNEL,
        )
    }

    /// Queues `message` for the sender task. Any context. Gives it back if the queue is full or
    /// the connection is broken.
    pub fn queue(&self, message: M) -> Result<(), M> {
        let mut queue = self.queue.lock();
        if queue.closed {
            return Err(message);
        }
        queue.messages.push_back(message)
    }

    /// Wakes the sender task. Any context.
    pub fn wake(&self) {
        self.stream.wake_writer();
    }

    /// Sends what is queued, as far as the socket takes it, unless somebody else is at it.
    /// May sleep for memory and the socket's lock, not for the network.
    pub fn flush(&self, owner: &M::Owner) {
        match self.advance(owner) {
            Progress::Idle | Progress::Full => {}
            // The task waits for memory; it also sees to the end of a broken connection.
            Progress::Starved | Progress::Broken | Progress::Spent => self.wake(),
        }
    }

    fn advance(&self, owner: &M::Owner) -> Progress {
        let mut retried = false;
        // A submitter is not to send for all the others without end.
        let mut budget = Budget::turn();
        loop {
            let Some(mut current) = self.current.try_lock() else {
                // Whoever has the lock looks at the queue after unlocking.
                return Progress::Idle;
            };
            let progress = self.drain(&mut current, owner, &mut budget);
            drop(current);
            match progress {
                Progress::Idle if !self.queue.lock().messages.is_empty() => {}
                // Room that came while the lock was held woke a task that could not take it. Room
                // that is there and cannot be used, twice, is a lack of memory.
                Progress::Full if self.stream.socket().readiness().writable() => {
                    if retried {
                        return Progress::Starved;
                    }
                    retried = true;
                }
                other => return other,
            }
        }
    }

    fn drain(
        &self,
        place: &mut Option<Current<M>>,
        owner: &M::Owner,
        budget: &mut Budget,
    ) -> Progress {
        loop {
            if place.is_none() {
                if budget.is_spent() {
                    return Progress::Spent;
                }
                let mut queue = self.queue.lock();
                if queue.closed {
                    return Progress::Broken;
                }
                let Some(message) = queue.messages.pop_front() else {
                    return Progress::Idle;
                };
                drop(queue);
                let head = frame(&message.header(), message.payload_bytes());
                *place = Some(Current {
                    message,
                    head,
                    done: 0,
                });
            }
            let Some(current) = place.as_mut() else {
                return Progress::Idle;
            };
            match self.send_some(current) {
                Ok(true) => {
                    if let Some(finished) = place.take() {
                        budget.spend(finished.message.payload_bytes());
                        finished.message.sent(owner);
                    }
                }
                Ok(false) => {}
                Err(error) if error == EAGAIN => return Progress::Full,
                Err(_) => {
                    self.close();
                    return Progress::Broken;
                }
            }
        }
    }

    /// Sends a part of `current`; tells whether that was the last.
    fn send_some(&self, current: &mut Current<M>) -> Result<bool> {
        let socket = self.stream.socket();
        let payload = current.message.payload_bytes();
        let head_bytes = HEAD_BYTES as u32;
        let total = head_bytes.saturating_add(payload);
        let count = if current.done < head_bytes {
            let rest = current.head.get(current.done as usize..).unwrap_or(&[]);
            socket.send(rest, payload > 0)?
        } else {
            let offset = current.done - head_bytes;
            let segments = current.message.segments(offset);
            let more = (segments.bytes() as u64) < u64::from(payload - offset);
            socket.send_segments(&segments, current.message.splice(), more)?
        };
        // A send answers with at most what it was given, and never 0 for more than 0 bytes.
        if count == 0 {
            return Err(EPIPE);
        }
        current.done = current.done.saturating_add(count as u32);
        Ok(current.done >= total)
    }

    /// Sends what others could not, as part of the task that does so; registers it for room in
    /// the socket and for [`Self::wake`]. Ready when the task has to do something else first.
    pub fn poll_send(&self, context: &Context<'_>, owner: &M::Owner) -> Poll<Pause> {
        self.stream.register_writer(context);
        match self.advance(owner) {
            Progress::Idle | Progress::Full => Poll::Pending,
            Progress::Spent => {
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Progress::Starved => Poll::Ready(Pause::Starved),
            Progress::Broken => Poll::Ready(Pause::Broken),
        }
    }

    /// The sender task: sends what others could not, until the connection is broken.
    pub async fn run(&self, owner: &M::Owner, timer: &mut Timer) {
        while wait_for(c"messages or room to send", |context| {
            self.poll_send(context, owner)
        })
        .await
            == Pause::Starved
        {
            timer.sleep(Delta::from_millis(STARVED_MS)).await;
        }
    }

    /// Refuses further messages and breaks the connection. Process context.
    pub fn close(&self) {
        self.queue.lock().closed = true;
        self.stream.abort();
    }

    /// Takes back a message that was not sent completely, the one under way first. Called after
    /// [`Self::close`] when nobody else sends any more; `None` when there is no other.
    pub fn take_unsent(&self) -> Option<M> {
        if let Some(current) = self.current.lock().take() {
            return Some(current.message);
        }
        self.queue.lock().messages.pop_front()
    }
}
