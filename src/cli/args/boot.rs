// SPDX-License-Identifier: GPL-2.0

//! The verbs that keep what runs over a start of the machine.

use super::verbs::parse_seconds;
use clap::Args as ClapArgs;

/// `dst save`
#[derive(ClapArgs, Debug, Clone)]
#[command(
    after_help = "The file is replaced in one step; the one before stays as FILE.old.\n\n\
                        Examples:\n  dst save\n  dst save -            prints it\n  \
                        dst save /root/storages.conf"
)]
pub struct Save {
    /// The file; "-" prints it
    #[arg(value_name = "FILE", default_value = crate::config::DEFAULT_PATH)]
    pub file: std::path::PathBuf,
    /// Print it
    #[arg(long, conflicts_with = "file")]
    pub stdout: bool,
    /// Replace the file although nothing runs that could be written
    #[arg(long)]
    pub force: bool,
}

/// `dst restore`
#[derive(ClapArgs, Debug, Clone)]
#[command(
    after_help = "What is there already is left alone. What is there and differs from the file is \
                        told and left as it is, unless --change is given: then access lists and \
                        workers are made as the file says.\n\nExamples:\n  dst restore --dry-run\n  \
                        dst restore --wait 300\n  dst restore --exports /root/storages.conf"
)]
pub struct Restore {
    /// The file
    #[arg(value_name = "FILE", default_value = crate::config::DEFAULT_PATH)]
    pub file: std::path::PathBuf,
    /// Only the exports, but for those of storages' disks
    #[arg(long)]
    pub exports: bool,
    /// Only the storages and the exports of their disks
    #[arg(long, conflicts_with = "exports")]
    pub storages: bool,
    /// Time in seconds to wait for devices and machines that are not there yet; 0 for not at all
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = parse_wait)]
    pub wait: u32,
    /// Change access lists and workers that differ from the file
    #[arg(long)]
    pub change: bool,
}

/// `dst down`
#[derive(ClapArgs, Debug, Clone)]
#[command(
    after_help = "Storages go first, then exports; what uses something else goes before it. The \
                        data and the labels stay on the disks.\n\nWith --force, what programs have \
                        written to a disk that is still in use is written to the nodes before it goes, \
                        within a minute. Only a storage whose I/O waits for a machine that does not \
                        answer is taken away earlier, when --grace is over: nothing can be written \
                        there. One whose machine accepts connections, but does not serve its I/O, has \
                        30 seconds.\n\nThis is about the whole machine: all that its module has, also in other \
                        network namespaces and for containers. Only --lost leaves the storages of \
                        other network namespaces alone.\n\nExamples:\n  dst down --dry-run\n  dst down --wait 20 --force\n  \
                        dst down --lost --wait 600    while the machine stops"
)]
pub struct Down {
    /// Only the exports, but for those of storages' disks
    #[arg(long)]
    pub exports: bool,
    /// Only the storages and the exports of their disks
    #[arg(long, conflicts_with = "exports")]
    pub storages: bool,
    /// Time in seconds in which what is in use may come free; 0 to try once
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = parse_wait)]
    pub wait: u32,
    /// When that is over, take away also what is in use: its I/O fails, clients are disconnected
    #[arg(long)]
    pub force: bool,
    /// Until nothing of this network namespace is in use, or the time is over, take away by force what waits for a
    /// machine that does not answer, and nothing else; let suspended nodes go on
    #[arg(long, conflicts_with_all = ["exports", "storages", "force"])]
    pub lost: bool,
    /// Time in seconds without a sign of life after which a machine is not waited for, with --force or --lost
    #[arg(long, value_name = "SECONDS", default_value = "4", value_parser = parse_seconds)]
    pub grace: u32,
}

/// `dst label`
#[derive(ClapArgs, Debug, Clone)]
#[command(
    after_help = "It needs no module, only the right to read the disk.\n\nExamples:\n  \
                        dst label /dev/sdb\n  dst label --wipe /dev/sdb"
)]
pub struct Label {
    /// The disk, or an image of one
    pub device: std::path::PathBuf,
    /// Print what udev is to know of a disk, node or storage: KEY=VALUE
    #[arg(long)]
    pub udev: bool,
    /// Overwrite the label: the disk does not belong to its storage any more
    #[arg(long, conflicts_with = "udev")]
    pub wipe: bool,
}

/// Reads a time in seconds that may be 0, and gives milliseconds.
pub fn parse_wait(text: &str) -> Result<u32, String> {
    if text == "0" {
        return Ok(0);
    }
    parse_seconds(text)
}
