// SPDX-License-Identifier: GPL-2.0

//! `dst down`: what goes, in which order, and when by force.

use crate::fake::{Export, Fault, Machine, Point, Storage};
use dst_cli::error::errno::ENOENT;
use dst_cli::netlink::uapi;

/// Two storages, the second on the first, an export of the second and one of a disk.
fn stacked() -> Machine {
    let machine = Machine::new();
    {
        let mut kernel = machine.kernel();
        for (name, disk) in [("lower", "dst"), ("upper", "dst-u")] {
            kernel.storages.push(Storage {
                name: name.into(),
                disk: disk.into(),
                state: uapi::storage_state::RUNNING,
                ..Storage::default()
            });
        }
        for (id, path) in [(1, "/dev/sdc"), (2, "/dev/dst-u")] {
            kernel.exports.push(Export {
                id,
                path: path.into(),
                ..Export::default()
            });
        }
    }
    machine
}

#[test]
fn what_uses_something_else_goes_before_it() {
    let machine = stacked();
    let outcome = machine.run("down");
    assert_eq!(outcome.code, 0, "{}", outcome.err);
    assert_eq!(
        machine.taken(),
        [
            "export-del id=2",
            "storage-del name=upper",
            "storage-del name=lower",
            "export-del id=1"
        ]
    );
    assert!(outcome.out.starts_with("export /dev/dst-u is gone\n"));
    assert_eq!(machine.run("down").out, "nothing runs\n");
    machine.kernel().unloaded = true;
    assert_eq!(machine.run("down").code, 0);
}

#[test]
fn a_part_can_go_alone() {
    let machine = stacked();
    machine.run("down --exports");
    assert_eq!(machine.taken(), ["export-del id=1"]);
    let plan = machine.run("--dry-run down").out;
    assert_eq!(
        plan,
        "export-del id=2\nstorage-del name=upper\nstorage-del name=lower\n"
    );
    assert!(machine.taken().is_empty());
    machine.run("down --storages");
    assert_eq!(machine.taken().len(), 3);
}

#[test]
fn force_comes_only_after_a_normal_try() {
    let machine = stacked();
    machine.kernel().storages[1].openers = 1;
    let outcome = machine.run("down --wait 0 --storages");
    assert_eq!(outcome.code, 6, "{}", outcome.err);
    assert!(
        outcome.err.contains("cannot take down storage \"upper\""),
        "{}",
        outcome.err
    );
    machine.taken();
    let outcome = machine.run("down --wait 0.3 --force");
    assert_eq!(outcome.code, 0, "{}", outcome.err);
    let taken = machine.taken();
    assert_eq!(taken[0], "storage-del name=upper");
    let forced = "storage-del name=upper del-flags=force".to_string();
    assert!(taken.contains(&forced), "{taken:?}");
    assert_eq!(taken.last().unwrap(), "export-del id=1 del-flags=force");
}

#[test]
fn what_is_shown_and_cannot_be_found_ends_the_wait() {
    let machine = stacked();
    machine.kernel().faults.push(Fault {
        operation: "storage-del",
        errno: ENOENT,
        message: None,
        point: Point::Nowhere,
    });
    let outcome = machine.run("down --wait 0.2 --storages --force");
    assert_eq!(outcome.code, 5, "{}", outcome.err);
}
