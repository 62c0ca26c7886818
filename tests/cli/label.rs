// SPDX-License-Identifier: GPL-2.0

//! `dst label`, on images of disks: what a person is told and what udev is.

use crate::fake::Machine;
use crate::save::Folder;
use dst_cli::label::storage_properties;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

const GOLDEN: &[u8] = include_bytes!("../golden/label-linear.bin");
const DISK: u64 = 64 << 20;
/// Where the other device of a node that moves is, in the golden labels.
const PLACE: &str = "10.0.0.1:4711/kano";
const A: u64 = DISK - (4 << 20);
const B: u64 = DISK - 4096;

/// An image of a disk that carries the golden label.
fn disk(folder: &Folder) -> PathBuf {
    let path = folder.file("disk");
    let file = fs::File::create(&path).unwrap();
    file.set_len(DISK).unwrap();
    file.write_all_at(GOLDEN, A).unwrap();
    file.write_all_at(GOLDEN, B).unwrap();
    path
}

fn spoil(path: &Path, offset: u64) {
    let file = fs::File::options().write(true).open(path).unwrap();
    file.write_all_at(b"x", offset + 100).unwrap();
}

fn run(options: &str, path: &Path) -> crate::fake::Outcome {
    Machine::new().run(&format!("label {options} {}", path.display()))
}

#[test]
fn a_person_is_told_where_a_disk_belongs() {
    let folder = Folder::new("label");
    let path = disk(&folder);
    let outcome = run("", &path);
    assert_eq!(outcome.code, 0, "{}", outcome.err);
    assert_eq!(
        outcome.out,
        format!(
            "{}: node 1 of 3 of storage \"kano\" (alg_linear)\n  \
             storage uuid 73746f72-6167-652d-3031-323334353621, epoch 5\n  \
             node uuid 6e6f6465-2d2d-2d2d-3031-323334353621\n  \
             holds 122880 sectors (60 MiB) from sector 122880 of the storage on\n  \
             both copies are good\n",
            path.display()
        )
    );
    spoil(&path, A);
    assert!(run("", &path).out.contains("the first copy is damaged"));
    let value: serde_json::Value = serde_json::from_str(&run("--json", &path).out).unwrap();
    assert_eq!(value["label"]["storage"], "kano");
    assert_eq!(value["label"]["epoch"], 5);
    spoil(&path, B);
    let outcome = run("", &path);
    assert_eq!(outcome.code, 1);
    assert!(outcome.err.contains("damaged"), "{}", outcome.err);
    assert_eq!(run("", &folder.file("none")).code, 5);
}

#[test]
fn a_node_that_moves_has_two_devices() {
    let folder = Folder::new("label-moves");
    let path = disk(&folder);
    let file = fs::File::options().write(true).open(&path).unwrap();
    let label = |golden: &[u8]| {
        file.write_all_at(golden, A).unwrap();
        file.write_all_at(golden, B).unwrap();
        let value = serde_json::from_str(&run("--json", &path).out).unwrap();
        let value: serde_json::Value = value;
        (run("", &path).out, value["label"].clone())
    };
    let (text, value) = label(GOLDEN);
    assert!(text.contains("\n  holds 122880 sectors"), "{text}");
    assert_eq!(value["state"], "holds");
    assert!(value["partner"].is_null());
    let (text, value) = label(include_bytes!("../golden/label-copy.bin"));
    assert!(
        text.contains("is a copy of the node's other device, "),
        "{text}"
    );
    assert_eq!(value["state"], "copy");
    assert_eq!(value["partner"]["place"], PLACE);
    let (text, value) = label(include_bytes!("../golden/label-replaced.bin"));
    let moved = format!("the node has moved to another device, {PLACE}\n  held 122880 sectors");
    assert!(text.contains(&moved), "{text}");
    assert_eq!(value["state"], "replaced");
}

#[test]
fn udev_takes_a_node_for_nothing_else() {
    let folder = Folder::new("label-udev");
    let path = disk(&folder);
    assert_eq!(
        run("--udev", &path).out,
        "ID_FS_TYPE=dst_member\nID_FS_USAGE=raid\nID_FS_VERSION=1\n\
         ID_FS_UUID=73746f72-6167-652d-3031-323334353621\n\
         ID_FS_UUID_ENC=73746f72-6167-652d-3031-323334353621\n\
         ID_FS_UUID_SUB=6e6f6465-2d2d-2d2d-3031-323334353621\n\
         ID_FS_UUID_SUB_ENC=6e6f6465-2d2d-2d2d-3031-323334353621\n\
         ID_FS_LABEL=kano\nID_FS_LABEL_ENC=kano\nDST_NODE_INDEX=1\nDST_NODE_COUNT=3\n"
    );
    spoil(&path, A);
    spoil(&path, B);
    assert_eq!(
        run("--udev", &path).out,
        "ID_FS_TYPE=dst_member\nID_FS_USAGE=raid\nDST_NODE_INDEX=unknown\n"
    );
}

#[test]
fn udev_hears_nothing_of_other_disks() {
    let folder = Folder::new("label-none");
    for (name, bytes) in [("empty", 0), ("small", 4096), ("plain", DISK)] {
        let path = folder.file(name);
        fs::File::create(&path).unwrap().set_len(bytes).unwrap();
        let outcome = run("--udev", &path);
        let all = (outcome.code, outcome.out.as_str(), outcome.err.as_str());
        assert_eq!(all, (0, "", ""), "{name}");
        assert_eq!(run("", &path).code, 5);
    }
    assert_eq!(run("--udev", &folder.file("nothing")).code, 0);
}

#[test]
fn a_label_can_be_wiped() {
    let folder = Folder::new("label-wipe");
    let path = disk(&folder);
    let outcome = run("--dry-run --wipe", &path);
    assert!(outcome.out.contains("would be overwritten"));
    assert_eq!(run("", &path).code, 0);
    let outcome = run("--wipe", &path);
    assert!(
        outcome
            .out
            .contains("does not belong to storage \"kano\" any more"),
        "{}",
        outcome.out
    );
    assert_eq!(run("", &path).code, 5);
    assert_eq!(run("--wipe", &path).code, 0);
    // Only the labels.
    let mut bytes = fs::read(&path).unwrap();
    bytes.retain(|byte| *byte != 0);
    assert!(bytes.is_empty());
}

#[test]
fn a_storages_disk_is_found_in_sysfs() {
    let folder = Folder::new("label-sysfs");
    for (name, disk, uuid) in [("one", "dst", "1-2"), ("two", "dst-b", "")] {
        let storage = folder.file(name);
        fs::create_dir(&storage).unwrap();
        for (file, text) in [("disk", disk), ("name", name), ("uuid", uuid)] {
            fs::write(storage.join(file), format!("{text}\n")).unwrap();
        }
        fs::write(storage.join("remove_all_nodes"), "").unwrap();
    }
    // Something of the kernel's that has a file of that name.
    fs::create_dir(folder.file("pci")).unwrap();
    fs::write(folder.file("pci").join("disk"), "dst-c\n").unwrap();
    let found = |disk: &str| storage_properties(disk, &folder.file("."));
    assert_eq!(
        found("dst"),
        [
            ("DST_STORAGE_NAME", "one".to_string()),
            ("DST_STORAGE_UUID", "1-2".to_string())
        ]
    );
    assert_eq!(found("dst-b"), [("DST_STORAGE_NAME", "two".to_string())]);
    assert!(found("dst-c").is_empty());
}
