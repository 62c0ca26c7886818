// SPDX-License-Identifier: GPL-2.0

//! Making one export or storage, or seeing that it is there.

use super::{compare, Job, Standing};
use crate::access::Access;
use crate::command::node::{prepare, Prepared};
use crate::command::save::Running;
use crate::command::{export, storage};
use crate::config::{self, Export, Storage};
use crate::env::Env;
use crate::error::Error;
use crate::model::Node;
use crate::netlink::uapi::export_flags;
use crate::netlink::Client;
use crate::ops::{self, ExportSelector, WorkersChange};

impl Job<'_> {
    /// The client that changes are asked of: in a dry run the one that keeps them.
    fn with_client<T>(
        &mut self,
        env: &mut Env<'_>,
        what: &str,
        work: impl FnOnce(&mut Env<'_>, &mut Client) -> Result<T, Error>,
    ) -> Result<T, Error> {
        if let Some(dry) = &mut self.dry {
            return work(env, dry);
        }
        let mut client = env.client(what)?;
        work(env, &mut client)
    }

    pub(super) fn export(
        &mut self,
        env: &mut Env<'_>,
        running: &Running,
        wanted: &Export,
    ) -> Result<Standing, Error> {
        let what = format!("cannot export {}", wanted.new.path);
        let read_only = wanted.new.flags & export_flags::READ_ONLY != 0;
        let default = if read_only {
            Access::ReadOnly
        } else {
            Access::ReadWrite
        };
        let allow = export::access_list(env, &wanted.allow, default)?;
        let copy_from = export::copy_list(env, &wanted.copy_from)?;
        let change = self.args.change;
        let Some(present) = compare::find_export(running, wanted) else {
            let mut new = wanted.new.clone();
            new.allow = allow;
            new.copy_from = copy_from;
            return self.with_client(env, &what, |env, client| {
                export::make(env, client, &wanted.listen, &mut new)?;
                Ok(Standing::Made)
            });
        };
        let addresses = env.addresses(&wanted.listen)?;
        let mut found = compare::export(present, wanted, &addresses);
        let mut changed = false;
        let access = compare::access(present, &allow);
        let copies = compare::copies(present, &copy_from);
        if access.is_some() || copies.is_some() {
            if change {
                let which = ExportSelector {
                    id: u32::try_from(present.id).ok(),
                    ..ExportSelector::default()
                };
                let allow = access.is_some().then_some(&allow[..]);
                let copy_from = copies.is_some().then_some(&copy_from[..]);
                let request = ops::export_set(&which, allow, copy_from);
                self.with_client(env, &what, |env, client| {
                    env.call(client, &request, || what.clone())
                })?;
                changed = true;
            } else {
                found.extend(Iterator::chain(access.into_iter(), copies));
            }
        }
        Ok(standing(found, changed))
    }

    pub(super) fn storage(
        &mut self,
        env: &mut Env<'_>,
        running: &Running,
        wanted: &Storage,
    ) -> Result<Standing, Error> {
        let name = &wanted.new.name;
        let what = format!("cannot make storage \"{name}\"");
        let present = running.storages.iter().find(|(s, _)| s.name == *name);
        let Some((present, members)) = present else {
            let nodes = prepared(env, wanted, &[])?;
            return self.with_client(env, &what, |env, client| {
                storage::add_storage(env, client, &wanted.new)?;
                match form(env, client, wanted, &nodes) {
                    Ok(()) => Ok(Standing::Made),
                    Err(error) => Err(storage::roll_back(client, name, error)),
                }
            });
        };
        let forming = present.state == "configuring" && wanted.start;
        let mut found = compare::storage(present, wanted);
        found.extend(compare::nodes(env, members, wanted, forming)?);
        if forming && found.is_empty() {
            // Somebody, or a restore that was ended, has begun it.
            let nodes = prepared(env, wanted, members)?;
            self.with_client(env, &what, |env, client| form(env, client, wanted, &nodes))?;
            return Ok(Standing::Made);
        }
        let workers = compare::workers(present, wanted);
        let mut changed = false;
        if !workers.is_empty() && self.args.change {
            self.with_client(env, &what, |env, client| set_workers(env, client, wanted))?;
            changed = true;
        } else {
            found.extend(workers);
        }
        Ok(standing(found, changed))
    }
}

fn standing(found: Vec<String>, changed: bool) -> Standing {
    match (found.is_empty(), changed) {
        (true, false) => Standing::There,
        (true, true) => Standing::Changed,
        (false, _) => Standing::Differs(found),
    }
}

/// The nodes that are not there yet, in their order.
fn prepared(env: &Env<'_>, wanted: &Storage, present: &[Node]) -> Result<Vec<Prepared>, Error> {
    let is_there = |index: u32| present.iter().any(|n| n.index == u64::from(index));
    let missing = (0..).zip(&wanted.nodes).filter(|(i, _)| !is_there(*i));
    let one = |(index, node): (u32, &config::Node)| {
        let mut spec = node.spec.clone();
        spec.index = (!present.is_empty()).then_some(index);
        prepare(env, &spec, &node.options)
    };
    missing.map(one).collect()
}

/// Puts a storage together that has been added.
fn form(
    env: &mut Env<'_>,
    client: &mut Client,
    wanted: &Storage,
    nodes: &[Prepared],
) -> Result<(), Error> {
    let name = &wanted.new.name;
    for node in nodes {
        node.add(env, client, name)?;
    }
    set_workers(env, client, wanted)?;
    if wanted.start {
        storage::start_storage(env, client, name, false, None)?;
    }
    Ok(())
}

fn set_workers(env: &mut Env<'_>, client: &mut Client, wanted: &Storage) -> Result<(), Error> {
    let WorkersChange { count, nice, cpus } = &wanted.workers;
    if count.is_none() && nice.is_none() && cpus.is_none() {
        return Ok(());
    }
    let name = &wanted.new.name;
    env.call(client, &ops::storage_set(name, &wanted.workers), || {
        format!("cannot change the workers of storage \"{name}\"")
    })?;
    Ok(())
}
