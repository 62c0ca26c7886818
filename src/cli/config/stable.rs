// SPDX-License-Identifier: GPL-2.0

//! Names of devices that stay the same when the machine starts again.
//!
//! The kernel numbers disks in the order in which it finds them, so `/dev/sdb` may be another disk
//! after the next start. udev keeps names that follow from what a disk is.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Folders with names that stay, the better ones first.
pub const FOLDERS: [&str; 3] = [
    "/dev/disk/by-id",
    "/dev/disk/by-partuuid",
    "/dev/disk/by-path",
];

/// Beginnings of names that say less to a person than others do.
const OBSCURE: [&str; 4] = ["wwn-", "nvme-eui.", "nvme-uuid.", "dm-uuid-"];

/// What is to be written for a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Name {
    /// The path is no name of the kernel's: somebody chose it.
    Chosen(String),
    /// A name that stays, in place of the kernel's.
    Stable(String),
    /// Only the kernel's name is known.
    Unstable(String),
}

impl Name {
    /// The path.
    pub fn path(&self) -> &str {
        match self {
            Self::Chosen(path) | Self::Stable(path) | Self::Unstable(path) => path,
        }
    }
}

/// Finds the name for `path`, a device in `dev` (`/dev`), among the links in `folders`.
pub fn name(path: &str, dev: &Path, folders: &[PathBuf]) -> Name {
    let device = Path::new(path);
    // A storage's own disk has the name that its storage gives it.
    if is_storage(device) || !is_kernel_name(device, dev) {
        return Name::Chosen(path.to_string());
    }
    for folder in folders {
        if let Some(name) = best(folder, device) {
            return Name::Stable(name);
        }
    }
    Name::Unstable(path.to_string())
}

/// Whether a path is that of a storage's disk.
pub fn is_storage(path: &Path) -> bool {
    let disk = path.file_name().and_then(|name| name.to_str());
    disk.is_some_and(|disk| disk == "dst" || disk.starts_with("dst-"))
}

/// Whether a path is the device itself, in `dev`, rather than a link to it.
fn is_kernel_name(path: &Path, dev: &Path) -> bool {
    let link = fs::symlink_metadata(path).is_ok_and(|data| data.file_type().is_symlink());
    path.parent() == Some(dev) && !link
}

/// The best of the links in `folder` that lead to `device`.
fn best(folder: &Path, device: &Path) -> Option<String> {
    let links = fs::read_dir(folder).ok()?.filter_map(Result::ok);
    let mut names: Vec<(bool, String)> = links
        .filter(|link| same(&link.path(), device))
        .filter_map(|link| link.file_name().into_string().ok())
        .map(|name| (OBSCURE.iter().any(|start| name.starts_with(start)), name))
        .collect();
    names.sort();
    let (_, name) = names.into_iter().next()?;
    Some(folder.join(name).to_str()?.to_string())
}

/// Whether two paths lead to the same device.
pub fn same(a: &Path, b: &Path) -> bool {
    if a == b {
        return true;
    }
    let (Ok(first), Ok(second)) = (fs::metadata(a), fs::metadata(b)) else {
        return false;
    };
    let device = |data: &fs::Metadata| data.file_type().is_block_device();
    match (device(&first), device(&second)) {
        (true, true) => first.rdev() == second.rdev(),
        (false, false) => (first.dev(), first.ino()) == (second.dev(), second.ino()),
        _ => false,
    }
}
