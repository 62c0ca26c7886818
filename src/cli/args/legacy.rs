// SPDX-License-Identifier: GPL-2.0

//! The options of 2007, as the user types them. What they mean together is decided by
//! [`crate::command::legacy`].

use crate::args::verbs::Global;
use crate::{endpoint, node};
use clap::Parser;

const AFTER_HELP: &str = "\
What a command does follows from the options that it has:
  -n N -a HOST -p PORT            add a remote node to the storage N
  -n N -d DISK                    add a local node to the storage N
  -n N -d DISK -a ADDR -p PORT    export the local DISK as N at ADDR
  -n N [node] -R                  add the node, if one is given, and start the storage
  -n N -r (-d | -a -p | -s)       remove a node from a storage that is not started
  -n N -D                         delete the storage
  -n N -D (-d | -a -p)            delete the export N
  -n N [-A ALG] [-f DEVICE]       only prepare the storage

Numbers: -s and -S count sectors of 512 bytes (a unit may follow: 10G), -b counts
connections. The whole truth table is in Documentation/admin/command-line.md.

Examples:
  dst -n storage -A alg_linear -f /dev/dst -a kano -p 1025
  dst -n storage -A alg_linear -f /dev/dst -d /dev/sdb -R
  dst -n disk1 -d /dev/sdc -a 192.168.4.80 -p 1025 --allow 192.168.4.0/24=rw
  dst -n storage -D";

/// The options of 2007 and the few that were added to them.
#[derive(Parser, Debug, Clone, Default)]
#[command(
    name = "dst",
    about = "Form, start and delete a distributed storage (command line of 2007)",
    override_usage = "dst -n NAME [-A ALGORITHM] [-f DEVICE] [-d DISK] [-a ADDRESS] [-p PORT] \
                      [-s START] [-S SIZE] [-b BACKLOG] [-r | -R | -D]",
    after_help = AFTER_HELP,
    disable_version_flag = true
)]
pub struct Legacy {
    /// Options of both forms.
    #[command(flatten)]
    pub global: Global,
    /// Name of the storage, or of the export
    #[arg(short = 'n', value_name = "NAME")]
    pub name: Option<String>,
    /// Algorithm, e.g. alg_linear (the default)
    #[arg(short = 'A', value_name = "ALGORITHM")]
    pub algorithm: Option<String>,
    /// Export: connections that may wait to be accepted
    #[arg(short = 'b', value_name = "BACKLOG", value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub backlog: Option<u32>,
    /// Device of the storage, /dev/dst (the default) or /dev/dst-...
    #[arg(short = 'f', value_name = "DEVICE")]
    pub device: Option<String>,
    /// First sector of the storage that lies on the node
    #[arg(short = 's', value_name = "START", value_parser = node::sectors)]
    pub start: Option<u64>,
    /// Sectors of the storage that lie on the node; 0: all that it has
    #[arg(short = 'S', value_name = "SIZE", value_parser = node::sectors)]
    pub size: Option<u64>,
    /// Local disk: a node, or with -a the disk to export
    #[arg(short = 'd', value_name = "DISK")]
    pub disk: Option<String>,
    /// Name or address of the machine that exports the node, or with -d where to listen
    #[arg(short = 'a', value_name = "ADDRESS")]
    pub address: Option<String>,
    /// Port that belongs to -a; 1025 if it is left out
    #[arg(short = 'p', value_name = "PORT", value_parser = endpoint::parse_port)]
    pub port: Option<u16>,
    /// Remove the node
    #[arg(short = 'r')]
    pub remove: bool,
    /// This was the last node: start the storage
    #[arg(short = 'R')]
    pub run: bool,
    /// Delete the storage, or with -d or -a the export
    #[arg(short = 'D')]
    pub delete: bool,
    /// Export: who may connect, as PREFIX[=ro|rw]; may be repeated
    #[arg(long, value_name = "PREFIX[=ro|rw]")]
    pub allow: Vec<String>,
    /// Export: allow listening on all addresses
    #[arg(long)]
    pub any_address: bool,
    /// Use a disk that holds something else, take a node of another storage, or delete what
    /// is in use
    #[arg(long)]
    pub force: bool,
    /// Nodes without labels, as in 2007; for the command that makes the storage
    #[arg(long)]
    pub raw: bool,
    /// Storage: refuse writes. Export: let nobody write
    #[arg(long)]
    pub read_only: bool,
}
