// SPDX-License-Identifier: GPL-2.0

//! Waiting for one event.

use crate::{
    check,
    exec_test::aside::{gate, until, Aside, PATIENT},
    sys::{
        clock,
        completion::{Wait, Waited},
    },
};
use kernel::prelude::*;

const WAYS: [Wait; 4] = [
    Wait::FOREVER,
    Wait::NONE,
    Wait::at_most(10),
    Wait::FOREVER.interruptible(),
];

/// Who does not wait learns whether it has happened; after that nobody waits at all.
pub fn before_and_after() -> Result {
    let event = gate()?;
    check!(event.wait(Wait::NONE) == Waited::TimedOut);
    check!(event.wait(Wait::NONE.interruptible()) == Waited::TimedOut);
    event.complete();
    for _ in 0..3 {
        for how in WAYS {
            check!(event.wait(how) == Waited::Done);
            check!(event.wait(how.interruptible()) == Waited::Done);
        }
    }
    check!(Waited::Done.ok() == Ok(()));
    check!(Waited::TimedOut.ok() == Err(ETIMEDOUT));
    check!(Waited::Signal.ok() == Err(EINTR));
    Ok(())
}

/// A limit is not over too early, by the clock that goes with the ticks, which keep it: on a machine
/// that was held up they come late, and then fast.
pub fn limits() -> Result {
    let event = gate()?;
    for how in [Wait::at_most(100), Wait::at_most(100).interruptible()] {
        let begun = clock::coarse_milliseconds();
        check!(event.wait(how) == Waited::TimedOut);
        check!(clock::coarse_milliseconds() - begun >= 100);
    }
    Ok(())
}

/// A signal ends interruptible waiting and no other.
pub fn signal() -> Result {
    for limit in [Wait::FOREVER, Wait::at_most(u32::MAX), PATIENT] {
        let (event, second) = (gate()?, gate()?);
        let (waits, told) = (event.clone(), second.clone());
        let thread = Aside::run(move || {
            let first = waits.wait(limit.interruptible());
            told.complete();
            // A signal is still pending, and is nothing to this one.
            (first, waits.wait(PATIENT))
        })?;
        // The thread takes signals only after a moment; one that comes before is lost.
        until(|| {
            thread.thread.interrupt();
            second.wait(Wait::NONE) == Waited::Done
        })?;
        for _ in 0..100 {
            thread.thread.interrupt();
            check!(!thread.has_ended());
        }
        event.complete();
        check!(thread.value()? == (Waited::Signal, Waited::Done));
    }
    Ok(())
}

/// All who wait go on, and who comes later does too.
pub fn everybody() -> Result {
    let event = gate()?;
    let mut threads = KVec::with_capacity(4, GFP_KERNEL)?;
    for how in [
        Wait::FOREVER,
        PATIENT,
        PATIENT.interruptible(),
        Wait::FOREVER.interruptible(),
    ] {
        let waits = event.clone();
        threads.push(Aside::run(move || waits.wait(how))?, GFP_KERNEL)?;
    }
    check!(!threads.iter().any(Aside::has_ended));
    event.complete();
    until(|| threads.iter().all(Aside::has_ended))?;
    for thread in threads {
        check!(thread.value()? == Waited::Done);
    }
    Ok(())
}
