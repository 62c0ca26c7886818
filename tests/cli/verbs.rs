// SPDX-License-Identifier: GPL-2.0

//! The verbs: what they ask of the module, and that they are all or nothing.

use crate::fake::{changes, situation, Fault, Machine, Point};
use dst_cli::error::errno::{ECONNREFUSED, EINVAL, ENOENT};
use dst_cli::netlink::uapi::attr;

#[test]
fn create_adds_the_nodes_in_their_order_and_starts() {
    let machine = Machine::new();
    let line =
        "create storage kano:1025 [fd00::81]:1026,size=10G /dev/sdc,start=20971520,size=801 \
                --connections 4 --queue-depth 64 --fail-fast --connect-timeout 2.5 --keepalive 5 \
                --retry-limit 3600 --timeout 30";
    assert_eq!(
        changes(&machine, line),
        [
            "storage-add name=storage algorithm=linear disk=dst",
            "node-add storage=storage kind=remote address=192.168.4.80:1025 flags=fail-fast \
             connections=4 queue-depth=64 connect-timeout=2500 keepalive=5000 \
             retry-limit=3600000",
            "node-add storage=storage kind=remote address=[fd00::81]:1026 size=20971520 \
             flags=fail-fast connections=4 queue-depth=64 connect-timeout=2500 keepalive=5000 \
             retry-limit=3600000",
            "node-add storage=storage kind=local path=/dev/sdc start=20971520 size=801 \
             flags=fail-fast queue-depth=64 connect-timeout=2500 retry-limit=3600000",
            "storage-start name=storage timeout=30000",
        ]
    );
}

#[test]
fn create_says_what_came_of_it() {
    let machine = Machine::new();
    let outcome = machine.run("create storage kano /dev/sdc");
    assert_eq!(
        outcome.out,
        "storage \"storage\" is running: /dev/dst, 1602 sectors (801 KiB), 2 nodes\n"
    );
    let outcome = machine.run("create other --device /dev/dst-b --alg alg_linear six --raw --json");
    let value: serde_json::Value = serde_json::from_str(&outcome.out).unwrap();
    assert_eq!(value["schema"], 1);
    assert_eq!(value["storage"]["name"], "other");
    assert_eq!(value["storage"]["disk"], "dst-b");
    assert_eq!(value["storage"]["sectors"], 801);
    assert_eq!(value["storage"]["flags"], serde_json::json!(["raw"]));
}

#[test]
fn create_takes_options_of_storage_and_nodes() {
    let machine = Machine::new();
    assert_eq!(
        changes(
            &machine,
            "create s --device dst-x --raw --read-only --force --no-start kano,export=e"
        ),
        [
            "storage-add name=s algorithm=linear disk=dst-x flags=raw+read-only",
            "node-add storage=s kind=remote address=192.168.4.80:1025 export=e flags=force",
        ]
    );
    assert_eq!(
        changes(&machine, "start s --force"),
        ["storage-start name=s start-flags=force"]
    );
}

/// Makes one operation of `create` fail and gives what was asked and told.
fn failing(operation: &'static str, errno: i32, point: Point) -> (Vec<String>, String, i32) {
    let machine = Machine::new();
    let message = Some("words of the kernel");
    machine.kernel().faults.push(Fault {
        operation,
        errno,
        message,
        point,
    });
    let outcome = machine.run("create storage kano /dev/sdc uganda");
    assert!(
        machine.kernel().storages.is_empty(),
        "something was left behind"
    );
    (machine.taken(), outcome.err, outcome.code)
}

#[test]
fn create_leaves_nothing_behind_when_a_node_is_refused() {
    let fault = "node-add storage=storage kind=local";
    let (asked, told, code) = failing(fault, ENOENT, Point::At(attr::node::PATH));
    assert_eq!(asked.len(), 4);
    assert_eq!(asked[3], "storage-del name=storage del-flags=force");
    assert_eq!(code, 5);
    assert_eq!(
        told,
        "dst: cannot add node /dev/sdc to storage \"storage\": words of the kernel (ENOENT)\n\
         concerns: NODE (attribute \"path\")\n\
         note: nothing was left behind: storage \"storage\" is deleted again\n\
         hint: \"lsblk -p\" lists local devices, \"dst export list\" on the other machine its \
         exports\n"
    );
}

#[test]
fn create_leaves_nothing_behind_when_the_start_fails() {
    let (asked, told, code) = failing("storage-start", ECONNREFUSED, Point::Nowhere);
    assert_eq!(asked.len(), 6);
    assert_eq!(asked[5], "storage-del name=storage del-flags=force");
    assert_eq!(code, 7);
    assert!(told.contains("nothing was left behind"), "{told}");
    assert!(told.contains("hint: nothing listens there"), "{told}");
}

#[test]
fn create_touches_nothing_that_was_there_before() {
    let machine = situation("running");
    let outcome = machine.run("create storage /dev/sdz");
    assert_eq!(outcome.code, 6);
    assert_eq!(
        machine.taken(),
        ["storage-add name=storage algorithm=linear disk=dst"]
    );
    assert_eq!(machine.kernel().storages.len(), 1);
    assert!(
        outcome.err.contains("concerns: NAME (attribute \"name\")"),
        "{}",
        outcome.err
    );
}

#[test]
fn a_roll_back_that_fails_is_told() {
    let machine = Machine::new();
    for operation in ["storage-start", "storage-del"] {
        machine.kernel().faults.push(Fault {
            operation,
            errno: EINVAL,
            message: None,
            point: Point::Nowhere,
        });
    }
    let outcome = machine.run("create storage kano");
    assert_eq!(outcome.code, 1);
    assert!(
        outcome
            .err
            .contains("note: what was done could not be undone"),
        "{}",
        outcome.err
    );
    assert!(
        outcome.err.contains("\"dst delete storage --force\""),
        "{}",
        outcome.err
    );
}

#[test]
fn what_cannot_be_understood_stops_create_before_the_kernel() {
    let machine = Machine::new();
    for (line, told) in [
        ("create storage", "required arguments were not provided"),
        ("create stor/age kano", "letters, digits"),
        ("create storage sub/dir", "with its whole path"),
        ("create storage kano,begin=3", "unknown option \"begin\""),
        ("create storage kano,start=3,start=4", "given twice"),
        ("create storage kano,size=0", "leave size= out"),
        ("create storage kano,size=1KB5", "unknown unit"),
        (
            "create storage /dev/sdb,export=x",
            "belongs to a remote node",
        ),
        (
            "create storage fd00::80:1025:1025:1:1:1:1:1",
            "write an IPv6 address as [v6]:port",
        ),
        ("create storage [fd00::80", "without a ']'"),
        ("create storage kano:70000", "not a port"),
        ("create storage kano --device dst7", "partitions"),
        ("create storage kano --timeout 0", "not a time"),
        ("create storage kano --connections 17", "1..=16"),
    ] {
        let outcome = machine.run(line);
        assert_eq!(outcome.code, 2, "{line}");
        assert!(outcome.err.contains(told), "{line}: {}", outcome.err);
    }
    assert!(machine.kernel().asked.is_empty());
}

#[test]
fn nodes_are_added_all_or_none() {
    let machine = situation("forming");
    assert_eq!(changes(&machine, "add storage /dev/sdc kano:7").len(), 2);
    machine.kernel().faults.push(Fault {
        operation: "node-add storage=storage kind=local path=/dev/sdx",
        errno: ENOENT,
        message: Some("no such device"),
        point: Point::At(attr::node::PATH),
    });
    let outcome = machine.run("add storage kano:8 kano:9 /dev/sdx");
    assert_eq!(outcome.code, 5);
    let asked = machine.taken();
    assert_eq!(asked[3], "node-del storage=storage index=6");
    assert_eq!(asked[4], "node-del storage=storage index=5");
    assert!(
        outcome.err.contains("2 nodes are removed again"),
        "{}",
        outcome.err
    );
    assert_eq!(machine.kernel().storages[0].nodes.len(), 5);
}

#[test]
fn nodes_take_free_places_first() {
    let machine = situation("with a gap");
    assert_eq!(
        changes(&machine, "add storage /dev/sdx kano:9 kano:10,index=7"),
        [
            "node-add storage=storage index=1 kind=local path=/dev/sdx",
            "node-add storage=storage kind=remote address=192.168.4.80:9",
            "node-add storage=storage index=7 kind=remote address=192.168.4.80:10",
        ]
    );
}

#[test]
fn a_node_is_removed_by_index_device_or_address() {
    for (what, asked) in [
        ("1", "index=1"),
        ("/dev/sdb", "path=/dev/sdb"),
        ("kano:1025", "address=192.168.4.80:1025"),
    ] {
        let machine = situation("forming");
        assert_eq!(
            changes(&machine, &format!("remove storage {what}")),
            [format!("node-del storage=storage {asked}")]
        );
    }
}

#[test]
fn a_name_with_several_addresses_removes_the_node_that_has_one_of_them() {
    let machine = Machine::new();
    assert_eq!(
        changes(&machine, "create s --no-start twins")[1],
        "node-add storage=s kind=remote address=10.0.0.2:1025"
    );
    assert_eq!(
        changes(&machine, "remove s twins"),
        [
            "node-del storage=s address=10.0.0.1:1025",
            "node-del storage=s address=10.0.0.2:1025",
        ]
    );
}

#[test]
fn delete_and_stop_are_the_same() {
    for verb in ["delete", "stop"] {
        let machine = situation("running");
        assert_eq!(
            changes(&machine, &format!("{verb} storage")),
            ["storage-del name=storage"]
        );
    }
    let machine = situation("open");
    let outcome = machine.run("delete storage");
    assert_eq!(outcome.code, 6);
    assert!(outcome
        .err
        .contains("\"dst delete storage --force\" deletes it now"));
    assert_eq!(
        changes(&machine, "delete storage --force --timeout 10")[1],
        "storage-del name=storage del-flags=force timeout=10000"
    );
}

#[test]
fn a_dry_run_prints_the_operations_and_needs_no_module() {
    let machine = Machine::new();
    machine.kernel().unloaded = true;
    let outcome = machine.run("--dry-run create storage kano --force");
    assert_eq!(outcome.code, 0);
    assert_eq!(
        outcome.out,
        "storage-add name=storage algorithm=linear disk=dst\n\
         node-add storage=storage kind=remote address=192.168.4.80:1025 flags=force\n\
         storage-start name=storage start-flags=force\n"
    );
    let outcome = machine.run("delete storage --dry-run --json");
    let value: serde_json::Value = serde_json::from_str(&outcome.out).unwrap();
    assert_eq!(value["operations"][0]["operation"], "storage-del");
    assert_eq!(value["operations"][0]["attributes"][0]["name"], "name");
    assert_eq!(value["operations"][0]["attributes"][0]["value"], "storage");
    for line in [
        "status",
        "info",
        "events",
        "top",
        "export list",
        "connection list",
    ] {
        assert_eq!(machine.run(&format!("--dry-run {line}")).code, 0, "{line}");
    }
    assert!(machine.kernel().asked.is_empty());
}

#[test]
fn help_completion_and_manual_need_nothing() {
    let machine = Machine::new();
    machine.kernel().unloaded = true;
    for verb in [
        "",
        "create",
        "add",
        "remove",
        "start",
        "delete",
        "status",
        "export",
        "export add",
        "export del",
        "export set",
        "connection list",
        "events",
        "top",
    ] {
        let outcome = machine.run(&format!("{verb} --help"));
        assert_eq!(outcome.code, 0, "{verb}");
        assert!(
            outcome.out.contains("Usage: dst"),
            "{verb}: {}",
            outcome.out
        );
    }
    for shell in ["bash", "zsh", "fish"] {
        let outcome = machine.run(&format!("completions {shell}"));
        assert!(outcome.out.contains("create"), "{shell}");
    }
    assert!(machine.run("man").out.contains(".TH dst 8"));
    assert!(machine.run("--version").out.starts_with("dst "));
    let dir = std::env::temp_dir().join(format!("dst-man-{}", std::process::id()));
    let words = [
        "man".to_string(),
        "--dir".to_string(),
        dir.display().to_string(),
    ];
    assert_eq!(machine.run_words(&words).code, 0);
    let page = std::fs::read_to_string(dir.join("dst-export-add.8")).unwrap();
    assert!(page.contains("write\\-back"), "{page}");
    let page = std::fs::read_to_string(dir.join("dst-2007.8")).unwrap();
    assert!(page.contains("BACKLOG"), "{page}");
    std::fs::remove_dir_all(&dir).unwrap();
    assert_eq!(machine.run("").code, 2);
}
