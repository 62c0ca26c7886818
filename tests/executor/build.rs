// SPDX-License-Identifier: GPL-2.0

//! Makes the sources of the executor ready for the model: copies them, says in a few words what the
//! kernel's language has beside the host's ([`WORDS`]), and puts the faults of [`faults`] in, each
//! behind a question that is answered when the model runs.

#[path = "faults.rs"]
mod faults;

use std::{env, fs, path::Path};

/// What is copied, from `src`.
const SOURCES: &[(&str, &[&str])] = &[
    (
        "exec",
        &[
            "mod",
            "awaits",
            "block_on",
            "blocking",
            "channel",
            "mutex",
            "notify",
            "oneshot",
            "pool",
            "ring",
            "run_queue",
            "schedule",
            "scope",
            "select",
            "semaphore",
            "slab",
            "spawner",
            "task",
            "tasks",
            "ticket",
            "timer",
            "value",
            "waker_cell",
            "worker",
        ],
    ),
    ("sys", &["try_cell", "wait_queue", "waker"]),
];

/// File (or all), text and what takes its place, at least once.
const WORDS: &[(&str, &str, &str)] = &[
    // Nothing moves on the host, and values are made where they are and moved once.
    ("", "#[pin_data]\n", ""),
    ("", "    #[pin]\n", ""),
    // The standard library's have these names for something else.
    ("", "KBox::new(", "crate::alloc::boxed("),
    ("", "KBox::pin(", "crate::alloc::pinned("),
    ("", "Arc::new(", "Arc::pin_init("),
    // What others need, and storage.
    ("exec/mod", "pub mod lease;\n", ""),
    ("exec/mod", "pub mod pools;\n", ""),
    ("exec/mod", "pub use lease::Leases;\n", ""),
    ("exec/mod", "pub use pools::Pools;\n", ""),
    // Figures for people, and what a single worker at a time changes.
    ("exec/task", "budget: Atomic<u32>", "budget: Figure<u32>"),
    ("exec/task", "budget: Atomic::new", "budget: Figure::new"),
    ("exec/task", "since: Atomic<i64>", "since: Figure<i64>"),
    ("exec/task", "since: Atomic::new", "since: Figure::new"),
    ("exec/task", "found: Atomic<u32>", "found: Figure<u32>"),
    ("exec/task", "found: Atomic::new", "found: Figure::new"),
    ("exec/task", "place: Atomic<usize>", "place: Figure<usize>"),
    ("exec/task", "place: Atomic::new", "place: Figure::new"),
    (
        "exec/task",
        "atomic::{ordering, Atomic}",
        "atomic::{ordering, Atomic, Figure}",
    ),
    ("exec/run_queue", "polls: Atomic<u64>", "polls: Figure<u64>"),
    ("exec/run_queue", "polls: Atomic::new", "polls: Figure::new"),
    (
        "exec/run_queue",
        "atomic::{ordering, Atomic}",
        "atomic::{ordering, Figure}",
    ),
    // It is there for its address, in a `static`, which cannot be loom's.
    (
        "sys/waker",
        "sync::{atomic::Atomic,",
        "sync::{atomic::Figure as Atomic, KernelArc,",
    ),
    (
        "sys/try_cell",
        "pub const fn new(value: T)",
        "pub fn new(value: T)",
    ),
    // The kernel's `ArcBorrow` is a pointer, the model's a reference.
    (
        "sys/waker",
        "ArcBorrow::from_raw(waker.data().cast())",
        "ArcBorrow::lent(Arc::from_raw(waker.data().cast()))",
    ),
    // What `pin_data` makes is a projection; a box does without one.
    ("exec/scope", "    future: F,", "    future: Pin<KBox<F>>,"),
    (
        "exec/scope",
        "            future,\n",
        "            future: KBox::pin(future),\n",
    ),
    ("exec/scope", "self.project()", "self.get_mut()"),
    (
        "exec/scope",
        "this.future.poll(",
        "this.future.as_mut().poll(",
    ),
];

fn main() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let out = env::var("OUT_DIR").unwrap();
    let out = Path::new(&out);
    let mut used = vec![false; WORDS.len()];
    let mut sys = String::new();
    for (folder, files) in SOURCES {
        fs::create_dir_all(out.join(folder)).unwrap();
        for file in *files {
            let name = format!("{folder}/{file}");
            let source = top.join("src").join(&name).with_extension("rs");
            println!("cargo::rerun-if-changed={}", source.display());
            let mut text = fs::read_to_string(&source).unwrap();
            for fault in faults::FAULTS.iter().filter(|fault| fault.file == name) {
                text = fault.put_in(&text);
            }
            for (at, (wanted, from, to)) in WORDS.iter().enumerate() {
                if (wanted.is_empty() || *wanted == name) && text.contains(from) {
                    text = text.replace(from, to);
                    used[at] = true;
                }
            }
            let target = out.join(&name).with_extension("rs");
            fs::write(&target, text).unwrap();
            if *folder == "sys" {
                sys += &format!("#[path = {target:?}]\npub mod {file};\n");
            }
        }
    }
    for (used, (file, text, _)) in used.iter().zip(WORDS) {
        assert!(used, "src/{file}.rs does not have: {text}");
    }
    fs::write(out.join("sys.rs"), sys).unwrap();
    let exec = out.join("exec/mod.rs");
    fs::write(out.join("exec.rs"), format!("#[allow(dead_code, unused_imports, unused_variables, clippy::all)]\n#[path = {exec:?}]\npub mod exec;\n")).unwrap();
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=faults.rs");
}
