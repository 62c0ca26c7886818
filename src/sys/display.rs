// SPDX-License-Identifier: GPL-2.0

//! Lets the types of the core be printed by the kernel's formatting macros, which ask for the
//! kernel's own `Display` in place of the language's.

use crate::dst_core::{access, label, map, names, session, text, units, wire};
use kernel::fmt;

/// Implements the kernel's `Display` for types that have the language's.
#[macro_export]
macro_rules! kernel_display {
    ($($type:ty),* $(,)?) => {
        $(
            impl ::kernel::fmt::Display for $type {
                fn fmt(
                    &self,
                    f: &mut ::kernel::fmt::Formatter<'_>,
                ) -> ::kernel::fmt::Result {
                    core::fmt::Display::fmt(self, f)
                }
            }
        )*
    };
}

kernel_display!(
    access::Access,
    access::AccessError,
    access::Prefix,
    access::Rule,
    label::AreaError,
    label::LabelError,
    label::Mismatch<'_>,
    map::ConfigError,
    map::Kind,
    map::LimitsError,
    map::Note,
    names::NameError,
    session::FrameError,
    units::Sectors,
    units::SizeError,
    wire::HelloParseError,
    wire::HelloRefusal,
    wire::HelloReplyError,
    wire::Opcode,
    wire::Refusal,
    wire::ReplyError,
    wire::Status,
);

impl<const N: usize> fmt::Display for text::Text<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        core::fmt::Display::fmt(self, f)
    }
}
