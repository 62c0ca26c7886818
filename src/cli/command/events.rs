// SPDX-License-Identifier: GPL-2.0

//! Following what happens.

use crate::env::Env;
use crate::error::Error;
use crate::model::{Connection, Export, Job, Node, Storage};
use crate::netlink::client::Reply;
use crate::netlink::codec::Malformed;
use crate::netlink::uapi::cmd;
use crate::netlink::Failure;
use crate::output::time;
use serde_json::{json, Value};
use std::time::{SystemTime, UNIX_EPOCH};

/// `dst events`: one line per event, until interrupted or `count` is reached.
pub fn follow(env: &mut Env<'_>, count: Option<u64>) -> Result<(), Error> {
    let what = "cannot follow the events";
    let mut client = env.client(what)?;
    if client.kept().is_some() {
        return Ok(());
    }
    client
        .subscribe()
        .map_err(|f| Error::from_failure(what, f))?;
    env.note("what happens from now on is told here");
    let mut seen = 0;
    while count.is_none_or(|count| seen < count) {
        let (text, data) = match client.next_event() {
            Ok(event) => match describe(&event).map_err(|m| malformed(what, m))? {
                Some(described) => described,
                None => continue,
            },
            Err(Failure::EventsLost) => (
                "events were lost: they came faster than they were read".to_string(),
                json!({"event": "lost"}),
            ),
            Err(failure) => return Err(Error::from_failure(what, failure)),
        };
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        if env.json {
            let mut data = data;
            data["time"] = json!(now);
            env.print_json(&data)?;
        } else {
            env.print(&format!("{} {text}\n", time::timestamp(now)))?;
        }
        seen += 1;
    }
    Ok(())
}

fn malformed(what: &str, malformed: Malformed) -> Error {
    Error::from_failure(what, Failure::Malformed(malformed))
}

fn because(reason: Option<&String>) -> String {
    reason.map(|r| format!(": {r}")).unwrap_or_default()
}

/// One event in words and as data; `None` for a kind that this program does not know.
fn describe(event: &Reply) -> Result<Option<(String, Value)>, Malformed> {
    let bytes = &event.attributes;
    Ok(Some(match event.command {
        cmd::STORAGE_NTF => {
            let s = Storage::decode(bytes)?;
            let text = format!(
                "storage {} is {}{}",
                s.name,
                s.state,
                because(s.reason.as_ref())
            );
            (text, json!({"event": "storage", "storage": s}))
        }
        cmd::NODE_NTF => {
            let n = Node::decode(bytes)?;
            let place = n.type_line.clone().unwrap_or_default();
            let reason = because(n.reason.as_ref());
            let text = format!(
                "node {} of {} ({place}) is {}{reason}",
                n.index, n.storage, n.state
            );
            (text, json!({"event": "node", "node": n}))
        }
        cmd::EXPORT_NTF => {
            let e = Export::decode(bytes)?;
            let path = e.path.clone().unwrap_or_default();
            let text = format!(
                "export {} ({path}) is {}{}",
                e.id,
                e.state,
                because(e.reason.as_ref())
            );
            (text, json!({"event": "export", "export": e}))
        }
        cmd::CONNECTION_NTF => {
            let c = Connection::decode(bytes)?;
            let peer = c.peer.map(|p| format!(" with {p}")).unwrap_or_default();
            let of = match (&c.storage, c.export_id) {
                (Some(storage), _) => {
                    format!(" (node {} of {storage})", c.node_index.unwrap_or(0))
                }
                (None, Some(id)) => format!(" (export {id})"),
                (None, None) => String::new(),
            };
            let reason = because(c.reason.as_ref());
            let text = format!("connection {}{peer}{of} is {}{reason}", c.id, c.state);
            (text, json!({"event": "connection", "connection": c}))
        }
        cmd::JOB_NTF => {
            let j = Job::decode(bytes)?;
            let reason = because(j.reason.as_ref());
            let text = format!(
                "job {} ({}) is {}, {} %{reason}",
                j.id,
                j.title(),
                j.state,
                j.percent()
            );
            (text, json!({"event": "job", "job": j}))
        }
        _ => return Ok(None),
    }))
}
