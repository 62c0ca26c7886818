// SPDX-License-Identifier: GPL-2.0

//! Jobs: beginning them, looking at them, and telling them what to do.

use crate::args::job::{JobVerb, List, Migrate, Pace, Set, Verify, Watch, Which};
use crate::args::verbs::NodeArgs;
use crate::command::node::{prepare, Prepared};
use crate::command::storage::{check_name, node_options};
use crate::env::Env;
use crate::error::{Error, Exit};
use crate::model::{job, Job};
use crate::netlink::{Client, Failure, Request};
use crate::node::{self, NodeSpec};
use crate::ops;
use crate::output::{bytes, time, Style, Table};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::json;
use std::time::Duration;

/// Milliseconds between two looks at a job that was begun just now.
pub(super) const LOOK_MS: u32 = 500;

/// `dst job`
pub fn run(env: &mut Env<'_>, verb: &JobVerb) -> Result<(), Error> {
    match verb {
        JobVerb::Verify(args) => verify(env, args),
        JobVerb::Migrate(args) => migrate(env, args),
        JobVerb::List(args) => list(env, args),
        JobVerb::Show(args) => show(env, args),
        JobVerb::Watch(args) => watch(env, args),
        JobVerb::Pause(args) => tell(env, args, "pause", "paused", &ops::job_pause(args.id)),
        JobVerb::Resume(args) => tell(env, args, "resume", "resumed", &ops::job_resume(args.id)),
        JobVerb::Cancel(args) => tell(env, args, "cancel", "cancelled", &ops::job_cancel(args.id)),
        JobVerb::Set(args) => set(env, args),
    }
}

/// How fast a job may be, as it was asked for.
pub(super) fn pace(pace: &Pace) -> ops::Pace {
    ops::Pace {
        limit: pace.rate_limit,
        floor: pace.min_rate,
    }
}

fn verify(env: &mut Env<'_>, args: &Verify) -> Result<(), Error> {
    check_name(&args.storage)?;
    let what = format!("cannot verify storage \"{}\"", args.storage);
    let mut client = env.client(&what)?;
    let request = ops::job_verify(&args.storage, args.node, pace(&args.pace));
    let replies = env.call(&mut client, &request, || what.clone())?;
    let id = match replies.first() {
        Some(reply) => job::begun(&reply.attributes)
            .map_err(|m| Error::from_failure(what, Failure::Malformed(m)))?,
        // A dry run has no answer.
        None => 0,
    };
    if args.watch && client.kept().is_none() {
        let id = u32::try_from(id).unwrap_or(u32::MAX);
        return follow(env, &mut client, id, LOOK_MS);
    }
    let text = format!(
        "job {id} has begun: verify of storage \"{}\"; \"dst job watch {id}\" follows it\n",
        args.storage
    );
    let data = json!({"begun": {"id": id, "kind": "verify", "storage": args.storage}});
    env.finish(&client, &text, data)
}

/// The device, or the address, to which node `node` is to come.
pub(super) fn device_for(
    env: &Env<'_>,
    node: u32,
    device: &str,
    options: &NodeArgs,
    force: bool,
) -> Result<Prepared, Error> {
    let spec = node::parse(device).map_err(Error::usage)?;
    if spec.index.is_some() || spec.start.is_some() || spec.size.is_some() {
        return Err(Error::usage(format!(
            "\"{device}\": the node keeps its index, start and size; give only where it is to be"
        )));
    }
    let spec = NodeSpec {
        index: Some(node),
        ..spec
    };
    prepare(env, &spec, &node_options(options, force))
}

fn migrate(env: &mut Env<'_>, args: &Migrate) -> Result<(), Error> {
    let (storage, node) = (&args.storage, args.node);
    check_name(storage)?;
    let device = device_for(env, node, &args.device, &args.options, args.force)?;
    let what = format!("cannot move node {node} of storage \"{storage}\"");
    let mut client = env.client(&what)?;
    // The module labels the device, and waits for the node, before it answers.
    env.progress(&format!("preparing {} ...", args.device));
    let request = ops::node_migrate(storage, device.new_node(), pace(&args.pace));
    let replies = env.call(&mut client, &request, || what.clone())?;
    let id = match replies.first() {
        Some(reply) => job::moving(&reply.attributes)
            .map_err(|m| Error::from_failure(what, Failure::Malformed(m)))?,
        // A dry run has no answer.
        None => 0,
    };
    if args.watch && client.kept().is_none() {
        let id = u32::try_from(id).unwrap_or(u32::MAX);
        return follow(env, &mut client, id, LOOK_MS);
    }
    let text = format!(
        "job {id} has begun: migrate of storage \"{storage}\", node {node}, to {}; \"dst job watch {id}\" follows \
         it\n",
        args.device
    );
    let begun = json!({"id": id, "kind": "migrate", "storage": storage, "node_index": node});
    env.finish(&client, &text, json!({"begun": begun}))
}

fn list(env: &mut Env<'_>, args: &List) -> Result<(), Error> {
    let what = "cannot list the jobs";
    let mut client = env.client(what)?;
    let mut jobs = env.dump(&mut client, &ops::job_dump(), what, Job::decode)?;
    if let Some(storage) = &args.storage {
        jobs.retain(|job| job.storage == *storage);
    }
    if env.json {
        return env.print_json(&json!({"jobs": jobs}));
    }
    if jobs.is_empty() {
        return env.print("no jobs\n");
    }
    let mut table = Table::new(&[
        "ID", "KIND", "OF", "STATE", "DONE", "OF", "%", "RATE", "LEFT",
    ]);
    for job in &jobs {
        let of = match job.node_index {
            Some(index) => format!("node {index} of {}", job.storage),
            None => job.storage.clone(),
        };
        let left = job.time_left_ms.map(time::span).unwrap_or_default();
        table.row([
            job.id.to_string(),
            job.kind.clone(),
            of,
            env.style.state(&job.state, &job.state),
            bytes(job.done_bytes),
            bytes(job.total_bytes),
            job.percent().to_string(),
            format!("{}/s", bytes(job.rate_bytes)),
            left,
        ]);
        for (label, text) in remarks(job) {
            table.line(format!("    {label}: {text}"));
        }
    }
    env.print(&table.to_string())
}

/// A job that has not ended in one line, beside the storage that it works on.
pub fn brief(style: Style, job: &Job) -> String {
    let node = job.node_index.map(|index| format!(" of node {index}"));
    let waits = job.waits_for.as_ref();
    let next = match (waits, job.state.as_str()) {
        (Some(what), _) => format!("; waits for {what}"),
        (None, "paused") => format!("; \"dst job resume {}\" lets it go on", job.id),
        _ => String::new(),
    };
    format!(
        "job {}: {}{} is {}, {}{next}",
        job.id,
        job.kind,
        node.unwrap_or_default(),
        style.state(&job.state, &job.state),
        progress(job),
    )
}

/// Why the job is in its state, and what it waits for.
fn remarks(job: &Job) -> Vec<(&'static str, &String)> {
    let all = [
        ("reason", &job.reason),
        ("waits for", &job.waits_for),
        ("data goes", &job.way),
    ];
    all.into_iter()
        .filter_map(|(label, text)| text.as_ref().map(|text| (label, text)))
        .collect()
}

fn get(env: &Env<'_>, client: &mut Client, id: u32) -> Result<Job, Error> {
    let what = || format!("cannot look at job {id}");
    let replies = env.call(client, &ops::job_get(id), what)?;
    let missing = || Error::new(Exit::Failed, what()).why("the module sent no answer");
    let reply = replies.first().ok_or_else(missing)?;
    Job::decode(&reply.attributes).map_err(|m| Error::from_failure(what(), Failure::Malformed(m)))
}

fn show(env: &mut Env<'_>, args: &Which) -> Result<(), Error> {
    let mut client = env.client(&format!("cannot look at job {}", args.id))?;
    if client.kept().is_some() {
        return Ok(());
    }
    let job = get(env, &mut client, args.id)?;
    if env.json {
        return env.print_json(&json!({"job": job}));
    }
    env.print(&block(env.style, &job))
}

/// A job in several lines.
fn block(style: Style, job: &Job) -> String {
    let since = job.since_ms.map(|ms| format!(" for {}", time::span(ms)));
    let mut lines = vec![
        format!(
            "{}: {}{}",
            style.heading(&format!("job {}, {}", job.id, job.title())),
            style.state(&job.state, &job.state),
            since.unwrap_or_default(),
        ),
        format!("  {}", progress(job)),
    ];
    let limit = job
        .rate_limit_bytes
        .map_or("none".to_string(), |limit| format!("{}/s", bytes(limit)));
    let floor = bytes(job.min_rate_bytes.unwrap_or(0));
    lines.push(format!("  rate limit: {limit}; at least: {floor}/s"));
    for (label, text) in remarks(job) {
        lines.push(format!("  {label}: {text}"));
    }
    if let (Some(sector), Some(node)) = (job.bad_sector, job.bad_node) {
        lines.push(format!("  bad sector: {sector}, on node {node}"));
    }
    lines.join("\n") + "\n"
}

/// How far a job is, in one line.
fn progress(job: &Job) -> String {
    let left = job
        .time_left_ms
        .map(|ms| format!(", {} left", time::span(ms)))
        .unwrap_or_default();
    let elapsed = job
        .elapsed_ms
        .map(|ms| format!(" in {}", time::span(ms)))
        .unwrap_or_default();
    format!(
        "{} of {} ({} %){elapsed}, {}/s{left}",
        bytes(job.done_bytes),
        bytes(job.total_bytes),
        job.percent(),
        bytes(job.rate_bytes),
    )
}

fn watch(env: &mut Env<'_>, args: &Watch) -> Result<(), Error> {
    let mut client = env.client(&format!("cannot follow job {}", args.id))?;
    if client.kept().is_some() {
        return Ok(());
    }
    follow(env, &mut client, args.id, args.interval)
}

/// Shows how far a job is until it ends. On a terminal there is a bar; elsewhere a line for each
/// change that a person can see.
pub(super) fn follow(
    env: &mut Env<'_>,
    client: &mut Client,
    id: u32,
    interval_ms: u32,
) -> Result<(), Error> {
    let bar = env.progress.then(|| make_bar(&ProgressDrawTarget::stderr));
    let mut told = None;
    let job = loop {
        let job = get(env, client, id)?;
        if let Some(bar) = &bar {
            draw(bar, &job);
        } else if told != Some((job.state.clone(), job.percent(), job.waits_for.clone())) {
            told = Some((job.state.clone(), job.percent(), job.waits_for.clone()));
            print_progress(env, &job)?;
        }
        if job.has_ended() {
            break job;
        }
        std::thread::sleep(Duration::from_millis(u64::from(interval_ms)));
    };
    if let Some(bar) = bar {
        bar.finish_and_clear();
        env.print(&block(env.style, &job))?;
    }
    verdict(&job)
}

/// A bar that is drawn where `target` says.
fn make_bar(target: &dyn Fn() -> ProgressDrawTarget) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, target());
    let template = "{prefix} [{wide_bar}] {percent} % {msg}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style.progress_chars("=> "));
    }
    bar
}

fn draw(bar: &ProgressBar, job: &Job) {
    bar.set_length(job.total_bytes);
    bar.set_position(job.done_bytes);
    bar.set_prefix(format!("{} {}", job.kind, job.storage));
    let left = job.time_left_ms.map(time::span);
    let state = match (&job.waits_for, job.state.as_str(), left) {
        (Some(what), "running", _) => format!("waits for {what}"),
        (_, "running", Some(left)) => format!("{left} left"),
        (_, state, _) => state.to_string(),
    };
    bar.set_message(format!("{}/s, {state}", bytes(job.rate_bytes)));
}

fn print_progress(env: &mut Env<'_>, job: &Job) -> Result<(), Error> {
    if env.json {
        return env.print_json(&json!({"job": job}));
    }
    let waits = job
        .waits_for
        .as_ref()
        .map(|what| format!("; waits for {what}"))
        .unwrap_or_default();
    env.print(&format!("{}: {}{waits}\n", job.state, progress(job)))
}

/// How a job has ended, as the result of the program.
fn verdict(job: &Job) -> Result<(), Error> {
    if job.state == "done" {
        return Ok(());
    }
    let end = if job.state == "failed" {
        "has failed"
    } else {
        "was cancelled"
    };
    let mut error = Error::new(
        Exit::Failed,
        format!("job {} ({}) {end}", job.id, job.title()),
    );
    if let Some(reason) = &job.reason {
        error = error.why(reason.clone());
    }
    Err(error)
}

fn tell(
    env: &mut Env<'_>,
    args: &Which,
    verb: &str,
    done: &str,
    request: &Request,
) -> Result<(), Error> {
    let id = args.id;
    let what = format!("cannot {verb} job {id}");
    let mut client = env.client(&what)?;
    env.call(&mut client, request, || what)?;
    let text = match verb {
        "pause" => format!("job {id} is paused; \"dst job resume {id}\" lets it go on\n"),
        "resume" => format!("job {id} goes on\n"),
        _ => format!("job {id} is cancelled\n"),
    };
    env.finish(&client, &text, json!({done: {"id": id}}))
}

fn set(env: &mut Env<'_>, args: &Set) -> Result<(), Error> {
    let id = args.id;
    let what = format!("cannot change job {id}");
    let mut client = env.client(&what)?;
    let request = ops::job_set(id, pace(&args.pace));
    env.call(&mut client, &request, || what)?;
    let limit = args.pace.rate_limit;
    let floor = args.pace.min_rate;
    let told = |name: &str, rate: Option<u64>| {
        rate.map(|rate| match rate {
            0 => format!("{name} none"),
            rate => format!("{name} {}/s", bytes(rate)),
        })
    };
    let changes = [told("rate limit", limit), told("at least", floor)];
    let changes: Vec<String> = changes.into_iter().flatten().collect();
    let text = format!("job {id}: {}\n", changes.join(", "));
    let data = json!({"set": {"id": id, "rate_limit_bytes": limit, "min_rate_bytes": floor}});
    env.finish(&client, &text, data)
}
