// SPDX-License-Identifier: GPL-2.0

//! Values that several threads reach: `static_text`, `try_cell`, `global`.

use crate::{
    check,
    exec_test::aside::{until, Aside},
    sys::{global::Global, static_text::StaticText, try_cell::TryCell},
};
use kernel::{prelude::*, sync::Arc};

const THREADS: usize = 4;
const ROUNDS: u64 = 2000;

/// A text is there as long as it is set.
pub fn static_text() -> Result {
    let text = StaticText::new();
    check!(text.get().is_none() && !text.is_set());
    text.set(Some(c"first"));
    check!(text.get() == Some(c"first") && text.is_set());
    text.set(Some(c""));
    check!(text.get() == Some(c"") && text.is_set());
    text.set(None);
    check!(text.get().is_none() && !text.is_set());
    Ok(())
}

/// A cell has one holder, and is free again when that one lets go.
pub fn one_holder() -> Result {
    let cell = TryCell::new(1);
    let mut taken = cell.try_take().ok_or(EBUSY)?;
    *taken += 1;
    check!(cell.try_take().is_none());
    drop(taken);
    let taken = cell.try_take().ok_or(EBUSY)?;
    check!(*taken == 2);
    check!(cell.try_take().is_none());
    Ok(())
}

/// What one holder does to the value is there for the next one, on whatever thread.
pub fn holders_in_turn() -> Result {
    // Two numbers that are the same unless two holders have been there at once.
    let cell = Arc::new(TryCell::new((0u64, 0u64)), GFP_KERNEL)?;
    let mut threads = KVec::with_capacity(THREADS, GFP_KERNEL)?;
    for _ in 0..THREADS {
        let cell = cell.clone();
        let work = move || {
            let mut torn = false;
            for _ in 0..ROUNDS {
                let mut taken = loop {
                    if let Some(taken) = cell.try_take() {
                        break taken;
                    }
                    crate::sys::kthread::cond_resched();
                };
                torn |= taken.0 != taken.1;
                taken.0 += 1;
                taken.1 += 1;
            }
            torn
        };
        threads.push(Aside::run(work)?, GFP_KERNEL)?;
    }
    for thread in threads {
        check!(!thread.value()?);
    }
    let total = *cell.try_take().ok_or(EBUSY)?;
    check!(total == (THREADS as u64 * ROUNDS, THREADS as u64 * ROUNDS));
    Ok(())
}

/// A value of the module as a whole is changed by one thread at a time.
pub fn global() -> Result {
    static VALUE: Global<(u64, u64)> = Global::new((0, 0));

    VALUE.with(|value| *value = (0, 0));
    let mut threads = KVec::with_capacity(THREADS, GFP_KERNEL)?;
    for _ in 0..THREADS {
        let work = || {
            for _ in 0..ROUNDS {
                VALUE.with(|value| {
                    value.0 += 1;
                    crate::sys::kthread::cond_resched();
                    value.1 = value.0;
                });
            }
        };
        threads.push(Aside::run(work)?, GFP_KERNEL)?;
    }
    until(|| threads.iter().all(Aside::has_ended))?;
    let total = VALUE.with(|value| *value);
    check!(total == (THREADS as u64 * ROUNDS, THREADS as u64 * ROUNDS));
    Ok(())
}
