// SPDX-License-Identifier: GPL-2.0

//! Which fault this process is to have, by the environment.

use std::sync::OnceLock;

/// The variable that names it.
pub(crate) const VARIABLE: &str = "DST_LOOM_FAULT";

static WANTED: OnceLock<Option<String>> = OnceLock::new();

/// The fault, if there is to be one.
pub(crate) fn wanted() -> Option<&'static str> {
    WANTED
        .get_or_init(|| std::env::var(VARIABLE).ok())
        .as_deref()
}

/// Whether it is this one.
pub(crate) fn is(name: &str) -> bool {
    wanted() == Some(name)
}
