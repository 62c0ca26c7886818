// SPDX-License-Identifier: GPL-2.0

//! Each fault is found by the models that it is named with here.

use crate::{
    dst_core::{task_state, worker_state},
    fault,
    faults::FAULTS,
};
use std::{collections::BTreeSet, process::Command};

/// Faults, and a model that must fail with each.
const FOUND: &[(&str, &str)] = &[
    // The table of task states.
    (task_state::FAULTS[0], "tasks::woken_at_any_time"),
    (task_state::FAULTS[1], "tasks::woken_at_any_time"),
    (task_state::FAULTS[2], "tasks::woken_at_any_time"),
    (task_state::FAULTS[3], "tasks::woken_at_any_time"),
    (task_state::FAULTS[4], "tasks::woken_at_any_time"),
    (task_state::FAULTS[5], "tasks::woken_at_any_time"),
    (task_state::FAULTS[6], "tasks::cancelled_by_two"),
    (task_state::FAULTS[7], "tasks::cancelled_by_two"),
    (task_state::FAULTS[8], "tasks::cancelled_by_two"),
    (task_state::FAULTS[9], "tasks::cancelled_before_it_runs"),
    (task_state::FAULTS[10], "tasks::woken_at_any_time"),
    // The table of worker states.
    (worker_state::FAULTS[0], "pools::tasks_come_in"),
    (worker_state::FAULTS[1], "pools::removed"),
    (worker_state::FAULTS[2], "pools::called_and_refused"),
    (worker_state::FAULTS[3], "pools::called"),
    (worker_state::FAULTS[4], "pools::stopped"),
    (worker_state::FAULTS[5], "pools::called"),
    (worker_state::FAULTS[6], "pools::promised_while_removed"),
    (worker_state::FAULTS[7], "pools::tasks_come_in"),
    // A step of a hand-over.
    (
        "a task that ends does not end its owner",
        "tasks::cancelled_in_a_scope",
    ),
    (
        "the last task ends and a pool that waits for it is not told",
        "pools::ended_with_a_task",
    ),
    (
        "a pool ends and does not wait for its tasks",
        "pools::ended_with_a_task",
    ),
    ("a pool looks for tasks before it closes", "pools::closed"),
    ("a pool that ends takes tasks in", "pools::closed"),
    ("a pool that ends cancels no task", "pools::closed"),
    (
        "a task that is made while its pool ends is not cancelled",
        "pools::closed",
    ),
    (
        "the error of a scope's body hides that of a child",
        "tasks::fails_in_a_scope",
    ),
    (
        "a transition that changes nothing publishes nothing",
        "tasks::woken_while_queued",
    ),
    (
        "the end of a task is told before its future is dropped",
        "tasks::cancelled_by_two",
    ),
    (
        "who awaits the end of a task is not told",
        "tasks::joined_by_two",
    ),
    (
        "who awaits the end of a task is told before it",
        "tasks::joined_by_two",
    ),
    (
        "a thread that joins a task is not told",
        "tasks::woken_at_any_time",
    ),
    (
        "a scope does not hold its task",
        "tasks::cancelled_in_a_scope",
    ),
    (
        "a child that is spawned while its scope is cancelled is forgotten",
        "tasks::fails_in_a_scope",
    ),
    (
        "a task is queued and nobody is woken",
        "pools::tasks_come_in",
    ),
    (
        "a worker is woken before the task is queued",
        "pools::tasks_come_in",
    ),
    (
        "a worker lets go of the lock between looking and sleeping",
        "pools::tasks_come_in",
    ),
    ("who leaves does not pass its wake-up on", "pools::removed"),
    (
        "who serves a caller does not pass its wake-up on",
        "pools::called_with_two_workers",
    ),
    (
        "who leaves forgets those who wait for it alone",
        "pools::called_while_removed",
    ),
    ("stopping wakes one worker", "pools::stopped"),
    (
        "a worker that has left tells nobody who shrinks the pool",
        "pools::shrunk",
    ),
    (
        "a worker that was removed is not waited for",
        "pools::removed",
    ),
    (
        "a removal that a signal ends is not taken back",
        "pools::removed_with_a_signal",
    ),
    (
        "a resizing that a signal ends is not taken back",
        "pools::shrunk_with_a_signal",
    ),
    ("shrinking wakes nobody", "pools::shrunk"),
    (
        "a caller that gives up does not look whether it was answered",
        "pools::called_with_a_limit",
    ),
    (
        "a caller that gives up does not wait for the answer under way",
        "pools::called_with_a_limit",
    ),
    (
        "a worker that is not needed is not released",
        "pools::called_and_refused",
    ),
    ("an earlier waker is kept", "cells::event_happens"),
    (
        "an earlier waker is dropped under the lock",
        "cells::event_happens",
    ),
    (
        "a sleeper looks at its timer before it registers",
        "cells::timer_fires",
    ),
    (
        "a timer wakes before it says that it has expired",
        "cells::timer_fires",
    ),
    (
        "a receiver looks before it registers",
        "cells::oneshot_sent",
    ),
    (
        "a sender that is dropped tells nobody",
        "cells::oneshot_dropped",
    ),
    ("a value is sent and nobody is woken", "cells::oneshot_sent"),
    ("a waiter keeps its earlier waker", "cells::line_moves"),
    (
        "a waiter drops its earlier waker under the lock",
        "cells::line_moves",
    ),
    (
        "what a dropped waiter was granted is lost",
        "cells::line_left",
    ),
    ("who comes later overtakes", "cells::line_kept"),
    (
        "permits come back and nobody in line gets them",
        "cells::line_moves",
    ),
    (
        "a notification that finds nobody is not kept",
        "cells::notified",
    ),
    (
        "a consumer looks once, before it registers",
        "cells::channel_ends",
    ),
    (
        "the last producer goes and nobody is told",
        "cells::channel_used",
    ),
    (
        "a consumer asks whether all producers are gone after it has looked",
        "cells::channel_ends",
    ),
];

/// Runs `model` in a process that has `fault`; what it said if it failed as a model does.
fn find(fault: &str, model: &str) -> Result<String, String> {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("models::{model}"), "--nocapture"])
        .env(fault::VARIABLE, fault)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    // The first line of the first panic; what follows may come of unwinding.
    let mut lines = text
        .lines()
        .skip_while(|line| !line.contains(" panicked at "));
    match (output.status.success(), lines.nth(1)) {
        (false, Some(what)) => Ok(what.to_owned()),
        _ => Err(text),
    }
}

#[test]
fn every_fault_is_found() {
    if fault::wanted().is_some() {
        return;
    }
    let known = task_state::FAULTS.iter().chain(worker_state::FAULTS);
    let known = known.copied().chain(FAULTS.iter().map(|fault| fault.name));
    let tried: BTreeSet<_> = FOUND.iter().map(|(fault, _)| *fault).collect();
    assert_eq!(known.collect::<BTreeSet<_>>(), tried);
    let missed: Vec<_> = FOUND
        .iter()
        .filter(|(fault, model)| match find(fault, model) {
            Ok(what) => {
                println!("{fault}: {model}: {what}");
                false
            }
            Err(text) => {
                println!("{fault}: {model}: not found: {text}");
                true
            }
        })
        .collect();
    assert!(missed.is_empty(), "not found: {missed:#?}");
}
