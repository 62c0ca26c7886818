// SPDX-License-Identifier: GPL-2.0

//! Taking storages and exports away, whatever uses what: at the end of a machine's run.

use crate::args::boot::Down;
use crate::command::save::{look, Running};
use crate::config::stable;
use crate::env::Env;
use crate::error::{Error, Exit};
use crate::model::Export;
use crate::netlink::{Client, Request};
use crate::ops::{self, ExportSelector};
use serde_json::json;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long until what was in use is tried again.
const PAUSE: Duration = Duration::from_millis(500);

/// One thing that is to go.
struct Target {
    name: String,
    request: Request,
}

/// Whether an export serves the disk of a storage: it belongs to the storages, and uses them.
fn of_a_storage(export: &Export) -> bool {
    let path = export.path.as_deref().unwrap_or("");
    stable::is_storage(Path::new(path))
}

/// What can go now: what nothing else can be using first.
fn targets(running: &Running, args: &Down, force: bool) -> Vec<Target> {
    let export = |export: &Export| {
        let which = ExportSelector {
            id: u32::try_from(export.id).ok(),
            ..ExportSelector::default()
        };
        Target {
            name: format!("export {}", export.path.as_deref().unwrap_or("?")),
            request: ops::export_del(&which, force),
        }
    };
    let mut list = Vec::new();
    if !args.exports {
        list.extend(
            running
                .exports
                .iter()
                .filter(|e| of_a_storage(e))
                .map(export),
        );
        // Those that came last may use those before.
        for (storage, _) in running.storages.iter().rev() {
            list.push(Target {
                name: format!("storage \"{}\"", storage.name),
                request: ops::storage_del(&storage.name, force, None),
            });
        }
    }
    let storages_are_gone = args.exports || running.storages.is_empty();
    if !args.storages && storages_are_gone {
        // A storage of this machine may use an export of it.
        list.extend(
            running
                .exports
                .iter()
                .filter(|e| !of_a_storage(e))
                .map(export),
        );
    }
    list
}

/// `dst down`
pub fn down(env: &mut Env<'_>, args: &Down) -> Result<(), Error> {
    let what = "cannot take down what runs";
    let end = Instant::now() + Duration::from_millis(args.wait.into());
    let mut told = Vec::new();
    loop {
        let running = match look(env, what) {
            // Then nothing of it is there.
            Err(error) if error.exit == Exit::NotLoaded => return done(env, &told),
            other => other?,
        };
        let over = Instant::now() >= end;
        let list = targets(&running, args, over && args.force);
        if list.is_empty() {
            return done(env, &told);
        }
        if env.dry_run {
            let lines: Vec<String> = list.iter().map(|t| format!("{}\n", t.request)).collect();
            return env.print(&lines.concat());
        }
        let mut client = env.client(what)?;
        let before = told.len();
        let left = round(env, &mut client, &list, &mut told);
        // Progress gives what was used by it a chance, however late it is.
        if !left.is_empty() && over && told.len() == before {
            return Err(remaining(env, left));
        }
        if told.len() == before {
            std::thread::sleep(PAUSE.min(end.saturating_duration_since(Instant::now())));
        }
    }
}

/// Tries each once and gives what is left and why; what is gone is added to `told`. What somebody
/// else was faster with counts as left: the next look does not show it.
fn round(
    env: &mut Env<'_>,
    client: &mut Client,
    list: &[Target],
    told: &mut Vec<String>,
) -> Vec<Error> {
    let mut left = Vec::new();
    for target in list {
        match client.call(&target.request) {
            Ok(_) => {
                if !env.json {
                    // The deletion counts, not what is said of it.
                    let _ = env.print(&format!("{} is gone\n", target.name));
                }
                told.push(target.name.clone());
            }
            Err(failure) => {
                let what = format!("cannot take down {}", target.name);
                left.push(env.explain(what, &target.request, failure));
            }
        }
    }
    left
}

fn remaining(env: &mut Env<'_>, mut left: Vec<Error>) -> Error {
    // The last one is told by the caller.
    let last = left.pop();
    for error in left {
        let _ = writeln!(env.err, "{error}");
    }
    last.unwrap_or_else(|| Error::new(Exit::Failed, "something is left"))
}

fn done(env: &mut Env<'_>, told: &[String]) -> Result<(), Error> {
    if env.json {
        return env.print_json(&json!({"gone": told}));
    }
    if told.is_empty() {
        return env.print("nothing runs\n");
    }
    Ok(())
}
