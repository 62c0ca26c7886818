// SPDX-License-Identifier: GPL-2.0

//! Making, starting and deleting storages.

use crate::args::verbs::{Create, NodeArgs, Set};
use crate::command::node::{prepare, Prepared};
use crate::env::Env;
use crate::error::{Error, Exit};
use crate::model;
use crate::netlink::Client;
use crate::node;
use crate::ops::{self, NewStorage, NodeOptions, WorkersChange};
use dst_core::units::Sectors;
use serde_json::json;

/// What nodes of one command have in common.
pub fn node_options(args: &NodeArgs, force: bool) -> NodeOptions {
    NodeOptions {
        force,
        fail_fast: args.fail_fast,
        connections: args.connections,
        queue_depth: args.queue_depth,
        max_transfer: None,
        connect_timeout: args.connect_timeout,
        keepalive: args.keepalive,
        request_timeout: args.request_timeout,
        request_tries: args.request_tries,
        retry_limit: args.retry_limit,
    }
}

/// Checks a storage's name the way the module does.
pub fn check_name(name: &str) -> Result<(), Error> {
    dst_core::names::check_storage(name, |_| false)
        .map_err(|why| Error::usage(format!("storage \"{name}\": {why}")))
}

/// Checks the name of a device, with or without `/dev/`, and gives the disk's name.
pub fn disk_name(device: &str) -> Result<String, Error> {
    let disk = device.strip_prefix("/dev/").unwrap_or(device);
    dst_core::names::check_disk(disk, |_| false)
        .map_err(|why| Error::usage(format!("device \"{device}\": {why}")))?;
    Ok(disk.to_string())
}

/// Takes the prefix of 2007 off an algorithm's name.
pub fn algorithm_name(name: &str) -> String {
    name.strip_prefix("alg_").unwrap_or(name).to_string()
}

/// `dst create`: adds the storage and its nodes and starts it, or leaves nothing behind.
pub fn create(env: &mut Env<'_>, args: &Create) -> Result<(), Error> {
    check_name(&args.name)?;
    let new = NewStorage {
        name: args.name.clone(),
        algorithm: algorithm_name(&args.alg),
        disk: disk_name(&args.device)?,
        uuid: None,
        raw: args.raw,
        read_only: args.read_only,
    };
    let options = node_options(&args.node, args.force);
    let mut nodes = Vec::new();
    for text in &args.nodes {
        let spec = node::parse(text).map_err(Error::usage)?;
        nodes.push(prepare(env, &spec, &options)?);
    }
    let mut client = env.client(&format!("cannot create storage \"{}\"", new.name))?;
    add_storage(env, &mut client, &new)?;
    let started = form(env, &mut client, args, &nodes);
    if let Err(error) = started {
        return Err(roll_back(&mut client, &new.name, error));
    }
    report(env, &mut client, &new.name)
}

/// Adds a storage.
pub fn add_storage(env: &Env<'_>, client: &mut Client, new: &NewStorage) -> Result<(), Error> {
    env.call(client, &ops::storage_add(new), || {
        format!("cannot add storage \"{}\"", new.name)
    })?;
    Ok(())
}

fn form(
    env: &mut Env<'_>,
    client: &mut Client,
    args: &Create,
    nodes: &[Prepared],
) -> Result<(), Error> {
    for node in nodes {
        node.add(env, client, &args.name)?;
    }
    if args.no_start {
        return Ok(());
    }
    start_storage(env, client, &args.name, args.force, args.timeout)
}

/// Removes a storage that this command added, and says so in the error.
pub fn roll_back(client: &mut Client, name: &str, error: Error) -> Error {
    // Forced: something may have opened the disk in the meantime (udev does).
    match client.call(&ops::storage_del(name, true, None)) {
        Ok(_) => error.note(format!(
            "nothing was left behind: storage \"{name}\" is deleted again"
        )),
        Err(failure) => {
            let second = Error::from_failure(format!("cannot delete storage \"{name}\""), failure);
            let why = second.why.clone().unwrap_or_default();
            error
                .note(format!(
                    "what was done could not be undone: {}: {why}",
                    second.what
                ))
                .hint(format!("delete it by hand: \"dst delete {name} --force\""))
        }
    }
}

/// Starts a storage.
pub fn start_storage(
    env: &mut Env<'_>,
    client: &mut Client,
    name: &str,
    force: bool,
    timeout: Option<u32>,
) -> Result<(), Error> {
    env.progress(&format!(
        "starting storage \"{name}\": opening and connecting its nodes ..."
    ));
    env.call(client, &ops::storage_start(name, force, timeout), || {
        format!("cannot start storage \"{name}\"")
    })?;
    Ok(())
}

/// `dst start`
pub fn start(
    env: &mut Env<'_>,
    name: &str,
    force: bool,
    timeout: Option<u32>,
) -> Result<(), Error> {
    let mut client = env.client(&format!("cannot start storage \"{name}\""))?;
    start_storage(env, &mut client, name, force, timeout)?;
    report(env, &mut client, name)
}

/// `dst delete`
pub fn delete(
    env: &mut Env<'_>,
    name: &str,
    force: bool,
    timeout: Option<u32>,
) -> Result<(), Error> {
    let mut client = env.client(&format!("cannot delete storage \"{name}\""))?;
    env.call(&mut client, &ops::storage_del(name, force, timeout), || {
        format!("cannot delete storage \"{name}\"")
    })?;
    let text = format!("storage \"{name}\" is deleted; its data stays on the nodes\n");
    env.finish(&client, &text, json!({"deleted": {"storage": name}}))
}

/// `dst set`
pub fn set(env: &mut Env<'_>, args: &Set) -> Result<(), Error> {
    let name = &args.storage;
    let cpus = args.worker_cpus.as_deref();
    let change = WorkersChange {
        count: args.workers,
        nice: args.worker_nice,
        cpus: cpus.map(|list| if list == "any" { "" } else { list }.to_string()),
    };
    let mut client = env.client(&format!("cannot change storage \"{name}\""))?;
    env.call(&mut client, &ops::storage_set(name, &change), || {
        format!("cannot change storage \"{name}\"")
    })?;
    if client.kept().is_some() {
        return env.finish(&client, "", json!({}));
    }
    let storage = the_storage(env, &mut client, name)?;
    let number = |value: Option<u64>| value.map_or("?".to_string(), |value| value.to_string());
    let text = format!(
        "storage \"{name}\" has {} workers, nice level {}, on {}\n",
        number(storage.workers),
        storage.worker_nice.unwrap_or(0),
        match &storage.worker_cpus {
            Some(list) => format!("CPUs {list}"),
            None => "any CPU".to_string(),
        }
    );
    env.finish(&client, &text, json!({"storage": storage}))
}

fn the_storage(
    env: &mut Env<'_>,
    client: &mut Client,
    name: &str,
) -> Result<model::Storage, Error> {
    env.storage(client, name)?.ok_or_else(|| {
        Error::new(Exit::Failed, format!("storage \"{name}\" has gone"))
            .hint("something else deleted it in the meantime")
    })
}

/// Whether the storage's device is there.
pub fn has_started(storage: &model::Storage) -> bool {
    matches!(storage.state.as_str(), "running" | "degraded" | "failed")
}

/// Tells how a storage stands after a change.
pub fn report(env: &mut Env<'_>, client: &mut Client, name: &str) -> Result<(), Error> {
    if client.kept().is_some() {
        return env.finish(client, "", json!({}));
    }
    let storage = the_storage(env, client, name)?;
    let text = summary(&storage);
    let data = json!({"storage": storage});
    env.finish(client, &text, data)
}

fn summary(storage: &model::Storage) -> String {
    let nodes = match storage.node_count.unwrap_or(0) {
        1 => "1 node".to_string(),
        n => format!("{n} nodes"),
    };
    let device = storage.disk.as_deref().unwrap_or("?");
    match (storage.state.as_str(), storage.sectors) {
        ("configuring", _) => format!(
            "storage \"{name}\" is being configured, {nodes}; start it with \"dst start {name}\"\n",
            name = storage.name
        ),
        (state, Some(sectors)) => {
            let size = Sectors(sectors);
            format!(
                "storage \"{}\" is {state}: /dev/{device}, {size}, {nodes}\n",
                storage.name
            )
        }
        (state, None) => format!("storage \"{}\" is {state}: {nodes}\n", storage.name),
    }
}
