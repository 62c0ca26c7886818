// SPDX-License-Identifier: GPL-2.0

//! The verbs, as the user types them.

use super::boot::{Down, Label, Restore, Save};
use super::job::JobVerb;
use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};

const AFTER_HELP: &str = "\
Examples:
  On a storage machine: let the client's network use a disk
    dst export add /dev/sdb --listen 192.168.4.80:1025 --allow 192.168.4.0/24=rw
  On the client: one disk from two machines and a disk of its own
    dst create storage 192.168.4.80:1025 192.168.4.81:1025 /dev/sdc
    mkfs.ext4 /dev/dst
  Later
    dst status
    dst delete storage

The command line of 2007 works too; \"dst -n x -h\" explains it:
    dst -n storage -A alg_linear -f /dev/dst -a kano -p 1025
    dst -n storage -A alg_linear -f /dev/dst -d /dev/sdc -R

Exit codes: 0 done, 1 failed, 2 wrong command line, 3 module not loaded, 4 not permitted,
5 not found, 6 in use or there already, 7 a machine does not answer.";

/// When output is coloured.
#[derive(ValueEnum, Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Options that every form of the command line has.
#[derive(ClapArgs, Debug, Clone, Default)]
pub struct Global {
    /// Print JSON
    #[arg(long, global = true)]
    pub json: bool,
    /// Print the operations and do nothing
    #[arg(long, global = true)]
    pub dry_run: bool,
    /// Colour the output
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t)]
    pub color: Color,
}

/// Form and use distributed storages.
#[derive(Parser, Debug, Clone)]
#[command(
    name = "dst",
    version,
    about = "One block device from disks of several machines",
    after_help = AFTER_HELP,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub struct Args {
    /// Options of every verb.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What to do.
#[derive(Subcommand, Debug, Clone)]
pub enum Verb {
    /// Make a storage from nodes and start it; all or nothing
    Create(Create),
    /// Add nodes to a storage; one that runs becomes larger
    Add(Add),
    /// Remove a node from a storage that is not started
    Remove(Remove),
    /// Replace a node by the same disk at another place, or by another disk
    Replace(super::replace::Replace),
    /// Suspend a node of a running storage: its I/O waits, all other I/O goes on
    Suspend(Suspend),
    /// Let a suspended node go on
    Resume(Resume),
    /// Forget the write error of a node, once its cause was looked into
    Clear(Clear),
    /// Start a storage whose nodes have been added
    Start(Start),
    /// Delete a storage; its data stays on the nodes
    #[command(visible_alias = "stop")]
    Delete(Delete),
    /// Change the workers of a storage, also while it runs
    Set(Set),
    /// Show storages and their nodes: state, what they wait for, what comes next
    Status(Status),
    /// Write what this machine exports and which storages it uses to a file
    Save(Save),
    /// Make what a file of "dst save" says and is not there
    Restore(Restore),
    /// Take all storages and exports away, as before the machine stops
    Down(Down),
    /// Show to which storage a disk belongs
    Label(Label),
    /// Serve a disk of this machine to others
    #[command(subcommand)]
    Export(super::export::ExportVerb),
    /// Connections to and from other machines
    #[command(subcommand)]
    Connection(ConnectionVerb),
    /// Long work on storages: verify, migrate
    #[command(subcommand)]
    Job(JobVerb),
    /// Follow what happens
    Events(Events),
    /// Show the module's version, abilities and limits
    Info,
    /// Show storages with their rates, again and again
    Top(Top),
    /// Print the completion script for a shell
    Completions {
        /// Shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write one for each verb into a directory
    Man {
        /// Directory for the pages
        #[arg(long, value_name = "DIRECTORY")]
        dir: Option<std::path::PathBuf>,
    },
}

/// Options of nodes.
#[derive(ClapArgs, Debug, Clone, Default)]
#[command(next_help_heading = "Options of the nodes")]
pub struct NodeArgs {
    /// Fail I/O while a node is not connected instead of waiting for it
    #[arg(long)]
    pub fail_fast: bool,
    /// Connections to each remote node (one for each CPU if left out, but at most 4)
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=16))]
    pub connections: Option<u32>,
    /// Most requests in flight at a remote node
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub queue_depth: Option<u32>,
    /// Time in seconds in which a connection must be made
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    pub connect_timeout: Option<u32>,
    /// Silence in seconds after which a machine is asked whether it is alive
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    pub keepalive: Option<u32>,
    /// Time in seconds for the answer to a request, after which its connection is made anew and the
    /// request sent again (30 if left out; 0 for ever)
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds_or_none)]
    pub request_timeout: Option<u32>,
    /// How often a request may go unanswered before it ends in error (for ever if left out or 0)
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(0..=1000))]
    pub request_tries: Option<u32>,
    /// Time in seconds for which a lost node is tried again (for ever if left out)
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    pub retry_limit: Option<u32>,
}

const NODE_HELP: &str = "\
A NODE is a local disk, /dev/sdb, or an export of a machine: host:port, [v6]:port (the port
is 1025 if left out). Options follow after commas:
  start=SECTORS  first sector of the storage on the node; behind the one before if left out
  size=SECTORS   sectors of the storage on the node; all that it has if left out
  export=NAME    export to ask for, if several are served at the address
  index=NUMBER   place in the order, from 0; the first free one if left out
Numbers count sectors of 512 bytes; a unit may follow: 10G, 512M, 4096B.

Examples:
  dst create storage kano:1025 /dev/sdc
  dst create storage --device dst-big '[fd00::80]:1025,size=10G' /dev/sdc,start=10G";

/// `dst create`
#[derive(ClapArgs, Debug, Clone)]
#[command(after_help = NODE_HELP)]
pub struct Create {
    /// Name of the storage
    pub name: String,
    /// Nodes in their order
    #[arg(required = true, value_name = "NODE")]
    pub nodes: Vec<String>,
    /// Algorithm that maps the storage onto the nodes
    #[arg(long, value_name = "ALGORITHM", default_value = "linear")]
    pub alg: String,
    /// Device: /dev/dst, or a name that begins with dst-
    #[arg(long, value_name = "DEVICE", default_value = "dst")]
    pub device: String,
    /// No labels: every sector of the nodes is data
    #[arg(long)]
    pub raw: bool,
    /// Take nodes that belong to another storage or hold something else; that data is lost
    #[arg(long)]
    pub force: bool,
    /// Refuse writes
    #[arg(long)]
    pub read_only: bool,
    /// Do not start the storage
    #[arg(long)]
    pub no_start: bool,
    /// Give up after so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    pub timeout: Option<u32>,
    /// Options of the nodes.
    #[command(flatten)]
    pub node: NodeArgs,
}

/// `dst add`
#[derive(ClapArgs, Debug, Clone)]
#[command(after_help = NODE_HELP)]
pub struct Add {
    /// Name of the storage
    pub storage: String,
    /// Nodes in their order
    #[arg(required = true, value_name = "NODE")]
    pub nodes: Vec<String>,
    /// Use disks that hold something else
    #[arg(long)]
    pub force: bool,
    /// Options of the nodes.
    #[command(flatten)]
    pub node: NodeArgs,
}

/// `dst remove`
#[derive(ClapArgs, Debug, Clone)]
#[command(
    after_help = "Examples:\n  dst remove storage 1\n  dst remove storage /dev/sdc\n  \
                        dst remove storage kano:1025"
)]
pub struct Remove {
    /// Name of the storage
    pub storage: String,
    /// The node: its index, its device or its address
    pub node: String,
}

const SUSPEND_HELP: &str = "\
What the node was given before is waited for, for five seconds if nothing else is asked for. A
flush goes to every node with a volatile cache, so it waits if this node has one.

Examples:
  dst suspend storage 1
  dst suspend storage kano:1025 --timeout 30
  dst resume storage 1";

/// `dst suspend`
#[derive(ClapArgs, Debug, Clone)]
#[command(after_help = SUSPEND_HELP)]
pub struct Suspend {
    /// Name of the storage
    pub storage: String,
    /// The node: its index, its device or its address
    pub node: String,
    /// Wait so many seconds for what the node was given before
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    pub timeout: Option<u32>,
}

/// `dst resume`
#[derive(ClapArgs, Debug, Clone)]
pub struct Resume {
    /// Name of the storage
    pub storage: String,
    /// The node: its index, its device or its address
    pub node: String,
}

/// `dst clear`
#[derive(ClapArgs, Debug, Clone)]
pub struct Clear {
    /// Name of the storage
    pub storage: String,
    /// The node: its index, its device or its address
    pub node: String,
}

/// `dst start`
#[derive(ClapArgs, Debug, Clone)]
pub struct Start {
    /// Name of the storage
    pub storage: String,
    /// Write new labels over those of other storages and over other signatures
    #[arg(long)]
    pub force: bool,
    /// Give up after so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    pub timeout: Option<u32>,
}

/// `dst delete`
#[derive(ClapArgs, Debug, Clone)]
#[command(
    after_help = "The labels stay: \"dst create\" with the same nodes in the same order \
                        brings the storage back."
)]
pub struct Delete {
    /// Name of the storage
    pub storage: String,
    /// Delete it although its device is open: its I/O fails
    #[arg(long)]
    pub force: bool,
    /// Give up after so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    pub timeout: Option<u32>,
}

/// `dst set`
#[derive(ClapArgs, Debug, Clone)]
#[command(
    group = clap::ArgGroup::new("change").required(true).multiple(true)
        .args(["workers", "worker_nice", "worker_cpus"]),
    after_help = "Workers are the threads that issue the storage's I/O where that may have to \
                        wait: dst_io-NAME/0 and so on. There is at least one for each local \
                        node and one more.\n\nExamples:\n  dst set storage --workers 4 \
                        --worker-cpus 0-3\n  dst set storage --worker-nice -5\n  dst set \
                        storage --worker-cpus any"
)]
pub struct Set {
    /// Name of the storage
    pub storage: String,
    /// Number of workers
    #[arg(long, value_name = "NUMBER")]
    pub workers: Option<u32>,
    /// Their nice level, -20 to 19
    #[arg(long, value_name = "LEVEL", allow_negative_numbers = true)]
    pub worker_nice: Option<i32>,
    /// CPUs on which they run, such as 0-3,6, or "any"
    #[arg(long, value_name = "LIST")]
    pub worker_cpus: Option<String>,
}

/// `dst status`
#[derive(ClapArgs, Debug, Clone)]
pub struct Status {
    /// Name of the storage; all if left out
    pub storage: Option<String>,
}

/// `dst connection`
#[derive(Subcommand, Debug, Clone)]
pub enum ConnectionVerb {
    /// Show connections
    #[command(visible_alias = "ls")]
    List(ConnectionList),
}

/// `dst connection list`
#[derive(ClapArgs, Debug, Clone)]
pub struct ConnectionList {
    /// Only those of this storage's nodes
    #[arg(long, value_name = "NAME")]
    pub storage: Option<String>,
    /// Only those of the export with this number
    #[arg(long, value_name = "NUMBER", conflicts_with = "storage")]
    pub export: Option<u32>,
}

/// `dst events`
#[derive(ClapArgs, Debug, Clone)]
pub struct Events {
    /// Stop after so many events
    #[arg(long, value_name = "NUMBER")]
    pub count: Option<u64>,
}

/// `dst top`
#[derive(ClapArgs, Debug, Clone)]
pub struct Top {
    /// Seconds between two looks
    #[arg(long, short = 'i', value_name = "SECONDS", default_value = "2", value_parser = parse_seconds)]
    pub interval: u32,
    /// Stop after so many looks
    #[arg(long, value_name = "NUMBER")]
    pub count: Option<u64>,
}

/// Reads a time in seconds, fractions allowed, and gives milliseconds.
pub fn parse_seconds(text: &str) -> Result<u32, String> {
    let wrong = || format!("\"{text}\" is not a time in seconds from 0.001 to 4000000");
    let seconds: f64 = text.parse().map_err(|_| wrong())?;
    if !(0.001..=4_000_000.0).contains(&seconds) {
        return Err(wrong());
    }
    // In range by the check above.
    Ok((seconds * 1000.0).round() as u32)
}

/// A time in seconds, in milliseconds; 0 for no limit.
pub fn parse_seconds_or_none(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(0.0) => Ok(0),
        Ok(_) | Err::<f64, _>(_) => parse_seconds(text),
    }
}
