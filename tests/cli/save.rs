// SPDX-License-Identifier: GPL-2.0

//! `dst save`: the file, how it is replaced, and which names devices have in it.

use crate::fake::{situation, Machine};
use dst_cli::config::stable::{name, Name};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// A folder of a test's own that goes with it.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(test: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("dst-{}-{test}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A machine with all that can be said of exports and storages.
pub(crate) fn rich() -> Machine {
    let machine = Machine::new();
    for line in [
        "export add /dev/sdx --listen kano:1025 --name disk1 --allow 192.168.4.0/24=rw \
         --allow fd00::7=ro --copy-from 192.168.4.81 --backlog 16 --queue-depth 64 --max-clients 3",
        "export add /dev/sdy --listen [fd00::80]:1026 --read-only --write-back --shared",
        "create vol kano:1025,export=disk1,size=10G /dev/sdz,start=20971520,size=801 \
         --device dst-vol --queue-depth 64 --fail-fast --connect-timeout 2.5 \
         --retry-limit 3600",
        "set vol --workers 4 --worker-nice -5 --worker-cpus 0-3,6",
        "create plain uganda --raw --read-only --no-start",
    ] {
        let outcome = machine.run(line);
        assert_eq!(outcome.code, 0, "dst {line}: {}", outcome.err);
    }
    machine.taken();
    machine
}

/// The file without its head.
fn entries(text: &str) -> &str {
    text.split_once("\n\n").map_or("", |(_, entries)| entries)
}

#[test]
fn save_writes_what_runs_in_words_of_the_command_line() {
    let outcome = rich().run("save -");
    assert_eq!(outcome.code, 0, "{}", outcome.err);
    assert_eq!(
        entries(&outcome.out),
        "\
[[export]]
# No other name of this device is known; after a start of the machine it
# may be another disk.
device = \"/dev/sdx\"
listen = \"192.168.4.80:1025\"
name = \"disk1\"
allow = [\"192.168.4.0/24=rw\", \"fd00::7/128=ro\"]
copy-from = [\"192.168.4.81/32\"]
backlog = 16
queue-depth = 64
max-clients = 3

[[export]]
# No other name of this device is known; after a start of the machine it
# may be another disk.
device = \"/dev/sdy\"
listen = \"[fd00::80]:1026\"
allow = [] # nobody
read-only = true
write-back = true
shared = true

[[storage]]
name = \"vol\"
device = \"/dev/dst-vol\"
algorithm = \"linear\"
workers = 4
worker-nice = -5
worker-cpus = \"0-3,6\"

[[storage.node]]
place = \"192.168.4.80:1025\"
export = \"disk1\"
size = 20971520 # 10 GiB
fail-fast = true
queue-depth = 64
connect-timeout = 2.500
retry-limit = 3600

[[storage.node]]
# No other name of this device is known; after a start of the machine it
# may be another disk.
place = \"/dev/sdz\"
start = 20971520 # 10 GiB
size = 801 # 400.5 KiB
fail-fast = true
queue-depth = 64
connect-timeout = 2.500
retry-limit = 3600

[[storage]]
name = \"plain\"
device = \"/dev/dst\"
algorithm = \"linear\"
raw = true
read-only = true
start = false

[[storage.node]]
place = \"192.168.4.81:1025\"
"
    );
    assert_eq!(rich().run("save --stdout").out, outcome.out);
    assert_eq!(rich().run("--dry-run save").out, outcome.out);
}

#[test]
fn the_head_tells_what_the_file_is() {
    let text = Machine::new().run("save -").out;
    assert!(text.lines().all(|line| line.starts_with('#')), "{text}");
    for word in ["dst restore", "*.old", "--dry-run", "512 bytes"] {
        assert!(text.contains(word), "{word}");
    }
}

#[test]
fn the_file_is_replaced_in_one_step_and_the_old_one_kept() {
    let folder = Folder::new("replace");
    // The folder is made, as /etc/dst is the first time.
    let file = folder.file("etc/dst.conf");
    let line = format!("save {}", file.display());
    let machine = situation("exported");
    let outcome = machine.run(&line);
    assert_eq!(outcome.code, 0, "{}", outcome.err);
    assert_eq!(
        outcome.out,
        format!("{}: 1 export, 0 storages\n", file.display())
    );
    let first = fs::read_to_string(&file).unwrap();
    let old = folder.file("etc/dst.conf.old");
    machine.run(&line);
    assert!(!old.exists(), "a file that is the same is kept");
    let outcome = situation("running").run(&line);
    assert_eq!(outcome.code, 0, "{}", outcome.err);
    assert_eq!(fs::read_to_string(&old).unwrap(), first);
    assert!(fs::read_to_string(&file).unwrap().contains("[[storage]]"));
    assert!(
        outcome
            .err
            .contains("note: the export of /dev/sdc does not run and is left out; it stands in"),
        "{}",
        outcome.err
    );
    let names = fs::read_dir(folder.file("etc")).unwrap();
    let mut names: Vec<_> = names.map(|n| n.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["dst.conf", "dst.conf.old"]);
}

#[test]
fn a_file_is_not_emptied_by_mistake() {
    let folder = Folder::new("empty");
    let file = folder.file("dst.conf");
    let line = format!("save {}", file.display());
    situation("running").run(&line);
    let before = fs::read_to_string(&file).unwrap();
    let outcome = Machine::new().run(&line);
    assert_eq!(outcome.code, 1);
    assert!(outcome.err.contains("nothing runs"), "{}", outcome.err);
    assert!(
        outcome.err.contains("hint: \"dst restore"),
        "{}",
        outcome.err
    );
    assert_eq!(fs::read_to_string(&file).unwrap(), before);
    assert_eq!(Machine::new().run(&format!("{line} --force")).code, 0);
    assert!(!fs::read_to_string(&file).unwrap().contains("[[storage]]"));
}

#[test]
fn what_cannot_be_written_is_told_and_leaves_the_old_file() {
    let folder = Folder::new("unwritable");
    let file = folder.file("dst.conf");
    // Something that is in the way.
    fs::create_dir(folder.file("dst.conf.new")).unwrap();
    fs::write(&file, "# old\n").unwrap();
    let outcome = situation("running").run(&format!("save {}", file.display()));
    assert_eq!(outcome.code, 1);
    assert!(outcome.err.contains("cannot write"), "{}", outcome.err);
    assert_eq!(fs::read_to_string(&file).unwrap(), "# old\n");
    let machine = situation("running");
    machine.kernel().unloaded = true;
    assert_eq!(machine.run("save -").code, 3);
}

#[test]
fn json_tells_what_was_written() {
    let folder = Folder::new("json");
    let file = folder.file("dst.conf");
    let outcome = situation("running").run(&format!("save --json {}", file.display()));
    let value: serde_json::Value = serde_json::from_str(&outcome.out).unwrap();
    assert_eq!(value["saved"]["storages"], 1);
    assert_eq!(value["saved"]["file"], file.display().to_string());
}

#[test]
fn devices_have_names_that_stay() {
    let folder = Folder::new("names");
    let dev = folder.file("dev");
    let by_id = folder.file("by-id");
    let by_path = folder.file("by-path");
    for dir in [&dev, &by_id, &by_path] {
        fs::create_dir(dir).unwrap();
    }
    for disk in ["sda", "sdb", "sdc"] {
        fs::write(dev.join(disk), disk).unwrap();
    }
    let link = |folder: &Path, name: &str, disk: &str| {
        symlink(Path::new("../dev").join(disk), folder.join(name)).unwrap();
    };
    link(&by_id, "wwn-0x5000", "sda");
    link(&by_id, "ata-MODEL_1", "sda");
    link(&by_path, "pci-1", "sda");
    link(&by_path, "pci-2", "sdb");
    link(&dev, "mine", "sda");
    link(&by_id, "ata-GONE", "nothing");
    let folders = [by_id.clone(), by_path.clone(), folder.file("missing")];
    let found = |disk: &str| name(dev.join(disk).to_str().unwrap(), &dev, &folders);
    let text = |path: PathBuf| path.to_str().unwrap().to_string();
    // The one that a person can read comes first.
    assert_eq!(found("sda"), Name::Stable(text(by_id.join("ata-MODEL_1"))));
    assert_eq!(found("sdb"), Name::Stable(text(by_path.join("pci-2"))));
    assert_eq!(found("sdc"), Name::Unstable(text(dev.join("sdc"))));
    assert_eq!(found("mine"), Name::Chosen(text(dev.join("mine"))));
    assert_eq!(found("dst"), Name::Chosen(text(dev.join("dst"))));
    assert_eq!(found("dst-vol"), Name::Chosen(text(dev.join("dst-vol"))));
}
