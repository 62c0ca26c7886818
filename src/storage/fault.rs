// SPDX-License-Identifier: GPL-2.0

//! A refusal on its way up.

use crate::sys::refusal::{Field, Refusal};
use kernel::{alloc::AllocError, fmt, prelude::*};

/// What an administrative request comes to.
pub type Outcome<T = ()> = core::result::Result<T, Fault>;

/// A [`Refusal`] that lies on the heap.
///
/// The text makes a refusal large, a start is many calls deep, and a kernel stack is 16 KiB; so
/// results carry a pointer up to the place where the request came in.
pub enum Fault {
    /// A refusal with its text.
    Refusal(KBox<Refusal>),
    /// An error number alone.
    Error(Error),
}

impl Fault {
    /// Composes a refusal; see the macro [`fault`](crate::fault). If memory is short, the text is
    /// lost.
    #[cold]
    #[inline(never)]
    pub fn new(error: Error, field: Option<Field>, text: fmt::Arguments<'_>) -> Self {
        match KBox::new(Refusal::new(error, field, text), GFP_KERNEL) {
            Ok(refusal) => Self::Refusal(refusal),
            Err(_) => Self::Error(error),
        }
    }

    /// The error number.
    pub fn error(&self) -> Error {
        match self {
            Self::Refusal(refusal) => refusal.error(),
            Self::Error(error) => *error,
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl From<AllocError> for Fault {
    fn from(error: AllocError) -> Self {
        Self::Error(error.into())
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Refusal(refusal) => *refusal,
            Fault::Error(ENOMEM) => AllocError.into(),
            Fault::Error(error) => error.into(),
        }
    }
}

/// Composes a [`Fault`](crate::storage::fault::Fault), with the arguments of
/// [`refuse`](crate::refuse).
#[macro_export]
macro_rules! fault {
    ($error:expr, None, $($text:tt)*) => {
        $crate::storage::fault::Fault::new($error, None, ::kernel::prelude::fmt!($($text)*))
    };
    ($error:expr, $field:expr, $($text:tt)*) => {
        $crate::storage::fault::Fault::new($error, Some($field), ::kernel::prelude::fmt!($($text)*))
    };
}
