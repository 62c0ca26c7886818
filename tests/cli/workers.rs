// SPDX-License-Identifier: GPL-2.0

//! Changing the workers of a storage.

use crate::fake::Machine;

/// Runs a command that must succeed and gives what it changed.
fn changes(machine: &Machine, line: &str) -> Vec<String> {
    let outcome = machine.run(line);
    assert_eq!(outcome.code, 0, "dst {line}: {}", outcome.err);
    machine.taken()
}

#[test]
fn set_changes_the_workers() {
    let machine = Machine::new();
    machine.run("create storage kano /dev/sdc");
    machine.taken();
    assert_eq!(
        changes(
            &machine,
            "set storage --workers 4 --worker-nice -5 --worker-cpus 0-3,6"
        ),
        ["storage-set name=storage workers=4 worker-nice=-5 worker-cpus=0-3,6"]
    );
    let outcome = machine.run("set storage --worker-nice 7");
    assert_eq!(
        outcome.out,
        "storage \"storage\" has 4 workers, nice level 7, on CPUs 0-3,6\n"
    );
    machine.taken();
    let outcome = machine.run("set storage --worker-nice=-20 --json");
    let value: serde_json::Value = serde_json::from_str(&outcome.out).unwrap();
    assert_eq!(value["storage"]["workers"], 4);
    assert_eq!(value["storage"]["worker_nice"], -20);
    assert_eq!(value["storage"]["worker_cpus"], "0-3,6");
    machine.taken();
    assert_eq!(
        changes(&machine, "set storage --worker-cpus any"),
        ["storage-set name=storage worker-cpus="]
    );
    assert_eq!(machine.run("set storage").code, 2);
    assert_eq!(machine.run("set storage --workers -1").code, 2);
    assert_eq!(machine.run("set other --workers 4").code, 5);
    let plan = machine.run("--dry-run set storage --workers 3").out;
    assert_eq!(plan, "storage-set name=storage workers=3\n");
}
