// SPDX-License-Identifier: GPL-2.0

//! Which types of the core the kernel's formatting macros can print.

use crate::{
    dst_core::{access, label, map, names, session, text, units, wire},
    kernel_display,
};
use kernel::fmt;

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
