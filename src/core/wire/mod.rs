// SPDX-License-Identifier: GPL-2.0

//! The protocol between a node's user (client) and the export that serves it (server).
//!
//! A message is a fixed [`Header`] of 48 bytes and, for some opcodes, a payload. How messages
//! are cut into records on the byte stream, and how many payload bytes follow, is the business of
//! [`session`](super::session); nothing here depends on it.
//!
//! What comes from a peer passes three gates, in this order, on either side:
//!
//! 1. [`Message::parse`]: the header by itself (magic, known opcode, known flags, reserved
//!    bytes zero);
//! 2. [`HelloRequest::parse`] and [`negotiate`] on the server, [`HelloReply::accept`] on the
//!    client: once per connection, yielding the same [`Negotiated`] on both sides;
//! 3. [`check_request`] on both sides (the client before it sends, the server before it obeys),
//!    [`check_reply`] on the client.
//!
//! All numbers are little endian. Offsets and lengths are bytes.

pub mod accept;
pub mod check;
pub mod copy;
pub mod header;
pub mod hello;
pub mod negotiate;
pub mod status;

pub use accept::HelloReplyError;
pub use check::{
    carries_reason, check_hello, check_reply, check_request, reply_payload, request_payload, Gate,
    Range, Refusal, ReplyError, Request, LABEL_BYTES,
};
pub use copy::{CopySource, CopySourceError, COPY_SOURCE_BYTES};
pub use header::{
    request_flags, Goodbye, Header, HeaderError, Kind, Message, Opcode, HEADER_BYTES, MAGIC,
};
pub use hello::{
    export_flags, hello_flags, HelloParseError, HelloReply, HelloRequest, Reason, EXPORT_NAME_MAX,
    HELLO_BYTES, HELLO_MAX_BYTES, REASON_BYTES,
};
pub use negotiate::{
    features, negotiate, HelloRefusal, Negotiated, Offer, DEFAULT_TRANSFER, MAX_CONNECTIONS,
    MAX_LOGICAL_BLOCK, MAX_QUEUE_DEPTH, MAX_TRANSFER, MIN_TRANSFER, VERSION_MAX, VERSION_MIN,
};
pub use status::Status;
