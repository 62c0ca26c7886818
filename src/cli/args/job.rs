// SPDX-License-Identifier: GPL-2.0

//! The verbs about jobs, as the user types them.

use super::verbs::{parse_seconds, NodeArgs};
use clap::{Args as ClapArgs, Subcommand};
use dst_core::units::parse_size;

const HELP: &str = "\
A job is long work on a running storage, beside its I/O. It gives way to the application, goes on
by itself when a machine that was away comes back, and ends with the storage. Two jobs never work on
the same node at the same time.

Rates are bytes in a second; a unit may follow: 50M, 1G. \"none\" is no limit.

Examples:
  dst job verify storage --rate-limit 50M
  dst job migrate storage 0 kano:1026 --watch
  dst job list
  dst job watch 1
  dst job set 1 --rate-limit none";

const MIGRATE_HELP: &str = "\
The device needs room for the node, and must not be stricter than the storage: no larger blocks, no
volatile cache if the storage has none. Until all is copied the old device holds the data, and
whatever crashes leaves it there; then the new one does, from one moment to the next, which the old
device's label says. The old device is not used afterwards, and its label keeps saying so.

Examples:
  dst job migrate storage 0 kano:1026 --watch
  dst job migrate storage 1 /dev/sdd --rate-limit 50M";

/// `dst job`
#[derive(Subcommand, Debug, Clone)]
#[command(after_help = HELP)]
pub enum JobVerb {
    /// Read every sector of a storage or of one of its nodes
    #[command(after_help = HELP)]
    Verify(Verify),
    /// Move a node to another device while it is used
    #[command(after_help = MIGRATE_HELP)]
    Migrate(Migrate),
    /// Show jobs, those that have ended lately included
    #[command(visible_alias = "ls")]
    List(List),
    /// Show one job
    Show(Which),
    /// Follow a job until it ends; the exit code tells how
    Watch(Watch),
    /// Let a job wait
    Pause(Which),
    /// Let a job that waits go on
    Resume(Which),
    /// End a job
    Cancel(Which),
    /// Change how fast a job may be
    Set(Set),
}

/// How fast a job may be.
#[derive(ClapArgs, Debug, Clone, Default)]
pub struct Pace {
    /// Most bytes in a second, or "none"
    #[arg(long, value_name = "RATE", value_parser = parse_limit)]
    pub rate_limit: Option<u64>,
    /// Bytes in a second however busy the application is (1M if never set)
    #[arg(long, value_name = "RATE", value_parser = parse_rate)]
    pub min_rate: Option<u64>,
}

/// `dst job verify`
#[derive(ClapArgs, Debug, Clone)]
pub struct Verify {
    /// Name of the storage
    pub storage: String,
    /// Read the node with this index only
    #[arg(long, value_name = "INDEX")]
    pub node: Option<u32>,
    /// How fast.
    #[command(flatten)]
    pub pace: Pace,
    /// Follow it until it ends, as "dst job watch" does
    #[arg(long)]
    pub watch: bool,
}

/// `dst job migrate`
#[derive(ClapArgs, Debug, Clone)]
pub struct Migrate {
    /// Name of the storage
    pub storage: String,
    /// Index of the node
    #[arg(value_name = "INDEX")]
    pub node: u32,
    /// Where to: a device, or an address
    pub device: String,
    /// Use a disk that holds something else
    #[arg(long)]
    pub force: bool,
    /// Options of the node there.
    #[command(flatten)]
    pub options: NodeArgs,
    /// How fast.
    #[command(flatten)]
    pub pace: Pace,
    /// Follow it until it ends, as "dst job watch" does
    #[arg(long)]
    pub watch: bool,
}

/// `dst job list`
#[derive(ClapArgs, Debug, Clone)]
pub struct List {
    /// Only those of this storage
    #[arg(long, value_name = "NAME")]
    pub storage: Option<String>,
}

/// A job by its number.
#[derive(ClapArgs, Debug, Clone)]
pub struct Which {
    /// Number of the job
    pub id: u32,
}

/// `dst job watch`
#[derive(ClapArgs, Debug, Clone)]
pub struct Watch {
    /// Number of the job
    pub id: u32,
    /// Seconds between two looks
    #[arg(long, short = 'i', value_name = "SECONDS", default_value = "0.5", value_parser = parse_seconds)]
    pub interval: u32,
}

/// `dst job set`
#[derive(ClapArgs, Debug, Clone)]
#[command(group = clap::ArgGroup::new("change").required(true).multiple(true)
    .args(["rate_limit", "min_rate"]))]
pub struct Set {
    /// Number of the job
    pub id: u32,
    /// How fast.
    #[command(flatten)]
    pub pace: Pace,
}

/// Reads a rate in bytes in a second.
fn parse_rate(text: &str) -> Result<u64, String> {
    let number = text.strip_suffix("/s").unwrap_or(text);
    match parse_size(number, 1) {
        Ok(0) => Err("a rate of 0 would take for ever".to_string()),
        Ok(rate) => Ok(rate),
        Err(error) => Err(format!("\"{text}\" is no rate such as 50M: {error}")),
    }
}

/// Reads a limit; 0 is none.
fn parse_limit(text: &str) -> Result<u64, String> {
    if text == "none" {
        return Ok(0);
    }
    parse_rate(text)
}
