// SPDX-License-Identifier: GPL-2.0

//! Node after node: the storage is the concatenation of its nodes.

use core::fmt;
use core::ops::Deref;

use super::super::units::{round_down, Sectors, MAX_SECTORS, SECTOR_BYTES};
use super::{Extent, Kind, Layout, Op, Piece, MAX_NODES};

/// What the administrator said of a node, and what it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeSpec {
    /// Where it begins in the storage; `None`: behind the node before it.
    pub start: Option<u64>,
    /// How much of it is used; `None`: all that it has.
    pub size: Option<u64>,
    /// Sectors that it has.
    pub available: u64,
}

/// The part of the storage that lies on one node, at the start of the node's data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Segment {
    /// First sector in the storage.
    pub start: u64,
    /// Sectors.
    pub sectors: u64,
    /// The node's place in the order, from 0.
    pub node: usize,
}

impl Segment {
    /// A segment of nothing, to fill memory with.
    pub const EMPTY: Self = Self {
        start: 0,
        sectors: 0,
        node: 0,
    };

    /// First sector behind it. Cannot overflow once placed.
    const fn end(&self) -> u64 {
        self.start.saturating_add(self.sectors)
    }
}

/// The result of [`place`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// How many segments were written to `out`, sorted by start: as many as there are nodes.
    pub segments: usize,
    /// Sectors of the storage.
    pub sectors: u64,
}

/// Something the administrator should be told though it is not an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// A node's size was rounded down to whole logical blocks.
    Rounded {
        /// The node.
        node: usize,
        /// Sectors before.
        from: u64,
        /// Sectors used.
        to: u64,
        /// The storage's logical block in bytes.
        logical_block: u32,
    },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rounded {
                node,
                from,
                to,
                logical_block,
            } => write!(
                f,
                "node {node}: size rounded down from {from} to {to} sectors, \
                 whole logical blocks of {logical_block} bytes"
            ),
        }
    }
}

/// Why a configuration is refused. Nodes are numbered in the order given, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// No node.
    NoNodes,
    /// More nodes than a storage can have, or than the caller has memory for.
    TooManyNodes(usize, usize),
    /// Logical block that is not a power of two or smaller than a sector.
    LogicalBlock(u32),
    /// A size of 0 was given.
    ZeroSize(usize),
    /// The node has no data at all, or less than one logical block.
    TooSmall(usize, u64, u32),
    /// The size given is beyond what the node has (node, given, has).
    BeyondNode(usize, u64, u64),
    /// The start given is not in whole logical blocks.
    UnalignedStart(usize, u64, u32),
    /// Two nodes hold the same sectors.
    Overlap(Segment, Segment),
    /// Sectors before this node (or between the two) lie on no node.
    Gap(Option<Segment>, Segment),
    /// The storage would be larger than a disk can be.
    TooLarge,
    /// Segments that [`place`] did not make.
    NotPlaced,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoNodes => f.write_str("a storage needs at least one node"),
            Self::TooManyNodes(have, most) => {
                write!(f, "{have} nodes, a storage has at most {most}")
            }
            Self::LogicalBlock(bytes) => {
                write!(f, "a logical block of {bytes} bytes is not possible")
            }
            Self::ZeroSize(node) => write!(
                f,
                "node {node}: the size is 0; leave it out to use the whole node"
            ),
            Self::TooSmall(node, sectors, block) => write!(
                f,
                "node {node}: {sectors} sectors are less than the logical block of {block} bytes"
            ),
            Self::BeyondNode(node, given, has) => write!(
                f,
                "node {node}: size {} was given, but the node has {}",
                Sectors(*given),
                Sectors(*has)
            ),
            Self::UnalignedStart(node, start, block) => write!(
                f,
                "node {node}: start {start} is not a multiple of the logical block of {} sectors",
                u64::from(*block) / SECTOR_BYTES
            ),
            Self::Overlap(a, b) => write!(
                f,
                "node {} (start {}, size {}) and node {} (start {}, size {}) overlap",
                a.node, a.start, a.sectors, b.node, b.start, b.sectors
            ),
            Self::Gap(None, first) => write!(
                f,
                "the storage does not begin at 0: the first node by start is node {} at {}",
                first.node, first.start
            ),
            Self::Gap(Some(a), b) => write!(
                f,
                "sectors {} to {} lie on no node: node {} ends before and node {} begins after",
                a.end(),
                b.start.saturating_sub(1),
                a.node,
                b.node
            ),
            Self::TooLarge => write!(
                f,
                "the storage would have more than {MAX_SECTORS} sectors, the limit of a disk"
            ),
            Self::NotPlaced => f.write_str("the segments are not in order"),
        }
    }
}

/// Validates the configuration of a linear storage and places its nodes.
///
/// A node without a start comes right behind the one before it in the order given. Sizes are
/// rounded down to whole logical blocks of the storage (`logical_block` in bytes, the largest of
/// all nodes) and `note` is told. The segments come out sorted by start. Allocates nothing.
///
/// # Errors
///
/// What is wrong, by node. `out` is not to be used then.
pub fn place(
    specs: &[NodeSpec],
    logical_block: u32,
    out: &mut [Segment],
    note: &mut dyn FnMut(Note),
) -> Result<Placement, ConfigError> {
    if !logical_block.is_power_of_two() || u64::from(logical_block) < SECTOR_BYTES {
        return Err(ConfigError::LogicalBlock(logical_block));
    }
    if specs.is_empty() {
        return Err(ConfigError::NoNodes);
    }
    let room = out.len().min(MAX_NODES);
    let out = out
        .get_mut(..specs.len())
        .filter(|out| out.len() <= MAX_NODES)
        .ok_or(ConfigError::TooManyNodes(specs.len(), room))?;
    let mut next = 0_u64;
    for ((node, spec), slot) in specs.iter().enumerate().zip(out.iter_mut()) {
        let start = spec.start.unwrap_or(next);
        if start % (u64::from(logical_block) / SECTOR_BYTES) != 0 {
            return Err(ConfigError::UnalignedStart(node, start, logical_block));
        }
        let sectors = usable(node, spec, logical_block, note)?;
        next = start
            .checked_add(sectors)
            .filter(|end| *end <= MAX_SECTORS)
            .ok_or(ConfigError::TooLarge)?;
        *slot = Segment {
            start,
            sectors,
            node,
        };
    }
    sort(out);
    check_contiguous(out)
}

/// Sorts by start, then by node. There are few segments, mostly in order already; `core`'s own
/// sort would bring a lot of code, and a panic, into the module.
fn sort(segments: &mut [Segment]) {
    for sorted in 1..segments.len() {
        let Some((new, before)) = segments.get_mut(..=sorted).and_then(<[_]>::split_last_mut)
        else {
            return;
        };
        let new = *new;
        let place = before.partition_point(|s| (s.start, s.node) <= (new.start, new.node));
        if let Some(tail) = segments.get_mut(place..=sorted) {
            tail.rotate_right(1);
        }
    }
}

/// Sectors of one node that will be used.
fn usable(
    node: usize,
    spec: &NodeSpec,
    logical_block: u32,
    note: &mut dyn FnMut(Note),
) -> Result<u64, ConfigError> {
    let wanted = spec.size.unwrap_or(spec.available);
    if spec.size == Some(0) {
        return Err(ConfigError::ZeroSize(node));
    }
    if wanted > spec.available {
        return Err(ConfigError::BeyondNode(node, wanted, spec.available));
    }
    let sectors = round_down(wanted, u64::from(logical_block) / SECTOR_BYTES);
    if sectors == 0 {
        return Err(ConfigError::TooSmall(node, wanted, logical_block));
    }
    if sectors != wanted {
        note(Note::Rounded {
            node,
            from: wanted,
            to: sectors,
            logical_block,
        });
    }
    Ok(sectors)
}

/// Checks that sorted segments cover a range from 0 without gap or overlap.
fn check_contiguous(segments: &[Segment]) -> Result<Placement, ConfigError> {
    let mut before: Option<Segment> = None;
    for segment in segments {
        let end = before.map_or(0, |before| before.end());
        match before {
            Some(before) if segment.start < end => {
                return Err(ConfigError::Overlap(before, *segment));
            }
            _ if segment.start > end => return Err(ConfigError::Gap(before, *segment)),
            _ => before = Some(*segment),
        }
    }
    match before {
        Some(last) => Ok(Placement {
            segments: segments.len(),
            sectors: last.end(),
        }),
        None => Err(ConfigError::NoNodes),
    }
}

/// The layout of a linear storage.
///
/// `S` holds the segments: a slice, an array behind a reference, a vector of whatever kind.
#[derive(Clone, Copy, Debug)]
pub struct Linear<S> {
    // INVARIANT: not empty, sorted by start, none empty, contiguous from 0; each node number below
    // the count, once.
    segments: S,
    sectors: u64,
}

impl<S: Deref<Target = [Segment]>> Linear<S> {
    /// From the segments that [`place`] made.
    ///
    /// # Errors
    ///
    /// The segments were not made by [`place`].
    pub fn new(segments: S) -> Result<Self, ConfigError> {
        let placement = check_contiguous(&segments)?;
        let count = segments.len();
        if count > MAX_NODES || placement.sectors > MAX_SECTORS {
            return Err(ConfigError::NotPlaced);
        }
        let mut seen = [false; MAX_NODES];
        for segment in segments.iter() {
            match seen.get_mut(..count).and_then(|s| s.get_mut(segment.node)) {
                Some(seen) if !*seen && segment.sectors != 0 => *seen = true,
                _ => return Err(ConfigError::NotPlaced),
            }
        }
        Ok(Self {
            segments,
            sectors: placement.sectors,
        })
    }

    /// The segments, sorted by start.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The extent that begins at `sector`: at most `sectors` long, on one node.
    pub fn extent(&self, sector: u64, sectors: u64) -> Option<Extent> {
        let end = sector.checked_add(sectors)?;
        if sectors == 0 || end > self.sectors {
            return None;
        }
        let after = self.segments.partition_point(|s| s.start <= sector);
        let segment = self.segments.get(after.checked_sub(1)?)?;
        let node_sector = sector.checked_sub(segment.start)?;
        let rest = segment.sectors.checked_sub(node_sector)?;
        Some(Extent {
            node: segment.node,
            node_sector,
            sectors: sectors.min(rest),
        })
    }
}

impl<S: Deref<Target = [Segment]>> Layout for Linear<S> {
    fn kind(&self) -> Kind {
        Kind::Linear
    }

    fn sectors(&self) -> u64 {
        self.sectors
    }

    fn nodes(&self) -> usize {
        self.segments.len()
    }

    fn range_of(&self, node: usize) -> Option<(u64, u64)> {
        let segment = self.segments.iter().find(|s| s.node == node)?;
        Some((segment.start, segment.sectors))
    }

    fn piece(&self, _op: Op, sector: u64, sectors: u64) -> Option<Piece> {
        self.extent(sector, sectors).map(Piece::single)
    }
}
