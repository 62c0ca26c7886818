// SPDX-License-Identifier: GPL-2.0

//! The systemd units: how they tell the end of the machine from a stop of their own, and where they may do nothing.

use crate::save::Folder;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where the units are.
fn units() -> PathBuf {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    top.join("systemd").canonicalize().unwrap()
}

/// A unit's text, with what the installation puts into it.
fn unit(name: &str, sbindir: &Path) -> String {
    let text = fs::read_to_string(units().join(name)).unwrap();
    text.replace("@sbindir@", sbindir.to_str().unwrap())
        .replace("@libexecdir@", units().to_str().unwrap())
}

/// The script of a unit's `ExecStop=/bin/sh -c '...'`, as the shell gets it from systemd.
fn script(unit: &str) -> String {
    let text = unit.replace("\\\n", " ");
    let mut lines = text.lines();
    let line = lines.find_map(|line| line.strip_prefix("ExecStop=/bin/sh -c '"));
    let script = line.unwrap().trim_end().strip_suffix('\'').unwrap();
    assert!(!script.contains('%'), "a specifier: {script}");
    script.replace("$$", "$")
}

fn program(path: PathBuf, text: &str) {
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// What systemd says of shutdown.target: its jobs, and its state.
#[derive(Clone, Copy)]
enum Says {
    Jobs(&'static str, &'static str),
    /// It cannot be asked at first, and runs on.
    Later,
    /// It cannot be asked.
    Nothing,
    /// It can be asked for the jobs, and is gone then.
    NoState,
    /// There is no systemctl at all.
    NoProgram,
}

/// What `dst` is told to do when `name` is stopped and systemd says that; empty if it is not called.
fn stopped(name: &str, says: Says) -> String {
    let folder = Folder::new("units");
    let lost = "echo 'Failed to connect to bus: Connection refused' >&2; exit 1";
    let (jobs, state) = match says {
        Says::Jobs(jobs, state) => {
            let code = if state == "active" { 0 } else { 3 };
            let jobs = match jobs {
                "" => String::new(),
                jobs => format!("echo '{jobs}'"),
            };
            (jobs, format!("echo {state}; exit {code}"))
        }
        Says::Later => {
            let [first, second] = ["first", "second"].map(|name| folder.file(name));
            let [first, second] = [first.display(), second.display()];
            let jobs = format!(
                "[ -e {second} ] || {{ [ ! -e {first} ] || : >{second}; : >{first}; {lost}; }}"
            );
            (jobs, "echo inactive; exit 3".to_string())
        }
        Says::NoState => (String::new(), lost.to_string()),
        Says::Nothing | Says::NoProgram => (lost.to_string(), lost.to_string()),
    };
    if !matches!(says, Says::NoProgram) {
        // As before its version 246 on a machine whose start has not come to an end.
        let text = format!(
            "case \"$*\" in\n\
             *is-system-running*) echo starting; exit 1 ;;\n\
             '--no-legend --no-pager list-jobs shutdown.target') {jobs}\n;;\n\
             'is-active shutdown.target') {state} ;;\n\
             *) exit 99 ;;\n\
             esac"
        );
        program(folder.file("systemctl"), &text);
    }
    program(folder.file("sleep"), "exit 0");
    let called = folder.file("called");
    program(
        folder.file("dst"),
        &format!("echo \"$@\" >>{}", called.display()),
    );
    let unit = unit(name, &folder.file(""));
    let ended = Command::new("/bin/sh")
        .args(["-c", &script(&unit)])
        .env("PATH", folder.file(""))
        .output()
        .unwrap();
    assert!(ended.status.success(), "{ended:?}");
    fs::read_to_string(called).unwrap_or_default()
}

const RUNS: [Says; 4] = [
    Says::Later,
    Says::Jobs("", "inactive"),
    Says::Jobs(" 317 shutdown.target stop waiting", "inactive"),
    Says::Jobs(" 318 shutdown.target verify-active waiting", "inactive"),
];
const STOPS: [Says; 6] = [
    Says::Jobs(" 317 shutdown.target start waiting", "inactive"),
    Says::Jobs("1317 shutdown.target start running", "inactive"),
    Says::Jobs("", "active"),
    Says::Nothing,
    Says::NoState,
    Says::NoProgram,
];

#[test]
fn what_is_in_use_goes_only_with_the_machine() {
    for says in RUNS {
        assert_eq!(
            stopped("dst-storages.service", says),
            "down --storages --wait 20\n"
        );
        assert_eq!(stopped("dst-shutdown.service", says), "");
    }
    for says in STOPS {
        assert_eq!(
            stopped("dst-storages.service", says),
            "down --storages --wait 20 --grace 4 --force\n"
        );
        assert_eq!(
            stopped("dst-shutdown.service", says),
            "down --wait 20 --grace 4 --force\n"
        );
    }
}

#[test]
fn no_unit_does_anything_in_a_container() {
    let files = fs::read_dir(units()).unwrap();
    let paths = files.map(|file| file.unwrap().path());
    let services: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|kind| kind == "service"))
        .collect();
    assert_eq!(services.len(), 4);
    for service in services {
        let text = fs::read_to_string(&service).unwrap();
        let (head, _) = text.split_once("\n[Service]\n").unwrap();
        let condition = "ConditionVirtualization=!container";
        assert!(
            head.lines().any(|line| line == condition),
            "{}",
            service.display()
        );
    }
}
