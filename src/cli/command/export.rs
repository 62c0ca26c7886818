// SPDX-License-Identifier: GPL-2.0

//! Exports: local disks that other machines may use.

use crate::access::{parse_allow, single, Access, Allow, AllowSpec};
use crate::args::export::{ExportAdd, ExportDel, ExportSet};
use crate::endpoint::{Endpoint, DEFAULT_PORT};
use crate::env::Env;
use crate::error::{errno, Error};
use crate::model;
use crate::netlink::uapi::{self, export_flags};
use crate::netlink::{Client, Failure, Request};
use crate::ops::{self, ExportSelector, NewExport};
use crate::output::{time, Table};
use dst_core::access::Prefix;
use dst_core::units::Sectors;
use serde_json::json;
use std::net::SocketAddr;

/// Reads an access list and looks up the names in it.
pub fn access_list(env: &Env<'_>, texts: &[String], default: Access) -> Result<Vec<Allow>, Error> {
    list_of(env, texts, default, "--allow")
}

/// Reads the list of an option and looks up the names in it.
fn list_of(
    env: &Env<'_>,
    texts: &[String],
    default: Access,
    option: &str,
) -> Result<Vec<Allow>, Error> {
    let mut list: Vec<Allow> = Vec::new();
    for text in texts {
        match parse_allow(text, default).map_err(Error::usage)? {
            AllowSpec::Prefix(allow) => list.push(allow),
            AllowSpec::Host(host, access) => {
                let endpoint = Endpoint {
                    host,
                    port: DEFAULT_PORT,
                };
                for address in env.addresses(&endpoint)? {
                    list.push(single(address.ip(), access));
                }
            }
        }
    }
    for (i, entry) in list.iter().enumerate() {
        if list[..i].iter().any(|other| other.prefix == entry.prefix) {
            return Err(Error::usage(format!(
                "{option} names {} twice",
                entry.prefix
            )));
        }
    }
    if list.len() > uapi::ALLOW_MAX {
        return Err(Error::usage(format!(
            "{option} has {} entries; an export takes at most {}",
            list.len(),
            uapi::ALLOW_MAX
        )));
    }
    Ok(list)
}

/// Reads a list of machines that an export may copy from, and looks up the names in it.
pub fn copy_list(env: &Env<'_>, texts: &[String]) -> Result<Vec<Prefix>, Error> {
    let texts = texts.iter().map(|text| match text.contains('=') {
        true => Err(Error::usage(format!(
            "--copy-from {text}: an address, a prefix or a host's name is enough"
        ))),
        false => Ok(text.clone()),
    });
    let texts: Vec<String> = texts.collect::<Result<_, _>>()?;
    let list = list_of(env, &texts, Access::ReadOnly, "--copy-from")?;
    Ok(list.iter().map(|entry| entry.prefix).collect())
}

/// `dst export add`
pub fn add_verb(env: &mut Env<'_>, args: &ExportAdd) -> Result<(), Error> {
    if let Some(name) = &args.name {
        check_export_name(name)?;
    }
    check_device(&args.device)?;
    let default = if args.read_only {
        Access::ReadOnly
    } else {
        Access::ReadWrite
    };
    let allow = access_list(env, &args.allow, default)?;
    let copy_from = copy_list(env, &args.copy_from)?;
    let endpoint = Endpoint::parse(&args.listen).map_err(Error::usage)?;
    let bit = |on: bool, bit: u32| if on { bit } else { 0 };
    let new = NewExport {
        name: args.name.clone(),
        path: args.device.clone(),
        address: SocketAddr::from(([0, 0, 0, 0], 0)),
        flags: bit(args.read_only, export_flags::READ_ONLY)
            | bit(args.write_back, export_flags::WRITE_BACK)
            | bit(args.shared, export_flags::SHARED_WRITERS)
            | bit(args.any_address, export_flags::ANY_ADDRESS)
            | bit(args.force, export_flags::FORCE),
        allow,
        copy_from,
        backlog: args.backlog,
        queue_depth: args.queue_depth,
        max_clients: args.max_clients,
        max_transfer: None,
        client_memory: None,
        hello_timeout: None,
        idle_timeout: None,
    };
    add(env, &endpoint, new)
}

/// Checks an export's name the way the module does.
pub fn check_export_name(name: &str) -> Result<(), Error> {
    dst_core::names::check_plain(name)
        .map_err(|why| Error::usage(format!("export \"{name}\": {why}")))
}

/// Refuses what cannot be the path of a device.
pub fn check_device(path: &str) -> Result<(), Error> {
    if path.starts_with('/') && path.len() <= uapi::PATH_LEN {
        return Ok(());
    }
    Err(Error::usage(format!(
        "device \"{path}\": write its whole path, as in /dev/sdb"
    )))
}

/// Adds an export at the first address of `endpoint` that this machine has.
pub fn add(env: &mut Env<'_>, endpoint: &Endpoint, mut new: NewExport) -> Result<(), Error> {
    let what = format!("cannot export {} at {endpoint}", new.path);
    let mut client = env.client(&what)?;
    let told = make(env, &mut client, endpoint, &mut new)?;
    let address = told.address.unwrap_or(new.address);
    let text = format!("export {}: {} at {address}\n", told.id, new.path);
    let data = json!({"export": {"id": told.id, "path": new.path, "address": address}});
    env.finish(&client, &text, data)?;
    if new.allow.is_empty() {
        let how = match told.id {
            0 => "--allow PREFIX=rw".to_string(),
            id => format!("\"dst export set {id} --allow PREFIX=rw\""),
        };
        env.note(&format!(
            "nobody may connect yet: allow somebody with {how}"
        ));
    }
    Ok(())
}

/// Asks for an export at one address of `endpoint` after the other, and gives what the module
/// tells about it: nothing in a dry run.
pub fn make(
    env: &Env<'_>,
    client: &mut Client,
    endpoint: &Endpoint,
    new: &mut NewExport,
) -> Result<model::Export, Error> {
    let addresses = env.addresses(endpoint)?;
    let last = addresses.len() - 1;
    let mut reply = None;
    for (i, address) in addresses.iter().enumerate() {
        new.address = *address;
        let request = ops::export_add(new);
        match client.call(&request) {
            Ok(replies) => {
                reply = replies.into_iter().next();
                break;
            }
            Err(Failure::Refused(r)) if r.errno == errno::EADDRNOTAVAIL && i < last => {}
            Err(failure) => {
                let what = format!("cannot export {} at {endpoint}", new.path);
                return Err(env.explain(what, &request, failure));
            }
        }
    }
    let told = reply
        .map(|reply| model::Export::decode(&reply.attributes))
        .transpose();
    let told = told.map_err(|m| {
        Error::from_failure("cannot read the export's number", Failure::Malformed(m))
    })?;
    Ok(told.unwrap_or_default())
}

/// Reads which export is meant: number, device, address, or name.
fn selectors(env: &Env<'_>, text: &str) -> Result<Vec<ExportSelector>, Error> {
    let one = |selector| Ok(vec![selector]);
    let none = ExportSelector::default();
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        let id = text.parse().ok().filter(|id| *id > 0);
        let id = id.ok_or_else(|| Error::usage(format!("\"{text}\" is no export's number")))?;
        return one(ExportSelector {
            id: Some(id),
            ..none
        });
    }
    if text.starts_with('/') {
        return one(ExportSelector {
            path: Some(text.to_string()),
            ..none
        });
    }
    if text.contains(':') {
        let endpoint = Endpoint::parse(text).map_err(Error::usage)?;
        let found = env.addresses(&endpoint)?;
        let by = |a: &SocketAddr| ExportSelector {
            address: Some(*a),
            ..ExportSelector::default()
        };
        return Ok(found.iter().map(by).collect());
    }
    check_export_name(text)?;
    one(ExportSelector {
        name: Some(text.to_string()),
        ..none
    })
}

/// Makes a request about the first of several selectors that an export matches.
pub fn call_first(
    env: &Env<'_>,
    client: &mut Client,
    which: &[ExportSelector],
    what: &str,
    request: impl Fn(&ExportSelector) -> Request,
) -> Result<(), Error> {
    for (i, selector) in which.iter().enumerate() {
        let request = request(selector);
        match client.call(&request) {
            Ok(_) => return Ok(()),
            Err(Failure::Refused(r)) if r.errno == errno::ENOENT && i + 1 < which.len() => {}
            Err(failure) => return Err(env.explain(what.to_string(), &request, failure)),
        }
    }
    Ok(())
}

/// `dst export del`
pub fn delete_verb(env: &mut Env<'_>, args: &ExportDel) -> Result<(), Error> {
    let which = selectors(env, &args.export)?;
    delete(env, &which, &args.export, args.force)
}

/// Deletes an export. `label` is what the user called it.
pub fn delete(
    env: &mut Env<'_>,
    which: &[ExportSelector],
    label: &str,
    force: bool,
) -> Result<(), Error> {
    let what = format!("cannot delete export {label}");
    let mut client = env.client(&what)?;
    call_first(env, &mut client, which, &what, |s| {
        ops::export_del(s, force)
    })?;
    let text = format!("export {label} is deleted\n");
    env.finish(&client, &text, json!({"deleted": {"export": label}}))
}

/// `dst export set`
pub fn set(env: &mut Env<'_>, args: &ExportSet) -> Result<(), Error> {
    let which = selectors(env, &args.export)?;
    let given = |list: &[String], none: bool| none || !list.is_empty();
    let allow = match given(&args.allow, args.nobody) {
        true => Some(access_list(env, &args.allow, Access::ReadWrite)?),
        false => None,
    };
    let copy_from = match given(&args.copy_from, args.no_copies) {
        true => Some(copy_list(env, &args.copy_from)?),
        false => None,
    };
    let what = format!("cannot change export {}", args.export);
    let mut client = env.client(&what)?;
    call_first(env, &mut client, &which, &what, |s| {
        ops::export_set(s, allow.as_deref(), copy_from.as_deref())
    })?;
    let mut text = String::new();
    let name = &args.export;
    if let Some(allow) = &allow {
        text += &match allow.is_empty() {
            true => format!("export {name}: nobody may connect\n"),
            false => format!("export {name}: {} may connect\n", list_text(allow)),
        };
    }
    if let Some(from) = &copy_from {
        text += &match from.is_empty() {
            true => format!("export {name}: it may copy from no machine\n"),
            false => format!("export {name}: it may copy from {}\n", list_text(from)),
        };
    }
    let from = copy_from.map(|list| list.iter().map(ToString::to_string).collect::<Vec<_>>());
    let data = json!({"changed": {"export": name, "allow": allow, "copy_from": from}});
    env.finish(&client, &text, data)
}

fn list_text<T: ToString>(list: &[T]) -> String {
    list.iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

/// `dst export list`
pub fn list(env: &mut Env<'_>) -> Result<(), Error> {
    let what = "cannot list the exports";
    let mut client = env.client(what)?;
    let exports = env.dump(
        &mut client,
        &ops::export_dump(),
        what,
        model::Export::decode,
    )?;
    if env.json {
        return env.print_json(&json!({"exports": exports}));
    }
    if exports.is_empty() {
        return env.print("no exports\n");
    }
    let mut table = Table::new(&[
        "ID", "DEVICE", "SIZE", "AT", "STATE", "CLIENTS", "OPTIONS", "ALLOWED",
    ]);
    for export in &exports {
        let mut options = export.flags.0.clone();
        if !export.flags.has("write-back") {
            options.push("write-through".to_string());
        }
        if !export.copy_from.is_empty() {
            options.push(format!("copies-from={}", export.copy_from.join("+")));
        }
        if let Some(name) = &export.name {
            options.insert(0, format!("name={name}"));
        }
        let state = match export.since_ms {
            Some(ms) => format!("{} {}", export.state, time::span(ms)),
            None => export.state.clone(),
        };
        table.row([
            export.id.to_string(),
            export.path.clone().unwrap_or_default(),
            export
                .sectors
                .map(|s| Sectors(s).to_string())
                .unwrap_or_default(),
            export.address.map(|a| a.to_string()).unwrap_or_default(),
            env.style.state(&state, &export.state),
            export.clients.unwrap_or(0).to_string(),
            options.join(","),
            if export.allow.is_empty() {
                "nobody".into()
            } else {
                list_text(&export.allow)
            },
        ]);
        if let Some(reason) = &export.reason {
            table.line(format!("    reason: {reason}"));
        }
    }
    env.print(&table.to_string())
}
