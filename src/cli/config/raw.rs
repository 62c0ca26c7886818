// SPDX-License-Identifier: GPL-2.0

//! Entries of the file as they are written, and the rules by which they are checked: those of
//! the command line.

use super::{Export, Node, Storage};
use crate::command::{export, storage};
use crate::endpoint::Endpoint;
use crate::netlink::uapi::{self, export_flags};
use crate::node::{self, NodeSpec, Place};
use crate::ops::{NewExport, NewStorage, NodeOptions, WorkersChange};
use serde::Deserialize;
use std::net::SocketAddr;
use toml::Spanned;

/// A number of sectors, or text with a unit.
#[derive(Deserialize, Debug, Clone)]
#[serde(
    untagged,
    expecting = "write a number of sectors, or a text with a unit such as \"10G\""
)]
pub enum Sectors {
    /// Sectors of 512 bytes.
    Number(u64),
    /// As on the command line.
    Text(String),
}

impl Sectors {
    fn read(&self) -> Result<u64, String> {
        match self {
            Self::Number(number) => Ok(*number),
            Self::Text(text) => node::sectors(text),
        }
    }
}

/// Seconds, fractions allowed.
#[derive(Deserialize, Debug, Clone, Copy)]
#[serde(untagged, expecting = "write a number of seconds")]
pub enum Seconds {
    /// Whole ones.
    Whole(u32),
    /// With a fraction.
    Fraction(f64),
}

impl Seconds {
    fn milliseconds(self) -> Result<u32, String> {
        let text = match self {
            Self::Whole(number) => number.to_string(),
            Self::Fraction(number) => number.to_string(),
        };
        crate::args::verbs::parse_seconds(&text)
    }
}

fn milliseconds(key: &str, value: Option<Seconds>) -> Result<Option<u32>, String> {
    let read = value.map(Seconds::milliseconds).transpose();
    read.map_err(|why| format!("{key}: {why}"))
}

/// As [`milliseconds`], where 0 means that there is no limit.
fn limit(key: &str, value: Option<Seconds>) -> Result<Option<u32>, String> {
    match value {
        Some(Seconds::Whole(0)) => Ok(Some(0)),
        value => milliseconds(key, value),
    }
}

/// Refuses a number outside of `least` to `most`.
fn within(key: &str, value: Option<u32>, least: u32, most: u32) -> Result<Option<u32>, String> {
    match value {
        Some(n) if !(least..=most).contains(&n) => Err(format!(
            "{key} = {n}: write a number from {least} to {most}"
        )),
        other => Ok(other),
    }
}

/// `[[export]]`
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RawExport {
    device: String,
    listen: String,
    name: Option<String>,
    #[serde(default)]
    allow: Vec<String>,
    #[serde(default)]
    copy_from: Vec<String>,
    #[serde(default)]
    read_only: bool,
    #[serde(default)]
    write_back: bool,
    #[serde(default)]
    shared: bool,
    #[serde(default)]
    any_address: bool,
    backlog: Option<u32>,
    queue_depth: Option<u32>,
    max_clients: Option<u32>,
    max_transfer: Option<u32>,
    client_memory: Option<u64>,
    hello_timeout: Option<Seconds>,
    idle_timeout: Option<Seconds>,
}

impl RawExport {
    /// Checks the entry, which stands in `line`.
    pub fn check(self, line: usize) -> Result<Export, String> {
        if let Some(name) = &self.name {
            export::check_export_name(name).map_err(|e| e.what.clone())?;
        }
        export::check_device(&self.device).map_err(|e| e.what.clone())?;
        let listen = Endpoint::parse(&self.listen).map_err(|why| format!("listen: {why}"))?;
        for text in &self.allow {
            crate::access::parse_allow(text, crate::access::Access::ReadWrite)
                .map_err(|why| format!("allow: {why}"))?;
        }
        for text in &self.copy_from {
            if text.contains('=') {
                return Err(format!(
                    "copy-from: \"{text}\" is not an address, a prefix or a host"
                ));
            }
            crate::access::parse_allow(text, crate::access::Access::ReadOnly)
                .map_err(|why| format!("copy-from: {why}"))?;
        }
        let bit = |on: bool, bit: u32| if on { bit } else { 0 };
        let new = NewExport {
            name: self.name,
            path: self.device,
            address: SocketAddr::from(([0, 0, 0, 0], 0)),
            flags: bit(self.read_only, export_flags::READ_ONLY)
                | bit(self.write_back, export_flags::WRITE_BACK)
                | bit(self.shared, export_flags::SHARED_WRITERS)
                | bit(self.any_address, export_flags::ANY_ADDRESS),
            allow: Vec::new(),
            copy_from: Vec::new(),
            backlog: within("backlog", self.backlog, 1, 4096)?,
            queue_depth: within("queue-depth", self.queue_depth, 1, 4096)?,
            max_clients: within("max-clients", self.max_clients, 1, u32::MAX)?,
            max_transfer: within("max-transfer", self.max_transfer, 1, u32::MAX)?,
            client_memory: self.client_memory,
            hello_timeout: milliseconds("hello-timeout", self.hello_timeout)?,
            idle_timeout: milliseconds("idle-timeout", self.idle_timeout)?,
        };
        Ok(Export {
            line,
            listen,
            allow: self.allow,
            copy_from: self.copy_from,
            new,
        })
    }
}

const fn yes() -> bool {
    true
}

/// `[[storage]]`
#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RawStorage {
    name: String,
    #[serde(default = "default_device")]
    device: String,
    #[serde(default = "default_algorithm")]
    algorithm: String,
    uuid: Option<String>,
    #[serde(default)]
    raw: bool,
    #[serde(default)]
    read_only: bool,
    #[serde(default = "yes")]
    start: bool,
    workers: Option<u32>,
    worker_nice: Option<i32>,
    worker_cpus: Option<String>,
    #[serde(default)]
    node: Vec<Spanned<RawNode>>,
}

fn default_device() -> String {
    "/dev/dst".to_string()
}

fn default_algorithm() -> String {
    "linear".to_string()
}

/// `[[storage.node]]`
#[derive(Deserialize, Debug, Clone)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct RawNode {
    place: String,
    export: Option<String>,
    start: Option<Sectors>,
    size: Option<Sectors>,
    #[serde(default)]
    fail_fast: bool,
    connections: Option<u32>,
    queue_depth: Option<u32>,
    max_transfer: Option<u32>,
    connect_timeout: Option<Seconds>,
    keepalive: Option<Seconds>,
    request_timeout: Option<Seconds>,
    request_tries: Option<u32>,
    retry_limit: Option<Seconds>,
}

/// Reads an identity: 32 hexadecimal digits with or without dashes.
pub fn uuid(text: &str) -> Result<[u8; uapi::UUID_LEN], String> {
    let wrong = || format!("uuid \"{text}\" has not 32 hexadecimal digits");
    let digits: Vec<u8> = text.bytes().filter(|byte| *byte != b'-').collect();
    let mut id = [0; uapi::UUID_LEN];
    if digits.len() != 2 * id.len() || !digits.iter().all(u8::is_ascii_hexdigit) {
        return Err(wrong());
    }
    for (byte, pair) in id.iter_mut().zip(digits.chunks_exact(2)) {
        let pair = std::str::from_utf8(pair).map_err(|_| wrong())?;
        *byte = u8::from_str_radix(pair, 16).map_err(|_| wrong())?;
    }
    Ok(id)
}

impl RawStorage {
    /// Checks the entry, which stands in `line`; `line_of` gives the line of a byte. The error
    /// says in which line.
    pub fn check(
        self,
        line: usize,
        line_of: &dyn Fn(usize) -> usize,
    ) -> Result<Storage, (usize, String)> {
        let here = |why: String| (line, why);
        storage::check_name(&self.name).map_err(|e| here(e.what.clone()))?;
        let disk = storage::disk_name(&self.device).map_err(|e| here(e.what.clone()))?;
        let uuid = self.uuid.as_deref().map(uuid).transpose().map_err(here)?;
        let mut nodes = Vec::new();
        for node in self.node {
            let at = line_of(node.span().start);
            nodes.push(node.into_inner().check().map_err(|why| (at, why))?);
        }
        if nodes.is_empty() && self.start {
            return Err(here("it has no [[storage.node]]".to_string()));
        }
        Ok(Storage {
            line,
            new: NewStorage {
                name: self.name,
                algorithm: storage::algorithm_name(&self.algorithm),
                disk,
                uuid,
                raw: self.raw,
                read_only: self.read_only,
            },
            start: self.start,
            workers: WorkersChange {
                count: self.workers,
                nice: self.worker_nice,
                cpus: self.worker_cpus,
            },
            nodes,
        })
    }
}

impl RawNode {
    fn check(self) -> Result<Node, String> {
        let place = node::place(&self.place)?;
        if let Some(name) = &self.export {
            export::check_export_name(name).map_err(|e| e.what.clone())?;
            if matches!(place, Place::Local(_)) {
                return Err(format!(
                    "\"{}\": export belongs to a remote node",
                    self.place
                ));
            }
        }
        let sectors = |value: &Option<Sectors>| value.as_ref().map(Sectors::read).transpose();
        let spec = NodeSpec {
            start: sectors(&self.start)?,
            size: sectors(&self.size)?.filter(|size| *size > 0),
            export: self.export,
            ..NodeSpec::at(place)
        };
        let options = NodeOptions {
            force: false,
            fail_fast: self.fail_fast,
            connections: within("connections", self.connections, 1, 16)?,
            queue_depth: within("queue-depth", self.queue_depth, 1, 4096)?,
            max_transfer: within("max-transfer", self.max_transfer, 1, u32::MAX)?,
            connect_timeout: milliseconds("connect-timeout", self.connect_timeout)?,
            keepalive: milliseconds("keepalive", self.keepalive)?,
            request_timeout: limit("request-timeout", self.request_timeout)?,
            request_tries: within("request-tries", self.request_tries, 0, 1000)?,
            retry_limit: milliseconds("retry-limit", self.retry_limit)?,
        };
        Ok(Node { spec, options })
    }
}
