// SPDX-License-Identifier: GPL-2.0

//! What the module is and can do.

use crate::env::Env;
use crate::error::{Error, Exit};
use crate::model::Info;
use crate::netlink::Failure;
use crate::ops;
use crate::output::bytes;
use serde_json::json;
use std::fmt::Write;

/// `dst info`
pub fn info(env: &mut Env<'_>) -> Result<(), Error> {
    let what = "cannot ask the module";
    let mut client = env.client(what)?;
    let request = ops::info_get();
    let replies = env.call(&mut client, &request, || what.to_string())?;
    if client.kept().is_some() {
        return Ok(());
    }
    let reply = replies
        .first()
        .ok_or_else(|| Error::new(Exit::Failed, what).why("no answer"))?;
    let info = Info::decode(&reply.attributes)
        .map_err(|m| Error::from_failure(what, Failure::Malformed(m)))?;
    if env.json {
        let program = env!("CARGO_PKG_VERSION");
        return env.print_json(&json!({"program_version": program, "module": info}));
    }
    env.print(&describe(&info))
}

fn describe(info: &Info) -> String {
    let show = |n: Option<u64>| n.map_or_else(|| "?".to_string(), |n| n.to_string());
    let mut out = String::new();
    // Writing to a String does not fail.
    let _ = write!(
        out,
        "program {}, module {}\n\
         wire protocol {} to {}, label version {}\n\
         algorithms: {}\n\
         abilities: {}\n\
         default port {}\n\
         storages {} of {}, exports {} of {}, nodes of a storage at most {}\n\
         largest request {}, requests in flight on a connection at most {}\n",
        env!("CARGO_PKG_VERSION"),
        info.module_version.as_deref().unwrap_or("?"),
        show(info.protocol_min),
        show(info.protocol_max),
        show(info.label_version),
        info.algorithms.join(", "),
        info.features.0.join(", "),
        show(info.default_port),
        info.storages,
        show(info.max_storages),
        info.exports,
        show(info.max_exports),
        show(info.max_nodes),
        info.max_transfer_bytes
            .map_or_else(|| "?".to_string(), bytes),
        show(info.max_queue_depth),
    );
    for pool in &info.pools {
        let _ = writeln!(
            out,
            "pool {}: {} workers, {} tasks, run {} times",
            pool.name, pool.workers, pool.tasks, pool.polls
        );
    }
    out
}
