// SPDX-License-Identifier: GPL-2.0

//! A device: sectors with a volatile cache, and a label in two places.

use crate::{
    core::label::{choose_newest, state, Choice, Label, LabelError, LABEL_BYTES},
    history::Id,
};
use crc32c::crc32c;

/// A sector: who wrote what is stable, and after that what is in the cache.
#[derive(Clone, Default)]
pub struct Cell {
    /// What is stable.
    pub stable: Id,
    cached: Vec<Id>,
}

impl Cell {
    /// What a read brings.
    pub fn there(&self) -> Id {
        self.cached.last().copied().unwrap_or(self.stable)
    }

    /// All but the first `kept` of what is in the cache is gone.
    pub fn flush(&mut self, kept: usize) -> Vec<Id> {
        let gone = self.cached.split_off(kept.min(self.cached.len()));
        self.stable = self.there();
        self.cached.clear();
        gone
    }

    /// How much is in the cache.
    pub fn cached(&self) -> usize {
        self.cached.len()
    }

    /// A write; `through` the cache or into it.
    pub fn write(&mut self, id: Id, through: bool) {
        match through {
            true => {
                self.cached.clear();
                self.stable = id;
            }
            false => self.cached.push(id),
        }
    }
}

/// A place of a label: its bytes, and what they say.
#[derive(Clone)]
struct Block {
    bytes: Box<[u8; LABEL_BYTES]>,
    says: Result<Label, LabelError>,
}

/// A device.
#[derive(Clone)]
pub struct Disk {
    /// Its sectors.
    pub cells: Vec<Cell>,
    blocks: [Block; 2],
    /// A place that cannot be read for a while.
    pub unreadable: Option<usize>,
}

impl Disk {
    /// A device with a label, or without.
    pub fn new(sectors: usize, label: Option<&Label>) -> Self {
        let block = || Block {
            bytes: Box::new([0; LABEL_BYTES]),
            says: Err(LabelError::None),
        };
        let mut disk = Self {
            cells: vec![Cell::default(); sectors],
            blocks: [block(), block()],
            unreadable: None,
        };
        if let Some(label) = label {
            (0..2).for_each(|place| disk.write_label(place, label, 8));
        }
        disk
    }

    /// Writes the first so many of the eight sectors of a label to one of the places.
    pub fn write_label(&mut self, place: usize, label: &Label, sectors: usize) {
        let block = &mut self.blocks[place];
        let mut bytes = block.bytes.clone();
        label
            .encode(&mut bytes, crc32c)
            .expect("a label that can be written");
        block.bytes[..sectors * 512].copy_from_slice(&bytes[..sectors * 512]);
        block.says = Label::decode(&mut block.bytes, crc32c);
    }

    /// The label that counts.
    pub fn label(&self) -> Result<Choice, LabelError> {
        let says = |place: usize| match self.unreadable == Some(place) {
            // It does not matter as long as the other one can be read.
            true if self.blocks[1 - place].says.is_ok() => Err(LabelError::Checksum(0, 0)),
            _ => self.blocks[place].says,
        };
        choose_newest(says(0), says(1))
    }

    /// What both places say, as far as they are whole.
    pub fn both(&self) -> impl Iterator<Item = &Label> + '_ {
        self.blocks
            .iter()
            .filter_map(|block| block.says.as_ref().ok())
    }

    /// Whether a start could take it, if it looks at this device alone.
    pub fn may_hold(&self) -> bool {
        self.both().any(|label| label.state == state::IN_SYNC)
    }

    /// Takes over the labels of `other`, as they were.
    pub fn restore_labels(&mut self, other: &Self) {
        self.blocks = other.blocks.clone();
    }
}
