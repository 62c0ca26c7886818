// SPDX-License-Identifier: GPL-2.0

//! Kernel threads.

use crate::{
    check,
    exec_test::{
        aside::{gate, until, Aside, PATIENT},
        context::Counter,
    },
    sys::{
        completion::{Wait, Waited},
        cpu::CpuSet,
        kthread::{self, Thread, NICE_MAX, NICE_MIN},
    },
};
use core::any::Any;
use kernel::{
    prelude::*,
    sync::{
        atomic::{ordering, Atomic},
        Arc,
    },
    time::{Delta, Instant, Monotonic},
};

/// A handle that is dropped waits for the closure, and what that owned is dropped by then.
pub fn joined() -> Result {
    let counter = Counter::new()?;
    let (begun, end) = (gate()?, gate()?);
    let told = begun.clone();
    let waits = end.clone();
    let token = counter.token();
    let returned = Arc::new(Atomic::new(0u32), GFP_KERNEL)?;
    let says = returned.clone();
    let thread = Thread::spawn(c"dst_test_joined", NICE_MIN - 5, move |_| {
        told.complete();
        let _ = waits.wait(PATIENT);
        kernel::time::delay::fsleep(Delta::from_millis(20));
        drop(token);
        says.store(1, ordering::Release);
    })?;
    begun.wait(PATIENT).ok()?;
    thread.set_nice(NICE_MAX + 5);
    check!(returned.load(ordering::Acquire) == 0);
    end.complete();
    drop(thread);
    check!(returned.load(ordering::Acquire) == 1);
    check!(counter.dropped() == 1);
    Ok(())
}

/// A thread that is stopped before it has begun, or while it begins, leaves nothing behind.
pub fn stopped_at_once() -> Result {
    let counter = Counter::new()?;
    let ran = Arc::new(Atomic::new(0u32), GFP_KERNEL)?;
    for _ in 0..200 {
        let token = counter.token();
        let runs = ran.clone();
        drop(Thread::spawn(c"dst_test_short", 0, move |_| {
            let _kept = token;
            runs.fetch_add(1, ordering::Relaxed);
        })?);
    }
    check!(counter.made() == 200);
    check!(counter.dropped() == 200);
    check!(ran.load(ordering::Relaxed) <= 200);
    Ok(())
}

fn own_number() -> Option<u32> {
    kthread::own(|value: &dyn Any| value.downcast_ref::<u32>().copied()).flatten()
}

/// A thread finds its own value, the innermost one, and none outside of a hold; other threads find
/// theirs.
pub fn own_value() -> Result {
    // Loading a module, or KUnit: no thread of ours.
    check!(own_number().is_none());
    let well = Arc::new(Atomic::new(0u32), GFP_KERNEL)?;
    for number in 1..4u32 {
        let (finds, end) = (well.clone(), gate()?);
        let told = end.clone();
        let _thread = Thread::spawn(c"dst_test_own", 0, move |slot| {
            let mut found = own_number().is_none();
            slot.hold(&number, || {
                found &= own_number() == Some(number);
                slot.hold(&(number + 100), || {
                    found &= own_number() == Some(number + 100);
                    found &= kthread::own(|value| value.is::<u64>()) == Some(false);
                });
                found &= own_number() == Some(number);
            });
            found &= own_number().is_none();
            finds.fetch_add(u32::from(found), ordering::Relaxed);
            told.complete();
        })?;
        end.wait(PATIENT).ok()?;
    }
    check!(well.load(ordering::Relaxed) == 3);
    Ok(())
}

/// A thread that works has had a CPU for longer and longer, and for no longer than it is there.
pub fn run_time() -> Result {
    // The kernel adds up what a thread has had only now and then: what it has had between two
    // readings can be more than the time between them, what it has had in all cannot.
    let begun = Instant::<Monotonic>::now();
    let end = gate()?;
    let until_then = end.clone();
    let thread = Aside::run(move || {
        while until_then.wait(Wait::NONE) == Waited::TimedOut {
            kthread::cond_resched();
        }
    })?;
    let before = thread.thread.run_time();
    let grown = until(|| thread.thread.run_time() >= before + 20_000_000);
    let after = thread.thread.run_time();
    let passed = begun.elapsed().as_nanos();
    end.complete();
    grown?;
    check!(after >= before + 20_000_000);
    // Two clocks, which need not agree on a machine that is emulated; but both are of nanoseconds.
    check!(i128::from(after) / 2 <= i128::from(passed));
    thread.value()
}

/// A thread is kept to the CPUs that it is told, and refuses those that cannot be used.
pub fn own_cpus() -> Result {
    let thread = Aside::run(|| {
        kthread::set_own_cpus(&CpuSet::parse(c"0")?)?;
        kthread::set_own_cpus(&CpuSet::of_kernel_threads()?)
    })?;
    thread.value()??;
    // The one with the highest number that the kernel can have; few machines have it.
    let far = CpuSet::parse(c"N")?;
    let usable = far.is_usable();
    let thread = Aside::run(move || kthread::set_own_cpus(&far))?;
    check!(thread.value()?.is_ok() == usable);
    Ok(())
}
