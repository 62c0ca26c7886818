// SPDX-License-Identifier: GPL-2.0

//! Kernel stream sockets without a file, used without ever blocking.
//!
//! [`Socket`] wraps the calls, [`Registration`] is an entry of our own on the socket's wait queue,
//! put there by the socket's `poll` operation as `select()` would do it.
//!
//! C headers: `include/linux/net.h`, `include/linux/poll.h`, `include/net/sock.h`.

use super::{
    kthread::{with_reclaim, Reclaim},
    net_namespace::Net,
    segments::Segments,
    socket_address::*,
};
use core::{
    ffi::{c_int, c_void},
    marker::PhantomPinned,
    mem::MaybeUninit,
    pin::Pin,
    ptr::NonNull,
};
use kernel::{bindings, error::to_result, prelude::*, sync::Arc, types::Opaque};

// The kernel's own bindings pass these structures by pointer in the same way; the lint minds an
// empty lock class deep inside them.
#[allow(improper_ctypes)]
extern "C" {
    fn dst_blk_socket_reclassify(sock: *mut bindings::socket);
    fn dst_blk_socket_setup(sock: *mut bindings::socket);
    fn dst_blk_socket_teardown(sock: *mut bindings::socket);
    fn dst_blk_socket_abort(sock: *mut bindings::socket);
    fn dst_blk_iov_iter_discard(iter: *mut bindings::iov_iter, count: usize);
    fn dst_blk_socket_reuse_address(sock: *mut bindings::socket);
    fn dst_blk_socket_error(sock: *mut bindings::socket) -> c_int;
    fn dst_blk_socket_poll(
        sock: *mut bindings::socket,
        table: *mut bindings::poll_table_struct,
    ) -> bindings::__poll_t;
    fn dst_blk_init_waitqueue_func_entry(
        entry: *mut bindings::wait_queue_entry,
        func: bindings::wait_queue_func_t,
    );
    fn dst_blk_poll_key(key: *mut c_void) -> u32;
}

/// Readiness of a socket, bits of `EPOLL*`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Readiness(u32);

impl Readiness {
    const IN: u32 = 0x1;
    const OUT: u32 = 0x4;
    const ERR: u32 = 0x8;
    const HUP: u32 = 0x10;
    const RDHUP: u32 = 0x2000;

    /// Whether a receive or accept would not answer `EAGAIN`.
    pub fn readable(self) -> bool {
        self.0 & (Self::IN | Self::ERR | Self::HUP | Self::RDHUP) != 0
    }

    /// Whether the peer sends nothing more: it closed or reset the connection, or the network
    /// gave it up.
    pub fn peer_is_gone(self) -> bool {
        self.0 & (Self::ERR | Self::HUP | Self::RDHUP) != 0
    }

    /// Whether a send would not answer `EAGAIN`, or a connect has ended.
    pub fn writable(self) -> bool {
        self.0 & (Self::OUT | Self::ERR | Self::HUP) != 0
    }
}

/// Which half of a connection [`Socket::shutdown`] ends.
#[derive(Clone, Copy)]
pub enum Shutdown {
    /// Nothing more is sent; the peer reads an end of file after what was sent.
    Send,
    /// Neither direction; everybody who waits is woken.
    Both,
}

/// A stream socket of the kernel.
///
/// Sending may use the memory reserves: it is what frees memory when dirty pages are written out.
///
/// Every call answers at once: `EAGAIN` where user space would sleep. All calls may sleep for the
/// socket's lock and for memory, so they need process context.
///
/// # Invariants
///
/// `sock` is a socket with `sk` and `ops`, owned by this object, released once, in `drop`.
pub struct Socket {
    sock: NonNull<bindings::socket>,
    data: bool,
}

// SAFETY: A socket is locked by its own lock and may be used from any thread.
unsafe impl Send for Socket {}
// SAFETY: As above.
unsafe impl Sync for Socket {}

impl Socket {
    /// Makes an unconnected TCP socket for `address` in `net`. May sleep.
    ///
    /// The caller keeps `net` for as long as the socket lives: a kernel socket holds no reference.
    fn new(net: &Net, address: &SocketAddress) -> Result<Self> {
        let mut sock = core::ptr::null_mut();
        // SAFETY: `net` is valid for the call, `sock` is written on success.
        to_result(unsafe {
            bindings::sock_create_kern(
                net.as_ptr(),
                address.family(),
                bindings::sock_type_SOCK_STREAM as c_int,
                bindings::IPPROTO_TCP as c_int,
                &mut sock,
            )
        })?;
        let sock = NonNull::new(sock).ok_or(ENOMEM)?;
        // SAFETY: The socket was made above and nobody else knows it.
        unsafe { dst_blk_socket_reclassify(sock.as_ptr()) };
        // INVARIANT: Made above.
        Ok(Self { sock, data: false })
    }

    /// Sets the options of a socket that carries data.
    fn into_data(mut self) -> Self {
        // SAFETY: By the type invariant.
        unsafe { dst_blk_socket_setup(self.sock.as_ptr()) };
        self.data = true;
        self
    }

    /// Starts to connect to `address`. The connection stands, or has failed, when the socket is
    /// [`Readiness::writable`]; [`Self::take_error`] tells which. May sleep.
    pub fn connect(net: &Net, address: SocketAddress) -> Result<Self> {
        let socket = Self::new(net, &address)?.into_data();
        let mut raw = address.to_raw();
        let (pointer, length) = (raw.as_mut_ptr(), raw.length());
        // SAFETY: By the type invariant; the address is `length` bytes long.
        let result = to_result(unsafe {
            bindings::kernel_connect(
                socket.sock.as_ptr(),
                pointer,
                length,
                bindings::O_NONBLOCK as c_int,
            )
        });
        match result {
            Err(error) if error != EINPROGRESS => Err(error),
            _ => Ok(socket),
        }
    }

    /// Listens on `address` with room for `backlog` connections not accepted yet. May sleep.
    pub fn listen(net: &Net, address: SocketAddress, backlog: i32) -> Result<Self> {
        let socket = Self::new(net, &address)?;
        let mut raw = address.to_raw();
        let (pointer, length) = (raw.as_mut_ptr(), raw.length());
        // SAFETY: By the type invariant; the address is `length` bytes long.
        unsafe {
            dst_blk_socket_reuse_address(socket.sock.as_ptr());
            to_result(bindings::kernel_bind(socket.sock.as_ptr(), pointer, length))?;
            to_result(bindings::kernel_listen(socket.sock.as_ptr(), backlog))?;
        }
        Ok(socket)
    }

    /// Takes a connection of a listening socket. May sleep.
    pub fn accept(&self) -> Result<Self> {
        let mut sock = core::ptr::null_mut();
        // SAFETY: By the type invariant; `sock` is written on success.
        to_result(unsafe {
            bindings::kernel_accept(self.sock.as_ptr(), &mut sock, bindings::O_NONBLOCK as c_int)
        })?;
        // INVARIANT: The new socket is ours.
        let sock = NonNull::new(sock).ok_or(ENOMEM)?;
        Ok(Self { sock, data: false }.into_data())
    }

    /// The readiness now, without registering anywhere.
    pub fn readiness(&self) -> Readiness {
        // SAFETY: By the type invariant; a null table registers nowhere.
        Readiness(unsafe { dst_blk_socket_poll(self.sock.as_ptr(), core::ptr::null_mut()) })
    }

    /// Takes the pending error, as `SO_ERROR` does.
    pub fn take_error(&self) -> Result {
        // SAFETY: By the type invariant.
        to_result(unsafe { dst_blk_socket_error(self.sock.as_ptr()) })
    }

    fn message(flags: u32) -> bindings::msghdr {
        bindings::msghdr {
            msg_flags: flags | bindings::MSG_DONTWAIT | bindings::MSG_NOSIGNAL,
            // SAFETY: All zeroes is what C code starts a `msghdr` from.
            ..unsafe { MaybeUninit::zeroed().assume_init() }
        }
    }

    fn count(result: c_int) -> Result<usize> {
        to_result(result)?;
        // Not negative, as just seen.
        Ok(result as usize)
    }

    /// Sends a copy of the first bytes of `bytes`; returns how many. `more` tells that further
    /// bytes follow at once.
    pub fn send(&self, bytes: &[u8], more: bool) -> Result<usize> {
        let mut message = Self::message(if more { bindings::MSG_MORE } else { 0 });
        let mut vec = bindings::kvec {
            iov_base: bytes.as_ptr().cast_mut().cast(),
            iov_len: bytes.len(),
        };
        with_reclaim(Reclaim::Reserves, || {
            // SAFETY: By the type invariant; sending only reads from the vector.
            Self::count(unsafe {
                bindings::kernel_sendmsg(self.sock.as_ptr(), &mut message, &mut vec, 1, bytes.len())
            })
        })
    }

    /// Sends the first bytes of `segments`; returns how many. With `splice` the network stack
    /// takes references to the pages in place of copies, where their kind allows it: the pages
    /// must then not change until the peer is known to have received them, or the socket is gone.
    pub fn send_segments(
        &self,
        segments: &Segments<'_>,
        splice: bool,
        more: bool,
    ) -> Result<usize> {
        let mut flags = if more { bindings::MSG_MORE } else { 0 };
        if splice && segments.splice_ok() {
            flags |= bindings::MSG_SPLICE_PAGES;
        }
        let mut message = Self::message(flags);
        // SAFETY: The vectors of `segments` describe memory that is valid while it is borrowed,
        // and `message` does not outlive this call.
        unsafe {
            bindings::iov_iter_bvec(
                &mut message.msg_iter,
                bindings::ITER_SOURCE,
                segments.as_ptr(),
                segments.len() as kernel::ffi::c_ulong,
                segments.bytes(),
            );
        }
        with_reclaim(Reclaim::Reserves, || {
            // SAFETY: By the type invariant and the set-up above.
            Self::count(unsafe { bindings::sock_sendmsg(self.sock.as_ptr(), &mut message) })
        })
    }

    /// Receives into `bytes`; returns how many, 0 at the end of the stream.
    pub fn receive(&self, bytes: &mut [u8]) -> Result<usize> {
        let mut message = Self::message(0);
        let mut vec = bindings::kvec {
            iov_base: bytes.as_mut_ptr().cast(),
            iov_len: bytes.len(),
        };
        // SAFETY: By the type invariant; the vector covers `bytes`, which is ours to write.
        Self::count(unsafe {
            bindings::kernel_recvmsg(
                self.sock.as_ptr(),
                &mut message,
                &mut vec,
                1,
                bytes.len(),
                bindings::MSG_DONTWAIT as c_int,
            )
        })
    }

    /// Receives into the pages of `segments`; returns how many bytes, 0 at the end of the stream.
    ///
    /// The pages are those of a request in flight, which their owner expects to be written.
    pub fn receive_segments(&self, segments: &mut Segments<'_>) -> Result<usize> {
        let mut message = Self::message(0);
        // SAFETY: The vectors of `segments` describe memory that is valid while it is borrowed,
        // and `message` does not outlive this call.
        unsafe {
            bindings::iov_iter_bvec(
                &mut message.msg_iter,
                bindings::ITER_DEST,
                segments.as_ptr(),
                segments.len() as kernel::ffi::c_ulong,
                segments.bytes(),
            );
        }
        // SAFETY: By the type invariant and the set-up above.
        Self::count(unsafe {
            bindings::sock_recvmsg(
                self.sock.as_ptr(),
                &mut message,
                bindings::MSG_DONTWAIT as c_int,
            )
        })
    }

    /// Takes up to `count` bytes off the stream without keeping them; returns how many.
    pub fn discard(&self, count: usize) -> Result<usize> {
        let mut message = Self::message(0);
        // SAFETY: A discarding iterator refers to no memory.
        unsafe { dst_blk_iov_iter_discard(&mut message.msg_iter, count) };
        // SAFETY: By the type invariant and the set-up above.
        Self::count(unsafe {
            bindings::sock_recvmsg(
                self.sock.as_ptr(),
                &mut message,
                bindings::MSG_DONTWAIT as c_int,
            )
        })
    }

    /// Resets the connection: what was not sent is purged, so that no page of a request is read
    /// by this socket any more when this returns. May sleep.
    pub fn abort(&self) {
        // SAFETY: By the type invariant.
        unsafe { dst_blk_socket_abort(self.sock.as_ptr()) };
    }

    /// Ends one or both directions and wakes whoever waits for the socket. May sleep.
    pub fn shutdown(&self, how: Shutdown) {
        let how = match how {
            Shutdown::Send => bindings::sock_shutdown_cmd_SHUT_WR,
            Shutdown::Both => bindings::sock_shutdown_cmd_SHUT_RDWR,
        };
        // SAFETY: By the type invariant. The result is of no use: an unconnected socket is as
        // good as one that was shut down.
        let _ = unsafe { bindings::kernel_sock_shutdown(self.sock.as_ptr(), how) };
    }

    /// The address of the other end.
    pub fn peer_address(&self) -> Result<SocketAddress> {
        let mut raw = RawAddress::empty();
        // SAFETY: By the type invariant; the buffer has room for any address.
        Self::count(unsafe {
            bindings::kernel_getpeername(self.sock.as_ptr(), raw.as_mut_ptr().cast())
        })?;
        SocketAddress::from_raw(&raw)
    }

    /// The address of this end.
    pub fn local_address(&self) -> Result<SocketAddress> {
        let mut raw = RawAddress::empty();
        // SAFETY: By the type invariant; the buffer has room for any address.
        Self::count(unsafe {
            bindings::kernel_getsockname(self.sock.as_ptr(), raw.as_mut_ptr().cast())
        })?;
        SocketAddress::from_raw(&raw)
    }
}

impl Drop for Socket {
    /// Aborts a data connection: what was not sent yet is purged, so that no page of a request
    /// is read by this socket any more. May sleep.
    fn drop(&mut self) {
        // SAFETY: By the type invariant; nobody can use the socket after this.
        unsafe {
            if self.data {
                dst_blk_socket_teardown(self.sock.as_ptr());
            }
            bindings::sock_release(self.sock.as_ptr());
        }
    }
}

/// Who is told when the readiness of a socket changes.
pub trait Notify: Send + Sync + 'static {
    /// `readiness` is `None` when the notifier gave no reason. Called under the socket's wait
    /// queue lock, in any context: must not sleep, free memory or drop a last reference.
    fn notify(&self, readiness: Option<Readiness>);
}

/// An entry on the wait queue of a socket, for the life of the socket.
///
/// # Invariants
///
/// `entry` is on the queue `head` from the end of [`Registration::new`] until `drop`, and `head`
/// belongs to a socket that `_socket` keeps.
#[pin_data(PinnedDrop)]
pub struct Registration<N: Notify> {
    #[pin]
    entry: Opaque<bindings::wait_queue_entry>,
    head: core::cell::Cell<*mut bindings::wait_queue_head>,
    target: Arc<N>,
    socket: Arc<Socket>,
    #[pin]
    _pin: PhantomPinned,
}

// SAFETY: The entry is protected by the lock of the wait queue, `head` is written only before the
// object is shared.
unsafe impl<N: Notify> Send for Registration<N> {}
// SAFETY: As above.
unsafe impl<N: Notify> Sync for Registration<N> {}

/// The poll table by which `poll` hands out the wait queue.
#[repr(C)]
struct Table<N: Notify> {
    table: bindings::poll_table_struct,
    registration: *const Registration<N>,
}

impl<N: Notify> Registration<N> {
    /// Registers `target` with `socket`. May sleep.
    ///
    /// Errors: `EOPNOTSUPP` if the socket's `poll` names no wait queue.
    pub fn new(socket: Arc<Socket>, target: Arc<N>) -> Result<Pin<KBox<Self>>> {
        let this = KBox::pin_init(
            pin_init!(Self {
                entry <- Opaque::ffi_init(|entry| {
                    // SAFETY: `entry` is memory for a wait queue entry.
                    unsafe {
                        dst_blk_init_waitqueue_func_entry(entry, Some(Self::wake_function))
                    }
                }),
                head: core::cell::Cell::new(core::ptr::null_mut()),
                target,
                socket,
                _pin: PhantomPinned,
            }),
            GFP_KERNEL,
        )?;
        let mut table = Table {
            table: bindings::poll_table_struct {
                _qproc: Some(Self::queue_function),
                _key: !0,
            },
            registration: &*this,
        };
        // SAFETY: The socket is valid; `queue_function` finds the whole of `table` behind the
        // pointer, which is derived from it.
        unsafe {
            dst_blk_socket_poll(
                this.socket.sock.as_ptr(),
                core::ptr::addr_of_mut!(table).cast(),
            )
        };
        if this.head.get().is_null() {
            return Err(EOPNOTSUPP);
        }
        Ok(this)
    }

    /// # Safety
    ///
    /// `table` must be the first field of a [`Table<N>`] whose registration is valid.
    unsafe extern "C" fn queue_function(
        _file: *mut bindings::file,
        head: *mut bindings::wait_queue_head,
        table: *mut bindings::poll_table_struct,
    ) {
        // SAFETY: By the requirement of this function.
        let this = unsafe { &*(*table.cast::<Table<N>>()).registration };
        // A socket with more than one queue is served by its first.
        if this.head.get().is_null() {
            this.head.set(head);
            // SAFETY: The entry was initialised and stays in place, pinned, until it is removed
            // in `drop`; `head` lives as long as the socket.
            unsafe { bindings::add_wait_queue(head, this.entry.get()) };
        }
    }

    /// # Safety
    ///
    /// Called by the wait queue with an entry that [`Registration::new`] queued.
    unsafe extern "C" fn wake_function(
        entry: *mut bindings::wait_queue_entry,
        _mode: u32,
        _flags: c_int,
        key: *mut c_void,
    ) -> c_int {
        // SAFETY: `entry` is the field of a pinned registration, which is removed from the queue,
        // under the lock that is held now, before it is freed.
        let this =
            unsafe { &*kernel::container_of!(Opaque::cast_from(entry.cast_const()), Self, entry) };
        // SAFETY: `key` is what the waker passed: poll bits, not a pointer to follow.
        let bits = unsafe { dst_blk_poll_key(key) };
        this.target.notify((bits != 0).then_some(Readiness(bits)));
        0
    }
}

#[pinned_drop]
impl<N: Notify> PinnedDrop for Registration<N> {
    fn drop(self: Pin<&mut Self>) {
        if !self.head.get().is_null() {
            // SAFETY: By the type invariant the entry is on the queue; once this returns, no
            // wake function runs on it and none will, as they run under the queue's lock.
            unsafe { bindings::remove_wait_queue(self.head.get(), self.entry.get()) };
        }
    }
}
