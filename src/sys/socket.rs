// SPDX-License-Identifier: GPL-2.0

//! Kernel stream sockets without a file, used without ever blocking.
//!
//! [`Socket`] wraps the calls; [`super::socket_wait`] tells when it is worth while to repeat one.
//!
//! C headers: `include/linux/net.h`, `include/net/sock.h`.

use super::{
    kthread::{with_reclaim, Reclaim},
    net_namespace::Net,
    segments::Segments,
    socket_address::*,
};
use core::{ffi::c_int, mem::MaybeUninit, ptr::NonNull};
use kernel::{bindings, error::to_result, prelude::*};

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
    fn dst_blk_socket_is_closed(sock: *mut bindings::socket) -> bool;
    fn dst_blk_socket_error(sock: *mut bindings::socket) -> c_int;
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
        // INVARIANT: Made above.
        Ok(Self {
            sock: NonNull::new(sock).ok_or(ENOMEM)?,
            data: false,
        })
    }

    /// Sets the options of a socket that carries data.
    fn into_data(mut self) -> Self {
        // SAFETY: By the type invariant.
        unsafe { dst_blk_socket_setup(self.sock.as_ptr()) };
        self.data = true;
        self
    }

    /// Starts to connect to `address`. The connection stands, or has failed, when the socket is
    /// [writable](super::socket_wait::Readiness::writable); [`Self::take_error`] tells which.
    /// May sleep.
    pub fn connect(net: &Net, address: SocketAddress) -> Result<Self> {
        let socket = Self::new(net, &address)?;
        // A listening socket does without: no I/O waits for it, and lockdep keeps the module of a
        // socket's class in use, so nobody could unload a module that listens.
        // SAFETY: By the type invariant; the socket was made above and nobody else knows it.
        unsafe { dst_blk_socket_reclassify(socket.sock.as_ptr()) };
        let socket = socket.into_data();
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

    /// The `struct socket`, valid as long as `self`.
    pub(super) fn as_ptr(&self) -> *mut bindings::socket {
        self.sock.as_ptr()
    }

    /// Whether the connection is gone: both directions have ended and the peer has acknowledged
    /// all that was sent, or it was reset, or the network gave it up. Waiters are woken when it
    /// comes to that. Any context.
    pub fn is_closed(&self) -> bool {
        // SAFETY: By the type invariant.
        unsafe { dst_blk_socket_is_closed(self.sock.as_ptr()) }
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
