// SPDX-License-Identifier: GPL-2.0

//! Lets types be printed by the kernel's formatting macros, which ask for the kernel's own
//! `Display` in place of the language's.

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
