// SPDX-License-Identifier: GPL-2.0

//! Replacing a node.

use crate::fake::Machine;

fn machine() -> Machine {
    let machine = Machine::new();
    machine.run("create storage kano /dev/sdc");
    machine.taken();
    machine
}

#[test]
fn a_node_goes_on_where_its_disk_is() {
    let machine = machine();
    let outcome = machine.run("replace storage 0 10.0.0.7:1026 --force");
    assert_eq!(
        outcome.out,
        "node 0 of storage \"storage\" is at 10.0.0.7:1026 now: its disk is there, and nothing is copied\n"
    );
    assert_eq!(
        machine.taken(),
        ["node-replace storage=storage index=0 kind=remote address=10.0.0.7:1026 flags=force"]
    );
    machine.run("suspend storage 0");
    let outcome = machine.run("replace storage 0 10.0.0.7:1026");
    assert!(
        outcome.out.ends_with(
            "nothing is copied; it is suspended: \"dst resume storage 0\" lets it go on\n"
        ),
        "{}",
        outcome.out
    );
    let outcome = machine.run("--json replace storage 0 10.0.0.7:1026");
    let value: serde_json::Value = serde_json::from_str(&outcome.out).unwrap();
    assert_eq!(value["replaced"]["state"], "suspended");
    assert_eq!(value["replaced"]["job"], serde_json::Value::Null);
}

#[test]
fn to_another_disk_it_moves() {
    let machine = machine();
    let outcome = machine.run("replace storage 1 /dev/sdd --rate-limit 50M");
    assert_eq!(
        outcome.out,
        "node 1 of storage \"storage\" moves to /dev/sdd, which is another disk: job 1 copies it; \
         \"dst job watch 1\" follows it\n"
    );
    assert_eq!(
        machine.taken(),
        ["node-replace storage=storage index=1 kind=local path=/dev/sdd rate-limit=52428800"]
    );
    assert!(machine
        .run("job list")
        .out
        .contains("migrate  node 1 of storage"));
    let outcome = machine.run("replace storage 0 /dev/sde --watch");
    assert!(outcome.out.contains("done: "), "{}", outcome.out);
}

#[test]
fn what_cannot_be_is_said_at_once() {
    let machine = machine();
    for line in [
        "replace storage 0",
        "replace storage x /dev/sdd",
        "replace storage 0 /dev/sdd,size=1G",
        "replace a/b 0 /dev/sdd",
    ] {
        assert_eq!(machine.run(line).code, 2, "{line}");
    }
    assert!(machine.taken().is_empty());
    let plan = machine.run("--dry-run replace storage 0 10.0.0.7:1026 --min-rate 1M");
    assert_eq!(plan.code, 0);
    assert!(
        plan.out.contains("node-replace storage=storage index=0"),
        "{}",
        plan.out
    );
}
