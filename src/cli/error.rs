// SPDX-License-Identifier: GPL-2.0

//! What is told when something fails: what, why, which option, and what to do next.

use crate::netlink::{Failure, Refusal};
use serde_json::json;
use std::fmt;
use std::ops::{Deref, DerefMut};

/// Exit codes of the program, documented in `Documentation/admin/command-line.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum Exit {
    /// All was done.
    Success = 0,
    /// The operation failed for a reason that has no code of its own.
    Failed = 1,
    /// The command line is wrong; nothing was done.
    Usage = 2,
    /// The kernel module is not loaded.
    NotLoaded = 3,
    /// Not permitted: not root, or a machine does not admit this one.
    Permission = 4,
    /// There is no such storage, node, export, device or host.
    NotFound = 5,
    /// In use, or there already.
    Busy = 6,
    /// A machine did not answer.
    Unreachable = 7,
}

/// A failure with all that the user needs to know. Boxed, so that success stays cheap to pass on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(Box<Details>);

impl Deref for Error {
    type Target = Details;

    fn deref(&self) -> &Details {
        &self.0
    }
}

impl DerefMut for Error {
    fn deref_mut(&mut self) -> &mut Details {
        &mut self.0
    }
}

/// What an [`Error`] tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Details {
    /// What could not be done.
    pub what: String,
    /// Why: the kernel's words where it had any.
    pub why: Option<String>,
    /// Positive errno if the kernel refused.
    pub errno: Option<i32>,
    /// The option of the command line that the kernel's objection concerns.
    pub option: Option<String>,
    /// The netlink attribute that it concerns.
    pub attribute: Option<String>,
    /// What else happened, such as a roll-back.
    pub notes: Vec<String>,
    /// What to do next.
    pub hints: Vec<String>,
    /// How the program ends.
    pub exit: Exit,
}

impl Error {
    /// A failure without details.
    pub fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self(Box::new(Details {
            what: what.into(),
            why: None,
            errno: None,
            option: None,
            attribute: None,
            notes: Vec::new(),
            hints: Vec::new(),
            exit,
        }))
    }

    /// A wrong command line.
    pub fn usage(what: impl Into<String>) -> Self {
        Self::new(Exit::Usage, what)
    }

    /// Adds the reason.
    #[must_use]
    pub fn why(mut self, why: impl Into<String>) -> Self {
        self.why = Some(why.into());
        self
    }

    /// Adds what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Adds what else happened.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// A failed conversation with the module.
    pub fn from_failure(what: impl Into<String>, failure: Failure) -> Self {
        let what = what.into();
        match failure {
            Failure::NotLoaded => Self::new(Exit::NotLoaded, what)
                .why("the kernel module dst_blk is not loaded")
                .hint(
                    "as root: \"modprobe dst_blk\", or \"insmod PATH/dst_blk.ko\" if it is not \
                     installed",
                ),
            Failure::Refused(refusal) => Self::refused(what, refusal),
            Failure::EventsLost => Self::new(Exit::Failed, what).why("events were lost"),
            Failure::Io(error) => {
                Self::new(Exit::Failed, what).why(format!("netlink socket: {error}"))
            }
            Failure::Malformed(malformed) => Self::new(Exit::Failed, what)
                .why(malformed.to_string())
                .hint("the program and the module may be of different versions: see \"dst info\""),
        }
    }

    fn refused(what: String, refusal: Refusal) -> Self {
        let Refusal {
            errno,
            message,
            attribute,
            missing,
        } = refusal;
        let name = errno_text(errno);
        let mut why = match message {
            Some(message) => format!("{message} ({})", errno_name(errno)),
            None => format!("{name} ({})", errno_name(errno)),
        };
        if missing {
            let name = attribute.as_deref().unwrap_or("?");
            why = format!("{why}; the attribute \"{name}\" is missing");
        }
        let mut error = Self::new(exit_of(errno), what).why(why);
        error.errno = Some(errno);
        error.attribute = attribute;
        error
    }

    /// The lines for a person.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let why = self
            .why
            .as_ref()
            .map(|why| format!(": {why}"))
            .unwrap_or_default();
        lines.push(format!("dst: {}{why}", self.what));
        match (&self.option, &self.attribute) {
            (Some(option), Some(attribute)) => {
                lines.push(format!("concerns: {option} (attribute \"{attribute}\")"));
            }
            (Some(option), None) => lines.push(format!("concerns: {option}")),
            (None, Some(attribute)) => lines.push(format!("concerns: attribute \"{attribute}\"")),
            (None, None) => {}
        }
        lines.extend(self.notes.iter().map(|note| format!("note: {note}")));
        lines.extend(self.hints.iter().map(|hint| format!("hint: {hint}")));
        lines
    }

    /// The same for programs.
    pub fn json(&self) -> serde_json::Value {
        json!({
            "schema": crate::SCHEMA,
            "error": {
                "what": self.what,
                "why": self.why,
                "errno": self.errno,
                "errno_name": self.errno.map(errno_name),
                "option": self.option,
                "attribute": self.attribute,
                "notes": self.notes,
                "hints": self.hints,
                "exit_code": self.exit as i32,
            }
        })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines().join("\n"))
    }
}

/// Declares the errnos that the program knows, with their symbols.
macro_rules! errnos {
    ($($name:ident = $number:literal,)*) => {
        /// Numbers of errors that the program looks at (`asm-generic/errno.h`).
        pub mod errno {
            $( #[allow(missing_docs)] pub const $name: i32 = $number; )*
            /// All of them with their symbols.
            pub const NAMES: &[(i32, &str)] = &[$( ($number, stringify!($name)), )*];
        }
    };
}

errnos! {
    EPERM = 1,
    ENOENT = 2,
    ESRCH = 3,
    EINTR = 4,
    EIO = 5,
    ENXIO = 6,
    E2BIG = 7,
    EAGAIN = 11,
    ENOMEM = 12,
    EACCES = 13,
    ENOTBLK = 15,
    EBUSY = 16,
    EEXIST = 17,
    ENODEV = 19,
    EINVAL = 22,
    EFBIG = 27,
    ENOSPC = 28,
    EROFS = 30,
    ERANGE = 34,
    EDEADLK = 35,
    ENAMETOOLONG = 36,
    ENOMSG = 42,
    ENODATA = 61,
    EPROTO = 71,
    EBADMSG = 74,
    EOVERFLOW = 75,
    EILSEQ = 84,
    ENOPROTOOPT = 92,
    EPROTONOSUPPORT = 93,
    EOPNOTSUPP = 95,
    EAFNOSUPPORT = 97,
    EADDRINUSE = 98,
    EADDRNOTAVAIL = 99,
    ENETDOWN = 100,
    ENETUNREACH = 101,
    ECONNABORTED = 103,
    ECONNRESET = 104,
    ENOBUFS = 105,
    ENOTCONN = 107,
    ESHUTDOWN = 108,
    ETIMEDOUT = 110,
    ECONNREFUSED = 111,
    EHOSTDOWN = 112,
    EHOSTUNREACH = 113,
    EALREADY = 114,
    ESTALE = 116,
    EREMOTEIO = 121,
    ENOMEDIUM = 123,
    EMEDIUMTYPE = 124,
    ECANCELED = 125,
}

/// The exit code for an errno.
pub fn exit_of(number: i32) -> Exit {
    use errno::*;
    match number {
        EPERM | EACCES => Exit::Permission,
        ENOENT | ENODEV | ENXIO | ENOTBLK => Exit::NotFound,
        EBUSY | EEXIST | EADDRINUSE | EALREADY => Exit::Busy,
        ETIMEDOUT | ECONNREFUSED | ECONNRESET | EHOSTDOWN | EHOSTUNREACH | ENETUNREACH
        | ENETDOWN => Exit::Unreachable,
        _ => Exit::Failed,
    }
}

/// The symbol of an errno.
pub fn errno_name(number: i32) -> String {
    let known = errno::NAMES.iter().find(|(n, _)| *n == number);
    known.map_or_else(
        || format!("errno {number}"),
        |(_, name)| (*name).to_string(),
    )
}

/// The C library's words for an errno.
pub fn errno_text(number: i32) -> String {
    let text = std::io::Error::from_raw_os_error(number).to_string();
    match text.find(" (os error") {
        Some(end) => text[..end].to_string(),
        None => text,
    }
}
