// SPDX-License-Identifier: GPL-2.0

//! How the storages stand: state, what they wait for, since when, and what comes next.

use crate::command::job;
use crate::env::Env;
use crate::error::{Error, Exit};
use crate::model::{Job, Node, Storage};
use crate::ops;
use crate::output::{bytes, time, Style, Table};
use dst_core::units::Sectors;
use serde_json::{json, Value};
use std::fmt::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// `dst status`
pub fn status(env: &mut Env<'_>, name: Option<&str>) -> Result<(), Error> {
    let what = "cannot look at the storages";
    let mut client = env.client(what)?;
    let storages = match name {
        Some(name) => {
            let found = env.storage(&mut client, name)?;
            vec![found.ok_or_else(|| no_such(name))?]
        }
        None => env.dump(&mut client, &ops::storage_dump(), what, Storage::decode)?,
    };
    let nodes = env.dump(&mut client, &ops::node_dump(name), what, Node::decode)?;
    let of = |storage: &Storage| -> Vec<&Node> {
        let mut own: Vec<&Node> = nodes.iter().filter(|n| n.storage == storage.name).collect();
        own.sort_by_key(|node| node.index);
        own
    };
    let mut jobs = Vec::new();
    if !storages.is_empty() {
        jobs = env.dump(&mut client, &ops::job_dump(), what, Job::decode)?;
        jobs.retain(|job| !job.has_ended());
    }
    let jobs_of = |storage: &Storage| -> Vec<&Job> {
        let jobs = jobs.iter().filter(|job| job.storage == storage.name);
        jobs.collect()
    };
    if env.json {
        let list = storages.iter();
        let list: Vec<Value> = list.map(|s| whole(s, &of(s), &jobs_of(s))).collect();
        return env.print_json(&json!({"storages": list}));
    }
    if storages.is_empty() {
        return env.print("no storages\n");
    }
    let blocks: Vec<String> = storages
        .iter()
        .map(|s| block(env.style, s, &of(s), &jobs_of(s)))
        .collect();
    env.print(&blocks.join("\n"))
}

fn no_such(name: &str) -> Error {
    Error::new(Exit::NotFound, format!("there is no storage \"{name}\""))
        .hint("\"dst status\" lists the storages")
}

/// A storage with its nodes and its jobs as JSON.
fn whole(storage: &Storage, nodes: &[&Node], jobs: &[&Job]) -> Value {
    let mut value = json!(storage);
    if let Some(object) = value.as_object_mut() {
        object.insert("nodes".to_string(), json!(nodes));
        object.insert("jobs".to_string(), json!(jobs));
    }
    value
}

fn since(ms: Option<u64>) -> String {
    ms.map(|ms| format!(" for {}", time::span(ms)))
        .unwrap_or_default()
}

fn block(style: Style, s: &Storage, nodes: &[&Node], jobs: &[&Job]) -> String {
    let mut out = String::new();
    let device = s
        .disk
        .as_deref()
        .map(|d| format!("/dev/{d}"))
        .unwrap_or_default();
    let size = s
        .sectors
        .filter(|n| *n > 0)
        .map(|n| format!(", {}", Sectors(n)));
    // Writing to a String does not fail.
    let _ = writeln!(
        out,
        "{}: {}{}, {device}{}, {}{}",
        style.heading(&s.name),
        style.state(&s.state, &s.state),
        since(s.since_ms),
        size.unwrap_or_default(),
        s.algorithm.as_deref().unwrap_or("?"),
        s.flags
            .0
            .iter()
            .fold(String::new(), |all, f| all + ", " + f),
    );
    if let Some(uuid) = &s.uuid {
        let epoch = s.epoch.map(|e| format!(", epoch {e}")).unwrap_or_default();
        let _ = writeln!(out, "  uuid {uuid}{epoch}");
    }
    if !matches!(s.state.as_str(), "configuring" | "starting") {
        let _ = writeln!(out, "  {}", traffic(s));
    }
    let why = [("reason", &s.reason), ("waits for", &s.waits_for)];
    for (label, text) in why.iter().filter_map(|(l, t)| t.as_ref().map(|t| (l, t))) {
        let _ = writeln!(out, "  {label}: {text}");
    }
    if let Some(next) = storage_next(s, nodes) {
        let _ = writeln!(out, "  next: {next}");
    }
    for job in jobs {
        let _ = writeln!(out, "  {}", job::brief(style, job));
    }
    if !nodes.is_empty() {
        out.push_str(&node_table(style, nodes));
    }
    out
}

fn traffic(s: &Storage) -> String {
    let mut text = format!(
        "open {}, {} in flight, read {} in {}, written {} in {}, {} flushes",
        match s.openers.unwrap_or(0) {
            1 => "once".to_string(),
            n => format!("{n} times"),
        },
        s.in_flight.unwrap_or(0),
        bytes(s.read_bytes),
        s.read_ios,
        bytes(s.write_bytes),
        s.write_ios,
        s.flush_ios
    );
    if s.errors > 0 {
        let _ = write!(text, ", {} ERRORS", s.errors);
    }
    text
}

/// What will happen, or what the user can do, next.
fn storage_next(s: &Storage, nodes: &[&Node]) -> Option<String> {
    let name = &s.name;
    match s.state.as_str() {
        "configuring" if nodes.is_empty() => Some(format!("\"dst add {name} NODE...\" adds nodes")),
        "configuring" => Some(format!("\"dst start {name}\" makes the device")),
        "starting" => {
            let done = nodes.iter().filter(|n| n.state == "up").count();
            Some(format!(
                "the device appears when all nodes are up ({done} of {})",
                nodes.len()
            ))
        }
        "degraded" => Some("I/O to the nodes that are up goes on; see the others below".into()),
        "failed" => Some(format!(
            "\"dst delete {name}\", put the reason right, form it again"
        )),
        "stopping" => Some("it disappears when its I/O has ended, within ten seconds".into()),
        _ => None,
    }
}

fn node_next(node: &Node) -> Option<String> {
    match node.state.as_str() {
        "connecting" => Some("it is tried until the start's time is over".into()),
        "reconnecting" => {
            let limit = match node.retry_limit_ms.unwrap_or(0) {
                0 => "for ever".to_string(),
                ms => format!("for {}", time::span(ms)),
            };
            let io = if node.flags.has("fail-fast") {
                "fails"
            } else {
                "waits"
            };
            Some(format!(
                "it is tried again {limit}; I/O to it {io} meanwhile"
            ))
        }
        "failed" => Some("its I/O fails until the storage is formed again".into()),
        "suspended" => Some(format!(
            "\"dst resume {} {}\" lets its I/O go on",
            node.storage, node.index
        )),
        _ => None,
    }
}

/// Since when the administrator keeps a node from its I/O, and how much of it waits.
fn suspension(node: &Node) -> Option<String> {
    if node.state != "suspended" {
        return None;
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let begun = now
        .unwrap_or_default()
        .saturating_sub(Duration::from_millis(node.since_ms.unwrap_or(0)));
    let waiting = match node.queued.unwrap_or(0) {
        1 => "1 request waits".to_string(),
        n => format!("{n} requests wait"),
    };
    let since = time::timestamp(begun.as_secs());
    Some(format!("since {since}, {waiting}"))
}

/// The first write that has failed.
fn write_error(node: &Node) -> Option<String> {
    let errno = node.write_error_errno?;
    let why = std::io::Error::from_raw_os_error(i32::try_from(errno).unwrap_or(0));
    let sector = node.write_error_sector.unwrap_or(0);
    let ago = time::span(node.write_error_ago_ms.unwrap_or(0));
    Some(format!(
        "{why}, sector {sector} of the node, {ago} ago; \"dst clear {} {}\" when its cause is known",
        node.storage, node.index
    ))
}

fn place(node: &Node) -> String {
    if let Some(line) = &node.type_line {
        return line.clone();
    }
    match (&node.address, &node.path) {
        (Some(address), _) => format!("R: {address}"),
        (None, Some(path)) => format!("L: {path}"),
        (None, None) => node.kind.clone(),
    }
}

fn node_table(style: Style, nodes: &[&Node]) -> String {
    let mut table = Table::new(&[
        "NODE",
        "STATE",
        "FOR",
        "START",
        "SIZE",
        "PLACE",
        "IN FLIGHT",
        "ERRORS",
    ])
    .indented(2);
    for node in nodes {
        let size = node.size_sectors.filter(|n| *n > 0);
        let export = node
            .export
            .as_ref()
            .map(|e| format!(" ({e})"))
            .unwrap_or_default();
        let queued = node
            .queued
            .filter(|n| *n > 0)
            .map(|n| format!("+{n} queued"));
        table.row([
            node.index.to_string(),
            style.state(&node.state, &node.state),
            node.since_ms.map(time::span).unwrap_or_default(),
            node.start_sectors
                .map_or_else(|| "auto".to_string(), |n| n.to_string()),
            size.map_or_else(|| "all".to_string(), |n| Sectors(n).to_string()),
            place(node) + &export,
            node.in_flight.unwrap_or(0).to_string() + &queued.unwrap_or_default(),
            node.errors.to_string(),
        ]);
        let next = node_next(node);
        let suspended = suspension(node);
        let write_error = write_error(node);
        let about = [
            ("write error", &write_error),
            ("suspended", &suspended),
            ("reason", &node.reason),
            ("waits for", &node.waits_for),
            ("next", &next),
        ];
        for (label, text) in about.iter().filter_map(|(l, t)| t.as_ref().map(|t| (l, t))) {
            table.line(format!("      {label}: {text}"));
        }
    }
    table.to_string()
}
