// SPDX-License-Identifier: GPL-2.0

//! A node that moves: what is copied when, where requests go, and the switch.

mod copy;
mod extents;
mod switch;

use dst_core::migration::*;

/// Sectors of an extent.
const EXTENT: u64 = 8;

type Machine = Migration<Vec<u64>, Vec<Copying>, Vec<Request>>;

/// A node with so many extents, which copies so many of them at once, before its first step.
fn machine(extents: u64, copies: usize, places: usize) -> Machine {
    let extents = Extents::new(vec![u64::MAX; 4], extents * EXTENT, 3).unwrap();
    Machine::new(
        extents,
        vec![Copying::FREE; copies],
        vec![Request::FREE; places],
        Way::Through,
    )
}

/// Does the step that is next.
fn step(machine: &mut Machine, step: Step, outcome: Outcome) {
    let task = machine.next_step().unwrap();
    assert_eq!(task.step, step);
    assert_eq!(machine.next_step(), None, "one at a time");
    machine.done(task, outcome);
}

/// One whose new device is prepared.
fn prepared(extents: u64, copies: usize, places: usize) -> Machine {
    let mut machine = machine(extents, copies, places);
    step(&mut machine, Step::Prepare, Outcome::Done);
    assert_eq!(machine.phase(), Phase::Copying);
    machine
}

/// Copies what is left.
fn copy_all(machine: &mut Machine) {
    while let Some(copy) = machine.copy() {
        machine.copied(copy.ticket, Copied::Done);
    }
    assert!(machine.extents().is_complete());
}

/// One that is the same on both devices.
fn complete(extents: u64) -> Machine {
    let mut machine = prepared(extents, 1, 8);
    copy_all(&mut machine);
    machine
}

fn write(extent: u64) -> What {
    What::Change(extent * EXTENT, 1)
}

/// Admits a request that must go there.
fn goes(machine: &mut Machine, what: What, route: Route) -> Ticket {
    match machine.admit(what) {
        Admission::Go(Some(ticket), found) if found == route => ticket,
        other => panic!("{what:?}: {other:?}, not {route:?}"),
    }
}
