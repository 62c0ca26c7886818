// SPDX-License-Identifier: GPL-2.0

//! The command line: verbs, or the options of 2007.

pub mod boot;
pub mod export;
pub mod job;
pub mod legacy;
pub mod replace;
pub mod verbs;

pub use legacy::Legacy;
pub use verbs::{Args, Verb};

use std::ffi::OsString;

/// The letters of the options of 2007, `-h` left out: alone it asks for the whole help.
const LEGACY_LETTERS: &str = "nAbfsSdaprRD";

/// Options that may stand before either form.
const GLOBAL_OPTIONS: &[&str] = &["--json", "--dry-run"];

/// Whether a command line has the form of 2007: the first argument that is not a global
/// option is one of its short options.
pub fn is_legacy(args: &[OsString]) -> bool {
    let mut words = args.iter().skip(1).map(|a| a.to_string_lossy());
    let first = words.find(|w| !GLOBAL_OPTIONS.contains(&w.as_ref()) && !w.starts_with("--color="));
    let Some(first) = first else { return false };
    let mut letters = first.chars();
    letters.next() == Some('-') && letters.next().is_some_and(|c| LEGACY_LETTERS.contains(c))
}
