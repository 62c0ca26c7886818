// SPDX-License-Identifier: GPL-2.0

//! `dst restore`: what it asks of the module, what it leaves alone, and what it tells about a file
//! with mistakes.

use crate::fake::{situation, Fault, Machine, Outcome, Point};
use crate::save::{rich, Folder};
use dst_cli::error::errno::{ECONNREFUSED, EINVAL, ENOENT};
use std::fs;
use std::path::PathBuf;

/// A folder with a file.
fn with(test: &str, text: &str) -> (Folder, PathBuf) {
    let folder = Folder::new(test);
    let file = folder.file("dst.conf");
    fs::write(&file, text).unwrap();
    (folder, file)
}

fn restore(machine: &Machine, options: &str, file: &std::path::Path) -> Outcome {
    machine.run(&format!("restore {options} {}", file.display()))
}

const SMALL: &str = "\
[[storage]]
name = \"vol\"
uuid = \"00112233-4455-6677-8899-aabbccddeeff\"

[[storage.node]]
place = \"kano\"

[[export]]
device = \"/dev/sdx\"
listen = \"kano:1026\"
allow = [\"uganda\", \"10.0.0.0/8=ro\"]
copy-from = [\"kano\"]
hello-timeout = 2.5
";

#[test]
fn what_was_saved_comes_back() {
    let before = rich();
    let saved = before.run("save -").out;
    let (_folder, file) = with("round-trip", &saved);
    let after = Machine::new();
    let outcome = restore(&after, "", &file);
    assert_eq!(outcome.code, 0, "{}", outcome.err);
    assert_eq!(
        outcome.out,
        "export /dev/sdx is back\nexport /dev/sdy is back\nstorage \"vol\" is back\n\
         storage \"plain\" is back\n"
    );
    assert_eq!(after.run("save -").out, saved);
    // What is there is left alone.
    after.taken();
    let outcome = restore(&after, "", &file);
    assert_eq!(outcome.code, 0, "{}", outcome.err);
    assert!(outcome.out.contains("storage \"vol\" is there\n"));
    assert!(after.taken().is_empty());
}

#[test]
fn exports_come_first_and_names_are_looked_up() {
    let (_folder, file) = with("order", SMALL);
    let export = "export-add path=/dev/sdx address=192.168.4.80:1026 allow=192.168.4.81/32=rw \
                  allow=10.0.0.0/8=ro copy-from=192.168.4.80/32 hello-timeout=2500";
    let storage = [
        "storage-add name=vol algorithm=linear disk=dst uuid=00112233445566778899aabbccddeeff",
        "node-add storage=vol kind=remote address=192.168.4.80:1025",
        "storage-start name=vol",
    ];
    let machine = Machine::new();
    assert_eq!(restore(&machine, "", &file).code, 0);
    assert_eq!(machine.taken(), [&[export], &storage[..]].concat());
    let machine = Machine::new();
    assert_eq!(restore(&machine, "--exports", &file).code, 0);
    assert_eq!(machine.taken(), [export]);
    assert_eq!(restore(&machine, "--storages", &file).code, 0);
    assert_eq!(machine.taken(), storage);
}

#[test]
fn a_dry_run_shows_what_is_missing_and_does_nothing() {
    let (_folder, file) = with("dry", SMALL);
    let machine = Machine::new();
    restore(&machine, "--exports", &file);
    machine.taken();
    let outcome = restore(&machine, "--dry-run", &file);
    assert_eq!(outcome.code, 0, "{}", outcome.err);
    assert!(machine.taken().is_empty());
    assert_eq!(
        outcome.out,
        "storage-add name=vol algorithm=linear disk=dst \
         uuid=00112233-4455-6677-8899-aabbccddeeff\n\
         node-add storage=vol kind=remote address=192.168.4.80:1025\n\
         storage-start name=vol\nexport /dev/sdx is there\n"
    );
    // Without the module nothing is there.
    machine.kernel().unloaded = true;
    let outcome = restore(&machine, "--dry-run", &file);
    assert!(
        outcome.out.starts_with("export-add path=/dev/sdx"),
        "{}",
        outcome.out
    );
    assert_eq!(restore(&machine, "", &file).code, 3);
}

#[test]
fn mistakes_are_told_with_their_line_and_keep_nothing_else_from_coming_back() {
    let text = "\
[[export]]
device = \"/dev/sdx\"
listen = \"kano\"
alow = [\"10.0.0.0/8\"]

[[storage]]
name = \"vol\"

[[storage.node]]
place = \"kano\"
size = \"10X\"

[[export]]
device = \"/dev/sdy\"
listen = \"kano:1026\"

[[storage]]
name = \"system\"

[[storage.node]]
place = \"kano\"

[[mirror]]
name = \"x\"

[[storage]]
device = \"/dev/dst-z\"

[[storage]]
name = \"wide\"
device = \"/dev/dst-w\"
workers = \"four\"

[[export]]
device = \"/dev/sdy\"
listen = \"kano:1027\"
";
    let (_folder, file) = with("mistakes", text);
    let machine = Machine::new();
    let outcome = restore(&machine, "", &file);
    let at = |line: usize| format!("{}:{line}: ", file.display());
    assert_eq!(outcome.code, 2, "{}", outcome.err);
    for (line, words) in [
        (4, "export \"/dev/sdx\": unknown field `alow`"),
        (9, "storage \"vol\": \"10X\": "),
        (17, "storage \"system\": the kernel uses"),
        (23, "unknown key \"mirror\""),
        (26, "storage without a name: missing field `name`"),
        (32, "storage \"wide\": invalid type: string \"four\""),
        (34, "export \"/dev/sdy\": the device is in line 13 already"),
    ] {
        let line = format!("{}{words}", at(line));
        assert!(outcome.err.contains(&line), "{line}\n{}", outcome.err);
    }
    assert_eq!(outcome.out, "export /dev/sdy is back\n");
    assert_eq!(machine.kernel().exports.len(), 1);
    assert!(outcome.err.contains("7 of 8 entries"), "{}", outcome.err);
}

#[test]
fn a_file_that_is_no_toml_is_told_with_its_line() {
    let (_folder, file) = with("syntax", "# one\n[[storage]]\nname = vol\n");
    let outcome = restore(&Machine::new(), "", &file);
    assert_eq!(outcome.code, 2);
    let at = format!("dst: {}:3: ", file.display());
    assert!(outcome.err.starts_with(&at), "{}", outcome.err);
    assert!(outcome.err.contains("nothing was done"), "{}", outcome.err);
    let outcome = Machine::new().run("restore /nonexistent/dst.conf");
    assert_eq!(outcome.code, 5);
    assert!(
        outcome.err.contains("hint: \"dst save\""),
        "{}",
        outcome.err
    );
}

fn fault(machine: &Machine, operation: &'static str, errno: i32) {
    machine.kernel().faults.push(Fault {
        operation,
        errno,
        message: Some("words of the kernel"),
        point: Point::Nowhere,
    });
}

#[test]
fn an_entry_that_fails_keeps_no_other_from_coming_back() {
    let (_folder, file) = with("failing", SMALL);
    let machine = Machine::new();
    fault(&machine, "export-add", EINVAL);
    let outcome = restore(&machine, "", &file);
    assert_eq!(outcome.code, 1);
    assert_eq!(outcome.out, "storage \"vol\" is back\n");
    let at = format!(
        "{}:8: cannot export /dev/sdx at kano:1026: words",
        file.display()
    );
    assert!(outcome.err.contains(&at), "{}", outcome.err);

    // A storage that cannot start leaves nothing behind.
    let machine = Machine::new();
    fault(&machine, "storage-start", EINVAL);
    let outcome = restore(&machine, "--json", &file);
    assert_eq!(outcome.code, 1);
    assert!(machine.kernel().storages.is_empty());
    let value: serde_json::Value = serde_json::from_str(&outcome.out).unwrap();
    let entries = value["restored"].as_array().unwrap();
    assert_eq!(entries[0]["outcome"], "made");
    assert_eq!(entries[1]["outcome"], "failed");
    assert_eq!(entries[1]["line"], 1);
    assert_eq!(entries[1]["error"]["errno_name"], "EINVAL");
}

#[test]
fn what_may_come_is_waited_for() {
    let (_folder, file) = with("waiting", SMALL);
    let machine = Machine::new();
    fault(&machine, "node-add", ECONNREFUSED);
    machine.kernel().heals_after = Some(2);
    let outcome = restore(&machine, "--wait 60", &file);
    assert_eq!(outcome.code, 0, "{}", outcome.err);
    assert_eq!(
        outcome.err,
        "storage \"vol\" waits: words of the kernel (ECONNREFUSED)\n"
    );
    assert_eq!(
        outcome.out,
        "export /dev/sdx is back\nstorage \"vol\" is back\n"
    );

    // An export of a device that a storage makes, and a name that is not known yet.
    let machine = Machine::new();
    fault(&machine, "export-add", ENOENT);
    machine.kernel().heals_after = Some(1);
    assert_eq!(restore(&machine, "--wait 60", &file).code, 0);
}

#[test]
fn waiting_ends() {
    let (_folder, file) = with("ends", SMALL);
    let machine = Machine::new();
    fault(&machine, "node-add", ECONNREFUSED);
    let outcome = restore(&machine, "--wait 0.2", &file);
    assert_eq!(outcome.code, 7);
    assert!(
        outcome.err.contains("it was waited for 0.2 s"),
        "{}",
        outcome.err
    );
    assert!(
        outcome.err.contains("hint: nothing listens there"),
        "{}",
        outcome.err
    );
    assert!(machine.kernel().storages.is_empty());
    let outcome = restore(&machine, "--wait 0", &file);
    assert_eq!(outcome.code, 7);
    assert!(
        outcome.err.contains("nothing was waited for"),
        "{}",
        outcome.err
    );
    // What nothing can put right is not waited for.
    let machine = Machine::new();
    fault(&machine, "node-add", EINVAL);
    assert_eq!(restore(&machine, "--wait 600", &file).code, 1);
}

#[test]
fn what_differs_is_told_and_left() {
    let machine = situation("running");
    machine.run("export add /dev/sdx --listen kano:1026 --allow 10.0.0.0/8 --copy-from kano");
    machine.taken();
    let text = "\
[[export]]
device = \"/dev/sdx\"
listen = \"kano:1027\"
allow = [\"192.168.4.0/24\"]
read-only = true

[[storage]]
name = \"storage\"
device = \"/dev/dst-b\"
workers = 7
[[storage.node]]
place = \"kano\"
[[storage.node]]
place = \"/dev/sdb\"
size = 802
[[storage.node]]
place = \"/dev/sdc\"
";
    let (_folder, file) = with("differs", text);
    let outcome = restore(&machine, "", &file);
    assert_eq!(outcome.code, 6, "{}", outcome.err);
    assert!(machine.taken().is_empty());
    for words in [
        ":1: export /dev/sdx differs and stays as it is:\n",
        "  listen is 192.168.4.80:1026, the file says kano:1027\n",
        "  read-only is no, the file says yes\n",
        "  allow is 10.0.0.0/8=rw, the file says 192.168.4.0/24=ro (--change makes it so)\n",
        "  copy-from is 192.168.4.80/32, the file says no machine (--change makes it so)\n",
        ":7: storage \"storage\" differs and stays as it is:\n",
        "  device is /dev/dst, the file says /dev/dst-b\n",
        "  node 1, /dev/sdb: size is 801, the file says 802\n",
        "  node 2, /dev/sdc: it is \"R: 192.168.4.81:1025\"\n",
        "  workers is not set, the file says 7 (--change makes it so)\n",
    ] {
        assert!(outcome.err.contains(words), "{words}\n{}", outcome.err);
    }
    let outcome = restore(&machine, "--change", &file);
    assert_eq!(outcome.code, 6, "{}", outcome.err);
    assert_eq!(
        machine.taken(),
        [
            "export-set id=1 allow=192.168.4.0/24=ro set-flags=allow+copy-from",
            "storage-set name=storage workers=7"
        ]
    );
    assert!(!outcome.err.contains("allow is"), "{}", outcome.err);
    assert!(!outcome.err.contains("workers"), "{}", outcome.err);
}

#[test]
fn a_storage_that_was_begun_is_completed() {
    let text = "\
[[storage]]
name = \"storage\"
[[storage.node]]
place = \"kano\"
[[storage.node]]
place = \"/dev/sdb\"
[[storage.node]]
place = \"uganda\"
";
    let (_folder, file) = with("begun", text);
    let machine = situation("with a gap");
    let outcome = restore(&machine, "", &file);
    assert_eq!(outcome.code, 0, "{}", outcome.err);
    assert_eq!(
        machine.taken(),
        [
            "node-add storage=storage index=1 kind=local path=/dev/sdb",
            "storage-start name=storage"
        ]
    );
}

#[test]
fn an_export_of_a_storage_belongs_to_the_storages() {
    let text = "\
[[export]]
device = \"/dev/dst\"
listen = \"kano:1026\"

[[export]]
device = \"/dev/disk/by-id/dst-name-vol-part1\"
listen = \"kano:1027\"

[[export]]
device = \"/dev/sdx\"
listen = \"kano:1028\"
";
    let (_folder, file) = with("stacked", text);
    let machine = Machine::new();
    assert_eq!(
        restore(&machine, "--exports", &file).out,
        "export /dev/sdx is back\n"
    );
    assert_eq!(
        restore(&machine, "--storages", &file).out,
        "export /dev/dst is back\nexport /dev/disk/by-id/dst-name-vol-part1 is back\n"
    );
}
