// SPDX-License-Identifier: GPL-2.0

//! Copies the parts of the core that the simulation runs, with the changes of [`faults`] in them, each
//! behind a question that is answered when it runs; and writes a test for each variant.

#[path = "faults.rs"]
mod faults;

use std::{env, fs, path::Path, process::exit};

/// What is copied, from `src/core`, without `.rs`.
const SOURCES: &[&str] = &[
    "backoff",
    "fence",
    "transaction/mod",
    "transaction/outcome",
    "transaction/place",
    "transaction/recovery",
    "transaction/table",
    "write_back",
];

/// The modules that these are: name and file.
const MODULES: &[(&str, &str)] = &[
    ("backoff", "backoff.rs"),
    ("fence", "fence.rs"),
    ("transaction", "transaction/mod.rs"),
    ("write_back", "write_back.rs"),
];

fn main() {
    let core = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../src/core");
    let out = env::var("OUT_DIR").unwrap();
    let target = Path::new(&out).join("core");
    for source in SOURCES {
        let path = core.join(source).with_extension("rs");
        println!("cargo::rerun-if-changed={}", path.display());
        let text = broken(source, fs::read_to_string(&path).unwrap());
        let copy = target.join(source).with_extension("rs");
        fs::create_dir_all(copy.parent().unwrap()).unwrap();
        fs::write(copy, text).unwrap();
    }
    println!("cargo::rerun-if-changed=faults.rs");
    let modules = MODULES.iter().map(|(module, file)| {
        let path = target.join(file);
        format!("#[path = {path:?}]\npub mod {module};\n")
    });
    fs::write(target.join("core.rs"), modules.collect::<String>()).unwrap();
    let tests = faults::FAULTS.iter().map(|fault| {
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

/// The text of a source with all changes.
fn broken(source: &str, mut text: String) -> String {
    for fault in faults::FAULTS {
        for change in fault.changes.iter().filter(|change| change.file == source) {
            text = change.put_in(fault.name, &text).unwrap_or_else(|error| {
                println!("cargo::error={error}");
                exit(1);
            });
        }
    }
    text
}
