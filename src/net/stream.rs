// SPDX-License-Identifier: GPL-2.0

//! A socket that tasks can await.

use crate::{
    exec::{wait_for, Timer, WakerCell},
    sys::{
        net_namespace::Net,
        socket::{Shutdown, Socket},
        socket_address::SocketAddress,
        socket_wait::{Notify, Readiness, Registration},
    },
};
use core::{
    pin::Pin,
    task::{Context, Poll},
};
use kernel::{prelude::*, sync::Arc, time::Delta};

/// How long a task waits for memory before it tries again, in milliseconds.
pub const STARVED_MS: i64 = 2;

/// The two wakers of a socket. Receiving and sending wait apart from each other.
#[pin_data]
struct Wakers {
    #[pin]
    reader: WakerCell,
    #[pin]
    writer: WakerCell,
}

impl Notify for Wakers {
    fn notify(&self, readiness: Option<Readiness>) {
        if readiness.is_none_or(Readiness::readable) {
            self.reader.wake();
        }
        if readiness.is_none_or(Readiness::writable) {
            self.writer.wake();
        }
    }
}

/// What waiting for input and waiting for room differ in.
struct Direction<'a> {
    /// What is waited for.
    what: &'static CStr,
    cell: &'a WakerCell,
    /// Whether an attempt is worth while.
    ready: fn(Readiness) -> bool,
    /// Whether it certainly is not; true only if whatever changes that wakes `cell`.
    quiet: fn(&Socket) -> bool,
}

/// A connected or connecting TCP socket, or a listening one inside [`super::Listener`].
///
/// At most one task waits for reading and one for writing.
pub struct Stream {
    // Dropped first: no callback runs after that.
    _registration: Pin<KBox<Registration<Wakers>>>,
    wakers: Arc<Wakers>,
    socket: Arc<Socket>,
}

impl Stream {
    /// Registers with the wait queue of `socket`. May sleep. Errors: `ENOMEM`.
    pub fn new(socket: Socket) -> Result<Self> {
        let socket = Arc::new(socket, GFP_KERNEL)?;
        let wakers = Arc::pin_init(
            pin_init!(Wakers {
                reader <- WakerCell::new(),
                writer <- WakerCell::new(),
            }),
            GFP_KERNEL,
        )?;
        Ok(Self {
            _registration: Registration::new(socket.clone(), wakers.clone())?,
            wakers,
            socket,
        })
    }

    /// Connects to `address` from `net`, which the caller keeps while the stream lives.
    ///
    /// Errors: what the network answers (`ECONNREFUSED`, `EHOSTUNREACH`, `ETIMEDOUT`, ...).
    pub async fn connect(net: &Net, address: SocketAddress) -> Result<Self> {
        let stream = Self::new(Socket::connect(net, address)?)?;
        stream
            .write_ready(|socket| {
                if !socket.readiness().writable() {
                    return Err(EAGAIN);
                }
                socket.take_error()
            })
            .await?;
        Ok(stream)
    }

    /// The socket itself, for operations that do not wait.
    pub fn socket(&self) -> &Socket {
        &self.socket
    }

    /// Runs `operation`, which answers `EAGAIN` while it has to wait for input, until it answers
    /// something else.
    pub async fn read_ready<T>(&self, operation: impl FnMut(&Socket) -> Result<T>) -> Result<T> {
        self.ready(&self.reading(), operation).await
    }

    /// As [`Self::read_ready`], for room to send.
    pub async fn write_ready<T>(&self, operation: impl FnMut(&Socket) -> Result<T>) -> Result<T> {
        self.ready(&self.writing(), operation).await
    }

    fn reading(&self) -> Direction<'_> {
        Direction {
            what: c"input from a socket",
            cell: &self.wakers.reader,
            ready: Readiness::readable,
            quiet: Socket::is_quiet,
        }
    }

    fn writing(&self) -> Direction<'_> {
        Direction {
            what: c"room in a socket",
            cell: &self.wakers.writer,
            ready: Readiness::writable,
            // An attempt finds room more often than not.
            quiet: |_| false,
        }
    }

    async fn ready<T>(
        &self,
        direction: &Direction<'_>,
        mut operation: impl FnMut(&Socket) -> Result<T>,
    ) -> Result<T> {
        loop {
            let attempt = wait_for(direction.what, |context| {
                self.poll_ready(context, direction, &mut operation)
            })
            .await;
            match attempt {
                Err(error) if error == EAGAIN => {}
                result => return result,
            }
            let mut timer = Timer::new()?;
            timer.sleep(Delta::from_millis(STARVED_MS)).await;
        }
    }

    /// What `operation` answered; `EAGAIN` if the socket says that it is ready and `operation`
    /// finds nothing to do all the same (memory is short, an accept was aborted): no wake-up
    /// follows then.
    fn poll_ready<T>(
        &self,
        context: &Context<'_>,
        direction: &Direction<'_>,
        operation: &mut impl FnMut(&Socket) -> Result<T>,
    ) -> Poll<Result<T>> {
        let quiet = (direction.quiet)(&self.socket);
        if !quiet {
            match operation(&self.socket) {
                Err(error) if error == EAGAIN => {}
                result => return Poll::Ready(result),
            }
        }
        let known = direction.cell.register(context.waker());
        if quiet && known {
            // The waker was there when it was quiet, so what came since has woken this task.
            return Poll::Pending;
        }
        // What came between the attempt and the registration woke nobody.
        if (direction.ready)(self.socket.readiness()) {
            Poll::Ready(operation(&self.socket))
        } else {
            Poll::Pending
        }
    }

    /// Leaves the waker that room to send, or [`Self::wake_writer`], wakes.
    pub fn register_writer(&self, context: &Context<'_>) {
        self.wakers.writer.register(context.waker());
    }

    /// Wakes the task that sends. Any context.
    pub fn wake_writer(&self) {
        self.wakers.writer.wake();
    }

    /// Fills `bytes`. Errors: `ECONNRESET` if the stream ends before that, `ENODATA` if it ends
    /// before the first byte.
    pub async fn read_exact(&self, bytes: &mut [u8]) -> Result {
        let mut done = 0;
        while let Some(rest) = bytes.get_mut(done..).filter(|rest| !rest.is_empty()) {
            match self.read_ready(|socket| socket.receive(rest)).await? {
                0 if done == 0 => return Err(ENODATA),
                0 => return Err(ECONNRESET),
                count => done += count,
            }
        }
        Ok(())
    }

    /// Sends all of `bytes`.
    pub async fn write_all(&self, bytes: &[u8]) -> Result {
        let mut rest = bytes;
        while !rest.is_empty() {
            let sent = self.write_ready(|socket| socket.send(rest, false)).await?;
            rest = rest.get(sent..).unwrap_or(&[]);
        }
        Ok(())
    }

    /// Sends nothing more, and waits until the peer has all that was sent or the connection is
    /// gone. For a stream whose peer has ended its own direction: otherwise this waits for that
    /// too. Dropping the stream before would take back what the peer has not yet received.
    pub async fn finish(&self) {
        self.socket.shutdown(Shutdown::Send);
        wait_for(c"the peer to take all that was sent", |context| {
            self.wakers.reader.register(context.waker());
            if self.socket.is_closed() {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }

    /// Resets the connection: everybody who waits gets an answer, and TCP refers to no page of a
    /// message any more. May sleep.
    pub fn abort(&self) {
        self.socket.abort();
        // TCP wakes sleepers only for a state that changed.
        self.wakers.reader.wake();
        self.wakers.writer.wake();
    }
}
