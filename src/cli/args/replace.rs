// SPDX-License-Identifier: GPL-2.0

//! The verb that replaces a node, as the user types it.

use super::{job::Pace, verbs::NodeArgs};
use clap::Args as ClapArgs;

const HELP: &str = "\
Where the disk of the node is now is found out by its label:

  A disk without the node's label becomes a copy: the node moves there, as with \"dst job migrate\",
  while it is used. It needs room for the node, and must not be stricter than the storage.

  The node's own disk, carried to another machine or under another address, is used there at once.
  Nothing is copied, and what waits is sent there. A node that is still connected has to be suspended
  first. If requests that change data were sent to a machine that is away now and not answered, make
  sure that it is off, or does not have the disk any more, and then use --force.

Examples:
  dst replace storage 1 /dev/sdd --watch
  dst replace storage 0 kano:1026
  dst suspend storage 1; dst replace storage 1 kano:1027; dst resume storage 1";

/// `dst replace`
#[derive(ClapArgs, Debug, Clone)]
#[command(after_help = HELP)]
pub struct Replace {
    /// Name of the storage
    pub storage: String,
    /// Index of the node
    #[arg(value_name = "INDEX")]
    pub node: u32,
    /// What by: a device, or an address
    pub device: String,
    /// Nothing more comes of what was sent to the old place; use a disk that holds something else
    #[arg(long)]
    pub force: bool,
    /// Options of the node there.
    #[command(flatten)]
    pub options: NodeArgs,
    /// How fast, if it has to be copied.
    #[command(flatten)]
    pub pace: Pace,
    /// If it has to be copied follow that until it ends, as "dst job watch" does
    #[arg(long)]
    pub watch: bool,
}
