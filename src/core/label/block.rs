// SPDX-License-Identifier: GPL-2.0

//! The label: 4096 bytes that say to which storage a device belongs.
//!
//! ```text
//!    0 magic "DSTLABEL"        8 version u32           12 crc32c u32
//!   16 compat u64             24 ro_compat u64         32 incompat u64
//!   40 storage uuid [16]      56 node uuid [16]        72 storage name [64]
//!  136 algorithm [32]        168 index u32            172 node count u32
//!  176 start u64             184 size u64             192 device sectors u64
//!  200 data sectors u64      208 epoch u64            216 event counter u64
//!  224 state u32             228 reserved u32         232 sequence u64
//!  240 created u64           248 updated u64
//!  256 bitmap sector u64     264 bitmap sectors u64   272 bitmap granularity u32
//!  276 legs u32              280 log sector u64       288 log sectors u64
//!  296 partner uuid [16]     312 partner place [64]      376 newest node uuid [16]
//!  392 newest before uuid [16]  408 reserved [104]
//!  512 table of legs, 64 entries of 32 bytes: node uuid [16], state u32, flags u32, event u64
//! 2560 reserved [1536]
//! ```
//!
//! Numbers are little endian. Bytes 256 to 4095 are zero in a label of a linear storage, but for the
//! partner while a node is [on its way](super::succession) to another device, and for the newest node of
//! a storage that has [grown](super::growth); the rest is laid out for mirrors and will come with bits in the feature words. Bitmap and log sectors count
//! from the start of the metadata area.
//!
//! The checksum is the standard CRC-32C (initial value and final inversion all ones) over the
//! whole block with the checksum field zero. The caller passes it as a function, because the
//! kernel and the host have it in different places.

use core::fmt;

use zerocopy::little_endian::{U32, U64};
use zerocopy_derive::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::super::names;
use super::super::text::{pad, padded_str, Text};
use super::super::units::MAX_SECTORS;
use super::{area::Copy as Place, growth::Newest, succession::Partner};

/// Bytes of a label.
pub const LABEL_BYTES: usize = 4096;

/// Version of the format.
pub const VERSION: u32 = 1;

const MAGIC: [u8; 8] = *b"DSTLABEL";
const NAME_BYTES: usize = 64;
const ALGORITHM_BYTES: usize = 32;
const LEGS: usize = 64;

/// Feature words: what this version understands.
pub mod features {
    /// Whoever does not know one of these may use the device all the same.
    pub const COMPAT: u64 = 0;
    /// Whoever does not know one of these may only read.
    pub const RO_COMPAT: u64 = 0;
    /// In `incompat`: the node is moving to another device, or has moved; the label names a partner.
    pub const MIGRATION: u64 = 1 << 0;
    /// In `incompat`: the storage has got a node while it was used; the label names the newest one.
    pub const GROWTH: u64 = 1 << 1;
    /// Whoever does not know one of these must leave the device alone.
    pub const INCOMPAT: u64 = MIGRATION | GROWTH;
}

/// States of a node as its own label knows it.
pub mod state {
    /// The node holds the data of its range.
    pub const IN_SYNC: u32 = 1;
    /// The device becomes a copy of its partner, which holds the data.
    pub const COPY: u32 = 2;
    /// The device held the data once; its partner has taken over.
    pub const REPLACED: u32 = 3;
}

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct RawLeg {
    node: [u8; 16],
    state: U32,
    flags: U32,
    event: U64,
}

#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct RawLabel {
    magic: [u8; 8],
    version: U32,
    crc: U32,
    compat: U64,
    ro_compat: U64,
    incompat: U64,
    storage: [u8; 16],
    node: [u8; 16],
    name: [u8; NAME_BYTES],
    algorithm: [u8; ALGORITHM_BYTES],
    index: U32,
    node_count: U32,
    start: U64,
    size: U64,
    device_sectors: U64,
    data_sectors: U64,
    epoch: U64,
    events: U64,
    state: U32,
    reserved0: U32,
    sequence: U64,
    created: U64,
    updated: U64,
    bitmap_sector: U64,
    bitmap_sectors: U64,
    bitmap_granularity: U32,
    legs: U32,
    log_sector: U64,
    log_sectors: U64,
    partner: [u8; 16],
    partner_place: [u8; 64],
    newest: [u8; 16],
    newest_before: [u8; 16],
    reserved1: [u8; 104],
    leg_table: [RawLeg; LEGS],
    reserved2: [u8; 1536],
}

const _: () = assert!(size_of::<RawLabel>() == LABEL_BYTES);

/// What a label says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label {
    /// Feature bits that everybody may ignore.
    pub compat: u64,
    /// Feature bits that must be known to write.
    pub ro_compat: u64,
    /// Feature bits that must be known at all.
    pub incompat: u64,
    /// Identity of the storage, not zero.
    pub storage: [u8; 16],
    /// Identity of the node, not zero.
    pub node: [u8; 16],
    /// Name of the storage.
    pub name: Text<63>,
    /// Name of the algorithm, as in [`map::Kind::name`](super::super::map::Kind::name).
    pub algorithm: Text<31>,
    /// Place in the order of the nodes, from 0.
    pub index: u32,
    /// Nodes of the storage.
    pub node_count: u32,
    /// First sector of the storage that lies on this node.
    pub start: u64,
    /// Sectors of the storage that lie on this node.
    pub size: u64,
    /// Sectors of the device when it was labelled.
    pub device_sectors: u64,
    /// Sectors of its data area.
    pub data_sectors: u64,
    /// Epoch in which the storage is owned, 0 if it never was.
    pub epoch: u64,
    /// Counts what has happened to the storage and its nodes remember: the events of a mirror, the
    /// migrations of a linear storage.
    pub events: u64,
    /// [`state`].
    pub state: u32,
    /// Grows with every update.
    pub sequence: u64,
    /// When the node was labelled, in seconds since 1970.
    pub created: u64,
    /// When this label was written, in seconds since 1970.
    pub updated: u64,
    /// The other device of a migration; goes with [`features::MIGRATION`] in `incompat`.
    pub partner: Option<Partner>,
    /// The node that came last, if one came while the storage was used; goes with
    /// [`features::GROWTH`] in `incompat`.
    pub newest: Option<Newest>,
}

/// Why a block is not a label that can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LabelError {
    /// No label at all.
    None,
    /// The checksum is wrong (first: found, second: computed).
    Checksum(u32, u32),
    /// Another version of the format.
    Version(u32),
    /// Features that this version does not know.
    Incompat(u64),
    /// A field with an impossible value.
    Field(&'static str),
    /// Both copies are valid, have the same sequence number and differ.
    Conflict,
}

impl LabelError {
    /// Whether this is a label, though one that cannot be used: the device belongs to somebody.
    pub const fn is_label(&self) -> bool {
        !matches!(self, Self::None)
    }

    /// Whether the block was written as it is, by a version that knew what it did.
    const fn is_intact(&self) -> bool {
        matches!(self, Self::Version(_) | Self::Incompat(_))
    }
}

impl fmt::Display for LabelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("the device has no label"),
            Self::Checksum(found, computed) => write!(
                f,
                "the label is damaged (checksum {found:#010x}, computed {computed:#010x})"
            ),
            Self::Version(version) => write!(
                f,
                "the label has format version {version}, this program knows {VERSION}; \
                 use a newer one"
            ),
            Self::Incompat(bits) => write!(
                f,
                "the label uses features {bits:#x} that this version does not know; \
                 use a newer one"
            ),
            Self::Field(field) => write!(f, "the label has an impossible {field}"),
            Self::Conflict => f.write_str(
                "the two copies of the label contradict each other; \
                 label the node again after finding out which is right",
            ),
        }
    }
}

impl Label {
    /// Whether the label has features that forbid this version to write to the node.
    pub const fn read_only(&self) -> bool {
        self.ro_compat & !features::RO_COMPAT != 0
    }

    /// The same label for the next update, at `now` (seconds since 1970).
    pub const fn next(mut self, now: u64) -> Self {
        self.sequence = self.sequence.saturating_add(1);
        self.updated = now;
        self
    }

    /// Writes the label into `block`.
    ///
    /// `block` holds either zeroes or the label that is being updated: bytes without a meaning in
    /// this version are kept as they are, so that compatible features of a later one survive.
    ///
    /// # Errors
    ///
    /// A field with an impossible value, so that nothing is written that [`Label::decode`]
    /// refuses; `block` is unchanged then.
    pub fn encode(
        &self,
        block: &mut [u8; LABEL_BYTES],
        crc32c: impl Fn(&[u8]) -> u32,
    ) -> Result<(), LabelError> {
        self.check()?;
        let name = pad(self.name.as_str()).ok_or(LabelError::Field("storage name"))?;
        let algorithm = pad(self.algorithm.as_str()).ok_or(LabelError::Field("algorithm"))?;
        let place = match &self.partner {
            Some(partner) => {
                pad(partner.place.as_str()).ok_or(LabelError::Field("partner place"))?
            }
            None => [0; 64],
        };
        let raw: &mut RawLabel = zerocopy::transmute_mut!(&mut *block);
        // Without the feature these bytes are none of our business, before and after.
        if (raw.incompat.get() | self.incompat) & features::MIGRATION != 0 {
            raw.partner = self.partner.map_or([0; 16], |partner| partner.node);
            raw.partner_place = place;
        }
        if (raw.incompat.get() | self.incompat) & features::GROWTH != 0 {
            raw.newest = self.newest.map_or([0; 16], |newest| newest.node);
            raw.newest_before = self.newest.map_or([0; 16], |newest| newest.before);
        }
        raw.magic = MAGIC;
        raw.version = VERSION.into();
        raw.crc = 0.into();
        raw.compat = self.compat.into();
        raw.ro_compat = self.ro_compat.into();
        raw.incompat = self.incompat.into();
        raw.storage = self.storage;
        raw.node = self.node;
        raw.name = name;
        raw.algorithm = algorithm;
        raw.index = self.index.into();
        raw.node_count = self.node_count.into();
        raw.start = self.start.into();
        raw.size = self.size.into();
        raw.device_sectors = self.device_sectors.into();
        raw.data_sectors = self.data_sectors.into();
        raw.epoch = self.epoch.into();
        raw.events = self.events.into();
        raw.state = self.state.into();
        raw.sequence = self.sequence.into();
        raw.created = self.created.into();
        raw.updated = self.updated.into();
        let crc = crc32c(block);
        let raw: &mut RawLabel = zerocopy::transmute_mut!(block);
        raw.crc = crc.into();
        Ok(())
    }

    /// Reads the label in `block`.
    ///
    /// `block` is only borrowed mutably to compute the checksum in place; it is left unchanged.
    ///
    /// # Errors
    ///
    /// Why there is none that this version can use.
    pub fn decode(
        block: &mut [u8; LABEL_BYTES],
        crc32c: impl Fn(&[u8]) -> u32,
    ) -> Result<Self, LabelError> {
        let raw: &mut RawLabel = zerocopy::transmute_mut!(&mut *block);
        if raw.magic != MAGIC {
            return Err(LabelError::None);
        }
        let found = raw.crc;
        raw.crc = 0.into();
        let computed = crc32c(block);
        let raw: &mut RawLabel = zerocopy::transmute_mut!(block);
        raw.crc = found;
        if computed != found.get() {
            return Err(LabelError::Checksum(found.get(), computed));
        }
        if raw.version.get() != VERSION {
            return Err(LabelError::Version(raw.version.get()));
        }
        let unknown = raw.incompat.get() & !features::INCOMPAT;
        if unknown != 0 {
            return Err(LabelError::Incompat(unknown));
        }
        let label = Self::from_raw(raw)?;
        label.check()?;
        Ok(label)
    }

    fn from_raw(raw: &RawLabel) -> Result<Self, LabelError> {
        let name = strict(&raw.name).ok_or(LabelError::Field("storage name"))?;
        let algorithm = strict(&raw.algorithm).ok_or(LabelError::Field("algorithm"))?;
        let partner = match raw.incompat.get() & features::MIGRATION {
            0 => None,
            _ => Some(Partner {
                node: raw.partner,
                place: strict(&raw.partner_place).ok_or(LabelError::Field("partner place"))?,
            }),
        };
        Ok(Self {
            compat: raw.compat.get(),
            ro_compat: raw.ro_compat.get(),
            incompat: raw.incompat.get(),
            storage: raw.storage,
            node: raw.node,
            name,
            algorithm,
            index: raw.index.get(),
            node_count: raw.node_count.get(),
            start: raw.start.get(),
            size: raw.size.get(),
            device_sectors: raw.device_sectors.get(),
            data_sectors: raw.data_sectors.get(),
            epoch: raw.epoch.get(),
            events: raw.events.get(),
            state: raw.state.get(),
            sequence: raw.sequence.get(),
            created: raw.created.get(),
            updated: raw.updated.get(),
            partner,
            newest: (raw.incompat.get() & features::GROWTH != 0).then_some(Newest {
                node: raw.newest,
                before: raw.newest_before,
            }),
        })
    }

    fn check(&self) -> Result<(), LabelError> {
        let end = self.start.checked_add(self.size);
        let faults = [
            (self.storage == [0; 16], "storage id (zero)"),
            (self.node == [0; 16], "node id (zero)"),
            (
                names::check_plain(self.name.as_str()).is_err(),
                "storage name",
            ),
            (
                names::check_plain(self.algorithm.as_str()).is_err(),
                "algorithm",
            ),
            (self.index >= self.node_count, "index (not below the count)"),
            (self.size == 0, "size (zero)"),
            (
                end.is_none_or(|end| end > MAX_SECTORS),
                "range in the storage",
            ),
            (self.size > self.data_sectors, "size (beyond the data area)"),
            (
                self.data_sectors > self.device_sectors,
                "data area (beyond the device)",
            ),
            (!self.has_possible_state(), "state"),
            (
                (self.incompat & features::MIGRATION != 0) != self.partner.is_some(),
                "incompat (migration without a partner)",
            ),
            (
                self.partner.is_some_and(|partner| partner.node == [0; 16]),
                "partner (zero)",
            ),
            (
                self.partner
                    .is_some_and(|partner| partner.node == self.node),
                "partner (the node itself)",
            ),
        ];
        let growth = self.incompat & features::GROWTH != 0;
        let named = |newest: &Newest| newest.node != [0; 16] && newest.node != newest.before;
        let newest = growth == self.newest.is_some() && self.newest.as_ref().is_none_or(named);
        match faults.iter().find(|(wrong, _)| *wrong) {
            _ if !newest => Err(LabelError::Field("newest node")),
            Some((_, field)) => Err(LabelError::Field(field)),
            None => Ok(()),
        }
    }
}

impl Label {
    /// Whether the state is known, and has the partner that it needs.
    const fn has_possible_state(&self) -> bool {
        match self.state {
            state::IN_SYNC => true,
            state::COPY | state::REPLACED => self.partner.is_some(),
            _ => false,
        }
    }
}

/// A zero-padded field, if it is sound and fits with at least one zero behind it.
fn strict<const N: usize>(field: &[u8]) -> Option<Text<N>> {
    let sound = padded_str(field)?;
    let text = Text::from_padded(field);
    (text.as_str() == sound).then_some(text)
}

/// The label of a device, chosen from its two copies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// What it says.
    pub label: Label,
    /// Where it was found.
    pub place: Place,
    /// Whether the other copy is damaged, missing or older, and should be written again.
    pub other_stale: bool,
}

/// Chooses between the two copies of a label.
///
/// The valid one with the higher sequence number counts. If a copy was written by a version that
/// this one does not understand, that decides, even beside an older copy that could be read.
///
/// # Errors
///
/// [`LabelError::None`] if neither place holds a label; otherwise why the device cannot be used
/// (it does hold one).
pub fn choose_newest(
    a: Result<Label, LabelError>,
    b: Result<Label, LabelError>,
) -> Result<Choice, LabelError> {
    let found = |label, place, other_stale| {
        Ok(Choice {
            label,
            place,
            other_stale,
        })
    };
    match (a, b) {
        (Ok(a), Ok(b)) if a == b => found(a, Place::A, false),
        (Ok(a), Ok(b)) if a.sequence == b.sequence => Err(LabelError::Conflict),
        (Ok(a), Ok(b)) if a.sequence > b.sequence => found(a, Place::A, true),
        (Ok(_), Ok(b)) => found(b, Place::B, true),
        (Err(error), _) | (_, Err(error)) if error.is_intact() => Err(error),
        (Ok(a), Err(_)) => found(a, Place::A, true),
        (Err(_), Ok(b)) => found(b, Place::B, true),
        (Err(LabelError::None), Err(error)) | (Err(error), Err(_)) => Err(error),
    }
}

/// The order in which the two copies are written: the one that is worth less first, with a flush
/// after each, so that a power cut leaves at least one good copy at any time.
///
/// `current` is what [`choose_newest`] found, if anything.
pub const fn update_order(current: Option<&Choice>) -> [Place; 2] {
    match current {
        Some(choice) => [choice.place.other(), choice.place],
        None => [Place::A, Place::B],
    }
}
