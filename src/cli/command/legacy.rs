// SPDX-License-Identifier: GPL-2.0

//! What the options of 2007 mean together. The truth table in
//! `Documentation/admin/command-line.md` has a test for each of its rows.

use crate::access::Access;
use crate::args::Legacy;
use crate::command::{export, node, storage};
use crate::endpoint::{Endpoint, DEFAULT_PORT};
use crate::env::Env;
use crate::error::{Error, Exit};
use crate::model;
use crate::netlink::uapi::export_flags;
use crate::netlink::Client;
use crate::node::{NodeSpec, Place};
use crate::ops::{ExportSelector, NewExport, NewStorage, NodeOptions, NodeSelector};
use std::net::SocketAddr;

const EXPLAIN: &str = "\"dst -n x -h\" explains the options of 2007";

/// What a combination of options asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    /// Prepare a storage, add a node to it, start it: whatever of these is asked for.
    Form,
    Export,
    RemoveNode,
    DeleteStorage,
    DeleteExport,
}

fn usage(what: impl Into<String>) -> Error {
    Error::usage(what).hint(EXPLAIN)
}

/// Runs a command line of 2007.
pub fn run(env: &mut Env<'_>, args: &Legacy) -> Result<(), Error> {
    let name = args
        .name
        .as_deref()
        .ok_or_else(|| usage("-n NAME is missing"))?;
    if args.port.is_some() && args.address.is_none() {
        return Err(usage("-p belongs to an address: add -a ADDRESS"));
    }
    let action = action(args)?;
    refuse_foreign(args, action)?;
    match action {
        Action::Form => form(env, args, name),
        Action::Export => add_export(env, args, name),
        Action::RemoveNode => remove_node(env, args, name),
        Action::DeleteStorage => storage::delete(env, name, args.force, None),
        Action::DeleteExport => delete_export(env, args, name),
    }
}

fn action(args: &Legacy) -> Result<Action, Error> {
    match (args.remove, args.run, args.delete) {
        (true, true, _) => return Err(usage("-r removes a node and -R starts: give one of them")),
        (true, _, true) => return Err(usage("-r removes a node and -D deletes: give one of them")),
        (_, true, true) => return Err(usage("-R starts and -D deletes: give one of them")),
        _ => {}
    }
    let place = args.disk.is_some() || args.address.is_some();
    match (args.remove, args.delete) {
        (true, _) if !place && args.start.is_none() => Err(usage(
            "-r needs the node: its -d DISK, its -a ADDRESS, or its -s START",
        )),
        (true, _) => Ok(Action::RemoveNode),
        (_, true) if place => Ok(Action::DeleteExport),
        (_, true) => Ok(Action::DeleteStorage),
        _ if args.disk.is_some() && args.address.is_some() => Ok(Action::Export),
        _ => Ok(Action::Form),
    }
}

/// Refuses options that mean nothing for an action. `-A` and `-f` are let through wherever
/// a command line of 2007 had them out of habit; they change nothing there.
fn refuse_foreign(args: &Legacy, action: Action) -> Result<(), Error> {
    let node = args.disk.is_some() || args.address.is_some();
    let export = action == Action::Export;
    let place = match action {
        Action::Form => node,
        Action::RemoveNode => true,
        _ => false,
    };
    let given = [
        (args.start.is_some(), place, "-s is the place of a node"),
        (args.size.is_some(), place, "-S is the size of a node"),
        (
            args.backlog.is_some(),
            export,
            "-b belongs to an export (-d DISK -a ADDRESS)",
        ),
        (
            !args.allow.is_empty(),
            export,
            "--allow belongs to an export (-d DISK -a ADDRESS)",
        ),
        (
            args.any_address,
            export,
            "--any-address belongs to an export (-d DISK -a ADDRESS)",
        ),
        (
            args.run,
            action == Action::Form,
            "-R starts a storage; an export serves at once",
        ),
        (
            args.raw,
            action == Action::Form,
            "--raw belongs to the making of a storage",
        ),
        (
            args.read_only,
            export || action == Action::Form,
            "--read-only belongs to a storage or an export",
        ),
    ];
    for (is_given, fits, why) in given {
        if is_given && !fits {
            return Err(usage(format!("{why}; here it has nothing to belong to")));
        }
    }
    if action == Action::RemoveNode && args.disk.is_some() && args.address.is_some() {
        return Err(usage("-r: a node has either a -d DISK or an -a ADDRESS"));
    }
    Ok(())
}

fn endpoint(args: &Legacy) -> Result<Option<Endpoint>, Error> {
    let Some(host) = args.address.as_deref() else {
        return Ok(None);
    };
    Endpoint::new(host, args.port.unwrap_or(DEFAULT_PORT))
        .map(Some)
        .map_err(|why| {
            usage(format!("-a {why}")).hint("the port goes into -p, as in -a kano -p 1025")
        })
}

fn node_spec(args: &Legacy) -> Result<Option<NodeSpec>, Error> {
    let place = match (&args.disk, endpoint(args)?) {
        (Some(disk), _) => {
            export::check_device(disk)?;
            Place::Local(disk.clone())
        }
        (None, Some(endpoint)) => Place::Remote(endpoint),
        (None, None) => return Ok(None),
    };
    let size = args.size.filter(|n| *n > 0);
    Ok(Some(NodeSpec {
        start: args.start,
        size,
        ..NodeSpec::at(place)
    }))
}

/// Prepares the storage if need be, adds the node, starts: all of it or nothing.
fn form(env: &mut Env<'_>, args: &Legacy, name: &str) -> Result<(), Error> {
    storage::check_name(name)?;
    let disk = args.device.as_deref().map(storage::disk_name).transpose()?;
    let algorithm = args.algorithm.as_deref().map(storage::algorithm_name);
    let options = NodeOptions {
        force: args.force,
        ..NodeOptions::default()
    };
    let mut node = match node_spec(args)? {
        Some(spec) => Some(node::prepare(env, &spec, &options)?),
        None => None,
    };
    let prepares = algorithm.is_some() || disk.is_some() || args.raw || args.read_only;
    if node.is_none() && !args.run && !prepares {
        return Err(usage(
            "nothing to do: give a node (-d or -a), -R, -D, -A or -f",
        ));
    }
    let mut client = env.client(&format!("cannot form storage \"{name}\""))?;
    let existing = env.storage(&mut client, name)?;
    let created = existing.is_none() && (node.is_some() || prepares);
    match &existing {
        None if created => {
            let new = new_storage(args, name, algorithm, disk);
            storage::add_storage(env, &mut client, &new)?;
        }
        Some(existing) if prepares => {
            check_same(
                args,
                existing,
                algorithm.as_deref(),
                disk.as_deref(),
                node.is_some(),
            )?;
        }
        _ => {}
    }
    if let (Some(node), Some(_)) = (&mut node, &existing) {
        node::fill_gaps(env, &mut client, name, std::slice::from_mut(node))?;
    }
    let runs = existing.as_ref().is_some_and(storage::has_started);
    let mut added = Vec::new();
    let mut done = match &node {
        // What cannot be started again is not changed either.
        _ if runs && args.run => Ok(()),
        Some(node) => node
            .add(env, &mut client, name)
            .map(|index| added.extend(index)),
        None => Ok(()),
    };
    if done.is_ok() && args.run {
        done = storage::start_storage(env, &mut client, name, args.force, None);
    }
    match done {
        Ok(()) => {
            storage::report(env, &mut client, name)?;
            if runs && node.is_some() {
                env.note(node::GROWN);
            }
            Ok(())
        }
        Err(error) if runs => Err(node::keep(name, added.len(), error)),
        Err(error) if created => Err(storage::roll_back(&mut client, name, error)),
        Err(error) => Err(node::roll_back(&mut client, name, &added, error)),
    }
}

fn new_storage(
    args: &Legacy,
    name: &str,
    algorithm: Option<String>,
    disk: Option<String>,
) -> NewStorage {
    NewStorage {
        name: name.to_string(),
        algorithm: algorithm.unwrap_or_else(|| "linear".to_string()),
        disk: disk.unwrap_or_else(|| dst_core::names::DEFAULT_DISK.to_string()),
        uuid: None,
        raw: args.raw,
        read_only: args.read_only,
    }
}

/// The second and later commands of 2007 name algorithm and device again: they must be those
/// of the storage.
fn check_same(
    args: &Legacy,
    existing: &model::Storage,
    algorithm: Option<&str>,
    disk: Option<&str>,
    has_node: bool,
) -> Result<(), Error> {
    let name = &existing.name;
    let other = |option: &str, wanted: &str, has: &str| {
        let mut error = Error::new(
            Exit::Busy,
            format!("storage \"{name}\" exists with {option} {has}, not {wanted}"),
        )
        .hint(format!(
            "leave {option} out, or delete the storage first: dst -n {name} -D"
        ));
        error.option = Some(option.to_string());
        error
    };
    let differs = |wanted: Option<&str>, has: &Option<String>| {
        wanted.is_some_and(|w| {
            has.as_deref()
                .is_some_and(|h| storage::algorithm_name(h) != w)
        })
    };
    if differs(algorithm, &existing.algorithm) {
        let has = existing.algorithm.as_deref().unwrap_or("?");
        return Err(other("-A", algorithm.unwrap_or("?"), has));
    }
    if differs(disk, &existing.disk) {
        let has = format!("/dev/{}", existing.disk.as_deref().unwrap_or("?"));
        return Err(other("-f", &format!("/dev/{}", disk.unwrap_or("?")), &has));
    }
    for (wanted, flag) in [(args.raw, "raw"), (args.read_only, "read-only")] {
        if wanted && !existing.flags.has(flag) {
            return Err(other(&format!("--{flag}"), "with it", "unset"));
        }
    }
    if !has_node && !args.run {
        return Err(
            Error::new(Exit::Busy, format!("storage \"{name}\" exists already"))
                .hint("add a node (-d or -a), or start it with -R"),
        );
    }
    Ok(())
}

fn add_export(env: &mut Env<'_>, args: &Legacy, name: &str) -> Result<(), Error> {
    export::check_export_name(name)?;
    let path = args.disk.clone().unwrap_or_default();
    export::check_device(&path)?;
    let endpoint = endpoint(args)?.ok_or_else(|| usage("-a ADDRESS is missing"))?;
    let default = if args.read_only {
        Access::ReadOnly
    } else {
        Access::ReadWrite
    };
    let allow = export::access_list(env, &args.allow, default)?;
    note_unused(env, args, "an export");
    let bit = |on: bool, bit: u32| if on { bit } else { 0 };
    let new = NewExport {
        name: Some(name.to_string()),
        path,
        address: SocketAddr::from(([0, 0, 0, 0], 0)),
        flags: bit(args.read_only, export_flags::READ_ONLY)
            | bit(args.any_address, export_flags::ANY_ADDRESS)
            | bit(args.force, export_flags::FORCE),
        allow,
        copy_from: Vec::new(),
        backlog: args.backlog,
        queue_depth: None,
        max_clients: None,
        max_transfer: None,
        client_memory: None,
        hello_timeout: None,
        idle_timeout: None,
    };
    export::add(env, &endpoint, new)
}

fn note_unused(env: &mut Env<'_>, args: &Legacy, what: &str) {
    for (given, option) in [
        (args.algorithm.is_some(), "-A"),
        (args.device.is_some(), "-f"),
    ] {
        if given {
            env.note(&format!(
                "{option} means nothing for {what} and is left aside"
            ));
        }
    }
}

fn remove_node(env: &mut Env<'_>, args: &Legacy, name: &str) -> Result<(), Error> {
    storage::check_name(name)?;
    let endpoint = endpoint(args)?;
    let addresses = match &endpoint {
        Some(endpoint) => env.addresses(endpoint)?,
        None => Vec::new(),
    };
    note_unused(env, args, "-r");
    let which = NodeSelector {
        path: args.disk.clone(),
        start: args.start,
        size: args.size,
        ..NodeSelector::default()
    };
    let label = match (&args.disk, &endpoint, args.start) {
        (Some(disk), _, _) => disk.clone(),
        (_, Some(endpoint), _) => endpoint.to_string(),
        (_, _, Some(start)) => format!("at sector {start}"),
        _ => String::new(),
    };
    let mut client: Client = env.client(&format!("cannot remove node {label}"))?;
    let node = node::Named::new(&label, which, addresses);
    node::remove_node(env, &mut client, name, &node)?;
    storage::report(env, &mut client, name)
}

fn delete_export(env: &mut Env<'_>, args: &Legacy, name: &str) -> Result<(), Error> {
    export::check_export_name(name)?;
    let base = ExportSelector {
        name: Some(name.to_string()),
        path: args.disk.clone(),
        ..ExportSelector::default()
    };
    let which = match endpoint(args)? {
        None => vec![base],
        Some(endpoint) => {
            let found = env.addresses(&endpoint)?;
            found
                .iter()
                .map(|a| ExportSelector {
                    address: Some(*a),
                    ..base.clone()
                })
                .collect()
        }
    };
    note_unused(env, args, "-D");
    export::delete(env, &which, &format!("\"{name}\""), args.force)
}
