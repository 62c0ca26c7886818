// SPDX-License-Identifier: GPL-2.0

//! Copies: ranges that are read from another export and written to the device of this one, as a client asks for it.
//!
//! The first such request of a connection makes a copier for it, with a task and memory of its own: what is
//! awaited from another machine holds up no other request. What was read goes to the submitting task as a
//! write does. That looks at epoch and permission once more and counts it as the client's, so fences and claims wait
//! for a copy, and refuse it, as they do for a write.
//!
//! Several ranges are read at a time, over one connection. When that fails, what was asked for there is answered at
//! once; the next request makes another connection. After some seconds without a request connection
//! and memory are given up.
//!
//! Cancellation: when the client's connection is closed nothing more is read, and whatever was to be is ended
//! ([`Copier::close`]). Only after that the submitting task is told that nothing more comes.

use super::{
    connection::Connection,
    reply::{Finished, Slot},
    source::{self, Source, Trouble},
    submit::{Copy, Job},
};
use crate::{
    dst_core::wire::{self, CopySource, Message as WireMessage, Range, Request},
    exec::{select, timeout, wait_for, yield_now, JoinHandle, Ring, TaskName, Timer, WakerCell},
    net::Budget,
    pr_warn_ratelimited,
};
use core::{pin::pin, task::Poll};
use kernel::{
    new_spinlock_irq,
    prelude::*,
    sync::{
        atomic::{ordering, Atomic},
        Arc, SpinLockIrq,
    },
    time::Delta,
};

/// Most ranges of a connection that are read or written at a time.
pub const MOST_COPIES: usize = 8;

/// Milliseconds without a request after which connection and memory are given up.
const IDLE_MS: i64 = 5_000;

/// A request that waits for its turn.
pub(super) struct Wanted {
    /// The request.
    pub(super) message: WireMessage,
    /// Its slot.
    pub(super) slot: Slot,
    /// What it asks to copy from.
    pub(super) named: CopySource,
}

/// A range that is being read.
struct Fetch {
    wanted: Wanted,
    /// What was asked of the other node.
    read: WireMessage,
    buffer: Slot,
}

/// The ranges that are being read, with room for as many as there are buffers.
type Window = KVec<Fetch>;

struct Tables {
    queue: Ring<Wanted>,
    /// Buffers that nothing uses.
    free: KVec<Slot>,
    /// How many there are, with those in use.
    made: usize,
}

/// The copies of one connection.
#[pin_data]
pub struct Copier {
    #[pin]
    tables: SpinLockIrq<Tables>,
    /// Wakes the task.
    #[pin]
    waker: WakerCell,
    closed: Atomic<bool>,
    /// Buffers at most.
    most: usize,
    /// Pages of each.
    pages: usize,
}

impl Copier {
    /// For a connection with room for `depth` requests, with up to `most` buffers of `pages` pages, which are
    /// allocated when they are needed. May sleep. Errors: `ENOMEM`.
    pub fn new(depth: usize, most: usize, pages: usize) -> Result<Arc<Self>> {
        let tables = Tables {
            queue: Ring::new(depth)?,
            free: KVec::with_capacity(most, GFP_KERNEL)?,
            made: 0,
        };
        Arc::pin_init(
            pin_init!(Self {
                tables <- new_spinlock_irq!(tables, "dst_copier"),
                waker <- WakerCell::new(),
                closed: Atomic::new(false),
                most,
                pages,
            }),
            GFP_KERNEL,
        )
    }

    /// A request waits for its turn; given back if there is no room, which there is for every slot.
    pub(super) fn push(&self, wanted: Wanted) -> core::result::Result<(), Wanted> {
        self.tables.lock().queue.push_back(wanted)?;
        self.waker.wake();
        Ok(())
    }

    /// Takes a buffer back, which refers to no device. Any context.
    pub(super) fn give(&self, buffer: Slot) {
        let refused = self.tables.lock().free.push_within_capacity(buffer);
        // There is room for all of them.
        drop(refused);
        self.waker.wake();
    }

    /// Nothing more is read: the task ends what it has.
    pub fn close(&self) {
        self.closed.store(true, ordering::Release);
        self.waker.wake();
    }

    /// Frees the memory. For when nothing of the connection is at the device any more: who lets go of the
    /// copier last may be in an interrupt. Process context.
    pub fn retire(&self) {
        if let Ok(nothing) = Ring::new(0) {
            let queue = core::mem::replace(&mut self.tables.lock().queue, nothing);
            drop(queue);
        }
        self.shrink();
    }

    fn has_memory(&self) -> bool {
        self.tables.lock().made > 0
    }

    /// Frees the buffers that nothing uses.
    fn shrink(&self) {
        loop {
            let mut tables = self.tables.lock();
            let buffer = tables.free.pop();
            if buffer.is_some() {
                tables.made -= 1;
            }
            drop(tables);
            if buffer.is_none() {
                return;
            }
        }
    }

    /// A buffer whose pages nobody else has; `None` if all are in use.
    fn take_buffer(&self) -> Result<Option<Slot>> {
        let mut tables = self.tables.lock();
        if let Some(mut buffer) = tables.free.pop() {
            drop(tables);
            if buffer.pages_busy() && buffer.refresh().is_err() {
                self.give(buffer);
                return Err(ENOMEM);
            }
            return Ok(Some(buffer));
        }
        if tables.made >= self.most {
            return Ok(None);
        }
        tables.made += 1;
        drop(tables);
        Slot::new(self.pages)
            .map(Some)
            .inspect_err(|_| self.tables.lock().made -= 1)
    }

    /// Spawns the task. Apart, so that its future is on the stack only while it is made.
    #[inline(never)]
    pub(super) fn spawn(
        self: Arc<Self>,
        connection: Arc<Connection>,
        name: TaskName,
        timer: Timer,
    ) -> Result<JoinHandle> {
        let window = Window::with_capacity(self.most, GFP_KERNEL)?;
        let export = connection.export.clone();
        let run = self.run(connection, window, timer);
        export.pools().net.spawn(name, run)
    }

    async fn closed(&self) {
        wait_for(c"the end of the client's connection", |context| {
            self.waker.register(context.waker());
            match self.closed.load(ordering::Acquire) {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
    }

    /// Waits until a request can be begun.
    async fn work(&self) {
        wait_for(c"a copy that a client wants", |context| {
            self.waker.register(context.waker());
            let tables = self.tables.lock();
            let buffer = !tables.free.is_empty() || tables.made < self.most;
            match buffer && !tables.queue.is_empty() {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
    }

    /// Whether `source` is where the next request is read from, as far as there is one.
    fn goes_on_at(&self, source: &Source) -> bool {
        let tables = self.tables.lock();
        let next = tables.queue.front();
        next.is_none_or(|next| source.is_to(&next.named))
    }

    /// The next request, unless it is for another node than `named`.
    fn next(&self, named: Option<&CopySource>) -> Option<Wanted> {
        let mut tables = self.tables.lock();
        let next = tables.queue.front()?;
        if named.is_some_and(|named| !named.is_same_node(&next.named)) {
            return None;
        }
        tables.queue.pop_front()
    }

    /// The task.
    async fn run(self: Arc<Self>, connection: Arc<Connection>, mut window: Window, timer: Timer) {
        {
            let serving = self.serve(&connection, &mut window, timer);
            select(pin!(self.closed()), pin!(serving)).await;
        }
        for fetch in window {
            self.give(fetch.buffer);
            finish(&connection, fetch.wanted, wire::Status::Stopping);
        }
        while let Some(wanted) = self.next(None) {
            finish(&connection, wanted, wire::Status::Stopping);
        }
        connection.end_of_jobs();
    }

    /// Reads what is asked for, for ever.
    async fn serve(
        self: &Arc<Self>,
        connection: &Connection,
        window: &mut Window,
        mut timer: Timer,
    ) {
        let mut source: Option<Source> = None;
        let mut tag = 0;
        let mut budget = Budget::turn();
        loop {
            if budget.is_spent() {
                budget = Budget::turn();
                yield_now().await;
            }
            if window.is_empty() {
                self.idle(&mut source, &mut timer).await;
            }
            let mut result = self
                .ask(connection, window, &mut source, &mut tag, &mut timer)
                .await;
            if let (Ok(()), Some(source)) = (&result, &mut source) {
                let answered = self.answered(connection, window, source, &mut timer);
                result = answered.await.map(|bytes| budget.spend(bytes));
            }
            if let Err(trouble) = result {
                source = None;
                self.fail(connection, window, &trouble);
            }
        }
    }

    /// Waits until a request can be begun. Gives connection and memory up after a while.
    async fn idle(&self, source: &mut Option<Source>, timer: &mut Timer) {
        let idle = Delta::from_millis(IDLE_MS);
        // Buffers may come back from the device later.
        while source.is_some() || self.has_memory() {
            if timeout(timer, idle, pin!(self.work())).await.is_some() {
                return;
            }
            if let Some(source) = source.take() {
                let _ = timeout(timer, idle, pin!(source.leave())).await;
            }
            self.shrink();
        }
        self.work().await;
    }

    /// Asks for all that can be asked for now.
    async fn ask(
        &self,
        connection: &Connection,
        window: &mut Window,
        source: &mut Option<Source>,
        tag: &mut u64,
        timer: &mut Timer,
    ) -> core::result::Result<(), Trouble> {
        loop {
            if window.is_empty() && source.as_ref().is_some_and(|at| !self.goes_on_at(at)) {
                *source = None;
            }
            let buffer = match self.take_buffer() {
                Ok(Some(buffer)) => buffer,
                Err(error) if window.is_empty() => return Err(Trouble::memory(error)),
                // One will come back.
                _ => return Ok(()),
            };
            let Some(wanted) = self.next(source.as_ref().map(Source::named)) else {
                self.give(buffer);
                return Ok(());
            };
            *tag += 1;
            let (named, read) = (wanted.named, Source::read_for(&wanted.message, *tag));
            let wait = Delta::from_millis(named.wait_ms.into());
            let fetch = Fetch {
                wanted,
                read,
                buffer,
            };
            // There is room, as there was a buffer.
            if let Err(refused) = window.push_within_capacity(fetch) {
                self.give(refused.0.buffer);
                finish(connection, refused.0.wanted, wire::Status::NoMemory);
                return Ok(());
            }
            let asking = ask_at(connection, source, &named, &read);
            let asked = timeout(timer, wait, pin!(asking)).await;
            asked.unwrap_or_else(|| Err(Trouble::late()))?;
        }
    }

    /// Takes an answer, if there is one to come; tells the bytes of its data.
    async fn answered(
        self: &Arc<Self>,
        connection: &Connection,
        window: &mut Window,
        source: &mut Source,
        timer: &mut Timer,
    ) -> core::result::Result<u32, Trouble> {
        let Some(wait) = window.first().map(|oldest| oldest.wanted.named.wait_ms) else {
            return Ok(0);
        };
        // One answer after the other: a slow network is no silence.
        let wait = Delta::from_millis(wait.into());
        let taking = take_answer(window, source);
        let taken = timeout(timer, wait, pin!(taking)).await;
        let (at, status) = taken.unwrap_or_else(|| Err(Trouble::late()))?;
        let Ok(fetch) = window.remove(at) else {
            return Ok(0);
        };
        let bytes = fetch.read.length;
        match status {
            wire::Status::Ok => self.hand_over(connection, fetch),
            _ => {
                log(connection, &fetch.wanted, &status);
                self.give(fetch.buffer);
                let status = match status {
                    wire::Status::StaleEpoch => wire::Status::PeerRefused,
                    _ => wire::Status::PeerFailed,
                };
                finish(connection, fetch.wanted, status);
            }
        }
        Ok(bytes)
    }

    /// What was read is to be written.
    fn hand_over(self: &Arc<Self>, connection: &Connection, fetch: Fetch) {
        let Wanted { message, slot, .. } = fetch.wanted;
        let range = Range {
            offset: message.offset,
            length: message.length,
        };
        connection.queue_job(Job {
            request: Request::Write { range, fua: false },
            message,
            slot: fetch.buffer,
            copy: Some(Copy {
                slot,
                copier: self.clone(),
            }),
        });
    }

    /// Ends what is being read, and what is to be read from the same node: each alone would wait as long.
    fn fail(&self, connection: &Connection, window: &mut Window, trouble: &Trouble) {
        let mut named = None;
        while let Some(fetch) = window.pop() {
            if named.is_none() {
                log(connection, &fetch.wanted, &trouble.reason.as_str());
            }
            named = Some(fetch.wanted.named);
            self.give(fetch.buffer);
            finish(connection, fetch.wanted, trouble.status);
        }
        let Some(named) = named else {
            // There is no memory for the next one.
            if let Some(wanted) = self.next(None) {
                finish(connection, wanted, trouble.status);
            }
            return;
        };
        while let Some(wanted) = self.next(Some(&named)) {
            finish(connection, wanted, trouble.status);
        }
    }
}

/// Asks for a range at `source`; connects first if there is no connection.
async fn ask_at(
    connection: &Connection,
    source: &mut Option<Source>,
    named: &CopySource,
    read: &WireMessage,
) -> core::result::Result<(), Trouble> {
    let source = match source {
        Some(source) => source,
        None => {
            let (export, number) = (&connection.export, connection.number());
            let made = Source::connect(&export.net, &export.reader, named, read.epoch, number);
            source.insert(made.await?)
        }
    };
    source.ask(read).await
}

/// Takes an answer with its data; tells to which of the window it is, and how that went.
async fn take_answer(
    window: &Window,
    source: &mut Source,
) -> core::result::Result<(usize, wire::Status), Trouble> {
    let place = |tag| window.iter().position(|fetch| fetch.read.tag == tag);
    let answer = source
        .answer(|tag| Some(window.get(place(tag)?)?.read))
        .await?;
    let fetch = place(answer.tag).and_then(|at| Some((at, window.get(at)?)));
    let Some((at, fetch)) = fetch else {
        return Err(Trouble::refused(&"an answer to no request"));
    };
    if answer.status.is_ok() {
        let bytes = fetch.read.length;
        source
            .data(|offset| {
                let rest = bytes.saturating_sub(offset);
                fetch.buffer.segments(offset as usize, rest as usize)
            })
            .await?;
    }
    Ok((at, answer.status))
}

/// Answers a request of which nothing was written.
fn finish(connection: &Connection, wanted: Wanted, status: wire::Status) {
    connection.finished.push(Finished {
        header: None,
        request: wanted.message,
        status,
        slot: Some(wanted.slot),
        payload: 0,
    });
}

fn log(connection: &Connection, wanted: &Wanted, why: &dyn core::fmt::Display) {
    pr_warn_ratelimited!(
        "export {}: cannot copy from {} for {} (job {}): {}\n",
        connection.export.label(),
        source::address(&wanted.named),
        connection.peer.address,
        wanted.named.job,
        wire::Reason::from_display(why)
    );
}
