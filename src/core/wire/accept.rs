// SPDX-License-Identifier: GPL-2.0

//! The client's side of the hello: a reply is believed only as far as it makes sense and answers
//! what was asked.

use core::fmt;

use super::hello::{export_flags, hello_flags, HelloReply, HelloRequest};
use super::negotiate::{
    Negotiated, MAX_LOGICAL_BLOCK, MAX_QUEUE_DEPTH, MAX_TRANSFER, MIN_TRANSFER,
};

/// What is wrong with a hello reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HelloReplyError {
    /// A version that was not asked for.
    Version(u16),
    /// Features that were not asked for.
    Features(u64),
    /// Features that were required are missing.
    MissingFeatures(u64),
    /// Unknown flags.
    Flags(u32),
    /// Raw where it was not asked for, or the other way round.
    Raw,
    /// Write access was asked for and not given.
    ReadOnly,
    /// Size 0, not a multiple of the logical block, or beyond a file offset.
    Size(u64),
    /// Logical block not a power of two, or out of bounds.
    LogicalBlock(u32),
    /// Physical block not a power of two, or below the logical one.
    PhysicalBlock(u32),
    /// Transfer length out of bounds or not in whole blocks.
    Transfer(u32),
    /// Queue depth 0 or above what was asked for.
    QueueDepth(u32),
    /// Discard or write-zeroes limits not in whole blocks.
    DiscardLimits,
    /// Incarnation other than the one that was introduced.
    Incarnation(u64),
}

impl fmt::Display for HelloReplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(version) => write!(f, "protocol version {version} was not offered"),
            Self::Features(bits) => write!(f, "features {bits:#x} were not offered"),
            Self::MissingFeatures(bits) => write!(f, "required features {bits:#x} are missing"),
            Self::Flags(bits) => write!(f, "unknown export flags {bits:#x}"),
            Self::Raw => f.write_str("one side means the whole device, the other its data area"),
            Self::ReadOnly => f.write_str("the export is read-only"),
            Self::Size(size) => write!(f, "a size of {size} bytes is not possible"),
            Self::LogicalBlock(bytes) => write!(
                f,
                "a logical block of {bytes} bytes: \
                 powers of two from 512 to {MAX_LOGICAL_BLOCK} are supported"
            ),
            Self::PhysicalBlock(bytes) => {
                write!(f, "a physical block of {bytes} bytes is not possible")
            }
            Self::Transfer(bytes) => write!(f, "transfers of {bytes} bytes are not possible"),
            Self::QueueDepth(depth) => write!(f, "a queue depth of {depth} is not possible"),
            Self::DiscardLimits => {
                f.write_str("limits of discard or write-zeroes are not in whole logical blocks")
            }
            Self::Incarnation(number) => write!(f, "the reply is for incarnation {number}"),
        }
    }
}

impl HelloReply {
    /// The client's side of the hello: judges every value of the reply against the request.
    ///
    /// # Errors
    ///
    /// What is wrong; the connection must be closed.
    pub fn accept(&self, request: &HelloRequest) -> Result<Negotiated, HelloReplyError> {
        use HelloReplyError as Error;
        if self.version < request.version_min || self.version > request.version_max {
            return Err(Error::Version(self.version));
        }
        let unasked = self.features & !(request.required | request.optional);
        if unasked != 0 {
            return Err(Error::Features(unasked));
        }
        let missing = request.required & !self.features;
        if missing != 0 {
            return Err(Error::MissingFeatures(missing));
        }
        let unknown = self.flags & !export_flags::ALL;
        if unknown != 0 {
            return Err(Error::Flags(unknown));
        }
        if (self.flags & export_flags::RAW != 0) != (request.flags & hello_flags::RAW != 0) {
            return Err(Error::Raw);
        }
        let write = request.flags & hello_flags::WRITE != 0;
        if write && self.flags & export_flags::READ_ONLY != 0 {
            return Err(Error::ReadOnly);
        }
        if self.incarnation != request.incarnation {
            return Err(Error::Incarnation(self.incarnation));
        }
        self.check_numbers(request)?;
        Ok(Negotiated {
            version: self.version,
            features: self.features,
            flags: self.flags,
            write,
            size: self.size,
            logical_block: self.logical_block,
            physical_block: self.physical_block,
            io_min: self.io_min,
            io_opt: self.io_opt,
            max_transfer: self.max_transfer,
            queue_depth: self.queue_depth,
            max_discard: self.max_discard,
            discard_granularity: self.discard_granularity,
            max_write_zeroes: self.max_write_zeroes,
        })
    }

    fn check_numbers(&self, request: &HelloRequest) -> Result<(), HelloReplyError> {
        use HelloReplyError as Error;
        let block = self.logical_block;
        if !block.is_power_of_two() || !(512..=MAX_LOGICAL_BLOCK).contains(&block) {
            return Err(Error::LogicalBlock(block));
        }
        // From here on a remainder by `block` cannot fail.
        let whole = |bytes: u32| bytes % block == 0;
        if !self.physical_block.is_power_of_two() || self.physical_block < block {
            return Err(Error::PhysicalBlock(self.physical_block));
        }
        if self.size == 0 || self.size > i64::MAX as u64 || self.size % u64::from(block) != 0 {
            return Err(Error::Size(self.size));
        }
        let most = request.max_transfer.min(MAX_TRANSFER);
        let least = block.max(MIN_TRANSFER);
        if !(least..=most).contains(&self.max_transfer) || !whole(self.max_transfer) {
            return Err(Error::Transfer(self.max_transfer));
        }
        let most = request.queue_depth.min(MAX_QUEUE_DEPTH);
        if !(1..=most).contains(&self.queue_depth) {
            return Err(Error::QueueDepth(self.queue_depth));
        }
        let granularity = self.discard_granularity;
        if !whole(self.max_discard)
            || !whole(self.max_write_zeroes)
            || !whole(granularity)
            || (self.max_discard != 0) != (granularity != 0)
        {
            return Err(Error::DiscardLimits);
        }
        Ok(())
    }
}
