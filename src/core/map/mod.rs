// SPDX-License-Identifier: GPL-2.0

//! Which sectors of a storage lie on which of its nodes.
//!
//! An algorithm is known by its [`Kind`]; [`place`] turns a configuration into segments, and a
//! layout made of them ([`linear::Linear`]) answers, for every bio, where its next piece goes, by
//! way of the trait [`Layout`]. Nothing here allocates: the caller provides the memory for the
//! segments.
//!
//! All positions and sizes are sectors of 512 bytes.

pub mod limits;
pub mod linear;

use core::fmt;

pub use limits::{stack_limits, BlockLimits, LimitsError, Stacked};
pub use linear::{ConfigError, Linear, NodeSpec, Note, Placement, Segment};

/// The most nodes that a storage has.
pub const MAX_NODES: usize = 256;

/// The most nodes that hold copies of the same sector.
pub const MAX_COPIES: u32 = 64;

/// What is to be done with a range of the storage.
///
/// A flush has no range: it goes to every node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Read.
    Read,
    /// Write.
    Write,
    /// Discard.
    Discard,
    /// Write zeroes.
    WriteZeroes,
}

/// A range on one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// The node's place in the order, from 0.
    pub node: usize,
    /// First sector, counted on the node.
    pub node_sector: u64,
    /// Sectors, not 0.
    pub sectors: u64,
}

/// What ends a piece that has several targets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Every target must have answered.
    All,
    /// One target is enough; on an error another may be asked.
    Any,
}

/// The first part of a range that is treated alike: one extent, or the same extent on several
/// nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    first: Extent,
    /// Bit i: node `first.node + 1 + i` has the same extent.
    others: u64,
    need: Need,
}

impl Piece {
    /// A piece that lies on a single node.
    pub const fn single(extent: Extent) -> Self {
        Self {
            first: extent,
            others: 0,
            need: Need::All,
        }
    }

    /// A piece that lies at the same place on several nodes: on `first.node`, and on the i-th
    /// node after it if bit i-1 of `others` is set.
    pub const fn copies(first: Extent, others: u64, need: Need) -> Self {
        Self {
            first,
            others,
            need,
        }
    }

    /// Sectors of the storage that it covers, not 0.
    pub const fn sectors(&self) -> u64 {
        self.first.sectors
    }

    /// How many nodes it goes to.
    pub const fn targets(&self) -> u32 {
        // At most 64 bits are set.
        self.others.count_ones() + 1
    }

    /// What ends it.
    pub const fn need(&self) -> Need {
        self.need
    }

    /// Its extent on the first (preferred) node.
    pub const fn first(&self) -> Extent {
        self.first
    }

    /// Its extents on all its nodes.
    pub fn extents(&self) -> impl Iterator<Item = Extent> + '_ {
        let others = (0..64_usize).filter(|bit| (self.others >> bit) & 1 != 0);
        core::iter::once(self.first).chain(others.map(|bit| Extent {
            node: self.first.node.saturating_add(1 + bit),
            ..self.first
        }))
    }
}

/// The places of a storage's sectors.
pub trait Layout {
    /// The algorithm.
    fn kind(&self) -> Kind;

    /// Sectors of the storage.
    fn sectors(&self) -> u64;

    /// How many nodes it has.
    fn nodes(&self) -> usize;

    /// Which range of the storage a node holds: first sector and sectors.
    fn range_of(&self, node: usize) -> Option<(u64, u64)>;

    /// The first piece of the range of `sectors` at `sector`.
    ///
    /// `None` if the range is empty or ends beyond the storage. The caller goes on behind the
    /// piece with the rest. No allocation, no sleep; called for every bio.
    fn piece(&self, op: Op, sector: u64, sectors: u64) -> Option<Piece>;
}

/// The algorithms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Node after node.
    Linear,
}

impl Kind {
    /// All of them.
    pub const ALL: &'static [Self] = &[Self::Linear];

    /// The name, as labels and sysfs show it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Linear => "alg_linear",
        }
    }

    /// Looks an algorithm up by its name, with or without the `alg_` in front.
    pub fn by_name(name: &str) -> Option<Self> {
        let short = name.strip_prefix("alg_").unwrap_or(name);
        Self::ALL
            .iter()
            .copied()
            .find(|kind| kind.name().strip_prefix("alg_") == Some(short))
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Validates a configuration and places its nodes: see [`linear::place`].
///
/// `out` must have room for as many segments as there are `specs`.
pub fn place(
    kind: Kind,
    specs: &[NodeSpec],
    logical_block: u32,
    out: &mut [Segment],
    note: &mut dyn FnMut(Note),
) -> Result<Placement, ConfigError> {
    match kind {
        Kind::Linear => linear::place(specs, logical_block, out, note),
    }
}
