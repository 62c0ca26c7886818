// SPDX-License-Identifier: GPL-2.0

//! Replacing a node: it goes on where its disk is now, or moves to another one.

use crate::args::replace::Replace;
use crate::command::job::{device_for, follow, pace, LOOK_MS};
use crate::command::storage::check_name;
use crate::env::Env;
use crate::error::Error;
use crate::model::job;
use crate::netlink::Failure;
use crate::ops;
use serde_json::json;

/// `dst replace`
pub fn run(env: &mut Env<'_>, args: &Replace) -> Result<(), Error> {
    let (storage, node, device) = (&args.storage, args.node, &args.device);
    check_name(storage)?;
    let prepared = device_for(env, node, device, &args.options, args.force)?;
    let what = format!("cannot replace node {node} of storage \"{storage}\"");
    let mut client = env.client(&what)?;
    // The module reads the device's label, and writes one, before it answers.
    env.progress(&format!("looking at {device} ..."));
    let request = ops::node_replace(storage, prepared.new_node(), pace(&args.pace));
    let replies = env.call(&mut client, &request, || what.clone())?;
    let told = replies
        .first()
        .map(|reply| job::replaced(&reply.attributes))
        .transpose()
        .map_err(|m| Error::from_failure(what, Failure::Malformed(m)))?
        .unwrap_or_default();
    let data = |id: Option<u64>, state: &Option<String>| {
        json!({"replaced": {
            "storage": storage, "index": node, "by": device, "job": id, "state": state,
        }})
    };
    let Some(id) = told.job else {
        let rest = match told.state.as_deref() {
            Some("suspended") => {
                format!("; it is suspended: \"dst resume {storage} {node}\" lets it go on")
            }
            _ => String::new(),
        };
        let text = format!(
            "node {node} of storage \"{storage}\" is at {device} now: its disk is there, and nothing is copied{rest}\n"
        );
        return env.finish(&client, &text, data(None, &told.state));
    };
    if args.watch && client.kept().is_none() {
        let id = u32::try_from(id).unwrap_or(u32::MAX);
        return follow(env, &mut client, id, LOOK_MS);
    }
    let text = format!(
        "node {node} of storage \"{storage}\" moves to {device}, which is another disk: job {id} copies it; \
         \"dst job watch {id}\" follows it\n"
    );
    env.finish(&client, &text, data(Some(id), &told.state))
}
