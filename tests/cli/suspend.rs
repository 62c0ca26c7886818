// SPDX-License-Identifier: GPL-2.0

//! Suspending nodes, letting them go on, and forgetting their write errors.

use crate::fake::Machine;

fn machine() -> Machine {
    let machine = Machine::new();
    machine.run("create storage kano /dev/sdc");
    machine.taken();
    machine
}

#[test]
fn a_node_is_suspended_and_goes_on() {
    let machine = machine();
    let outcome = machine.run("suspend storage 1");
    assert_eq!(
        outcome.out,
        "node 1 of storage \"storage\" is suspended: nothing is on its way to it; \"dst resume \
         storage 1\" lets it go on\n"
    );
    assert_eq!(machine.taken(), ["node-suspend storage=storage index=1"]);
    let status = machine.run("status storage").out;
    let line = status.lines().find(|line| line.contains("suspended: "));
    let line = line.unwrap_or_else(|| panic!("{status}"));
    assert!(line.contains("suspended: since 20"), "{line}");
    assert!(line.ends_with("Z, 12 requests wait"), "{line}");
    assert!(
        status.contains("next: \"dst resume storage 1\" lets its I/O go on"),
        "{status}"
    );
    machine.taken();
    let outcome = machine.run("resume storage /dev/sdc");
    assert_eq!(outcome.out, "node 1 of storage \"storage\" goes on\n");
    assert_eq!(
        machine.taken(),
        ["node-resume storage=storage path=/dev/sdc"]
    );
    assert!(!machine.run("status storage").out.contains("suspended"));
}

#[test]
fn what_is_left_is_told() {
    let machine = machine();
    let outcome = machine.run("suspend storage /dev/sdc --timeout 0.5");
    assert!(
        outcome.out.contains(
            "is suspended: 3 requests that it was given before are not answered yet; \"dst resume"
        ),
        "{}",
        outcome.out
    );
    assert_eq!(
        machine.taken(),
        ["node-suspend storage=storage path=/dev/sdc timeout=500"]
    );
    machine.run("resume storage 1");
    let outcome = machine.run("suspend storage 1 --timeout 1 --json");
    let value: serde_json::Value = serde_json::from_str(&outcome.out).unwrap();
    assert_eq!(value["suspended"]["index"], 1);
    assert_eq!(value["suspended"]["in_flight"], 3);
}

#[test]
fn refusals_say_what_to_do() {
    let machine = machine();
    let outcome = machine.run("resume storage 1");
    assert_eq!(outcome.code, 1);
    assert!(outcome.err.contains("is not suspended"), "{}", outcome.err);
    machine.run("suspend storage 1");
    let outcome = machine.run("suspend storage 1");
    assert_eq!(outcome.code, 6);
    assert!(
        outcome
            .err
            .contains("\"dst resume storage NODE\" lets it go on"),
        "{}",
        outcome.err
    );
    assert_eq!(machine.run("suspend storage 7").code, 5);
    assert_eq!(machine.run("suspend other 0").code, 5);
    assert_eq!(machine.run("suspend storage").code, 2);
    assert_eq!(machine.run("suspend storage 99999999999").code, 2);
    let plan = machine.run("--dry-run suspend storage 0").out;
    assert_eq!(plan, "node-suspend storage=storage index=0\n");
    machine.run("create idle --device dst-idle --no-start /dev/sdd");
    let outcome = machine.run("suspend idle 0");
    assert!(
        outcome.err.contains("\"dst start idle\" starts it"),
        "{}",
        outcome.err
    );
}

#[test]
fn a_write_error_is_told_and_forgotten() {
    let machine = machine();
    assert!(!machine.run("status storage").out.contains("write error"));
    let refused = machine.run("clear storage 1");
    assert!(
        refused.err.contains("has no write error"),
        "{}",
        refused.err
    );
    machine.kernel().storages[0].nodes[1].write_error = true;
    let status = machine.run("status storage").out;
    let told =
        "write error: Input/output error (os error 5), sector 4096 of the node, 1 min 30 s ago; \
                \"dst clear storage 1\" when its cause is known";
    assert!(status.contains(told), "{status}");
    machine.taken();
    let outcome = machine.run("clear storage /dev/sdc");
    let text = "the write error of node 1 of storage \"storage\" is forgotten\n";
    assert_eq!(outcome.out, text);
    assert_eq!(
        machine.taken(),
        ["node-clear storage=storage path=/dev/sdc"]
    );
    assert!(!machine.run("status storage").out.contains("write error"));
}
