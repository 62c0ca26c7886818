// SPDX-License-Identifier: GPL-2.0

//! Nodes as they are written on the command line:
//! `PLACE[,start=SECTORS][,size=SECTORS][,export=NAME][,index=NUMBER]`.

use crate::endpoint::Endpoint;
use dst_core::units::{parse_sectors, SECTOR_BYTES};
use std::fmt;

/// Where a node's data lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A block device of this machine.
    Local(String),
    /// An export of a machine.
    Remote(Endpoint),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Local(path) => f.write_str(path),
            Place::Remote(endpoint) => write!(f, "{endpoint}"),
        }
    }
}

/// One node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeSpec {
    /// Where it is.
    pub place: Place,
    /// First sector of the storage on it.
    pub start: Option<u64>,
    /// Sectors of the storage on it.
    pub size: Option<u64>,
    /// Name of the export to ask for.
    pub export: Option<String>,
    /// Place in the order of the nodes, from 0.
    pub index: Option<u32>,
}

impl NodeSpec {
    /// A node at a place, the rest left to the module.
    pub fn at(place: Place) -> Self {
        Self {
            place,
            start: None,
            size: None,
            export: None,
            index: None,
        }
    }
}

/// Reads a number of sectors: without a unit it counts sectors of 512 bytes.
pub fn sectors(text: &str) -> Result<u64, String> {
    parse_sectors(text, SECTOR_BYTES).map_err(|error| format!("\"{text}\": {error}"))
}

/// Reads a node.
pub fn parse(text: &str) -> Result<NodeSpec, String> {
    let mut rest = text;
    let (mut start, mut size, mut export, mut index) = (None, None, None, None);
    // From the right, because a path may contain commas.
    while let Some((before, option)) = rest.rsplit_once(',') {
        let Some((key, value)) = option.split_once('=') else {
            break;
        };
        let twice = match key {
            "start" => start.replace(sectors(value)?).is_some(),
            "size" => size.replace(positive(value)?).is_some(),
            "export" => export.replace(export_name(value)?).is_some(),
            "index" => index.replace(place_number(value)?).is_some(),
            _ => {
                return Err(format!(
                    "unknown option \"{key}\" of node \"{text}\": there are start=, size=, export= \
                     and index="
                ));
            }
        };
        if twice {
            return Err(format!("\"{key}\" is given twice in \"{text}\""));
        }
        rest = before;
    }
    let place = place(rest)?;
    if export.is_some() && matches!(place, Place::Local(_)) {
        return Err(format!("\"{text}\": export= belongs to a remote node"));
    }
    Ok(NodeSpec {
        place,
        start,
        size,
        export,
        index,
    })
}

/// Reads where a node is: an absolute path is a local device, all else a remote export.
pub fn place(text: &str) -> Result<Place, String> {
    if text.starts_with('/') {
        return Ok(Place::Local(text.to_string()));
    }
    if text.is_empty() {
        return Err("a node is missing: write /dev/DISK or host:port".to_string());
    }
    if text.contains('/') {
        return Err(format!(
            "\"{text}\": write a local device with its whole path"
        ));
    }
    Ok(Place::Remote(Endpoint::parse(text)?))
}

fn place_number(text: &str) -> Result<u32, String> {
    let number = text.parse().ok().filter(|n| *n <= u32::from(u16::MAX));
    number.ok_or_else(|| format!("index=\"{text}\": write a number from 0"))
}

fn positive(text: &str) -> Result<u64, String> {
    match sectors(text)? {
        0 => Err("size=0: leave size= out to use all that the node has".to_string()),
        n => Ok(n),
    }
}

fn export_name(text: &str) -> Result<String, String> {
    dst_core::names::check_plain(text).map_err(|e| format!("export=\"{text}\": {e}"))?;
    Ok(text.to_string())
}
