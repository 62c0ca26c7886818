// SPDX-License-Identifier: GPL-2.0

//! Copies the core, with the changes of [`faults`] in them, each
//! behind a question that is answered when it runs; and writes a test for each variant.

#[path = "faults.rs"]
mod faults;

use std::{env, fs, path::Path, process::exit};

#[path = "migration/faults.rs"]
mod migration_faults;

use faults::Fault;

fn main() {
    let core = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../src/core");
    let out = env::var("OUT_DIR").unwrap();
    let target = Path::new(&out).join("core");
    copy(&core, &target, "");
    println!("cargo::rerun-if-changed={}", core.display());
    println!("cargo::rerun-if-changed=faults.rs");
    println!("cargo::rerun-if-changed=migration/faults.rs");
    let root = fs::read_to_string(core.join("lib.rs")).unwrap();
    let modules = root.lines().filter_map(|line| {
        let module = line.strip_prefix("pub mod ")?.strip_suffix(';')?;
        let file = match core.join(module).is_dir() {
            true => target.join(module).join("mod.rs"),
            false => target.join(module).with_extension("rs"),
        };
        Some(format!("#[path = {file:?}]\npub mod {module};\n"))
    });
    fs::write(target.join("core.rs"), modules.collect::<String>()).unwrap();
    let tests = faults().map(|fault| {
        let name = fault.name;
        let function = name.replace('-', "_");
        format!("#[test]\nfn {function}() {{\n    found({name:?});\n}}\n")
    });
    fs::write(
        Path::new(&out).join("variants.rs"),
        tests.collect::<String>(),
    )
    .unwrap();
}

fn faults() -> impl Iterator<Item = &'static Fault> {
    faults::FAULTS.iter().chain(migration_faults::FAULTS)
}

/// Copies a folder of the core, all but its root.
fn copy(from: &Path, to: &Path, folder: &str) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let source = format!("{folder}{name}");
        if path.is_dir() {
            copy(&path, &to.join(name), &format!("{source}/"));
        } else if path.extension().is_some_and(|kind| kind == "rs") && source != "lib" {
            let text = broken(&source, fs::read_to_string(&path).unwrap());
            fs::write(to.join(name).with_extension("rs"), text).unwrap();
        }
    }
}

/// The text of a source with all changes.
fn broken(source: &str, mut text: String) -> String {
    for fault in faults() {
        for change in fault.changes.iter().filter(|change| change.file == source) {
            text = change.put_in(fault.name, &text).unwrap_or_else(|error| {
                println!("cargo::error={error}");
                exit(1);
            });
        }
    }
    text
}
