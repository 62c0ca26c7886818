// SPDX-License-Identifier: GPL-2.0

//! `dst down --lost`: while a machine stops, ends what would wait for others for ever.
//!
//! Filesystems are unmounted and programs stopped meanwhile, by others. What they wait for ends in error when a
//! machine does not answer, so that they end too; nothing else is touched.
//!
//! Storages of other network namespaces are not looked at: they may be those of the machine that this one is a
//! container of, or of another container, and that does not stop.

use super::lost::{Lack, Silent, Watch};
use super::PAUSE;
use crate::args::boot::Down;
use crate::command::save::{is_of, look, own_netns, Running};
use crate::env::Env;
use crate::error::{Error, Exit};
use crate::netlink::Request;
use crate::ops::{self, NodeSelector};
use serde_json::json;
use std::collections::HashSet;
use std::time::{Duration, Instant};

const WHAT: &str = "cannot end what waits for lost machines";

/// What was done.
#[derive(Default)]
struct Report {
    /// Storages that were taken away.
    gone: Vec<String>,
    /// What was asked for once, and is not again if it was refused.
    resumed: HashSet<(String, u64)>,
    refused: HashSet<String>,
    /// Storages of other network namespaces that were told of.
    others: HashSet<String>,
}

/// Runs until no storage is in use, or the time is over.
pub fn run(env: &mut Env<'_>, args: &Down) -> Result<(), Error> {
    let end = Instant::now() + Duration::from_millis(args.wait.into());
    let mut watch = Watch::new(args);
    let mut report = Report::default();
    let mut written = None;
    loop {
        let mut running = match look(env, WHAT) {
            Err(error) if error.exit == Exit::NotLoaded => return done(env, &report),
            other => other?,
        };
        leave_out_others(env, &mut running, &mut report.others);
        let in_use = names_in_use(&running);
        if env.dry_run {
            return plan(env, &running, &mut watch);
        }
        if in_use.is_empty() {
            return done(env, &report);
        }
        if written.is_none() {
            // What belongs to machines that answer is there before anything is taken away. Only its begin counts.
            written = Some((env.write_out)());
        }
        for node in suspended(&running, &mut report.resumed) {
            resume(env, &node)?;
        }
        let silent = watch.look(running.storages.iter(), env.resolver, &Instant::now);
        end_lost(env, &silent, &mut report)?;
        if Instant::now() >= end {
            let what = format!("still in use: {}", in_use.join(", "));
            return Err(Error::new(Exit::Busy, what));
        }
        std::thread::sleep(PAUSE.min(end.saturating_duration_since(Instant::now())));
    }
}

/// Leaves out the storages of other network namespaces; those in use are told of once.
fn leave_out_others(env: &mut Env<'_>, running: &mut Running, told: &mut HashSet<String>) {
    let own = own_netns();
    running.storages.retain(|(storage, _)| {
        let keep = is_of(own, storage.netns);
        let in_use = storage.openers.unwrap_or(0) > 0;
        if !keep && in_use && told.insert(storage.name.clone()) {
            env.note(&format!(
                "storage \"{}\" belongs to another network namespace and is left alone",
                storage.name
            ));
        }
        keep
    });
}

fn names_in_use(running: &Running) -> Vec<String> {
    let storages = running.storages.iter();
    let in_use = storages.filter(|(storage, _)| storage.openers.unwrap_or(0) > 0);
    in_use
        .map(|(s, _)| format!("storage \"{}\"", s.name))
        .collect()
}

/// Requests that let suspended nodes go on, each once: nobody can do that any more, and what waits there has to
/// reach its machine.
fn suspended(running: &Running, resumed: &mut HashSet<(String, u64)>) -> Vec<(String, Request)> {
    let in_use = running
        .storages
        .iter()
        .filter(|(s, _)| s.openers.unwrap_or(0) > 0);
    let nodes = in_use.flat_map(|(_, nodes)| nodes);
    let nodes = nodes.filter(|node| node.state == "suspended");
    let new = nodes.filter(|node| resumed.insert((node.storage.clone(), node.index)));
    new.map(|node| {
        let which = NodeSelector {
            index: u32::try_from(node.index).ok(),
            ..NodeSelector::default()
        };
        let name = format!("node {} of storage \"{}\"", node.index, node.storage);
        (name, ops::node_resume(&node.storage, &which))
    })
    .collect()
}

fn resume(env: &mut Env<'_>, (name, request): &(String, Request)) -> Result<(), Error> {
    let mut client = env.client(WHAT)?;
    match client.call(request) {
        Ok(_) => say(
            env,
            &format!("{name} goes on: it was suspended, and this machine stops"),
        ),
        Err(failure) => {
            let error = env.explain(format!("cannot let {name} go on"), request, failure);
            let _ = writeln!(env.err, "{error}");
        }
    }
    Ok(())
}

/// Takes away what waits for lost nodes.
fn end_lost(env: &mut Env<'_>, silent: &[Silent], report: &mut Report) -> Result<(), Error> {
    for one in silent {
        tell(env, one);
        if !one.lost || report.gone.contains(&one.storage) {
            continue;
        }
        let begin = Instant::now();
        let request = ops::storage_del(&one.storage, true, None);
        let mut client = env.client(WHAT)?;
        match client.call(&request) {
            Ok(_) => {
                let lacked = match one.lack {
                    Lack::Life => "has not answered",
                    Lack::Service => "has not served I/O",
                };
                let text = format!(
                    "storage \"{}\" is taken away by force, in {} ms: {} {lacked} for {}; its I/O has ended in \
                     error, and what was not written there yet is lost",
                    one.storage,
                    begin.elapsed().as_millis(),
                    one.node,
                    seconds(one.lasts)
                );
                say(env, &text);
                report.gone.push(one.storage.clone());
            }
            Err(failure) => {
                let what = format!("cannot take down storage \"{}\"", one.storage);
                let error = env.explain(what, &request, failure);
                // It is tried again; once is enough to know why.
                if report.refused.insert(one.storage.clone()) {
                    let _ = writeln!(env.err, "{error}");
                }
            }
        }
    }
    Ok(())
}

/// Says, once for each limit, that a node is waited for, and for how long.
pub fn tell(env: &mut Env<'_>, silent: &Silent) {
    if !silent.news {
        return;
    }
    let lacks = match silent.lack {
        Lack::Life => "does not answer",
        Lack::Service => "does not serve I/O",
    };
    let text = format!(
        "storage \"{}\": {} {lacks}, and {} requests wait for it; it is taken away by force if that lasts \
         for {}",
        silent.storage,
        silent.node,
        silent.waiting,
        seconds(silent.limit)
    );
    say(env, &text);
}

/// What would be asked for if no node that is away now came back.
fn plan(env: &mut Env<'_>, running: &Running, watch: &mut Watch) -> Result<(), Error> {
    let mut requests: Vec<Request> = suspended(running, &mut HashSet::new())
        .into_iter()
        .map(|(_, request)| request)
        .collect();
    let mut names = HashSet::new();
    let silent = watch.look(running.storages.iter(), env.resolver, &Instant::now);
    let storages = silent
        .into_iter()
        .filter(|one| names.insert(one.storage.clone()));
    requests.extend(storages.map(|one| ops::storage_del(&one.storage, true, None)));
    let lines: Vec<String> = requests.iter().map(|r| format!("{r}\n")).collect();
    env.print(&lines.concat())
}

fn done(env: &mut Env<'_>, report: &Report) -> Result<(), Error> {
    if env.json {
        return env.print_json(&json!({"gone": report.gone}));
    }
    Ok(())
}

/// What is done counts, not what is said of it.
fn say(env: &mut Env<'_>, text: &str) {
    if !env.json {
        let _ = env.print(&format!("{text}\n"));
    }
}

fn seconds(span: Duration) -> String {
    format!("{:.1} s", span.as_secs_f64())
}
