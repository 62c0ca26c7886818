// SPDX-License-Identifier: GPL-2.0

//! Block devices as nodes: what export and local node have in common.
//!
//! A device is the whole of it (raw), or a data area with a metadata area behind it that holds
//! the label. All label I/O goes through [`label`], on whichever side of the network the device
//! is.

pub mod label;
