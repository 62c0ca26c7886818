// SPDX-License-Identifier: GPL-2.0

//! What is told when something fails.

use crate::fake::{situation, Fault, Machine, Point};
use dst_cli::error::{errno::*, errno_name, errno_text, exit_of, Exit};
use dst_cli::netlink::uapi::attr;

/// What is told when `operation` is refused while `line` runs.
fn told(line: &str, operation: &'static str, errno: i32, point: Point) -> String {
    let machine = situation("forming");
    machine.kernel().faults.push(Fault {
        operation,
        errno,
        message: Some("no"),
        point,
    });
    let outcome = machine.run(line);
    assert_ne!(outcome.code, 0, "{line}");
    assert_eq!(
        outcome.code,
        exit_of(errno) as i32,
        "{line}: {}",
        outcome.err
    );
    assert!(outcome.out.is_empty(), "{}", outcome.out);
    outcome.err
}

/// A command, the operation that is refused, the attribute at fault, and what is told of it.
const OBJECTIONS: &[(&str, &str, u16, &str)] = &[
    (
        "create s --device dst-x kano",
        "storage-add",
        attr::storage::DISK,
        "--device (attribute \"disk\")",
    ),
    (
        "-n s -f dst-x -a kano",
        "storage-add",
        attr::storage::DISK,
        "-f (attribute \"disk\")",
    ),
    (
        "create s --alg x kano",
        "storage-add",
        attr::storage::ALGORITHM,
        "--alg (attribute \"algorithm\")",
    ),
    (
        "-n s -A x -a kano",
        "storage-add",
        attr::storage::ALGORITHM,
        "-A (attribute \"algorithm\")",
    ),
    (
        "-n storage -a kano",
        "node-add",
        attr::node::ADDRESS,
        "-a, -p (attribute \"address\")",
    ),
    (
        "-n storage -d /dev/sdx",
        "node-add",
        attr::node::PATH,
        "-d (attribute \"path\")",
    ),
    (
        "-n storage -d /dev/sdx -s 9",
        "node-add",
        attr::node::START,
        "-s (attribute \"start\")",
    ),
    (
        "-n storage -d /dev/sdx -S 9",
        "node-add",
        attr::node::SIZE,
        "-S (attribute \"size\")",
    ),
    (
        "add storage /dev/sdx,size=9",
        "node-add",
        attr::node::SIZE,
        "size= (attribute \"size\")",
    ),
    (
        "add storage kano --connections 9",
        "node-add",
        attr::node::CONNECTIONS,
        "--connections (attribute \"connections\")",
    ),
    (
        "-n e -d /dev/sdx -a kano -b 7",
        "export-add",
        attr::export::BACKLOG,
        "-b (attribute \"backlog\")",
    ),
    (
        "export add /dev/sdx --listen kano --allow kano",
        "export-add",
        attr::export::ALLOW,
        "--allow (attribute \"allow\")",
    ),
    (
        "export add /dev/sdx --listen kano",
        "export-add",
        attr::export::PATH,
        "DEVICE (attribute \"path\")",
    ),
    (
        "set storage --workers 1",
        "storage-set",
        attr::storage::WORKERS,
        "--workers (attribute \"workers\")",
    ),
    (
        "set storage --worker-nice 20",
        "storage-set",
        attr::storage::WORKER_NICE,
        "--worker-nice (attribute \"worker-nice\")",
    ),
    (
        "set storage --worker-cpus 9-",
        "storage-set",
        attr::storage::WORKER_CPUS,
        "--worker-cpus (attribute \"worker-cpus\")",
    ),
];

#[test]
fn an_objection_is_traced_to_the_option() {
    for (line, operation, kind, concerns) in OBJECTIONS {
        let text = told(line, operation, EINVAL, Point::At(*kind));
        assert!(
            text.contains(&format!("\nconcerns: {concerns}\n")),
            "{line}: {text}"
        );
        assert!(text.contains(": no (EINVAL)\n"), "{line}: {text}");
    }
}

#[test]
fn a_missing_attribute_is_named() {
    let text = told(
        "-n storage -d /dev/sdx",
        "node-add",
        EINVAL,
        Point::Missing(attr::node::KIND),
    );
    assert!(text.contains("the attribute \"kind\" is missing"), "{text}");
}

/// A command, the operation that is refused, the errno, the attribute at fault (0: none), and a
/// part of the hint.
const WAYS_ON: &[(&str, &str, i32, u16, &str)] = &[
    ("status", "storage-get", EPERM, 0, "only root may do this"),
    (
        "start storage",
        "storage-start",
        EPERM,
        0,
        "only root may do this",
    ),
    (
        "start storage",
        "storage-start",
        EACCES,
        0,
        "--allow THIS-MACHINE=rw",
    ),
    ("start storage", "storage-start", EROFS, 0, "--read-only"),
    (
        "start storage",
        "storage-start",
        ETIMEDOUT,
        0,
        "no firewall",
    ),
    (
        "start storage",
        "storage-start",
        EHOSTUNREACH,
        0,
        "no firewall",
    ),
    (
        "start storage",
        "storage-start",
        ECONNREFUSED,
        0,
        "nothing listens there",
    ),
    (
        "start storage",
        "storage-start",
        EEXIST,
        0,
        "every device can be a node once",
    ),
    (
        "-n storage -R",
        "storage-start",
        EEXIST,
        0,
        "every device can be a node once",
    ),
    ("start storage", "storage-start", ESTALE, 0, "owns it"),
    (
        "add storage kano",
        "node-add",
        ECONNREFUSED,
        attr::node::ADDRESS,
        "nothing listens there",
    ),
    (
        "add storage kano",
        "node-add",
        EACCES,
        attr::node::ADDRESS,
        "--allow THIS-MACHINE=rw",
    ),
    (
        "add storage kano",
        "node-add",
        EBUSY,
        attr::node::ADDRESS,
        "unless it is shared",
    ),
    ("start storage", "storage-start", EAGAIN, 0, "try again"),
    ("start storage", "storage-start", ENOENT, 0, "lsblk -p"),
    (
        "start storage",
        "storage-start",
        ENOENT,
        attr::storage::NAME,
        "lists the storages",
    ),
    (
        "start storage",
        "storage-start",
        EPROTO,
        0,
        "\"dst info\" on both machines",
    ),
    (
        "export add /dev/a --listen kano",
        "export-add",
        EROFS,
        attr::export::PATH,
        "add --read-only",
    ),
    (
        "start storage",
        "storage-start",
        EBUSY,
        0,
        "one storage or export only",
    ),
    (
        "start storage",
        "storage-start",
        ERANGE,
        0,
        "starts and sizes",
    ),
    (
        "create s kano",
        "storage-add",
        EEXIST,
        attr::storage::NAME,
        "choose another name",
    ),
    (
        "create s kano",
        "storage-add",
        EEXIST,
        attr::storage::DISK,
        "--device dst-OTHER",
    ),
    (
        "create s kano",
        "storage-add",
        EINVAL,
        attr::storage::ALGORITHM,
        "\"dst info\" lists the algorithms",
    ),
    ("delete storage", "storage-del", EBUSY, 0, "unmount it"),
    (
        "delete storage",
        "storage-del",
        ENOENT,
        0,
        "\"dst status\" lists the storages",
    ),
    (
        "add storage kano",
        "node-add",
        EBUSY,
        attr::node::STORAGE,
        "\"dst status storage\" tells its state",
    ),
    (
        "add storage kano",
        "node-add",
        ENOENT,
        attr::node::STORAGE,
        "\"dst status\" lists the storages",
    ),
    (
        "add storage kano,start=9",
        "node-add",
        EINVAL,
        attr::node::START,
        "starts and sizes",
    ),
    ("remove storage 9", "node-del", ENOENT, 0, "lists its nodes"),
    (
        "export add /dev/a --listen kano",
        "export-add",
        EADDRINUSE,
        0,
        "ss -ltnp",
    ),
    (
        "export add /dev/a --listen kano",
        "export-add",
        EADDRNOTAVAIL,
        0,
        "ip address",
    ),
    (
        "export add /dev/a --listen 0.0.0.0:1",
        "export-add",
        EINVAL,
        attr::export::ADDRESS,
        "--any-address",
    ),
    (
        "export add /dev/a --listen kano",
        "export-add",
        EBUSY,
        0,
        "wipefs",
    ),
    (
        "export add /dev/a --listen kano",
        "export-add",
        EEXIST,
        0,
        "wipefs",
    ),
    (
        "export add /dev/a --listen kano",
        "export-add",
        ENOENT,
        0,
        "lsblk -p",
    ),
    (
        "export del 1",
        "export-del",
        EBUSY,
        0,
        "--force disconnects them",
    ),
    (
        "export del 1",
        "export-del",
        ENOENT,
        0,
        "\"dst export list\"",
    ),
    (
        "export set 1 --nobody",
        "export-set",
        ENOENT,
        0,
        "\"dst export list\"",
    ),
    (
        "info",
        "info-get",
        EOPNOTSUPP,
        0,
        "what the loaded module can do",
    ),
];

#[test]
fn every_refusal_that_can_be_met_has_a_way_on() {
    for (line, operation, errno, kind, hint) in WAYS_ON {
        let point = if *kind == 0 {
            Point::Nowhere
        } else {
            Point::At(*kind)
        };
        let text = told(line, operation, *errno, point);
        let hints: Vec<&str> = text.lines().filter(|l| l.starts_with("hint: ")).collect();
        assert!(hints.iter().any(|h| h.contains(hint)), "dst {line}: {text}");
    }
}

#[test]
fn a_module_that_is_not_loaded_is_told_with_the_way_to_load_it() {
    let machine = Machine::new();
    machine.kernel().unloaded = true;
    for line in [
        "status",
        "create s kano",
        "-n s -D",
        "export list",
        "info",
        "events",
        "top",
    ] {
        let outcome = machine.run(line);
        assert_eq!(outcome.code, Exit::NotLoaded as i32, "{line}");
        assert!(
            outcome
                .err
                .contains("the kernel module dst_blk is not loaded"),
            "{}",
            outcome.err
        );
        assert!(
            outcome.err.contains("hint: as root: \"modprobe dst_blk\""),
            "{}",
            outcome.err
        );
    }
}

#[test]
fn an_error_without_words_of_the_kernel_has_those_of_the_c_library() {
    let machine = situation("running");
    machine.kernel().faults.push(Fault {
        operation: "storage-del",
        errno: EIO,
        message: None,
        point: Point::Nowhere,
    });
    let outcome = machine.run("delete storage");
    assert_eq!(
        outcome.err,
        "dst: cannot delete storage \"storage\": Input/output error (EIO)\n"
    );
}

#[test]
fn errors_as_json_hold_the_same() {
    let machine = situation("open");
    let outcome = machine.run("--json delete storage");
    assert_eq!(outcome.code, 6);
    assert!(outcome.out.is_empty());
    let value: serde_json::Value = serde_json::from_str(&outcome.err).unwrap();
    let error = &value["error"];
    assert_eq!(value["schema"], 1);
    assert_eq!(error["what"], "cannot delete storage \"storage\"");
    assert_eq!(
        error["why"],
        "/dev/dst is open; unmount it, or use --force, which fails its I/O (EBUSY)"
    );
    assert_eq!(error["errno"], 16);
    assert_eq!(error["errno_name"], "EBUSY");
    assert_eq!(error["attribute"], "name");
    assert_eq!(error["option"], "NAME");
    assert_eq!(error["exit_code"], 6);
    assert!(error["hints"][0].as_str().unwrap().contains("unmount it"));
    let outcome = machine.run("--json delete");
    assert_eq!(outcome.code, 2);
    let value: serde_json::Value = serde_json::from_str(&outcome.err).unwrap();
    assert_eq!(value["error"]["exit_code"], 2);
}

#[test]
fn every_errno_that_has_a_meaning_has_a_name() {
    for (number, name) in NAMES {
        assert_eq!(errno_name(*number), *name);
        assert!(!errno_text(*number).is_empty());
    }
    assert_eq!(errno_name(12345), "errno 12345");
}
