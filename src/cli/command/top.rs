// SPDX-License-Identifier: GPL-2.0

//! Storages and their nodes with what they did since the last look.

use crate::env::Env;
use crate::error::Error;
use crate::model::{Node, Storage};
use crate::ops;
use crate::output::{bytes, Style, Table};
use serde_json::json;
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Counters whose growth is shown.
#[derive(Debug, Clone, Copy, Default)]
struct Counters {
    reads: u64,
    read_bytes: u64,
    writes: u64,
    write_bytes: u64,
}

/// `dst top`
pub fn top(env: &mut Env<'_>, interval_ms: u32, count: Option<u64>) -> Result<(), Error> {
    let what = "cannot look at the storages";
    let mut client = env.client(what)?;
    if client.kept().is_some() {
        return Ok(());
    }
    let mut before: HashMap<String, Counters> = HashMap::new();
    let mut last: Option<Instant> = None;
    let mut looks = 0;
    loop {
        let storages = env.dump(&mut client, &ops::storage_dump(), what, Storage::decode)?;
        let nodes = env.dump(&mut client, &ops::node_dump(None), what, Node::decode)?;
        let seconds = last.map_or(0.0, |t| t.elapsed().as_secs_f64());
        last = Some(Instant::now());
        let (rows, now) = rows(&storages, &nodes);
        if env.json {
            env.print_json(&json!({"seconds": seconds, "storages": storages, "nodes": nodes}))?;
        } else {
            let table = show(env.style, &rows, &before, &now, seconds);
            let clear = if env.progress { "\x1b[H\x1b[2J" } else { "" };
            env.print(&format!("{clear}{table}\n"))?;
        }
        before = now;
        looks += 1;
        if count.is_some_and(|count| looks >= count) {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(u64::from(interval_ms)));
    }
}

struct Row {
    key: String,
    label: String,
    state: String,
    in_flight: u64,
    errors: u64,
}

fn rows(storages: &[Storage], nodes: &[Node]) -> (Vec<Row>, HashMap<String, Counters>) {
    let mut rows = Vec::new();
    let mut counters = HashMap::new();
    for s in storages {
        rows.push(Row {
            key: s.name.clone(),
            label: s.name.clone(),
            state: s.state.clone(),
            in_flight: s.in_flight.unwrap_or(0),
            errors: s.errors,
        });
        counters.insert(
            s.name.clone(),
            Counters {
                reads: s.read_ios,
                read_bytes: s.read_bytes,
                writes: s.write_ios,
                write_bytes: s.write_bytes,
            },
        );
        let mut own: Vec<&Node> = nodes.iter().filter(|n| n.storage == s.name).collect();
        own.sort_by_key(|n| n.index);
        for n in own {
            let key = format!("{}/{}", s.name, n.index);
            rows.push(Row {
                key: key.clone(),
                label: format!(
                    "  {} {}",
                    n.index,
                    n.type_line.as_deref().unwrap_or(&n.kind)
                ),
                state: n.state.clone(),
                in_flight: n.in_flight.unwrap_or(0) + n.queued.unwrap_or(0),
                errors: n.errors,
            });
            counters.insert(
                key,
                Counters {
                    reads: n.read_ios,
                    read_bytes: n.read_bytes,
                    writes: n.write_ios,
                    write_bytes: n.write_bytes,
                },
            );
        }
    }
    (rows, counters)
}

fn show(
    style: Style,
    rows: &[Row],
    before: &HashMap<String, Counters>,
    now: &HashMap<String, Counters>,
    seconds: f64,
) -> String {
    let mut table = Table::new(&[
        "STORAGE",
        "STATE",
        "READ/s",
        "READ BYTES/s",
        "WRITE/s",
        "WRITTEN BYTES/s",
        "IN FLIGHT",
        "ERRORS",
    ]);
    for row in rows {
        let new = now.get(&row.key).copied().unwrap_or_default();
        // A row without a past has no rate yet.
        let old = before.get(&row.key).copied().unwrap_or(new);
        let rate = |a: u64, b: u64| {
            if seconds > 0.0 {
                // The fraction does not matter to a reader.
                (b.saturating_sub(a) as f64 / seconds).round() as u64
            } else {
                0
            }
        };
        table.row([
            row.label.clone(),
            style.state(&row.state, &row.state),
            rate(old.reads, new.reads).to_string(),
            bytes(rate(old.read_bytes, new.read_bytes)),
            rate(old.writes, new.writes).to_string(),
            bytes(rate(old.write_bytes, new.write_bytes)),
            row.in_flight.to_string(),
            row.errors.to_string(),
        ]);
    }
    table.to_string()
}
