// SPDX-License-Identifier: GPL-2.0

//! Reading the label of a device without the module, and the names of storages from sysfs.

use crate::netlink::request::uuid_text;
use dst_core::label::{
    choose_newest, Choice, Copy, Label, LabelError, MetadataArea, LABEL_BYTES, VERSION,
};
use dst_core::units::SECTOR_BYTES;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// `O_EXCL` of Linux: on a block device, nothing else may have it for itself.
const O_EXCL: i32 = 0o200;

/// Where storages are in sysfs.
pub const DEVICES: &str = "/sys/devices";

fn crc32c(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes)
}

/// The metadata area of an open device; `None` if it has no room for one.
fn area_of(device: &mut File) -> io::Result<Option<MetadataArea>> {
    let bytes = device.seek(SeekFrom::End(0))?;
    Ok(MetadataArea::for_device(bytes / SECTOR_BYTES).ok())
}

fn read_copy(
    device: &mut File,
    area: &MetadataArea,
    copy: Copy,
) -> io::Result<Result<Label, LabelError>> {
    let mut block = [0; LABEL_BYTES];
    device.seek(SeekFrom::Start(area.copy_sector(copy) * SECTOR_BYTES))?;
    device.read_exact(&mut block)?;
    Ok(Label::decode(&mut block, crc32c))
}

/// Reads the label of a device or of an image of one. The outer error is of the device.
pub fn read(path: &Path) -> io::Result<Result<Choice, LabelError>> {
    let mut device = File::open(path)?;
    let Some(area) = area_of(&mut device)? else {
        return Ok(Err(LabelError::None));
    };
    let a = read_copy(&mut device, &area, Copy::A)?;
    let b = read_copy(&mut device, &area, Copy::B)?;
    Ok(choose_newest(a, b))
}

/// Overwrites both copies of the label with zeroes. Fails while the device is in use.
pub fn wipe(path: &Path) -> io::Result<()> {
    let mut device = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(O_EXCL)
        .open(path)?;
    let Some(area) = area_of(&mut device)? else {
        return Ok(());
    };
    for copy in [Copy::A, Copy::B] {
        device.seek(SeekFrom::Start(area.copy_sector(copy) * SECTOR_BYTES))?;
        device.write_all(&[0; LABEL_BYTES])?;
    }
    device.sync_all()
}

/// What udev is to know of a node, by what its label says, or cannot say: it is a node all the
/// same, and nothing else may be taken from it.
pub fn node_properties(found: &Result<Choice, LabelError>) -> Vec<(&'static str, String)> {
    let mut properties = vec![
        ("ID_FS_TYPE", "dst_member".to_string()),
        ("ID_FS_USAGE", "raid".to_string()),
    ];
    let label = match found {
        Ok(choice) => &choice.label,
        Err(LabelError::None) => return Vec::new(),
        Err(_) => {
            properties.push(("DST_NODE_INDEX", "unknown".to_string()));
            return properties;
        }
    };
    // As blkid does it for RAID: the array's identity, and the device's own as the part of it.
    let (storage, node) = (uuid_text(&label.storage), uuid_text(&label.node));
    properties.extend([
        ("ID_FS_VERSION", VERSION.to_string()),
        ("ID_FS_UUID", storage.clone()),
        ("ID_FS_UUID_ENC", storage),
        ("ID_FS_UUID_SUB", node.clone()),
        ("ID_FS_UUID_SUB_ENC", node),
        // A storage's name has nothing in it that would have to be written in another way.
        ("ID_FS_LABEL", label.name.to_string()),
        ("ID_FS_LABEL_ENC", label.name.to_string()),
        ("DST_NODE_INDEX", label.index.to_string()),
        ("DST_NODE_COUNT", label.node_count.to_string()),
    ]);
    properties
}

/// What udev is to know of the disk of a storage, from the storage's files under `devices`.
pub fn storage_properties(disk: &str, devices: &Path) -> Vec<(&'static str, String)> {
    let Ok(folders) = fs::read_dir(devices) else {
        return Vec::new();
    };
    let line = |folder: &Path, file: &str| {
        let text = fs::read_to_string(folder.join(file)).unwrap_or_default();
        text.trim().to_string()
    };
    for folder in folders.filter_map(Result::ok).map(|entry| entry.path()) {
        // Other folders have no such files.
        if line(&folder, "disk") != disk || !folder.join("remove_all_nodes").exists() {
            continue;
        }
        let mut properties = vec![("DST_STORAGE_NAME", line(&folder, "name"))];
        let uuid = line(&folder, "uuid");
        if !uuid.is_empty() {
            properties.push(("DST_STORAGE_UUID", uuid));
        }
        return properties;
    }
    Vec::new()
}
