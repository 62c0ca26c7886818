// SPDX-License-Identifier: GPL-2.0

//! Runs seeds, one with a trace, or a broken variant.

use clap::Parser;
use simulation::{fault, many, run, variants};
use std::{process::ExitCode, thread, time::Instant};

/// A seed has at least so many events.
const LEAST: u64 = 2_000;

/// Simulates DST's protocol with faults.
#[derive(Parser)]
struct Options {
    /// How many seeds
    #[arg(long, default_value_t = 4000)]
    seeds: u64,
    /// The first of them
    #[arg(long, default_value_t = 1)]
    first: u64,
    /// Only this seed, and tell all that happens
    #[arg(long)]
    seed: Option<u64>,
    /// A broken variant, in which a broken rule has to be found; "list" tells which there are, "all" runs
    /// each
    #[arg(long)]
    mutate: Option<String>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let fault = match options.mutate.as_deref() {
        Some("list") => {
            variants().for_each(|(name, what)| println!("{name:<30} {what}"));
            return ExitCode::SUCCESS;
        }
        Some("all") => {
            let missed = variants()
                .filter(|(name, _)| !mutant(&options, name))
                .count();
            return status(missed == 0);
        }
        Some(name) => match variants().find(|(known, _)| *known == name) {
            Some((known, _)) => Some(known),
            None => {
                eprintln!(
                    "there is no variant {name}; \"list\" in its place tells which there are"
                );
                return ExitCode::FAILURE;
            }
        },
        None => None,
    };
    status(match (options.seed, fault) {
        (Some(seed), fault) => fault::with(fault, || one(seed)),
        (None, Some(name)) => mutant(&options, name),
        (None, None) => seeds(&options),
    })
}

fn status(good: bool) -> ExitCode {
    match good {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

fn threads() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

fn one(seed: u64) -> bool {
    let outcome = run(seed, true);
    outcome.trace.iter().for_each(|line| println!("{line}"));
    match &outcome.broken {
        Some(broken) => println!("seed {seed}: {broken}"),
        None => println!("seed {seed}: {} events, no rule broken", outcome.events),
    }
    outcome.broken.is_none()
}

/// Whether the variant is found.
fn mutant(options: &Options, name: &'static str) -> bool {
    let summary = many(
        options.first..options.first + options.seeds,
        Some(name),
        threads(),
    );
    match &summary.broken {
        Some((seed, broken)) => println!("{name} is found by seed {seed}: {broken}"),
        None => println!("{name} is not found by {} seeds", summary.seeds),
    }
    summary.broken.is_some()
}

fn seeds(options: &Options) -> bool {
    let begin = Instant::now();
    let summary = many(
        options.first..options.first + options.seeds,
        None,
        threads(),
    );
    if let Some((seed, broken)) = &summary.broken {
        println!("seed {seed}: {broken}");
        println!("see what happened: make sim SEED={seed}");
        return false;
    }
    for (what, count) in summary.coverage.counts() {
        println!("{count:>10}  {what}");
    }
    let speed = summary.seeds as f64 / begin.elapsed().as_secs_f64();
    let fewest = summary.fewest.unwrap_or(0);
    println!("{speed:.0} seeds a second, at least {fewest} events in each");
    println!(
        "{} seeds, {} events, no rule broken",
        summary.seeds, summary.events
    );
    let (missing, short) = (summary.coverage.missing(), summary.fewest < Some(LEAST));
    if !missing.is_empty() {
        println!("never happened: {missing:?}");
    }
    if short {
        println!("a seed has fewer than {LEAST} events");
    }
    missing.is_empty() && !short
}
