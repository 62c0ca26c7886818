// SPDX-License-Identifier: GPL-2.0

//! What runs against what the file says. What the file does not say is not compared, but for
//! choices that are "no" unless they are made.

use crate::access::Allow;
use crate::command::save::Running;
use crate::config::{self, stable};
use crate::env::Env;
use crate::error::Error;
use crate::model::{Export, FlagSet, Node, Storage};
use crate::netlink::request::{flag_names, uuid_text};
use crate::netlink::uapi::export_flags;
use crate::node::Place;
use dst_core::access::Prefix;
use std::fmt::Display;
use std::net::SocketAddr;
use std::path::Path;

/// Gathers what differs.
#[derive(Default)]
struct Differences(Vec<String>);

impl Differences {
    fn note<T: PartialEq + Display>(&mut self, what: &str, runs: T, file: T) {
        if runs != file {
            self.0
                .push(format!("{what} is {runs}, the file says {file}"));
        }
    }

    /// Compares what the file gives with what runs.
    fn given<T: PartialEq + Display>(&mut self, what: &str, runs: Option<T>, file: Option<T>) {
        match (runs, file) {
            (Some(runs), Some(file)) => self.note(what, runs, file),
            (None, Some(file)) => self
                .0
                .push(format!("{what} is not set, the file says {file}")),
            (_, None) => {}
        }
    }

    fn choice(&mut self, what: &str, runs: bool, file: bool) {
        let word = |on| if on { "yes" } else { "no" };
        self.note(what, word(runs), word(file));
    }

    /// A name that is either there or not.
    fn name(&mut self, what: &str, runs: Option<&String>, file: Option<&String>) {
        let word = |name: Option<&String>| name.map_or("none".to_string(), |n| format!("\"{n}\""));
        self.note(what, word(runs), word(file));
    }
}

fn same_device(a: &str, b: &str) -> bool {
    stable::same(Path::new(a), Path::new(b))
}

/// The export of the same device.
pub(super) fn find_export<'a>(running: &'a Running, wanted: &config::Export) -> Option<&'a Export> {
    let same = |e: &&Export| {
        let path = e.path.as_deref().unwrap_or("");
        same_device(path, &wanted.new.path)
    };
    running.exports.iter().find(same)
}

/// What differs of an export, the access list aside.
pub(super) fn export(
    runs: &Export,
    file: &config::Export,
    addresses: &[SocketAddr],
) -> Vec<String> {
    let mut found = Differences::default();
    if let Some(address) = runs.address.filter(|address| !addresses.contains(address)) {
        found.note("listen", address.to_string(), file.listen.to_string());
    }
    found.name("name", runs.name.as_ref(), file.new.name.as_ref());
    let wanted = FlagSet(flag_names(file.new.flags, export_flags::NAMES));
    for flag in ["read-only", "write-back", "shared-writers"] {
        found.choice(flag, runs.flags.has(flag), wanted.has(flag));
    }
    let new = &file.new;
    let numbers = [
        ("backlog", runs.backlog, new.backlog),
        ("queue-depth", runs.queue_depth, new.queue_depth),
        ("max-clients", runs.max_clients, new.max_clients),
        ("max-transfer", runs.max_transfer_bytes, new.max_transfer),
        (
            "hello-timeout (ms)",
            runs.hello_timeout_ms,
            new.hello_timeout,
        ),
        ("idle-timeout (ms)", runs.idle_timeout_ms, new.idle_timeout),
    ];
    for (what, runs, file) in numbers {
        found.given(what, runs, file.map(u64::from));
    }
    found.given("client-memory", runs.client_memory_bytes, new.client_memory);
    found.0
}

/// How the access list differs.
pub(super) fn access(runs: &Export, file: &[Allow]) -> Option<String> {
    list("allow", "nobody", &runs.allow, file)
}

/// How the list of machines to copy from differs.
pub(super) fn copies(runs: &Export, file: &[Prefix]) -> Option<String> {
    list("copy-from", "no machine", &runs.copy_from, file)
}

/// How a list differs, whose order means nothing; `none` is the word for an empty one.
fn list<A: ToString, B: ToString>(
    name: &str,
    none: &str,
    runs: &[A],
    file: &[B],
) -> Option<String> {
    fn words<T: ToString>(list: &[T], none: &str) -> String {
        let mut words: Vec<String> = list.iter().map(ToString::to_string).collect();
        words.sort();
        match words.is_empty() {
            true => none.to_string(),
            false => words.join(", "),
        }
    }
    let (runs, file) = (words(runs, none), words(file, none));
    (runs != file).then(|| format!("{name} is {runs}, the file says {file} (--change makes it so)"))
}

/// What differs of a storage, nodes and workers aside.
pub(super) fn storage(runs: &Storage, file: &config::Storage) -> Vec<String> {
    let mut found = Differences::default();
    let new = &file.new;
    found.given(
        "algorithm",
        runs.algorithm.clone(),
        Some(new.algorithm.clone()),
    );
    let device = |disk: &String| format!("/dev/{disk}");
    found.given(
        "device",
        runs.disk.as_ref().map(device),
        Some(device(&new.disk)),
    );
    if let Some(uuid) = &runs.uuid {
        found.given(
            "uuid",
            Some(uuid.clone()),
            new.uuid.map(|id| uuid_text(&id)),
        );
    }
    found.choice("raw", runs.flags.has("raw"), new.raw);
    // A storage with a node that cannot be written is read-only without being asked.
    if new.read_only {
        found.choice("read-only", runs.flags.has("read-only"), true);
    }
    if runs.state != "configuring" && !file.start {
        found
            .0
            .push("it is started, the file says start = false".to_string());
    }
    if !matches!(runs.state.as_str(), "configuring" | "running" | "degraded") {
        found.0.push(format!(
            "it is {}; \"dst status {}\" tells why",
            runs.state, runs.name
        ));
    }
    found.0
}

/// What differs of the workers.
pub(super) fn workers(runs: &Storage, file: &config::Storage) -> Vec<String> {
    let mut found = Differences::default();
    let wanted = &file.workers;
    found.given("workers", runs.workers, wanted.count.map(u64::from));
    found.given("worker-nice", runs.worker_nice, wanted.nice.map(i64::from));
    let any = |cpus: Option<&String>| match cpus {
        Some(cpus) if !cpus.is_empty() => cpus.clone(),
        _ => "any".to_string(),
    };
    if wanted.cpus.is_some() {
        let runs = any(runs.worker_cpus.as_ref());
        found.note("worker-cpus", runs, any(wanted.cpus.as_ref()));
    }
    let hint = |line: String| format!("{line} (--change makes it so)");
    found.0.into_iter().map(hint).collect()
}

/// What differs of the nodes. Of a storage that is being put together, nodes may be missing.
pub(super) fn nodes(
    env: &Env<'_>,
    runs: &[Node],
    file: &config::Storage,
    forming: bool,
) -> Result<Vec<String>, Error> {
    let mut found = Vec::new();
    if runs.len() != file.nodes.len() && !(forming && runs.len() < file.nodes.len()) {
        let mut number = Differences::default();
        number.note("the number of nodes", runs.len(), file.nodes.len());
        return Ok(number.0);
    }
    for runs in runs {
        let index = runs.index;
        let wanted = usize::try_from(index).ok().and_then(|i| file.nodes.get(i));
        let Some(wanted) = wanted else {
            found.push(format!("there is a node {index}"));
            continue;
        };
        let addresses = match &wanted.spec.place {
            Place::Remote(endpoint) => env.addresses(endpoint)?,
            Place::Local(_) => Vec::new(),
        };
        for line in one_node(runs, wanted, &addresses) {
            found.push(format!("node {index}, {}: {line}", wanted.spec.place));
        }
    }
    Ok(found)
}

fn one_node(runs: &Node, file: &config::Node, addresses: &[SocketAddr]) -> Vec<String> {
    let spec = &file.spec;
    let mut found = Differences::default();
    let remote = matches!(spec.place, Place::Remote(_));
    match (&spec.place, &runs.path, &runs.address) {
        (Place::Local(path), Some(other), _) if same_device(path, other) => {}
        (Place::Remote(_), _, Some(address)) if addresses.contains(address) => {}
        _ => {
            let place = runs.type_line.clone().unwrap_or_default();
            found.0.push(format!("it is \"{place}\""));
            return found.0;
        }
    }
    if remote {
        found.name("export", runs.export.as_ref(), spec.export.as_ref());
    }
    found.given("start", runs.start_sectors, spec.start);
    found.given("size", runs.size_sectors, spec.size);
    let options = &file.options;
    found.choice("fail-fast", runs.flags.has("fail-fast"), options.fail_fast);
    if remote {
        // The export may have allowed less than was asked for.
        let numbers = [
            ("queue-depth", runs.queue_depth, options.queue_depth),
            (
                "max-transfer",
                runs.max_transfer_bytes,
                options.max_transfer,
            ),
        ];
        for (what, runs, file) in numbers {
            let file = file.map(u64::from);
            let runs = runs.filter(|runs| file.is_none_or(|file| *runs > file));
            found.given(what, runs, file.filter(|_| runs.is_some()));
        }
        let numbers = [
            ("connections", runs.connections, options.connections),
            (
                "connect-timeout (ms)",
                runs.connect_timeout_ms,
                options.connect_timeout,
            ),
            ("keepalive (ms)", runs.keepalive_ms, options.keepalive),
            (
                "request-timeout (ms)",
                runs.request_timeout_ms,
                options.request_timeout,
            ),
            ("request-tries", runs.request_tries, options.request_tries),
            ("retry-limit (ms)", runs.retry_limit_ms, options.retry_limit),
        ];
        for (what, runs, file) in numbers {
            found.given(what, runs, file.map(u64::from));
        }
    }
    found.0
}
