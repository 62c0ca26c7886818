// SPDX-License-Identifier: GPL-2.0

//! Where the metadata area of a device lies.
//!
//! A pure function of the device's size, fixed for ever: a label must be found again by any later
//! version, without knowing anything but the device.

use core::fmt;

use super::super::units::{round_down, round_up, SECTOR_BYTES, SECTOR_SHIFT};

/// The smallest area, and the unit of its size, in bytes.
pub const AREA_MIN_BYTES: u64 = 4 << 20;

/// The largest area in bytes.
pub const AREA_MAX_BYTES: u64 = 128 << 20;

/// The area takes one part in so many of the device.
const AREA_FRACTION: u64 = 32768;

/// The device is used in multiples of so many bytes: the size of a label, and the largest logical
/// block for which the layout is made.
const GRANULE_BYTES: u64 = 4096;

/// One of the two places of the label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copy {
    /// At the start of the area.
    A,
    /// At the end of the area.
    B,
}

impl Copy {
    /// The other one.
    pub const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

/// Why a device has no metadata area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AreaError {
    /// Sectors of the device.
    pub sectors: u64,
}

impl fmt::Display for AreaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a device of {} sectors has no room for the metadata area of {} sectors and data; \
             use a larger one, or use it raw",
            self.sectors,
            AREA_MIN_BYTES >> SECTOR_SHIFT
        )
    }
}

/// The layout of a device with a label. All in sectors of 512 bytes from the start of the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetadataArea {
    /// Sectors of data, from 0; also the first sector of the area.
    pub data_sectors: u64,
    /// Sectors of the area. Behind it lie only the sectors by which the device's size exceeds a
    /// multiple of 4096 bytes.
    pub sectors: u64,
}

impl MetadataArea {
    /// The layout of a device of so many sectors.
    ///
    /// # Errors
    ///
    /// The device is too small to have an area and at least 4096 bytes of data.
    pub const fn for_device(sectors: u64) -> Result<Self, AreaError> {
        let error = AreaError { sectors };
        let Some(bytes) = sectors.checked_mul(SECTOR_BYTES) else {
            return Err(error);
        };
        let bytes = round_down(bytes, GRANULE_BYTES);
        let area = match round_up(bytes / AREA_FRACTION, AREA_MIN_BYTES) {
            Some(area) if area > AREA_MAX_BYTES => AREA_MAX_BYTES,
            Some(area) if area >= AREA_MIN_BYTES => area,
            _ => AREA_MIN_BYTES,
        };
        if bytes < area + GRANULE_BYTES {
            return Err(error);
        }
        Ok(Self {
            data_sectors: (bytes - area) >> SECTOR_SHIFT,
            sectors: area >> SECTOR_SHIFT,
        })
    }

    /// First sector of a copy of the label.
    pub const fn copy_sector(&self, copy: Copy) -> u64 {
        match copy {
            Copy::A => self.data_sectors,
            Copy::B => self
                .data_sectors
                .saturating_add(self.sectors)
                .saturating_sub(GRANULE_BYTES >> SECTOR_SHIFT),
        }
    }

    /// First sector and sectors of the room between the two copies.
    pub const fn room(&self) -> (u64, u64) {
        let label = GRANULE_BYTES >> SECTOR_SHIFT;
        (
            self.data_sectors.saturating_add(label),
            self.sectors.saturating_sub(2 * label),
        )
    }
}
