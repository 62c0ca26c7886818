// SPDX-License-Identifier: GPL-2.0

//! Directories under `/sys/devices`. What is in their files is read by the tests of the module.

use crate::{
    check,
    exec_test::context::{Counter, Token},
    sys::sysfs::{name_taken, Access, Directory, File, Files},
};
use kernel::{prelude::*, sync::Arc};

struct Nothing(#[allow(dead_code)] Token);

impl Files for Nothing {
    const FILES: &'static [File<Self>] = &[
        File {
            name: c"read",
            access: Access::Read(|_, page| page.put(fmt!("nothing\n"))),
        },
        File {
            name: c"write",
            access: Access::Write(|_, _| Ok(())),
        },
        File {
            name: c"both",
            access: Access::ReadWrite(|_, _| Ok(()), |_, _| Ok(())),
        },
    ];
}

/// The names that the kernel has taken, and free ones.
pub fn names() -> Result {
    for name in [c"system", c"virtual", c"platform"] {
        check!(name_taken(name));
    }
    for name in [c"dst-test-free", c"syste", c"systems", c""] {
        check!(!name_taken(name));
    }
    Ok(())
}

/// A directory has its name to itself as long as it is there; so does one in another one. What is
/// behind it is dropped with it, and also if it cannot be made.
pub fn directories() -> Result {
    const NAME: &CStr = c"dst-test-dir";
    let counter = Counter::new()?;
    let make = || Directory::at_top(NAME, Nothing(counter.token()));
    for round in 0..3 {
        let top = Arc::new(make()?, GFP_KERNEL)?;
        check!(name_taken(NAME));
        check!(make().err() == Some(EEXIST));
        check!(counter.dropped() == round * 4 + 1);
        let inner = Directory::within(&top, c"system", Nothing(counter.token()))?;
        let other = Directory::within(&top, c"other", Nothing(counter.token()))?;
        drop(inner);
        check!(counter.dropped() == round * 4 + 2);
        // The directory around the other one stays as long as that does.
        drop(top);
        check!(name_taken(NAME) && counter.dropped() == round * 4 + 2);
        drop(other);
        check!(!name_taken(NAME) && counter.dropped() == round * 4 + 4);
    }
    Ok(())
}
