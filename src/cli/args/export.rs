// SPDX-License-Identifier: GPL-2.0

//! `dst export`: local disks that other machines may use.

use clap::{ArgGroup, Args as ClapArgs, Subcommand};

/// `dst export`
#[derive(Subcommand, Debug, Clone)]
pub enum ExportVerb {
    /// Serve a disk
    Add(ExportAdd),
    /// Show what is served
    #[command(visible_alias = "ls")]
    List,
    /// Stop serving a disk
    #[command(visible_alias = "delete")]
    Del(ExportDel),
    /// Replace the list of those who may connect, or of the machines to copy from
    Set(ExportSet),
}

const EXPORT_ADD_HELP: &str = "\
Nobody may connect who is not allowed: --allow takes an address, a prefix or a host's name,
and =ro or =rw (rw if left out, ro on a read-only export). The longest prefix counts.
A node that moves to the export is copied straight from the old device's machine if --copy-from
names that.

Examples:
  dst export add /dev/sdb --listen 192.168.4.80:1025 --allow 192.168.4.0/24
  dst export add /dev/sdc --listen '[fd00::80]:1026' --allow fd00::7=rw --allow fd00::/64=ro
  dst export add /dev/sdd --any-address --listen 0.0.0.0:1027 --allow kano";

/// `dst export add`
#[derive(ClapArgs, Debug, Clone)]
#[command(after_help = EXPORT_ADD_HELP)]
pub struct ExportAdd {
    /// The disk
    pub device: String,
    /// Address and port to listen on
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: String,
    /// Name that clients may ask for
    #[arg(long)]
    pub name: Option<String>,
    /// Who may connect; may be repeated
    #[arg(long, value_name = "PREFIX[=ro|rw]")]
    pub allow: Vec<String>,
    /// From which machines' exports it may copy when a node moves to it; may be repeated
    #[arg(long, value_name = "PREFIX")]
    pub copy_from: Vec<String>,
    /// Let nobody write
    #[arg(long)]
    pub read_only: bool,
    /// Complete writes when they are in the disk's cache; clients flush
    #[arg(long)]
    pub write_back: bool,
    /// Let several machines write at the same time
    #[arg(long)]
    pub shared: bool,
    /// Allow listening on all addresses
    #[arg(long)]
    pub any_address: bool,
    /// Serve a disk that may be in use by something on this machine
    #[arg(long)]
    pub force: bool,
    /// Connections that may wait to be accepted
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub backlog: Option<u32>,
    /// Most requests in work on one connection
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub queue_depth: Option<u32>,
    /// Most connections at the same time
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_clients: Option<u32>,
}

/// `dst export del`
#[derive(ClapArgs, Debug, Clone)]
pub struct ExportDel {
    /// The export: its number, name, device or address
    pub export: String,
    /// Delete it although clients are connected
    #[arg(long)]
    pub force: bool,
}

const EXPORT_SET_HELP: &str = "\
Clients that the new list does not admit are disconnected. What is not named stays as it is.

Examples:
  dst export set 1 --allow 192.168.4.0/24=ro --allow 192.168.4.7=rw
  dst export set /dev/sdb --nobody
  dst export set disk1 --copy-from 192.168.4.80";

/// `dst export set`
#[derive(ClapArgs, Debug, Clone)]
#[command(
    after_help = EXPORT_SET_HELP,
    group = ArgGroup::new("lists").required(true).multiple(true)
        .args(["allow", "nobody", "copy_from", "no_copies"])
)]
pub struct ExportSet {
    /// The export: its number, name, device or address
    pub export: String,
    /// Who may connect from now on; may be repeated
    #[arg(long, value_name = "PREFIX[=ro|rw]")]
    pub allow: Vec<String>,
    /// Let nobody connect
    #[arg(long, conflicts_with = "allow")]
    pub nobody: bool,
    /// From which machines' exports it may copy from now on; may be repeated
    #[arg(long, value_name = "PREFIX")]
    pub copy_from: Vec<String>,
    /// Let it copy from no machine
    #[arg(long, conflicts_with = "copy_from")]
    pub no_copies: bool,
}
