// SPDX-License-Identifier: GPL-2.0

//! Waiting for sockets: what they are ready for, and being told when that changes.
//!
//! [`Registration`] is an entry of our own on the wait queue of a [`Socket`], put there by the
//! socket's `poll` operation as `select()` would do it.
//!
//! C headers: `include/linux/poll.h`, `include/linux/wait.h`.

use super::socket::Socket;
use core::{
    ffi::{c_int, c_void},
    marker::PhantomPinned,
    pin::Pin,
};
use kernel::{bindings, prelude::*, sync::Arc, types::Opaque};

// The kernel's own bindings pass these structures by pointer in the same way; the lint minds an
// empty lock class deep inside them.
#[allow(improper_ctypes)]
extern "C" {
    fn dst_blk_socket_poll(
        sock: *mut bindings::socket,
        table: *mut bindings::poll_table_struct,
    ) -> bindings::__poll_t;
    fn dst_blk_socket_is_quiet(sock: *mut bindings::socket) -> bool;
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

impl Socket {
    /// The readiness now, without registering anywhere.
    pub fn readiness(&self) -> Readiness {
        // SAFETY: The socket is valid while it is borrowed; a null table registers nowhere.
        Readiness(unsafe { dst_blk_socket_poll(self.as_ptr(), core::ptr::null_mut()) })
    }

    /// Whether it is certain that a receive would answer `EAGAIN`; costs a fraction of the attempt.
    /// Whoever is registered is notified of what comes after this look. Any context.
    pub fn is_quiet(&self) -> bool {
        // SAFETY: The socket is valid while it is borrowed.
        unsafe { dst_blk_socket_is_quiet(self.as_ptr()) }
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
        unsafe { dst_blk_socket_poll(this.socket.as_ptr(), core::ptr::addr_of_mut!(table).cast()) };
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
