// SPDX-License-Identifier: GPL-2.0

//! A generic netlink request: its parts, and the ways to answer it.
//!
//! C header: `include/net/genetlink.h`.

use super::{
    genl::Buffer,
    genl_attr::{At, Attributes, Fault, FAULT_TEXT_MAX},
    genl_message::Message,
    net_namespace::Net,
};
use core::{ffi::c_int, marker::PhantomData, mem::size_of, ptr::NonNull};
use kernel::{bindings, error::to_result, prelude::*};

// `lock_class_key`, somewhere in these structures, is empty where lockdep is off.
#[allow(improper_ctypes)]
extern "C" {
    fn dst_blk_genl_net(info: *const bindings::genl_info) -> *mut bindings::net;
    fn dst_blk_genl_reply(skb: *mut bindings::sk_buff, info: *mut bindings::genl_info) -> c_int;
}

/// A request.
///
/// # Invariants
///
/// `info` is what generic netlink passed for a request that it is working on, for `'a`.
pub struct Request<'a> {
    pub(super) info: NonNull<bindings::genl_info>,
    _request: PhantomData<&'a bindings::genl_info>,
}

impl<'a> Request<'a> {
    /// The request that `info` tells of.
    ///
    /// # Safety
    ///
    /// `info` must be as the type's invariant demands.
    pub(super) unsafe fn from_raw(info: NonNull<bindings::genl_info>) -> Self {
        // INVARIANT: By the contract of this function.
        Self {
            info,
            _request: PhantomData,
        }
    }

    /// The operation.
    pub fn command(&self) -> u8 {
        // SAFETY: By the type's invariant; the header is part of the request.
        unsafe { (*self.info.as_ref().genlhdr).cmd }
    }

    /// The network namespace of the socket that the request came from.
    pub fn net(&self) -> Net {
        // SAFETY: By the type's invariant; the namespace lives as long as the socket.
        unsafe { Net::from_raw(dst_blk_genl_net(self.info.as_ptr())) }
    }

    /// The attributes.
    pub fn attributes(&self) -> Attributes<'a> {
        const HEADERS: usize = size_of::<bindings::nlmsghdr>() + size_of::<bindings::genlmsghdr>();
        // SAFETY: By the type's invariant `nlhdr` is a message of the length that it says, which
        // stays as it is for `'a`; generic netlink checked that it has both headers. The family
        // has none of its own.
        let message = unsafe {
            let header = self.info.as_ref().nlhdr;
            core::slice::from_raw_parts(header.cast::<u8>(), (*header).nlmsg_len as usize)
        };
        Attributes::new(message.get(HEADERS..).unwrap_or(&[]), HEADERS)
    }

    /// Answers with a message of the request's own type. May sleep. Answer at most once.
    pub fn reply(&self, fill: impl Fn(&mut Message<'_>) -> Result) -> Result<(), Fault> {
        // SAFETY: By the type's invariant.
        let info = unsafe { self.info.as_ref() };
        // SAFETY: The family is registered as long as a request to it is being worked on; a
        // handler may sleep.
        let buffer = unsafe {
            Buffer::compose(
                info.family.cast_mut(),
                info.snd_portid,
                info.snd_seq,
                self.command(),
                true,
                fill,
            )
        }?;
        self.send(buffer)
    }

    /// Room for an answer, for an operation that is not taken back when the answer finds no
    /// memory. May sleep. Errors: `ENOMEM`.
    pub fn answer(&self) -> Result<Answer<'_, 'a>, Fault> {
        Ok(Answer {
            request: self,
            buffer: Buffer::ordinary()?,
        })
    }

    /// Sends the answer. May sleep.
    fn send(&self, buffer: Buffer) -> Result<(), Fault> {
        // SAFETY: `info` is valid by the type's invariant; the buffer is handed over.
        to_result(unsafe { dst_blk_genl_reply(buffer.into_raw(), self.info.as_ptr()) })?;
        Ok(())
    }

    /// Sends the error acknowledgement for the request that came in `skb`, and returns what the
    /// handler must return then.
    ///
    /// Generic netlink itself would send it after the handler has returned, when a text of ours
    /// is gone; its own room for a composed text is too short for ours. `EINTR` is the value for
    /// which it sends nothing.
    pub(super) fn refuse(&self, skb: NonNull<bindings::sk_buff>, fault: &Fault) -> c_int {
        let mut text = [0u8; FAULT_TEXT_MAX + 1];
        let length = fault.text.len().min(text.len() - 1);
        text[..length].copy_from_slice(&fault.text.as_str().as_bytes()[..length]);
        // SAFETY: By the type's invariant.
        let header = unsafe { self.info.as_ref().nlhdr };
        // Netlink looks whether it lies within the message, and at nothing but that.
        let attribute = |offset: usize| header.cast::<u8>().wrapping_add(offset).cast();
        let mut extack = bindings::netlink_ext_ack::default();
        if length > 0 {
            extack._msg = text.as_ptr().cast();
        }
        match fault.at {
            At::Request => {}
            At::Attribute(offset) => extack.bad_attr = attribute(offset),
            At::Missing(kind) => extack.miss_type = kind,
            At::MissingIn(nest, kind) => {
                extack.miss_nest = attribute(nest);
                extack.miss_type = kind;
            }
        }
        // SAFETY: `skb` is the buffer that the request is in; header, text and acknowledgement
        // live until the call returns, which copies them.
        unsafe {
            bindings::netlink_ack(
                skb.as_ptr(),
                header.cast_mut(),
                fault.error.to_errno(),
                &extack,
            );
        }
        -(bindings::EINTR as c_int)
    }
}

/// An answer that has its memory: made by [`Request::answer`] before the operation is carried
/// out, sent when it has been.
pub struct Answer<'r, 'a> {
    request: &'r Request<'a>,
    buffer: Buffer,
}

impl Answer<'_, '_> {
    /// Sends a message of the request's own type with what `fill` puts into it. May sleep.
    /// Errors: `EMSGSIZE` if that is much.
    pub fn send(mut self, fill: impl FnOnce(&mut Message<'_>) -> Result) -> Result<(), Fault> {
        // SAFETY: By the request's invariant.
        let info = unsafe { self.request.info.as_ref() };
        // SAFETY: The family is registered as long as a request to it is being worked on.
        unsafe {
            self.buffer.put(
                info.family.cast_mut(),
                info.snd_portid,
                info.snd_seq,
                self.request.command(),
                fill,
            )
        }?;
        self.request.send(self.buffer)
    }
}
