// SPDX-License-Identifier: GPL-2.0

//! The cases of the tests of `net`, over the loopback interface.

pub mod stream;

use crate::{
    exec_test::Context,
    test_suite::{nothing_to_begin, nothing_to_end},
};
use kernel::prelude::*;

/// Calls a case with a context of its own.
fn call(case: fn(&Context) -> Result) -> Result {
    case(&Context::new()?)
}

crate::suites! {
    /// All suites.
    SUITES, begin: nothing_to_begin, end: nothing_to_end, call: call;
    dst_net_stream = stream: { both_ways, cancelled_everywhere, accepting_cancelled };
}
