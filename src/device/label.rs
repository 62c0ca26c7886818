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
        block.encode(label)?;
        Ok(block)
    }

    #[inline(never)]
    fn encode(&mut self, label: &Label) -> Result {
        label.encode(&mut self.0, crc32c_of).map_err(|_| EINVAL)
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

type Copied = core::result::Result<Label, LabelError>;

/// What one copy says. Apart from [`read`], as labels are large and the device's driver, which is called
/// below that, needs the stack.
#[inline(never)]
fn decoded(block: &mut Block) -> Result<KBox<Copied>> {
    Ok(KBox::new(block.label(), GFP_KERNEL)?)
}

#[inline(never)]
fn chosen(first: Copied, second: Copied) -> Result<core::result::Result<KBox<Choice>, LabelError>> {
    Ok(match choose_newest(first, second) {
        Ok(choice) => Ok(KBox::new(choice, GFP_KERNEL)?),
        Err(error) => Err(error),
    })
}

/// Reads both copies and chooses. The outer error is of the device, or `ENOMEM`, the inner of the label.
/// One copy that cannot be read does not matter as long as the other one can. May sleep.
pub fn read(
    device: &BlockDevice,
    area: &MetadataArea,
) -> Result<core::result::Result<KBox<Choice>, LabelError>> {
    let mut block = Block::new()?;
    let mut copy = |place| -> Result<KBox<Copied>> {
        device.read_exact_at(offset(area, place), block.bytes_mut())?;
        decoded(&mut block)
    };
    // An unreadable copy counts as a damaged one.
    let damaged = LabelError::Checksum(0, 0);
    match (copy(Place::A), copy(Place::B)) {
        (Ok(first), Ok(second)) => chosen(*first, *second),
        (Err(_), Ok(second)) if second.is_ok() => chosen(Err(damaged), *second),
        (Ok(first), Err(_)) if first.is_ok() => chosen(*first, Err(damaged)),
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
    block.encode(label)?;
    for place in update_order(current) {
        device.write_all_at(offset(area, place), block.bytes(), true)?;
    }
    Ok(())
}
