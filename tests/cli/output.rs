// SPDX-License-Identifier: GPL-2.0

//! What a person sees, and what `--json` says.

use crate::fake::{address_nest, local, remote, situation, Export, Machine, Node, Storage};
use dst_cli::netlink::codec::AttrWriter;
use dst_cli::netlink::uapi::{self, attr, cmd};

/// A storage one of whose nodes is lost.
fn degraded() -> Machine {
    let machine = Machine::new();
    let mut up = AttrWriter::new();
    up.u32(attr::node::STATE, uapi::node_state::UP)
        .uint(attr::node::SINCE, 7_380_000)
        .uint(attr::node::SIZE, 801)
        .u32(attr::node::IN_FLIGHT, 3);
    let mut lost = AttrWriter::new();
    lost.u32(attr::node::STATE, uapi::node_state::RECONNECTING)
        .uint(attr::node::SINCE, 12_000)
        .uint(attr::node::SIZE, 801)
        .string(attr::node::REASON, "connection timed out")
        .string(
            attr::node::WAITS_FOR,
            "192.168.4.81:1025 to accept a connection",
        )
        .u32(attr::node::QUEUED, 5)
        .uint(attr::node::ERRORS, 1 << 33);
    let mut more = AttrWriter::new();
    more.put(attr::storage::UUID, &[0x11; 16])
        .uint(attr::storage::SINCE, 12_000)
        .uint(attr::storage::SECTORS, 1602)
        .string(attr::storage::WAITS_FOR, "node 1")
        .uint(attr::storage::EPOCH, 4)
        .uint(attr::storage::READ_BYTES, 1_258_291)
        .uint(attr::storage::READ_IOS, 300)
        .uint(attr::storage::WRITE_BYTES, 3 << 20)
        .uint(attr::storage::WRITE_IOS, 400)
        .uint(attr::storage::ERRORS, 2);
    machine.kernel().storages.push(Storage {
        name: "storage".into(),
        algorithm: "linear".into(),
        disk: "dst".into(),
        state: uapi::storage_state::DEGRADED,
        openers: 1,
        // Told in no order: the program sorts them.
        nodes: vec![
            Node {
                start: Some(801),
                more: lost,
                ..remote(1, "192.168.4.81:1025")
            },
            Node {
                start: Some(0),
                more: up,
                ..local(0, "/dev/sdb")
            },
        ],
        more,
        ..Storage::default()
    });
    machine
}

#[test]
fn status_answers_what_it_waits_for_since_when_and_what_comes_next() {
    let outcome = degraded().run("status");
    assert_eq!(
        outcome.out,
        "\
storage: degraded for 12 s, /dev/dst, 1602 sectors (801 KiB), linear
  uuid 11111111-1111-1111-1111-111111111111, epoch 4
  open once, 0 in flight, read 1.1 MiB in 300, written 3 MiB in 400, 0 flushes, 2 ERRORS
  waits for: node 1
  next: I/O to the nodes that are up goes on; see the others below
  NODE  STATE         FOR        START  SIZE                     PLACE                 IN FLIGHT   ERRORS
  0     up            2 h 3 min  0      801 sectors (400.5 KiB)  L: /dev/sdb           3           0
  1     reconnecting  12 s       801    801 sectors (400.5 KiB)  R: 192.168.4.81:1025  0+5 queued  8589934592
        reason: connection timed out
        waits for: 192.168.4.81:1025 to accept a connection
        next: it is tried again for ever; I/O to it waits meanwhile
"
    );
    assert!(outcome.err.is_empty());
}

#[test]
fn status_as_json_has_everything_with_units_in_the_names() {
    let outcome = degraded().run("status storage --json");
    let value: serde_json::Value = serde_json::from_str(&outcome.out).unwrap();
    let storage = &value["storages"][0];
    assert_eq!(value["schema"], 1);
    assert_eq!(storage["state"], "degraded");
    assert_eq!(storage["since_ms"], 12_000);
    assert_eq!(storage["sectors"], 1602);
    assert_eq!(storage["reason"], serde_json::Value::Null);
    assert_eq!(storage["nodes"][0]["kind"], "local");
    assert_eq!(storage["nodes"][1]["address"], "192.168.4.81:1025");
    assert_eq!(storage["nodes"][1]["start_sectors"], 801);
    assert_eq!(storage["nodes"][1]["errors"], 8_589_934_592_u64);
    assert_eq!(outcome.out.lines().count(), 1);
}

#[test]
fn status_of_what_is_not_there() {
    let machine = Machine::new();
    assert_eq!(machine.run("status").out, "no storages\n");
    assert_eq!(
        machine.run("status --json").out,
        "{\"schema\":1,\"storages\":[]}\n"
    );
    let outcome = machine.run("status storage");
    assert_eq!(outcome.code, 5);
    assert_eq!(
        outcome.err,
        "dst: there is no storage \"storage\"\nhint: \"dst status\" lists the storages\n"
    );
}

#[test]
fn status_tells_the_next_step_in_every_state() {
    for (state, told) in [
        (
            uapi::storage_state::CONFIGURING,
            "next: \"dst start storage\" makes the device",
        ),
        (
            uapi::storage_state::STARTING,
            "when all nodes are up (0 of 3)",
        ),
        (uapi::storage_state::FAILED, "next: \"dst delete storage\""),
        (uapi::storage_state::STOPPING, "within ten seconds"),
    ] {
        let machine = situation("forming");
        machine.kernel().storages[0].state = state;
        let out = machine.run("status").out;
        assert!(out.contains(told), "{out}");
    }
    let machine = situation("forming");
    machine.kernel().storages[0].nodes.clear();
    assert!(machine
        .run("status")
        .out
        .contains("\"dst add storage NODE...\" adds nodes"));
}

#[test]
fn status_tells_the_next_step_of_each_node() {
    for (state, told) in [
        (
            uapi::node_state::CONNECTING,
            "next: it is tried until the start's time is over",
        ),
        (
            uapi::node_state::RECONNECTING,
            "next: it is tried again for ever; I/O to it waits meanwhile",
        ),
        (
            uapi::node_state::FAILED,
            "next: its I/O fails until the storage is formed again",
        ),
        (
            uapi::node_state::SUSPENDED,
            "next: \"dst resume storage 0\" lets its I/O go on",
        ),
    ] {
        let machine = Machine::new();
        let mut more = AttrWriter::new();
        more.u32(attr::node::STATE, state)
            .string(attr::node::WAITS_FOR, "the right device at 10.0.0.1:1");
        machine.kernel().storages.push(Storage {
            name: "storage".into(),
            state: uapi::storage_state::DEGRADED,
            nodes: vec![Node {
                more,
                ..remote(0, "10.0.0.1:1")
            }],
            ..Storage::default()
        });
        let out = machine.run("status").out;
        assert!(out.contains(told), "{out}");
        assert!(out.contains("waits for: the right device at 10.0.0.1:1\n"));
        // Only what has failed for good is to be formed anew.
        let formed = state == uapi::node_state::FAILED;
        assert_eq!(out.contains("formed again"), formed, "{out}");
    }
}

#[test]
fn colours_are_used_when_they_are_asked_for() {
    let out = degraded().run("--color=always status").out;
    assert!(out.contains("\x1b[33mdegraded\x1b[0m"), "{out}");
    assert!(!degraded().run("status").out.contains('\x1b'));
    let err = Machine::new().run("--color always status x").err;
    assert!(err.starts_with("\x1b[31mdst: "), "{err}");
}

#[test]
fn a_dump_that_was_disturbed_is_made_again() {
    let machine = situation("running");
    machine.kernel().disturbed = 2;
    assert_eq!(machine.run("status").code, 0);
    let dumps = machine
        .kernel()
        .asked
        .iter()
        .filter(|a| a.starts_with("storage-get"))
        .count();
    assert_eq!(dumps, 3);
}

#[test]
fn exports_are_listed() {
    let machine = situation("exported");
    let mut allow = AttrWriter::new();
    allow
        .put(attr::allow::IP, &[10, 0, 0, 0])
        .u8(attr::allow::PREFIX_LEN, 8)
        .u32(attr::allow::ACCESS, 1);
    let mut more = AttrWriter::new();
    more.nest(attr::export::ALLOW, &allow)
        .nest(attr::export::ALLOW, &allow)
        .u32(
            attr::export::FLAGS,
            uapi::export_flags::READ_ONLY | uapi::export_flags::WRITE_BACK,
        )
        .uint(attr::export::SECTORS, 2048);
    machine.kernel().exports.push(Export {
        id: 2,
        path: "/dev/sdd".into(),
        address: Some("[fd00::80]:1026".parse().unwrap()),
        clients: 1,
        more,
        ..Export::default()
    });
    assert_eq!(
        machine.run("export list").out,
        "\
ID  DEVICE    SIZE                  AT                 STATE      CLIENTS  OPTIONS                   ALLOWED
1   /dev/sdc                        192.168.4.80:1025  listening  0        name=disk1,write-through  nobody
2   /dev/sdd  2048 sectors (1 MiB)  [fd00::80]:1026    listening  1        read-only,write-back      10.0.0.0/8=rw, 10.0.0.0/8=rw
"
    );
    let out = machine.run("export list --json").out;
    let value: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(value["exports"][1]["allow"][0]["prefix"], "10.0.0.0/8");
    assert_eq!(value["exports"][1]["allow"][0]["access"], "read-write");
    assert_eq!(Machine::new().run("export list").out, "no exports\n");
}

#[test]
fn connections_are_listed_and_filtered() {
    let machine = Machine::new();
    assert_eq!(machine.run("connection list").out, "no connections\n");
    let mut connection = AttrWriter::new();
    connection
        .uint(attr::connection::ID, 7)
        .u32(attr::connection::ROLE, uapi::connection_role::NODE)
        .u32(attr::connection::STATE, uapi::connection_state::ESTABLISHED)
        .string(attr::connection::STORAGE, "storage")
        .u32(attr::connection::NODE_INDEX, 1)
        .nest(
            attr::connection::LOCAL,
            &address_nest(&"10.0.0.2:40000".parse().unwrap()),
        )
        .nest(
            attr::connection::PEER,
            &address_nest(&"10.0.0.1:1025".parse().unwrap()),
        )
        .u32(attr::connection::ACCESS, uapi::access::READ_WRITE)
        .uint(attr::connection::SENT_BYTES, 4096);
    machine.kernel().connections.push(connection);
    assert_eq!(
        machine.run("connection list --storage storage").out,
        "\
ID  OF                 LOCAL           PEER           STATE        ACCESS      IN FLIGHT  REQUESTS  SENT   RECEIVED
7   node 1 of storage  10.0.0.2:40000  10.0.0.1:1025  established  read-write  0          0         4 KiB  0 B
"
    );
    machine.run("connection list --export 3");
    assert_eq!(
        machine.kernel().asked[1..],
        [
            "connection-get storage=storage (dump)",
            "connection-get export-id=3 (dump)"
        ]
    );
}

#[test]
fn info_tells_versions_and_limits() {
    let out = Machine::new().run("info").out;
    for part in [
        "module 0.1.0",
        "algorithms: linear, mirror",
        "abilities: local-nodes, ipv6",
        "default port 1025",
        "largest request 1 MiB",
        "pool net: 2 workers, 5 tasks",
    ] {
        assert!(out.contains(part), "{part}: {out}");
    }
    let value: serde_json::Value =
        serde_json::from_str(&Machine::new().run("info --json").out).unwrap();
    assert_eq!(value["module"]["algorithms"][1], "mirror");
}

/// One event of each kind, an unknown one, and a loss.
fn events() -> Vec<Option<(u8, AttrWriter)>> {
    let mut storage = AttrWriter::new();
    storage
        .string(attr::storage::NAME, "storage")
        .u32(attr::storage::STATE, 2);
    let mut node = AttrWriter::new();
    node.string(attr::node::STORAGE, "storage")
        .u32(attr::node::INDEX, 1)
        .string(attr::node::TYPE, "R: 10.0.0.1:1025")
        .u32(attr::node::STATE, uapi::node_state::RECONNECTING)
        .string(attr::node::REASON, "connection reset");
    let mut export = AttrWriter::new();
    export
        .u32(attr::export::ID, 3)
        .string(attr::export::PATH, "/dev/sdc")
        .u32(attr::export::STATE, 1);
    let mut connection = AttrWriter::new();
    connection
        .uint(attr::connection::ID, 9)
        .u32(attr::connection::STATE, 4)
        .u32(attr::connection::EXPORT_ID, 3)
        .nest(
            attr::connection::PEER,
            &address_nest(&"10.0.0.7:5".parse().unwrap()),
        )
        .string(attr::connection::REASON, "not in the access list");
    vec![
        Some((cmd::STORAGE_NTF, storage)),
        Some((200, AttrWriter::new())),
        Some((cmd::NODE_NTF, node)),
        None,
        Some((cmd::EXPORT_NTF, export)),
        Some((cmd::CONNECTION_NTF, connection)),
    ]
}

#[test]
fn events_are_followed() {
    let machine = Machine::new();
    let events = events();
    machine.kernel().events.extend(events.clone());
    let outcome = machine.run("events --count 5");
    assert_eq!(outcome.err, "note: what happens from now on is told here\n");
    let told: Vec<&str> = outcome
        .out
        .lines()
        .map(|line| line.split_once(' ').unwrap().1)
        .collect();
    assert_eq!(
        told,
        [
            "storage storage is running",
            "node 1 of storage (R: 10.0.0.1:1025) is reconnecting: connection reset",
            "events were lost: they came faster than they were read",
            "export 3 (/dev/sdc) is listening",
            "connection 9 with 10.0.0.7:5 (export 3) is closed: not in the access list",
        ]
    );
    machine.kernel().events.extend(events);
    let out = machine.run("events --count 5 --json").out;
    let kinds: Vec<String> = out
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["event"].to_string())
        .collect();
    assert_eq!(
        kinds,
        [
            "\"storage\"",
            "\"node\"",
            "\"lost\"",
            "\"export\"",
            "\"connection\""
        ]
    );
    // When the socket fails the program ends with an error instead of spinning.
    assert_eq!(machine.run("events").code, 1);
}

#[test]
fn top_shows_storages_and_nodes_again_and_again() {
    let machine = degraded();
    let out = machine.run("top --count 2 --interval 0.01").out;
    assert_eq!(out.matches("STORAGE").count(), 2);
    assert!(
        out.contains("  1 R: 192.168.4.81:1025  reconnecting"),
        "{out}"
    );
    let out = machine.run("top --count 1 --json").out;
    let value: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(value["seconds"], 0.0);
}
