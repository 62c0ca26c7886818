// SPDX-License-Identifier: GPL-2.0

//! Results of I/O.

use kernel::{bindings, prelude::*};

/// Result of an I/O, the block layer's `blk_status_t`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// Done.
    Ok = 0,
    /// The device does not know this operation.
    NotSupported = 1,
    /// No answer in time.
    Timeout = 2,
    /// The device is full (thin provisioning).
    NoSpace = 3,
    /// The way to the device failed; another path may work.
    Transport = 4,
    /// The device refused for good; another path does not help.
    Target = 5,
    /// Somebody else holds a reservation.
    Reservation = 6,
    /// The medium is damaged at this place.
    Medium = 7,
    /// An integrity check failed.
    Protection = 8,
    /// Memory or another resource of the system is short.
    Resource = 9,
    /// Any other error.
    Io = 10,
    /// A bio that must not wait would have had to.
    WouldBlock = 12,
    /// The device is being taken away.
    Offline = 16,
    /// Size or alignment is wrong.
    Invalid = 19,
}

impl Status {
    /// From the block layer's number; numbers without a name here become [`Status::Io`].
    pub const fn from_raw(raw: bindings::blk_status_t) -> Self {
        match raw {
            0 => Self::Ok,
            1 => Self::NotSupported,
            2 => Self::Timeout,
            3 => Self::NoSpace,
            4 => Self::Transport,
            5 => Self::Target,
            6 => Self::Reservation,
            7 => Self::Medium,
            8 => Self::Protection,
            9 => Self::Resource,
            12 => Self::WouldBlock,
            16 => Self::Offline,
            19 => Self::Invalid,
            _ => Self::Io,
        }
    }

    /// The block layer's number.
    pub const fn as_raw(self) -> bindings::blk_status_t {
        self as bindings::blk_status_t
    }

    /// Whether the I/O was done.
    pub const fn is_ok(self) -> bool {
        matches!(self, Self::Ok)
    }

    /// The same as a `Result`, with the block layer's choice of errno.
    pub fn to_result(self) -> Result {
        // SAFETY: The function only looks its argument up in a table.
        kernel::error::to_result(unsafe { bindings::blk_status_to_errno(self.as_raw()) })
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        // SAFETY: The function only looks its argument up in a table.
        Self::from_raw(unsafe { bindings::errno_to_blk_status(error.to_errno()) })
    }
}
