// SPDX-License-Identifier: GPL-2.0

//! A generic netlink family: requests, dumps, extended acknowledgements, events.
//!
//! The table of operations with its policies is generated C (`netlink_gen.c`). Its handlers end
//! in the two functions at the bottom of this file, which find the [`Service`] behind the family
//! and hand over the request.
//!
//! C header: `include/net/genetlink.h`.

pub use super::genl_attr::{At, Attribute, Attributes, Fault};
pub use super::genl_message::Message;
pub use super::genl_request::Request;
use super::net_namespace::Net;
use core::{
    ffi::{c_int, c_void},
    ptr::NonNull,
    sync::atomic::{AtomicPtr, Ordering},
};
use kernel::{
    bindings, container_of,
    error::to_result,
    prelude::*,
    sync::{rcu, Arc},
    types::Opaque,
};

// `lock_class_key`, somewhere in these structures, is empty where lockdep is off.
#[allow(improper_ctypes)]
extern "C" {
    static dst_blk_nl_family: bindings::genl_family;

    fn dst_blk_genl_new(payload: usize, may_sleep: bool) -> *mut bindings::sk_buff;
    fn dst_blk_genl_free(skb: *mut bindings::sk_buff);
    fn dst_blk_genl_end(skb: *mut bindings::sk_buff, header: *mut c_void);
    fn dst_blk_genl_cancel(skb: *mut bindings::sk_buff, header: *mut c_void);
    fn dst_blk_genl_end_entry(
        skb: *mut bindings::sk_buff,
        cb: *mut bindings::netlink_callback,
        header: *mut c_void,
    );
    fn dst_blk_genl_has_listeners(
        family: *const bindings::genl_family,
        net: *mut bindings::net,
    ) -> bool;
    fn dst_blk_genl_multicast(
        family: *const bindings::genl_family,
        net: *mut bindings::net,
        skb: *mut bindings::sk_buff,
    );
    fn dst_blk_genl_lost(family: *const bindings::genl_family, net: *mut bindings::net);
}

/// Room for attributes that is tried first, second and last for a message, in bytes.
const SIZES: [usize; 3] = [3072, 16 << 10, 60 << 10];

/// A place in a dump, kept between two messages: all zero at the beginning.
pub type Cursor = [u64; 2];

/// What a family does.
///
/// The functions are called in process context by the task that sent the request (a dump goes on
/// in the task that reads it), several at a time. The capability to administer the machine has
/// been checked. They may sleep, but as long as one runs no family can be registered or
/// unregistered anywhere in the system: waits must be bounded.
pub trait Service: Send + Sync {
    /// Carries out a request; an answer beyond the acknowledgement is given by
    /// [`Request::reply`] or, where it must not fail for want of memory, [`Request::answer`].
    fn request(&self, request: &Request<'_>) -> Result<(), Fault>;

    /// Bytes that the longest entry of a dump needs if that is more than about half a page;
    /// else 0.
    fn dump_room(&self, command: u8) -> usize;

    /// Adds entries to a dump until all are told or [`Dump::entry`] says that it is full.
    fn dump(&self, dump: &mut Dump<'_>) -> Result;
}

/// # Invariants
///
/// `family` is registered from [`Registration::new`] to the drop of the [`Registration`], and
/// does not move in that time.
#[repr(C)]
struct Shared {
    family: Opaque<bindings::genl_family>,
    service: KBox<dyn Service>,
}

// SAFETY: The family is written when it is registered and unregistered, in the constructor and
// in drop, and by generic netlink under its own locks.
unsafe impl Send for Shared {}

// SAFETY: As for `Send`.
unsafe impl Sync for Shared {}

/// Where events go: to the listeners of a family, if there is one.
///
/// It exists apart from the family so that those who tell events can be made before the family
/// is registered, and need not know when it goes.
///
/// # Invariants
///
/// `shared` is null or points to a [`Shared`] whose family is registered, and stays so until an
/// RCU grace period has passed since it was set to null.
pub struct Notifier {
    shared: AtomicPtr<Shared>,
}

impl Notifier {
    /// A notifier without a family: what is told to it is told to nobody.
    pub const fn new() -> Self {
        Self {
            shared: AtomicPtr::new(core::ptr::null_mut()),
        }
    }

    /// Sends an event to those who listen in `net`. Any context, never sleeps.
    ///
    /// Listeners learn (`ENOBUFS`) that they missed an event if there is no memory for it.
    pub fn notify(&self, net: &Net, command: u8, fill: impl Fn(&mut Message<'_>) -> Result) {
        let _guard = rcu::read_lock();
        let Some(shared) = NonNull::new(self.shared.load(Ordering::Acquire)) else {
            return;
        };
        // SAFETY: By the type's invariant, while the guard is held.
        let family = unsafe { shared.as_ref() }.family.get();
        // SAFETY: The family is registered, the namespace is alive.
        if !unsafe { dst_blk_genl_has_listeners(family, net.as_ptr()) } {
            return;
        }
        // SAFETY: The family is registered.
        match unsafe { Buffer::compose(family, 0, 0, command, false, fill) } {
            // SAFETY: As above; the buffer is handed over.
            Ok(buffer) => unsafe {
                dst_blk_genl_multicast(family, net.as_ptr(), buffer.into_raw());
            },
            // SAFETY: As above.
            Err(_) => unsafe { dst_blk_genl_lost(family, net.as_ptr()) },
        }
    }
}

impl Default for Notifier {
    fn default() -> Self {
        Self::new()
    }
}

/// A registered family. Dropping it waits until no request is being worked on.
///
/// Dumps that were begun and not read to their end hold a reference on the module, not on this
/// object; so once registered it must stay until the module leaves. Register last and return
/// success after it.
pub struct Registration {
    shared: Pin<KBox<Shared>>,
    notifier: Arc<Notifier>,
}

impl Registration {
    /// Registers the family; requests may arrive before this returns. Events of `notifier`, which
    /// must not have a family yet, are sent from then on. May sleep.
    ///
    /// Errors: `EEXIST` if the name is taken, `ENOMEM`.
    pub fn new(service: KBox<dyn Service>, notifier: Arc<Notifier>) -> Result<Self> {
        // SAFETY: The template is a constant that nobody writes to.
        let template = unsafe { core::ptr::read(&raw const dst_blk_nl_family) };
        let shared = Shared {
            family: Opaque::new(template),
            service,
        };
        let shared = KBox::pin(shared, GFP_KERNEL)?;
        // SAFETY: The family is pinned on the heap, and `drop` unregisters it before it goes.
        to_result(unsafe { bindings::genl_register_family(shared.family.get()) })?;
        let pointer = core::ptr::from_ref(&*shared).cast_mut();
        // INVARIANT: Registered just now; `drop` below keeps the second part.
        notifier.shared.store(pointer, Ordering::Release);
        Ok(Self { shared, notifier })
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.notifier
            .shared
            .store(core::ptr::null_mut(), Ordering::Release);
        rcu::synchronize_rcu();
        // SAFETY: The family was registered in `new` and only here is it unregistered. That
        // waits for handlers that are running; no dump is under way, since the module leaves.
        unsafe { bindings::genl_unregister_family(self.shared.family.get()) };
    }
}

/// A message that is to be sent.
///
/// # Invariants
///
/// `skb` is owned by this object.
pub(super) struct Buffer {
    skb: NonNull<bindings::sk_buff>,
}

impl Buffer {
    /// A buffer with room for `size` bytes.
    fn new(size: usize, may_sleep: bool) -> Result<Self> {
        // SAFETY: No preconditions.
        let skb = unsafe { dst_blk_genl_new(size, may_sleep) };
        // INVARIANT: A new buffer belongs to who made it.
        Ok(Self {
            skb: NonNull::new(skb).ok_or(ENOMEM)?,
        })
    }

    /// A buffer for one message of ordinary size. May sleep.
    pub(super) fn ordinary() -> Result<Self> {
        Self::new(SIZES[0], true)
    }

    /// Composes a whole message, in a larger buffer if it does not fit into a small one.
    ///
    /// # Safety
    ///
    /// `family` must be registered. `may_sleep` only where that is true.
    pub(super) unsafe fn compose(
        family: *mut bindings::genl_family,
        portid: u32,
        sequence: u32,
        command: u8,
        may_sleep: bool,
        fill: impl Fn(&mut Message<'_>) -> Result,
    ) -> Result<Self> {
        for size in SIZES {
            let mut buffer = Self::new(size, may_sleep)?;
            // SAFETY: By the contract of this function.
            match unsafe { buffer.put(family, portid, sequence, command, &fill) } {
                Ok(()) => return Ok(buffer),
                Err(error) if error == EMSGSIZE => continue,
                Err(error) => return Err(error),
            }
        }
        Err(EMSGSIZE)
    }

    /// Writes a message into an empty buffer. Allocates nothing. Errors: `EMSGSIZE` if it does
    /// not fit, and those of `fill`; the buffer is then of no use.
    ///
    /// # Safety
    ///
    /// `family` must be registered.
    pub(super) unsafe fn put(
        &mut self,
        family: *mut bindings::genl_family,
        portid: u32,
        sequence: u32,
        command: u8,
        fill: impl FnOnce(&mut Message<'_>) -> Result,
    ) -> Result {
        let skb = self.skb.as_ptr();
        // SAFETY: `skb` is valid; `family` is registered by the contract of this function.
        let header = unsafe { bindings::genlmsg_put(skb, portid, sequence, family, 0, command) };
        if header.is_null() {
            return Err(EMSGSIZE);
        }
        // SAFETY: A message was begun in `skb`, which nobody else has.
        fill(&mut unsafe { Message::from_raw(self.skb) })?;
        // SAFETY: `header` is that of the message begun above.
        unsafe { dst_blk_genl_end(skb, header) };
        Ok(())
    }

    /// The buffer, for a function that takes it over.
    pub(super) fn into_raw(self) -> *mut bindings::sk_buff {
        core::mem::ManuallyDrop::new(self).skb.as_ptr()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: By the type's invariant the buffer is owned.
        unsafe { dst_blk_genl_free(self.skb.as_ptr()) };
    }
}

/// A message of a dump that is being filled.
///
/// # Invariants
///
/// `skb` and `cb` are what netlink passed for this message of the dump.
pub struct Dump<'a> {
    /// The request that the dump answers.
    pub request: Request<'a>,
    skb: NonNull<bindings::sk_buff>,
    cb: NonNull<bindings::netlink_callback>,
    cursor: Cursor,
    full: bool,
}

impl Dump<'_> {
    /// What was given with the last entry told; zero at the beginning.
    pub fn cursor(&self) -> Cursor {
        self.cursor
    }

    /// Marks all entries from here on as taken from the lists in their state `generation`, not
    /// 0. If it is another than in an earlier message, the reader learns that the dump is not
    /// consistent.
    pub fn set_generation(&mut self, generation: u32) {
        // SAFETY: By the type's invariant.
        unsafe { self.cb.as_mut().seq = generation };
    }

    /// Adds an entry, after which the dump goes on at `next`. `false` if there is no room: then
    /// return; the dump goes on with this entry in the next message.
    pub fn entry(
        &mut self,
        next: Cursor,
        fill: impl FnOnce(&mut Message<'_>) -> Result,
    ) -> Result<bool> {
        const NLM_F_MULTI: c_int = 2;
        // SAFETY: By the type's invariant.
        let info = unsafe { self.request.info.as_ref() };
        let skb = self.skb.as_ptr();
        // SAFETY: `skb` is valid by the type's invariant, the family is that of the dump.
        let header = unsafe {
            bindings::genlmsg_put(
                skb,
                info.snd_portid,
                info.snd_seq,
                info.family,
                NLM_F_MULTI,
                self.request.command(),
            )
        };
        let result = if header.is_null() {
            Err(EMSGSIZE)
        } else {
            // SAFETY: A message was begun in `skb`, which netlink lent to us.
            fill(&mut unsafe { Message::from_raw(self.skb) })
        };
        match result {
            Ok(()) => {
                // SAFETY: `header` is that of the message begun above.
                unsafe { dst_blk_genl_end_entry(skb, self.cb.as_ptr(), header) };
                self.cursor = next;
                Ok(true)
            }
            Err(error) => {
                if !header.is_null() {
                    // SAFETY: As above.
                    unsafe { dst_blk_genl_cancel(skb, header) };
                }
                // SAFETY: By the type's invariant.
                if error != EMSGSIZE || unsafe { self.skb.as_ref() }.len == 0 {
                    return Err(error);
                }
                self.full = true;
                Ok(false)
            }
        }
    }
}

/// The family's service.
///
/// # Safety
///
/// `info` must belong to a request to a family that [`Registration::new`] registered, and the
/// result must not outlive the request.
unsafe fn service<'a>(info: NonNull<bindings::genl_info>) -> &'a dyn Service {
    // SAFETY: By the contract of this function the family is the field of a `Shared`, which
    // stays until no request is under way.
    unsafe {
        let family: *const Opaque<bindings::genl_family> = info.as_ref().family.cast();
        let shared = container_of!(family, Shared, family);
        &*(*shared).service
    }
}

/// A request has arrived. Called by the handlers in `genl.c`.
///
/// # Safety
///
/// The arguments are those of a `doit` callback.
#[no_mangle]
unsafe extern "C" fn dst_blk_genl_request(
    skb: *mut bindings::sk_buff,
    info: *mut bindings::genl_info,
) -> c_int {
    let (Some(skb), Some(info)) = (NonNull::new(skb), NonNull::new(info)) else {
        return EINVAL.to_errno();
    };
    // SAFETY: By the contract of this function.
    let request = unsafe { Request::from_raw(info) };
    // SAFETY: By the contract of this function.
    match unsafe { service(info) }.request(&request) {
        Ok(()) => 0,
        Err(fault) => request.refuse(skb, &fault),
    }
}

/// How many bytes a message of a dump that begins must have at least. Called in `genl.c`.
///
/// # Safety
///
/// `info` is that of the dump.
#[no_mangle]
unsafe extern "C" fn dst_blk_genl_dump_room(info: *const bindings::genl_info) -> u32 {
    const MOST: usize = 60 << 10;
    let Some(info) = NonNull::new(info.cast_mut()) else {
        return 0;
    };
    // SAFETY: By the contract of this function.
    let (service, command) = unsafe { (service(info), (*info.as_ref().genlhdr).cmd) };
    // At most 16 bits.
    service.dump_room(command).min(MOST) as u32
}

/// A message of a dump is to be filled. Called by the handlers in `genl.c`.
///
/// # Safety
///
/// `skb` and `cb` are those of a `dumpit` callback, `info` is the dump's.
#[no_mangle]
unsafe extern "C" fn dst_blk_genl_dump(
    skb: *mut bindings::sk_buff,
    cb: *mut bindings::netlink_callback,
    info: *const bindings::genl_info,
) -> c_int {
    let (Some(skb), Some(cb), Some(info)) = (
        NonNull::new(skb),
        NonNull::new(cb),
        NonNull::new(info.cast_mut()),
    ) else {
        return EINVAL.to_errno();
    };
    // SAFETY: `cb` is valid; its context is ours, 48 bytes at a multiple of eight that netlink
    // zeroed when the dump began.
    let context = unsafe { &raw mut (*cb.as_ptr()).__bindgen_anon_1 }.cast::<Cursor>();
    // INVARIANT: By the contract of this function.
    let mut dump = Dump {
        // SAFETY: By the contract of this function.
        request: unsafe { Request::from_raw(info) },
        skb,
        cb,
        // SAFETY: As said above.
        cursor: unsafe { context.read() },
        full: false,
    };
    // SAFETY: By the contract of this function.
    let result = unsafe { service(info) }.dump(&mut dump);
    // SAFETY: As said above.
    unsafe { context.write(dump.cursor) };
    match result {
        Err(error) => error.to_errno(),
        Ok(()) if !dump.full => 0,
        // SAFETY: `skb` is valid. Netlink asks for more as long as this is positive, and it is:
        // the dump is only full if there is something in it.
        Ok(()) => unsafe { skb.as_ref() }.len as c_int,
    }
}
