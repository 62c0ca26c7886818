// SPDX-License-Identifier: GPL-2.0

//! How a request ended, as a number on the wire and as an errno.

use core::fmt;

macro_rules! statuses {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $errno:literal, $text:literal;)*) => {
        /// How a request ended.
        ///
        /// The numbers are part of the protocol and never change their meaning; new ones are
        /// added at the end.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u32)]
        pub enum Status {
            $($(#[$doc])* $name = $code,)*
        }

        impl Status {
            /// Every status there is.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The number on the wire.
            pub const fn code(self) -> u32 {
                self as u32
            }

            /// The status for a number from the wire.
            ///
            /// A number that this version does not know (a newer peer) is an I/O error: never a
            /// success.
            pub const fn from_code(code: u32) -> Self {
                match code {
                    $($code => Self::$name,)*
                    _ => Self::Io,
                }
            }

            /// The errno for it, as a positive number of the generic Linux table
            /// (`include/uapi/asm-generic/errno*.h`); 0 for [`Status::Ok`].
            pub const fn errno(self) -> i32 {
                match self {
                    $(Self::$name => $errno,)*
                }
            }

            /// What it means, in words that complete "the node answered: ...".
            pub const fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

statuses! {
    /// Done.
    Ok = 0, 0, "done";
    /// The request contradicts the protocol or what was negotiated.
    Invalid = 1, 22, "the request is not valid";
    /// The device failed, without saying more.
    Io = 2, 5, "I/O error";
    /// The device has no room (thin provisioning).
    NoSpace = 3, 28, "no space left on the device";
    /// The export or the device may not be written.
    ReadOnly = 4, 30, "read-only";
    /// The address list does not allow it.
    NotAllowed = 5, 13, "not allowed by the address list";
    /// The server does not know the opcode, or the device cannot do it.
    Unsupported = 6, 95, "not supported";
    /// The range is not within the export.
    OutOfRange = 7, 34, "outside the export";
    /// The request carries another epoch than the one in force: its sender no longer owns the
    /// storage.
    StaleEpoch = 8, 116, "another owner has taken the storage over";
    /// Somebody else has the export or device for himself.
    Busy = 9, 16, "in use by another client";
    /// The server is being stopped.
    Stopping = 10, 108, "the server is stopping";
    /// It took too long.
    TimedOut = 11, 110, "timed out";
    /// The medium cannot give the data back.
    Medium = 12, 61, "medium error";
    /// The server lacks memory or slots.
    NoMemory = 13, 12, "the server is out of memory";
    /// No version of the protocol is common to both sides.
    Version = 14, 93, "no common protocol version";
    /// A feature that one side requires is missing on the other.
    Feature = 15, 92, "a required feature is missing";
    /// There is no export of that name.
    NoExport = 16, 2, "no such export";
    /// The device has no (valid) label.
    NoLabel = 17, 42, "no label on the device";
    /// The label on the device says something else than the request.
    LabelMismatch = 18, 17, "the device belongs to another storage or place";
    /// Writes that were acknowledged may be lost: the server or its cache was replaced before
    /// they were flushed.
    CacheLost = 19, 5, "acknowledged writes were lost before a flush";
    /// Data or integrity checksum wrong.
    Protection = 20, 84, "checksum error";
    /// The device is gone.
    NoDevice = 21, 19, "the device is gone";
    /// An older incarnation of the session still has writes on the way; ask again.
    Draining = 22, 11, "an earlier connection is still being drained";
    /// Copy-from-peer: the server's own configuration does not let it connect to that address.
    PeerNotAllowed = 23, 5, "the machine may not copy from that address";
    /// Copy-from-peer: the other node does not answer, or not in time.
    PeerUnreachable = 24, 5, "the machine cannot reach the other node";
    /// Copy-from-peer: the other node refuses, or is not the node that was meant.
    PeerRefused = 25, 5, "the other node refuses the machine";
    /// Copy-from-peer: the other node cannot be read there.
    PeerFailed = 26, 5, "the other node cannot be read";
}

impl Status {
    /// The status for an errno, positive or negative.
    ///
    /// Total: what has no status of its own is [`Status::Io`]; 0 is [`Status::Ok`]. The way there
    /// and back keeps every status but those that are an I/O error to the block layer, such as
    /// [`Status::CacheLost`].
    pub fn from_errno(errno: i32) -> Self {
        let errno = errno.unsigned_abs();
        match errno {
            // Names under which the block layer and the network report what has a status of
            // another number here (`block/blk-core.c`, `blk_errors`).
            1 => return Self::NotAllowed,         // EPERM
            6 => return Self::NoDevice,           // ENXIO
            75 | 27 => return Self::OutOfRange,   // EOVERFLOW, EFBIG
            122 => return Self::NoSpace,          // EDQUOT
            62 => return Self::TimedOut,          // ETIME
            52 => return Self::Busy,              // EBADE: reservation conflict
            38 | 524 => return Self::Unsupported, // ENOSYS, ENOTSUPP
            _ => {}
        }
        for status in Self::ALL {
            if status.errno().unsigned_abs() == errno {
                return *status;
            }
        }
        Self::Io
    }

    /// Whether it says of a copy-from-peer that the other node could not be read: nothing has failed here.
    pub const fn is_of_peer(self) -> bool {
        matches!(
            self,
            Self::PeerNotAllowed | Self::PeerUnreachable | Self::PeerRefused | Self::PeerFailed
        )
    }

    /// Whether it says that the device could not do what it was asked for, or not yet. That it is unable to by its nature, or that somebody
    /// may not ask, is no error of it.
    pub const fn is_of_device(self) -> bool {
        matches!(
            self,
            Self::Io
                | Self::NoSpace
                | Self::TimedOut
                | Self::Medium
                | Self::NoMemory
                | Self::Protection
                | Self::NoDevice
        )
    }

    /// Whether the request succeeded.
    pub const fn is_ok(self) -> bool {
        matches!(self, Self::Ok)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}
