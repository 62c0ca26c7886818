// SPDX-License-Identifier: GPL-2.0

//! What runs, written as a file that [`parse`](super::parse) reads.

use super::stable::{self, Name};
use crate::model::{self, FlagSet};
use dst_core::units::Sectors;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

const HEAD: &str = "\
# What this machine exports and which storages it uses. \"dst restore\" makes what is missing of it,
# exports first, then storages; the units dst-exports and dst-storages run it when the machine
# starts. \"dst save\" writes this file anew and keeps the one before as *.old. It may be edited:
# every key has the meaning of the option of that name (\"dst create --help\", \"dst export add
# --help\"); \"dst restore --dry-run\" shows what would be done.
#
# Devices have names that stay the same when disks are found in another order, as far as udev
# knows one; the name that was given stands beside it. Sizes count sectors of 512 bytes, times are
# in seconds. A uuid is compared with the labels on the nodes: without them nothing starts.
";

/// What the module does where nothing is asked for: it tells the limits in force, and only what
/// differs from these is worth a line.
mod defaults {
    /// Where the module says that nothing was asked for.
    pub(super) const NOT_SAID: u64 = 0;
    pub(super) const QUEUE_DEPTH: u64 = 128;
    pub(super) const MAX_TRANSFER: u64 = 1 << 20;
    pub(super) const BACKLOG: u64 = 128;
    pub(super) const MAX_CLIENTS: u64 = 64;
    pub(super) const CLIENT_MEMORY: u64 = 8 << 20;
    pub(super) const HELLO_MS: u64 = 10_000;
    pub(super) const IDLE_MS: u64 = 0;
    pub(super) const CONNECT_MS: u64 = 5_000;
    pub(super) const KEEPALIVE_MS: u64 = 10_000;
    pub(super) const REQUEST_MS: u64 = 30_000;
    pub(super) const REQUEST_TRIES: u64 = 0;
    pub(super) const RETRY_MS: u64 = 0;
}

/// Where the names of devices are looked for.
#[derive(Debug, Clone)]
pub struct Devices {
    /// `/dev`.
    pub dev: PathBuf,
    /// Folders with names that stay.
    pub folders: Vec<PathBuf>,
}

impl Devices {
    /// Those of the running system.
    pub fn of_the_system() -> Self {
        Self {
            dev: PathBuf::from("/dev"),
            folders: stable::FOLDERS.iter().map(PathBuf::from).collect(),
        }
    }
}

/// A text that grows line by line.
struct Page<'a> {
    text: String,
    devices: &'a Devices,
}

impl Page<'_> {
    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn string(&mut self, key: &str, value: &str) {
        let value = toml::Value::from(value);
        self.line(&format!("{key} = {value}"));
    }

    fn flag(&mut self, key: &str, on: bool) {
        if on {
            self.line(&format!("{key} = true"));
        }
    }

    /// A number, unless it is what the module takes anyway.
    fn number(&mut self, key: &str, value: Option<u64>, default: u64) {
        if let Some(value) = value.filter(|value| *value != default && *value > 0) {
            self.line(&format!("{key} = {value}"));
        }
    }

    /// Milliseconds as seconds, unless they are what the module takes anyway.
    fn time(&mut self, key: &str, value: Option<u64>, default: u64) {
        let Some(ms) = value.filter(|value| *value != default) else {
            return;
        };
        let text = match ms % 1000 {
            0 => (ms / 1000).to_string(),
            rest => format!("{}.{rest:03}", ms / 1000),
        };
        self.line(&format!("{key} = {text}"));
    }

    fn sectors(&mut self, key: &str, value: Option<u64>) {
        if let Some(value) = value {
            let size = Sectors(value).to_string();
            let words = size.split_once('(').map_or("", |(_, words)| words);
            let comment = match words.strip_suffix(')') {
                Some(words) if value > 0 => format!(" # {words}"),
                _ => String::new(),
            };
            self.line(&format!("{key} = {value}{comment}"));
        }
    }

    fn device(&mut self, key: &str, path: &str) {
        let name = stable::name(path, &self.devices.dev, &self.devices.folders);
        let value = toml::Value::from(name.path());
        match &name {
            Name::Chosen(_) => self.line(&format!("{key} = {value}")),
            Name::Stable(_) => self.line(&format!("{key} = {value} # given as {path}")),
            Name::Unstable(_) => {
                self.line(
                    "# No other name of this device is known; after a start of the machine it",
                );
                self.line("# may be another disk.");
                self.line(&format!("{key} = {value}"));
            }
        }
    }
}

/// An address as it can be read again: the number of an interface may change, its name does not.
fn address_text(address: &SocketAddr) -> String {
    let SocketAddr::V6(v6) = address else {
        return address.to_string();
    };
    match v6.scope_id() {
        0 => address.to_string(),
        scope => {
            let interface = interface_name(scope).unwrap_or_else(|| scope.to_string());
            format!("[{}%{interface}]:{}", v6.ip(), v6.port())
        }
    }
}

fn interface_name(index: u32) -> Option<String> {
    let interfaces = std::fs::read_dir(Path::new("/sys/class/net")).ok()?;
    let found = interfaces.filter_map(Result::ok).find(|interface| {
        std::fs::read_to_string(interface.path().join("ifindex"))
            .is_ok_and(|text| text.trim().parse() == Ok(index))
    });
    found?.file_name().into_string().ok()
}

/// The file for these exports and storages, each storage with its nodes in their order.
pub fn write(
    exports: &[model::Export],
    storages: &[(model::Storage, Vec<model::Node>)],
    devices: &Devices,
) -> String {
    let mut page = Page {
        text: HEAD.to_string(),
        devices,
    };
    for export in exports {
        page.export(export);
    }
    for (storage, nodes) in storages {
        page.storage(storage, nodes);
    }
    page.text
}

impl Page<'_> {
    fn export(&mut self, export: &model::Export) {
        use defaults::*;
        self.line("\n[[export]]");
        self.device("device", export.path.as_deref().unwrap_or(""));
        if let Some(address) = &export.address {
            self.string("listen", &address_text(address));
        }
        if let Some(name) = &export.name {
            self.string("name", name);
        }
        let allow: Vec<String> = export.allow.iter().map(|a| format!("\"{a}\"")).collect();
        self.line(&match allow.is_empty() {
            true => "allow = [] # nobody".to_string(),
            false => format!("allow = [{}]", allow.join(", ")),
        });
        if !export.copy_from.is_empty() {
            let from = export.copy_from.iter().map(|p| format!("\"{p}\""));
            let from: Vec<String> = from.collect();
            self.line(&format!("copy-from = [{}]", from.join(", ")));
        }
        let flags: [(&str, &str); 4] = [
            ("read-only", "read-only"),
            ("write-back", "write-back"),
            ("shared", "shared-writers"),
            ("any-address", "any-address"),
        ];
        self.flags(&export.flags, &flags);
        self.number("backlog", export.backlog, BACKLOG);
        self.number("queue-depth", export.queue_depth, QUEUE_DEPTH);
        self.number("max-clients", export.max_clients, MAX_CLIENTS);
        self.number("max-transfer", export.max_transfer_bytes, MAX_TRANSFER);
        self.number("client-memory", export.client_memory_bytes, CLIENT_MEMORY);
        self.time("hello-timeout", export.hello_timeout_ms, HELLO_MS);
        self.time("idle-timeout", export.idle_timeout_ms, IDLE_MS);
    }

    fn flags(&mut self, set: &FlagSet, keys: &[(&str, &str)]) {
        for (key, flag) in keys {
            self.flag(key, set.has(flag));
        }
    }

    fn storage(&mut self, storage: &model::Storage, nodes: &[model::Node]) {
        self.line("\n[[storage]]");
        self.string("name", &storage.name);
        if let Some(disk) = &storage.disk {
            self.string("device", &format!("/dev/{disk}"));
        }
        if let Some(algorithm) = &storage.algorithm {
            self.string("algorithm", algorithm);
        }
        // Before its first start a storage has no identity that a label could carry.
        if let Some(uuid) = storage.uuid.as_ref().filter(|_| started(storage)) {
            self.string("uuid", uuid);
        }
        self.flags(
            &storage.flags,
            &[("raw", "raw"), ("read-only", "read-only")],
        );
        if !started(storage) {
            self.line("start = false");
        }
        // As many as there are without being asked for: one for each local node and one more.
        let local = nodes.iter().filter(|node| node.kind == "local").count() as u64;
        self.number("workers", storage.workers, local + 1);
        if let Some(nice) = storage.worker_nice.filter(|nice| *nice != 0) {
            self.line(&format!("worker-nice = {nice}"));
        }
        if let Some(cpus) = &storage.worker_cpus {
            self.string("worker-cpus", cpus);
        }
        for node in nodes {
            self.node(node);
        }
    }

    fn node(&mut self, node: &model::Node) {
        use defaults::*;
        self.line("\n[[storage.node]]");
        match (&node.path, &node.address) {
            (Some(path), _) => self.device("place", path),
            (None, Some(address)) => self.string("place", &address_text(address)),
            (None, None) => {}
        }
        if let Some(export) = &node.export {
            self.string("export", export);
        }
        self.sectors("start", node.start_sectors);
        self.sectors("size", node.size_sectors.filter(|size| *size > 0));
        self.flag("fail-fast", node.flags.has("fail-fast"));
        let asked = !node.flags.has("default-connections");
        self.number("connections", node.connections.filter(|_| asked), NOT_SAID);
        self.number("queue-depth", node.queue_depth, QUEUE_DEPTH);
        self.number("max-transfer", node.max_transfer_bytes, MAX_TRANSFER);
        self.time("connect-timeout", node.connect_timeout_ms, CONNECT_MS);
        self.time("keepalive", node.keepalive_ms, KEEPALIVE_MS);
        self.time("request-timeout", node.request_timeout_ms, REQUEST_MS);
        self.number("request-tries", node.request_tries, REQUEST_TRIES);
        self.time("retry-limit", node.retry_limit_ms, RETRY_MS);
    }
}

/// Whether the storage has left the state in which it is put together.
fn started(storage: &model::Storage) -> bool {
    !matches!(storage.state.as_str(), "configuring" | "starting")
}
