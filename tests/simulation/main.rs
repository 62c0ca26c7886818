// SPDX-License-Identifier: GPL-2.0

//! Runs seeds, one with a trace, or a broken variant.

use clap::Parser;
use simulation::{fault, many, Place, PLACES};
use std::{process::ExitCode, thread, time::Instant};

/// Simulates DST's protocol with faults.
#[derive(Parser)]
struct Options {
    /// Which world: "requests" or "migration"; otherwise all of them
    #[arg(long)]
    world: Option<String>,
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
    let wanted = |place: &&Place| match &options.world {
        Some(world) => world == place.name,
        // A variant is of one world, a seed of the first.
        None if options.mutate.is_some() => true,
        None => options.seed.is_none() || place.name == PLACES[0].name,
    };
    let places: Vec<&Place> = PLACES.iter().filter(wanted).collect();
    if places.is_empty() {
        eprintln!("there is no such world; there are \"requests\" and \"migration\"");
        return ExitCode::FAILURE;
    }
    let variants = || {
        let of = |place: &&'static Place| {
            let place = *place;
            place.variants().map(move |variant| (place, variant))
        };
        places.iter().flat_map(of)
    };
    let good = match options.mutate.as_deref() {
        Some("list") => {
            variants().for_each(|(_, (name, what))| println!("{name:<30} {what}"));
            true
        }
        Some("all") => {
            let missed = variants().filter(|(place, (name, _))| !mutant(&options, place, name));
            missed.count() == 0
        }
        Some(wanted) => match variants().find(|(_, (name, _))| *name == wanted) {
            Some((place, (name, _))) => match options.seed {
                Some(seed) => fault::with(Some(name), || one(place, seed)),
                None => mutant(&options, place, name),
            },
            None => {
                eprintln!(
                    "there is no variant {wanted}; \"list\" in its place tells which there are"
                );
                false
            }
        },
        None => match options.seed {
            Some(seed) => one(places[0], seed),
            None => !places.iter().any(|place| !seeds(&options, place)),
        },
    };
    match good {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

fn threads() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

fn one(place: &Place, seed: u64) -> bool {
    let outcome = (place.run)(seed, true);
    outcome.trace.iter().for_each(|line| println!("{line}"));
    match &outcome.broken {
        Some(broken) => println!("seed {seed}: {broken}"),
        None => println!("seed {seed}: {} events, no rule broken", outcome.events),
    }
    outcome.broken.is_none()
}

/// Whether the variant is found.
fn mutant(options: &Options, place: &Place, name: &'static str) -> bool {
    let seeds = options.first..options.first + options.seeds;
    let summary = many(place, seeds, Some(name), threads());
    match &summary.broken {
        Some((seed, broken)) => println!("{name} is found by seed {seed}: {broken}"),
        None => println!("{name} is not found by {} seeds", summary.seeds),
    }
    summary.broken.is_some()
}

fn seeds(options: &Options, place: &Place) -> bool {
    let begin = Instant::now();
    let seeds = options.first..options.first + options.seeds;
    let summary = many(place, seeds, None, threads());
    let name = place.name;
    if let Some((seed, broken)) = &summary.broken {
        println!("{name}: seed {seed}: {broken}");
        println!("see what happened: make sim WORLD={name} SEED={seed}");
        return false;
    }
    for (what, count) in summary.coverage.counts() {
        println!("{count:>10}  {what}");
    }
    let speed = summary.seeds as f64 / begin.elapsed().as_secs_f64();
    let fewest = summary.fewest.unwrap_or(0);
    println!("{speed:.0} seeds a second, at least {fewest} events in each");
    println!(
        "{name}: {} seeds, {} events, no rule broken",
        summary.seeds, summary.events
    );
    let gaps = summary.gaps();
    gaps.iter().for_each(|gap| println!("{gap}"));
    gaps.is_empty()
}
