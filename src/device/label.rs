// SPDX-License-Identifier: GPL-2.0

//! Reading and writing labels on block devices of this machine.

use crate::{
    dst_core::label::{
        choose_newest, update_order, Choice, Copy as Place, Label, LabelError, MetadataArea,
        LABEL_BYTES,
    },
    sys::{bdev::BlockDevice, checksum::crc32c_of},
};
use kernel::prelude::*;

/// A block of a label, on the heap: two of them would be much for a kernel stack.
pub struct Block(KBox<[u8; LABEL_BYTES]>);

impl Block {
    /// A block of zeroes. May sleep. Errors: `ENOMEM`.
    pub fn new() -> Result<Self> {
        Ok(Self(KBox::new([0; LABEL_BYTES], GFP_KERNEL)?))
    }

    /// The block that holds `label`.
    pub fn of(label: &Label) -> Result<Self> {
        let mut block = Self::new()?;
        label.encode(&mut block.0, crc32c_of).map_err(|_| EINVAL)?;
        Ok(block)
    }

    /// What the block says.
    pub fn label(&mut self) -> core::result::Result<Label, LabelError> {
        Label::decode(&mut self.0, crc32c_of)
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8; LABEL_BYTES] {
        &self.0
    }

    /// The bytes, to be filled.
    pub fn bytes_mut(&mut self) -> &mut [u8; LABEL_BYTES] {
        &mut self.0
    }
}

fn offset(area: &MetadataArea, place: Place) -> u64 {
    area.copy_sector(place) << crate::sys::bio::SECTOR_SHIFT
}

/// Reads both copies and chooses. The outer error is of the device, the inner of the label. One
/// copy that cannot be read does not matter as long as the other one can. May sleep.
pub fn read(
    device: &BlockDevice,
    area: &MetadataArea,
) -> Result<core::result::Result<Choice, LabelError>> {
    let mut block = Block::new()?;
    let mut copy = |place| -> Result<core::result::Result<Label, LabelError>> {
        device.read_exact_at(offset(area, place), block.bytes_mut())?;
        Ok(block.label())
    };
    // An unreadable copy counts as a damaged one.
    let damaged = Err(LabelError::Checksum(0, 0));
    match (copy(Place::A), copy(Place::B)) {
        (Ok(first), Ok(second)) => Ok(choose_newest(first, second)),
        (Err(_), Ok(second @ Ok(_))) => Ok(choose_newest(damaged, second)),
        (Ok(first @ Ok(_)), Err(_)) => Ok(choose_newest(first, damaged)),
        (Err(error), _) | (_, Err(error)) => Err(error),
    }
}

/// Writes `label` to both places, each made stable before the next, the worse copy first.
/// `current` is what [`read`] found: of a label of the same storage, bytes that this version does
/// not know stay as they are.
/// May sleep.
pub fn write(
    device: &BlockDevice,
    area: &MetadataArea,
    current: Option<&Choice>,
    label: &Label,
) -> Result {
    let mut block = Block::new()?;
    if let Some(choice) = current.filter(|choice| choice.label.storage == label.storage) {
        device.read_exact_at(offset(area, choice.place), block.bytes_mut())?;
    }
    label.encode(&mut block.0, crc32c_of).map_err(|_| EINVAL)?;
    for place in update_order(current) {
        device.write_all_at(offset(area, place), block.bytes(), true)?;
    }
    Ok(())
}
