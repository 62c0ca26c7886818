// SPDX-License-Identifier: GPL-2.0

//! The metadata area at the end of a node's device, and the label in it.
//!
//! The data of a node starts at sector 0 of its device, so that a leg of a mirror can be used by
//! itself in an emergency. What DST has to remember is kept in the *metadata area* at the end of
//! the device; [`MetadataArea`] says where it lies. Its first and its last 4096 bytes each hold a
//! copy of the *label*: to which storage the node belongs, and to which place in it. The room
//! between the copies belongs to the bitmap and the activity log of a mirror.

pub mod area;
pub mod block;
pub mod growth;
pub mod holder;
pub mod member;
pub mod replacement;
pub mod succession;

pub use area::{AreaError, Copy, MetadataArea, AREA_MAX_BYTES, AREA_MIN_BYTES};
pub use block::{
    choose_newest, features, state, update_order, Choice, Label, LabelError, LABEL_BYTES, VERSION,
};
pub use growth::{judge_growth, Growth, Newest, Unfinished};
pub use holder::{holders, seat, Holders, Misplaced, Refusal, Role};
pub use member::{check_membership, Expected, Mismatch};
pub use replacement::{recognise, Held, Kin, Unlike};
pub use succession::{Change, Foreign, NoCopy, Partner};
