// SPDX-License-Identifier: GPL-2.0

//! Block limits of a storage, stacked from those of its nodes.
//!
//! The rules are those of the kernel's `queue_limits_stack_bdev()` (`block/blk-settings.c`),
//! applied alike to local devices and to what an export told in its hello, so that a storage does
//! not look different when a node moves to another machine.

use core::fmt;

/// Limits of one node. Bytes, where it is a quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockLimits {
    /// Smallest addressable unit; a power of two from 512 to
    /// [`MAX_LOGICAL_BLOCK`](super::super::wire::MAX_LOGICAL_BLOCK).
    pub logical_block: u32,
    /// Smallest unit that is written without a read; a power of two.
    pub physical_block: u32,
    /// Preferred smallest I/O, 0 if unknown.
    pub io_min: u32,
    /// Preferred I/O, 0 if unknown.
    pub io_opt: u32,
    /// Longest discard, 0 if the node cannot discard.
    pub max_discard: u32,
    /// Unit of discards, 0 if the node cannot discard.
    pub discard_granularity: u32,
    /// Longest write-zeroes, 0 if the node cannot do it.
    pub max_write_zeroes: u32,
    /// Acknowledged writes may be lost until flushed.
    pub volatile_cache: bool,
    /// Forced unit access is supported.
    pub fua: bool,
    /// The node may not be written.
    pub read_only: bool,
    /// A rotating disk.
    pub rotational: bool,
    /// Pages must not change while they are written.
    pub stable_writes: bool,
    /// A zoned device.
    pub zoned: bool,
    /// Carries integrity metadata beside its data.
    pub integrity: bool,
}

impl BlockLimits {
    /// A plain device: 512-byte blocks, no cache, nothing special.
    pub const PLAIN: Self = Self {
        logical_block: 512,
        physical_block: 512,
        io_min: 512,
        io_opt: 0,
        max_discard: 0,
        discard_granularity: 0,
        max_write_zeroes: 0,
        volatile_cache: false,
        fua: false,
        read_only: false,
        rotational: false,
        stable_writes: false,
        zoned: false,
        integrity: false,
    };
}

/// Limits of the storage, in the same units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stacked {
    /// The largest of the nodes'. Every boundary between nodes must be a multiple of it.
    pub logical_block: u32,
    /// The largest of the nodes'.
    pub physical_block: u32,
    /// The largest of the nodes', at least the physical block.
    pub io_min: u32,
    /// The least common multiple of those that are known, 0 if there is none.
    pub io_opt: u32,
    /// The smallest of the nodes that can discard; 0 if none can. A node that cannot lets a
    /// discard pass without doing anything, as md's linear does: it is only a hint.
    pub max_discard: u32,
    /// The largest of the nodes that can discard.
    pub discard_granularity: u32,
    /// The smallest of the nodes'; 0 unless all can, because it has to be carried out.
    pub max_write_zeroes: u32,
    /// Whether a flush is needed on any node.
    pub volatile_cache: bool,
    /// Whether every node with a volatile cache supports forced unit access.
    pub fua: bool,
    /// Whether any node may not be written.
    pub read_only: bool,
    /// Whether any node rotates.
    pub rotational: bool,
    /// Whether any node needs it.
    pub stable_writes: bool,
}

/// Why a node cannot be part of a storage. Nodes are numbered from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitsError {
    /// No node.
    NoNodes,
    /// A zoned device.
    Zoned(usize),
    /// A device with integrity metadata.
    Integrity(usize),
    /// A logical block that is not supported.
    LogicalBlock(usize, u32),
    /// A physical block that makes no sense.
    PhysicalBlock(usize, u32),
}

impl fmt::Display for LimitsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoNodes => f.write_str("a storage needs at least one node"),
            Self::Zoned(node) => write!(
                f,
                "node {node} is a zoned device, which must be written in order; use another"
            ),
            Self::Integrity(node) => write!(
                f,
                "node {node} has integrity metadata, which would not be protected; \
                 format it without"
            ),
            Self::LogicalBlock(node, bytes) => write!(
                f,
                "node {node} has a logical block of {bytes} bytes, which is not supported"
            ),
            Self::PhysicalBlock(node, bytes) => write!(
                f,
                "node {node} has a physical block of {bytes} bytes, which is not possible"
            ),
        }
    }
}

/// Stands, while stacking, for optimal sizes that have no common multiple of 32 bits. It stays
/// whatever node is added, or the result would depend on the order.
const NO_OPTIMUM: u32 = u32::MAX;

/// Stacks the limits of all nodes of a storage, given in their order.
///
/// # Errors
///
/// The first node that cannot be part of it.
pub fn stack_limits(nodes: impl IntoIterator<Item = BlockLimits>) -> Result<Stacked, LimitsError> {
    let mut stacked: Option<Stacked> = None;
    for (node, limits) in nodes.into_iter().enumerate() {
        check(node, &limits)?;
        let alone = single(&limits);
        stacked = Some(match stacked {
            None => alone,
            Some(before) => join(&before, &alone),
        });
    }
    let mut stacked = stacked.ok_or(LimitsError::NoNodes)?;
    if stacked.io_opt == NO_OPTIMUM {
        stacked.io_opt = 0;
    }
    Ok(stacked)
}

fn check(node: usize, limits: &BlockLimits) -> Result<(), LimitsError> {
    if limits.zoned {
        return Err(LimitsError::Zoned(node));
    }
    if limits.integrity {
        return Err(LimitsError::Integrity(node));
    }
    let block = limits.logical_block;
    let most = super::super::wire::MAX_LOGICAL_BLOCK;
    if !block.is_power_of_two() || !(512..=most).contains(&block) {
        return Err(LimitsError::LogicalBlock(node, block));
    }
    let physical = limits.physical_block;
    if !physical.is_power_of_two() || physical < block {
        return Err(LimitsError::PhysicalBlock(node, physical));
    }
    Ok(())
}

/// The limits of a storage with this one node.
fn single(limits: &BlockLimits) -> Stacked {
    Stacked {
        logical_block: limits.logical_block,
        physical_block: limits.physical_block,
        io_min: limits.io_min.max(limits.physical_block),
        io_opt: limits.io_opt,
        max_discard: limits.max_discard,
        discard_granularity: if limits.max_discard == 0 {
            0
        } else {
            limits.discard_granularity.max(limits.logical_block)
        },
        max_write_zeroes: limits.max_write_zeroes,
        volatile_cache: limits.volatile_cache,
        // Without a volatile cache every write is one with forced unit access.
        fua: limits.fua || !limits.volatile_cache,
        read_only: limits.read_only,
        rotational: limits.rotational,
        stable_writes: limits.stable_writes,
    }
}

fn join(a: &Stacked, b: &Stacked) -> Stacked {
    Stacked {
        logical_block: a.logical_block.max(b.logical_block),
        physical_block: a.physical_block.max(b.physical_block),
        io_min: a.io_min.max(b.io_min),
        io_opt: lcm_known(a.io_opt, b.io_opt),
        max_discard: min_known(a.max_discard, b.max_discard),
        discard_granularity: a.discard_granularity.max(b.discard_granularity),
        max_write_zeroes: a.max_write_zeroes.min(b.max_write_zeroes),
        volatile_cache: a.volatile_cache || b.volatile_cache,
        fua: a.fua && b.fua,
        read_only: a.read_only || b.read_only,
        rotational: a.rotational || b.rotational,
        stable_writes: a.stable_writes || b.stable_writes,
    }
}

/// The smaller of two numbers of which 0 means "none".
fn min_known(a: u32, b: u32) -> u32 {
    match (a, b) {
        (0, other) | (other, 0) => other,
        (a, b) => a.min(b),
    }
}

/// The least common multiple of two numbers of which 0 means "unknown".
fn lcm_known(a: u32, b: u32) -> u32 {
    match (a, b) {
        (NO_OPTIMUM, _) | (_, NO_OPTIMUM) => NO_OPTIMUM,
        (0, other) | (other, 0) => other,
        (a, b) => (a / gcd(a, b)).checked_mul(b).unwrap_or(NO_OPTIMUM),
    }
}

/// Greatest common divisor of two numbers, neither of them 0.
fn gcd(a: u32, b: u32) -> u32 {
    let (mut a, mut b) = (a, b);
    while let Some(rest) = a.checked_rem(b) {
        a = b;
        b = rest;
    }
    a
}
