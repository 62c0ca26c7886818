// SPDX-License-Identifier: GPL-2.0

//! Connections of nodes and exports.

use crate::args::verbs::ConnectionList;
use crate::env::Env;
use crate::error::Error;
use crate::model;
use crate::ops;
use crate::output::{bytes, time, Table};
use serde_json::json;

/// `dst connection list`
pub fn list(env: &mut Env<'_>, args: &ConnectionList) -> Result<(), Error> {
    let what = "cannot list the connections";
    let mut client = env.client(what)?;
    let request = ops::connection_dump(args.storage.as_deref(), args.export);
    let connections = env.dump(&mut client, &request, what, model::Connection::decode)?;
    if env.json {
        return env.print_json(&json!({"connections": connections}));
    }
    if connections.is_empty() {
        return env.print("no connections\n");
    }
    let mut table = Table::new(&[
        "ID",
        "OF",
        "LOCAL",
        "PEER",
        "STATE",
        "ACCESS",
        "IN FLIGHT",
        "REQUESTS",
        "SENT",
        "RECEIVED",
    ]);
    for c in &connections {
        let of = match (&c.storage, c.node_index, c.export_id) {
            (Some(storage), Some(index), _) => format!("node {index} of {storage}"),
            (_, _, Some(id)) => format!("export {id}"),
            _ => c.role.clone(),
        };
        let state = match c.since_ms {
            Some(ms) => format!("{} {}", c.state, time::span(ms)),
            None => c.state.clone(),
        };
        table.row([
            c.id.to_string(),
            of,
            c.local.map(|a| a.to_string()).unwrap_or_default(),
            c.peer.map(|a| a.to_string()).unwrap_or_default(),
            env.style.state(&state, &c.state),
            c.access.clone().unwrap_or_default(),
            c.in_flight.unwrap_or(0).to_string(),
            c.requests.to_string(),
            bytes(c.sent_bytes),
            bytes(c.received_bytes),
        ]);
        if let Some(reason) = &c.reason {
            table.line(format!("    reason: {reason}"));
        }
    }
    env.print(&table.to_string())
}
