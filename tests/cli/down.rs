// SPDX-License-Identifier: GPL-2.0

//! `dst down`: what goes, in which order, and when by force; and what is done about machines that do not answer.

use crate::fake::{remote, Export, Fault, Machine, Node, Point, Storage};
use dst_cli::command::save::own_netns;
use dst_cli::error::errno::{EBUSY, ENOENT};
use dst_cli::netlink::uapi::{self, attr};
use std::time::{Duration, Instant};

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

/// A storage in use whose only node is at `address`, in `state`, with so many requests that wait there.
fn waiting(address: &str, state: u32, requests: u32) -> Machine {
    let machine = Machine::new();
    let mut node = remote(0, address);
    node.more
        .u32(attr::node::STATE, state)
        .u32(attr::node::IN_FLIGHT, requests);
    machine.kernel().storages.push(Storage {
        name: "storage".into(),
        disk: "dst".into(),
        state: uapi::storage_state::RUNNING,
        openers: 1,
        nodes: vec![node],
        ..Storage::default()
    });
    machine
}

/// Where nothing answers, and where something does.
const DEAD: &str = "10.0.0.1:1025";
const ALIVE: &str = "192.168.4.80:1025";
const FORCED: &str = "storage-del name=storage del-flags=force";

#[test]
fn what_waits_for_a_dead_machine_is_ended() {
    // One that lost its power without a word counts as connected.
    for state in [uapi::node_state::UP, uapi::node_state::RECONNECTING] {
        let machine = waiting(DEAD, state, 3);
        let begin = Instant::now();
        let outcome = machine.run("down --lost --grace 1 --wait 100");
        assert_eq!(outcome.code, 0, "{}", outcome.err);
        assert!(begin.elapsed() >= Duration::from_secs(1));
        assert_eq!(machine.taken(), ["sync", FORCED]);
        let lines: Vec<&str> = outcome.out.lines().collect();
        assert_eq!(lines.len(), 2, "{}", outcome.out);
        assert!(
            lines[0].contains("does not answer, and 3 requests wait for it"),
            "{}",
            lines[0]
        );
        assert!(
            lines[1].contains("\"storage\" is taken away by force, in "),
            "{}",
            lines[1]
        );
    }
    let outcome = waiting(DEAD, uapi::node_state::UP, 3).run("--json down --lost --grace 0.2");
    assert!(
        outcome.out.contains(r#""gone":["storage"]"#),
        "{}",
        outcome.out
    );
}

#[test]
fn a_machine_that_answers_is_waited_for() {
    for (address, state, requests, told) in [
        // Its disk is slow.
        (ALIVE, uapi::node_state::UP, 3, ""),
        // The module is about to connect to it, or would be if the right device were there.
        (
            ALIVE,
            uapi::node_state::RECONNECTING,
            3,
            "storage \"storage\": node 0 (R: 192.168.4.80:1025, reconnecting: another node answers) does not serve \
             I/O, and 3 requests wait for it; it is taken away by force if that lasts for 30.0 s\n",
        ),
        // Nothing waits for a dead one.
        (DEAD, uapi::node_state::RECONNECTING, 0, ""),
        // It ends what it is asked for in error.
        (DEAD, uapi::node_state::FAILED, 3, ""),
    ] {
        let machine = waiting(address, state, requests);
        machine.kernel().storages[0].nodes[0]
            .more
            .string(attr::node::REASON, "another node answers");
        let outcome = machine.run("down --lost --grace 0.2 --wait 1.5");
        assert_eq!(outcome.code, 6, "{}", outcome.out);
        assert_eq!(outcome.err.trim(), "dst: still in use: storage \"storage\"");
        assert_eq!(outcome.out, told);
        assert_eq!(machine.taken(), ["sync"]);
    }
}

/// Makes the storage of a machine one of another network namespace.
fn to_another_namespace(machine: &Machine) {
    machine.kernel().storages[0]
        .more
        .uint(attr::storage::NETNS, 1);
}

#[test]
fn lost_leaves_storages_of_another_network_namespace_alone() {
    let suspended = waiting(DEAD, uapi::node_state::UP, 3);
    suspended.kernel().storages[0].nodes = vec![Node {
        suspended: true,
        ..remote(0, DEAD)
    }];
    for machine in [
        suspended,
        waiting(DEAD, uapi::node_state::UP, 3),
        waiting(DEAD, uapi::node_state::RECONNECTING, 3),
    ] {
        to_another_namespace(&machine);
        assert_eq!(machine.run("--dry-run down --lost").out, "");
        let outcome = machine.run("down --lost --grace 0.2 --wait 100");
        assert_eq!((outcome.code, outcome.out.as_str()), (0, ""));
        let told =
            "note: storage \"storage\" belongs to another network namespace and is left alone\n";
        assert_eq!(outcome.err, told);
        assert!(machine.taken().is_empty());
    }
    // What is not in use waits for nobody and is not worth a word.
    let machine = waiting(DEAD, uapi::node_state::UP, 0);
    to_another_namespace(&machine);
    machine.kernel().storages[0].openers = 0;
    assert_eq!(machine.run("down --lost").err, "");
}

#[test]
fn lost_ends_what_waits_here_beside_another_network_namespace() {
    let machine = waiting(DEAD, uapi::node_state::RECONNECTING, 3);
    to_another_namespace(&machine);
    let here = own_netns().expect("/proc is there");
    let mut node = remote(0, DEAD);
    node.more
        .u32(attr::node::STATE, uapi::node_state::RECONNECTING)
        .u32(attr::node::IN_FLIGHT, 1);
    let mut own = Storage {
        name: "own".into(),
        disk: "dst-own".into(),
        state: uapi::storage_state::RUNNING,
        openers: 1,
        nodes: vec![node],
        ..Storage::default()
    };
    own.more.uint(attr::storage::NETNS, here);
    machine.kernel().storages.push(own);
    let outcome = machine.run("down --lost --grace 0.2 --wait 100");
    assert_eq!(outcome.code, 0, "{}", outcome.err);
    let forced = "storage-del name=own del-flags=force";
    assert_eq!(machine.taken(), ["sync", forced]);
}

#[test]
fn force_gives_another_network_namespace_its_time() {
    for state in [uapi::node_state::UP, uapi::node_state::RECONNECTING] {
        let machine = waiting(DEAD, state, 3);
        to_another_namespace(&machine);
        let begin = Instant::now();
        let outcome = machine.run("down --wait 1.5 --grace 0.2 --force");
        assert_eq!(outcome.code, 0, "{}", outcome.err);
        assert!(begin.elapsed() >= Duration::from_millis(1500));
        let taken = machine.taken();
        assert_eq!(taken[taken.len() - 2..], ["sync", FORCED], "{taken:?}");
    }
}

#[test]
fn a_request_that_waits_for_a_dead_node_at_another_one_is_found() {
    let machine = waiting(DEAD, uapi::node_state::RECONNECTING, 0);
    machine.kernel().storages[0]
        .more
        .u32(attr::storage::IN_FLIGHT, 1);
    let outcome = machine.run("down --lost --grace 0.5 --wait 100");
    assert_eq!(outcome.code, 0, "{}", outcome.err);
    assert_eq!(machine.taken(), ["sync", FORCED]);
}

#[test]
fn a_suspended_node_goes_on_when_the_machine_stops() {
    let machine = waiting(ALIVE, uapi::node_state::UP, 3);
    machine.kernel().storages[0].nodes = vec![Node {
        suspended: true,
        ..remote(0, ALIVE)
    }];
    let plan = machine.run("--dry-run down --lost");
    assert_eq!(plan.out, "node-resume storage=storage index=0\n");
    let outcome = machine.run("down --lost --grace 0.2 --wait 1.5");
    assert_eq!(
        outcome.out,
        "node 0 of storage \"storage\" goes on: it was suspended, and this machine stops\n"
    );
    assert_eq!(
        machine.taken(),
        ["sync", "node-resume storage=storage index=0"]
    );
}

#[test]
fn nothing_is_asked_for_when_nothing_is_in_use() {
    let machine = waiting(DEAD, uapi::node_state::RECONNECTING, 0);
    machine.kernel().storages[0].openers = 0;
    let outcome = machine.run("down --lost --wait 100");
    assert_eq!((outcome.code, outcome.out.as_str()), (0, ""));
    assert!(machine.taken().is_empty());
    let machine = waiting(DEAD, uapi::node_state::RECONNECTING, 3);
    let plan = machine.run("--dry-run down --lost").out;
    assert_eq!(plan, format!("{FORCED}\n"));
    assert_eq!(machine.run("down --lost --force").code, 2);
    machine.kernel().unloaded = true;
    assert_eq!(machine.run("down --lost --wait 100").code, 0);
}

#[test]
fn a_refused_force_is_told_once_and_tried_again() {
    let machine = waiting(DEAD, uapi::node_state::UP, 3);
    machine.kernel().faults.push(Fault {
        operation: "storage-del",
        errno: EBUSY,
        message: Some("2 requests are still at local devices"),
        point: Point::Nowhere,
    });
    machine.kernel().heals_after = Some(2);
    let outcome = machine.run("down --lost --grace 0.2 --wait 100");
    assert_eq!(outcome.code, 0, "{}", outcome.err);
    let told = "cannot take down storage \"storage\"";
    assert_eq!(outcome.err.matches(told).count(), 1, "{}", outcome.err);
    assert!(outcome.out.contains("is taken away by force"));
}

#[test]
fn force_does_not_wait_for_a_dead_machine() {
    let machine = waiting(DEAD, uapi::node_state::UP, 3);
    let begin = Instant::now();
    let outcome = machine.run("down --wait 100 --grace 0.5 --force");
    assert_eq!(outcome.code, 0, "{}", outcome.err);
    assert!(begin.elapsed() < Duration::from_secs(50));
    assert!(outcome.out.contains("does not answer"), "{}", outcome.out);
    assert!(outcome
        .out
        .ends_with("storage \"storage\" is gone, by force\n"));
    let taken = machine.taken();
    assert!(!taken.contains(&"sync".to_string()), "{taken:?}");
    // Without --force it stays.
    let machine = waiting(DEAD, uapi::node_state::UP, 3);
    assert_eq!(machine.run("down --wait 1.5 --grace 0.2").code, 6);
    assert!(!machine.taken().contains(&FORCED.to_string()));
}

#[test]
fn what_was_written_reaches_its_machine_before_force() {
    let machine = waiting(ALIVE, uapi::node_state::UP, 3);
    machine.kernel().writing = 0..3;
    let outcome = machine.run("down --wait 0 --grace 0.2 --force");
    assert_eq!(outcome.code, 0, "{}", outcome.err);
    assert!(
        outcome.err.contains("still in use: \"storage\""),
        "{}",
        outcome.err
    );
    let normal = "storage-del name=storage";
    assert_eq!(machine.taken(), ["sync", normal, normal, normal, FORCED]);
    // A machine that dies while that lasts is not waited for.
    let machine = waiting(DEAD, uapi::node_state::UP, 3);
    machine.kernel().writing = 0..1000;
    let begin = Instant::now();
    machine.run("down --wait 0 --grace 0.5 --force");
    assert!(begin.elapsed() < Duration::from_secs(30));
    assert_eq!(machine.taken().last().unwrap(), FORCED);
}
