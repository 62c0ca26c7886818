// SPDX-License-Identifier: GPL-2.0

//! Suspending nodes, letting them go on, and forgetting their write errors.

use crate::args::verbs::{Clear, Resume, Suspend};
use crate::command::node::Named;
use crate::command::storage::check_name;
use crate::env::Env;
use crate::error::Error;
use crate::model;
use crate::netlink::client::Reply;
use crate::netlink::Failure;
use crate::ops;
use serde_json::json;

/// What the answer says of the node; `None` in a dry run.
fn told(what: &str, replies: &[Reply]) -> Result<Option<model::Node>, Error> {
    let decode = |reply: &Reply| model::Node::decode(&reply.attributes);
    let node = replies.first().map(decode).transpose();
    node.map_err(|m| Error::from_failure(what, Failure::Malformed(m)))
}

/// `dst suspend`
pub fn suspend(env: &mut Env<'_>, args: &Suspend) -> Result<(), Error> {
    check_name(&args.storage)?;
    let node = Named::read(env, &args.node)?;
    let label = node.label();
    let what = format!(
        "cannot suspend node {label} of storage \"{}\"",
        args.storage
    );
    let mut client = env.client(&what)?;
    env.progress(&format!(
        "suspending node {label}: waiting for what it was given before ..."
    ));
    let replies = node.call(env, &mut client, &what, |which| {
        ops::node_suspend(&args.storage, which, args.timeout)
    })?;
    let told = told(&what, &replies)?.unwrap_or_default();
    let (index, storage) = (told.index, &args.storage);
    let left = told.in_flight.unwrap_or(0);
    let rest = match left {
        0 => "nothing is on its way to it".to_string(),
        n => format!("{n} requests that it was given before are not answered yet"),
    };
    let text = format!(
        "node {index} of storage \"{storage}\" is suspended: {rest}; \"dst resume {storage} \
         {index}\" lets it go on\n"
    );
    let data = json!({"suspended": {
        "storage": storage, "index": index, "in_flight": left, "queued": told.queued,
    }});
    env.finish(&client, &text, data)
}

/// `dst resume`
pub fn resume(env: &mut Env<'_>, args: &Resume) -> Result<(), Error> {
    check_name(&args.storage)?;
    let node = Named::read(env, &args.node)?;
    let label = node.label();
    let what = format!("cannot resume node {label} of storage \"{}\"", args.storage);
    let mut client = env.client(&what)?;
    let replies = node.call(env, &mut client, &what, |which| {
        ops::node_resume(&args.storage, which)
    })?;
    let index = told(&what, &replies)?.unwrap_or_default().index;
    let storage = &args.storage;
    let text = format!("node {index} of storage \"{storage}\" goes on\n");
    let data = json!({"resumed": {"storage": storage, "index": index}});
    env.finish(&client, &text, data)
}

/// `dst clear`
pub fn clear(env: &mut Env<'_>, args: &Clear) -> Result<(), Error> {
    check_name(&args.storage)?;
    let node = Named::read(env, &args.node)?;
    let label = node.label();
    let what = format!(
        "cannot clear the write error of node {label} of storage \"{}\"",
        args.storage
    );
    let mut client = env.client(&what)?;
    let replies = node.call(env, &mut client, &what, |which| {
        ops::node_clear(&args.storage, which)
    })?;
    let index = told(&what, &replies)?.unwrap_or_default().index;
    let storage = &args.storage;
    let text = format!("the write error of node {index} of storage \"{storage}\" is forgotten\n");
    let data = json!({"cleared": {"storage": storage, "index": index}});
    env.finish(&client, &text, data)
}
