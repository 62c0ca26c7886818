// SPDX-License-Identifier: GPL-2.0

//! Taking storages and exports away, whatever uses what: at the end of a machine's run.

pub mod lost;
pub mod release;

use crate::args::boot::Down;
use crate::command::save::{look, Running};
use crate::config::stable;
use crate::env::Env;
use crate::error::{Error, Exit};
use crate::model::{Export, Storage};
use crate::netlink::{Client, Request};
use crate::ops::{self, ExportSelector};
use lost::Watch;
use serde_json::json;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long until what was in use is tried again.
const PAUSE: Duration = Duration::from_millis(500);

/// How long what programs have written may take to reach the nodes.
const WRITING_TIME: Duration = Duration::from_secs(60);

/// What goes although it is in use.
#[derive(Default)]
struct Force {
    all: bool,
    /// Names of storages.
    storages: Vec<String>,
}

/// One thing that is to go.
struct Target {
    name: String,
    forced: bool,
    request: Request,
}

/// Whether an export serves the disk of a storage: it belongs to the storages, and uses them.
fn of_a_storage(export: &Export) -> bool {
    let path = export.path.as_deref().unwrap_or("");
    stable::is_storage(Path::new(path))
}

/// What can go now: what nothing else can be using first.
fn targets(running: &Running, args: &Down, force: &Force) -> Vec<Target> {
    let export = |export: &Export| {
        let which = ExportSelector {
            id: u32::try_from(export.id).ok(),
            ..ExportSelector::default()
        };
        Target {
            name: format!("export {}", export.path.as_deref().unwrap_or("?")),
            forced: force.all,
            request: ops::export_del(&which, force.all),
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
            let force = force.all || force.storages.contains(&storage.name);
            list.push(Target {
                name: format!("storage \"{}\"", storage.name),
                forced: force,
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
    if args.lost {
        return release::run(env, args);
    }
    let what = "cannot take down what runs";
    let end = Instant::now() + Duration::from_millis(args.wait.into());
    let mut watch = Watch::new(args);
    let mut writing = Writing::default();
    let mut told = Vec::new();
    loop {
        let running = match look(env, what) {
            // Then nothing of it is there.
            Err(error) if error.exit == Exit::NotLoaded => return done(env, &told),
            other => other?,
        };
        let over = Instant::now() >= end;
        let mut force = Force::default();
        if args.force && !args.exports && !env.dry_run {
            for silent in watch.look(running.storages.iter(), env.resolver, &Instant::now) {
                release::tell(env, &silent);
                force.storages.extend(silent.lost.then_some(silent.storage));
            }
        }
        force.all = over && args.force && (env.dry_run || writing.done(env, &running, args));
        let list = targets(&running, args, &force);
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
        let last = over && force.all == args.force;
        if !left.is_empty() && last && told.len() == before {
            return Err(remaining(env, left));
        }
        if told.len() == before {
            let pause = end.saturating_duration_since(Instant::now());
            std::thread::sleep(if over { PAUSE } else { PAUSE.min(pause) });
        }
    }
}

/// Programs that use a disk by then have not been stopped: what they have written reaches the nodes before the
/// disk is taken away from them.
#[derive(Default)]
struct Writing {
    under_way: Option<(Instant, Box<dyn FnMut() -> bool>)>,
}

impl Writing {
    /// Whether everything that was written when this was first asked for is at the nodes, or nobody can wait for it
    /// any longer.
    fn done(&mut self, env: &mut Env<'_>, running: &Running, args: &Down) -> bool {
        let in_use = |s: &&(Storage, _)| s.0.openers.unwrap_or(0) > 0;
        let storages = running.storages.iter().filter(in_use);
        let names: Vec<String> = storages.map(|(s, _)| format!("\"{}\"", s.name)).collect();
        if args.exports || names.is_empty() {
            return true;
        }
        let names = names.join(", ");
        if self.under_way.is_none() {
            env.note(&format!(
                "still in use: {names}; what was written there is brought to the nodes before it is taken away by \
                 force"
            ));
            match (env.write_out)() {
                Ok(asked) => self.under_way = Some((Instant::now(), asked)),
                Err(error) => {
                    env.note(&format!("cannot write it out: sync: {error}"));
                    self.under_way = Some((Instant::now(), Box::new(|| true)));
                }
            }
        }
        let Some((since, asked)) = &mut self.under_way else {
            return true;
        };
        let over = since.elapsed() >= WRITING_TIME;
        let done = asked();
        if over && !done {
            env.note(&format!(
                "not everything was written out after {} s; what is left of {names} is lost",
                WRITING_TIME.as_secs()
            ));
        }
        done || over
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
                    let how = if target.forced { ", by force" } else { "" };
                    let _ = env.print(&format!("{} is gone{how}\n", target.name));
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
