// SPDX-License-Identifier: GPL-2.0

//! Why a request of the administrator is refused.
//!
//! A [`Refusal`] travels from where the fault is found up to the control layer, which turns it
//! into an extended acknowledgement (`struct netlink_ext_ack`) or into the error of a sysfs
//! write. It owns its text, so that the text can name the thing that is at fault; nothing is
//! allocated.

use crate::dst_core::text::Text;
use kernel::{fmt, prelude::*};

/// The longest text of a [`Refusal`] in bytes; what is longer is cut off.
pub const REFUSAL_TEXT_MAX: usize = 240;

/// Which part of a request a [`Refusal`] is about.
///
/// The layers below control do not know the numbers of netlink attributes; they name what they
/// were given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The name of the storage or of the export.
    Name,
    /// The algorithm.
    Algorithm,
    /// The name of the disk.
    Disk,
    /// The storage's identity.
    Uuid,
    /// A flag.
    Flags,
    /// The path of a device.
    Path,
    /// An address, or the port in it.
    Address,
    /// The name of the export that a node asks for.
    Export,
    /// The number of an export.
    Id,
    /// A node's place in the storage.
    Index,
    /// Where in the storage a node begins.
    Start,
    /// How much of the storage is on a node.
    Size,
    /// The number of connections.
    Connections,
    /// The silence after which a server is asked whether it is alive.
    Keepalive,
    /// The time for the answer to a request.
    RequestTimeout,
    /// The number of tries of a request.
    RequestTries,
    /// The number of requests in flight.
    QueueDepth,
    /// The size of a request.
    MaxTransfer,
    /// The number of clients.
    MaxClients,
    /// The memory for one client.
    ClientMemory,
    /// A time limit.
    Timeout,
    /// The list of who may connect.
    Allow,
    /// The number of workers.
    Workers,
    /// The nice level of workers.
    WorkerNice,
    /// The CPUs of workers.
    WorkerCpus,
    /// How fast a job may be at most.
    RateLimit,
    /// How fast a job may be at least.
    MinRate,
}

/// An error number, the part of the request that is at fault, and a text for a person.
///
/// The text names the thing and the reason and what to do next, without a full stop at the end.
#[derive(Clone, Copy)]
pub struct Refusal {
    error: Error,
    field: Option<Field>,
    text: Text<REFUSAL_TEXT_MAX>,
}

impl Refusal {
    /// Composes a refusal; see also the macro [`refuse`](crate::refuse).
    pub fn new(error: Error, field: Option<Field>, text: fmt::Arguments<'_>) -> Self {
        Self {
            error,
            field,
            text: Text::from_display(&text),
        }
    }

    /// The error number.
    pub fn error(&self) -> Error {
        self.error
    }

    /// The part of the request that is at fault.
    pub fn field(&self) -> Option<Field> {
        self.field
    }

    /// The text; empty if nothing is known but the error number.
    pub fn text(&self) -> &str {
        self.text.as_str()
    }

    /// The same refusal, with `field` at fault if none was named.
    pub fn or_field(mut self, field: Field) -> Self {
        self.field = self.field.or(Some(field));
        self
    }
}

/// An error number of a kernel function, without a text.
impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self {
            error,
            field: None,
            text: Text::new(),
        }
    }
}

impl From<kernel::alloc::AllocError> for Refusal {
    fn from(error: kernel::alloc::AllocError) -> Self {
        Self::new(error.into(), None, fmt!("out of memory"))
    }
}

impl core::fmt::Display for Refusal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        if self.text.is_empty() {
            write!(f, "{:?}", self.error)
        } else {
            f.write_str(self.text.as_str())
        }
    }
}

crate::kernel_display!(Refusal);

/// Composes a [`Refusal`](crate::sys::refusal::Refusal): error number, field (or `None`), text.
///
/// `refuse!(EBUSY, Field::Disk, "the disk {} is open; unmount it first", name)`
#[macro_export]
macro_rules! refuse {
    ($error:expr, None, $($text:tt)*) => {
        $crate::sys::refusal::Refusal::new($error, None, ::kernel::prelude::fmt!($($text)*))
    };
    ($error:expr, $field:expr, $($text:tt)*) => {
        $crate::sys::refusal::Refusal::new($error, Some($field), ::kernel::prelude::fmt!($($text)*))
    };
}
