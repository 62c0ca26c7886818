// SPDX-License-Identifier: GPL-2.0

//! What the fake kernel tells, as attributes, and what it was asked, as text.

use super::kernel::{Export, Node, Storage};
use dst_cli::model;
use dst_cli::netlink::codec::{Attr, AttrWriter, Attrs};
use dst_cli::netlink::uapi::{self, attr, cmd};
use std::net::SocketAddr;

fn append(out: &mut AttrWriter, more: &AttrWriter) {
    for attribute in Attrs::new(more.as_bytes()) {
        let attribute = attribute.unwrap();
        out.put(attribute.kind, attribute.value);
    }
}

impl Storage {
    pub(crate) fn tell(&self) -> AttrWriter {
        let mut out = AttrWriter::new();
        out.string(attr::storage::NAME, &self.name)
            .string(attr::storage::ALGORITHM, &self.algorithm)
            .string(attr::storage::DISK, &self.disk)
            .u32(attr::storage::FLAGS, self.flags)
            .u32(attr::storage::STATE, self.state)
            .u32(
                attr::storage::NODE_COUNT,
                u32::try_from(self.nodes.len()).unwrap(),
            )
            .u32(attr::storage::OPENERS, self.openers);
        if self.state == uapi::storage_state::RUNNING {
            out.uint(attr::storage::SECTORS, 801 * self.nodes.len() as u64);
        }
        append(&mut out, &self.more);
        out
    }

    pub(crate) fn tell_nodes(&self) -> Vec<AttrWriter> {
        self.nodes.iter().map(|n| n.tell(&self.name)).collect()
    }
}

impl Node {
    pub(crate) fn tell(&self, storage: &str) -> AttrWriter {
        let mut out = AttrWriter::new();
        out.string(attr::node::STORAGE, storage)
            .u32(attr::node::INDEX, self.index);
        if let Some(path) = &self.path {
            out.string(attr::node::PATH, path)
                .u32(attr::node::KIND, uapi::node_kind::LOCAL)
                .string(attr::node::TYPE, &format!("L: {path}"));
        }
        if let Some(address) = &self.address {
            out.nest(attr::node::ADDRESS, &address_nest(address))
                .u32(attr::node::KIND, uapi::node_kind::REMOTE)
                .string(attr::node::TYPE, &format!("R: {address}"));
        }
        for (kind, value) in [
            (attr::node::START, self.start),
            (attr::node::SIZE, self.size),
        ] {
            if let Some(value) = value {
                out.uint(kind, value);
            }
        }
        if self.write_error {
            out.u32(attr::node::WRITE_ERROR, 5)
                .uint(attr::node::WRITE_ERROR_SECTOR, 4096)
                .uint(attr::node::WRITE_ERROR_AGO, 90_000);
        }
        if self.suspended {
            out.u32(attr::node::STATE, uapi::node_state::SUSPENDED)
                .uint(attr::node::SINCE, 3_600_000)
                .u32(attr::node::QUEUED, 12);
        }
        append(&mut out, &self.more);
        out
    }
}

impl Export {
    pub(crate) fn tell(&self) -> AttrWriter {
        let mut out = AttrWriter::new();
        out.u32(attr::export::ID, self.id)
            .string(attr::export::PATH, &self.path)
            .u32(attr::export::CLIENTS, self.clients)
            .u32(attr::export::STATE, uapi::export_state::LISTENING);
        if let Some(name) = &self.name {
            out.string(attr::export::NAME, name);
        }
        if let Some(address) = &self.address {
            out.nest(attr::export::ADDRESS, &address_nest(address));
        }
        append(&mut out, &self.more);
        out
    }
}

/// The nest of an address, put together apart from the program's code.
pub(crate) fn address_nest(address: &SocketAddr) -> AttrWriter {
    let mut out = AttrWriter::new();
    match address {
        SocketAddr::V4(v4) => out.u16(1, 2).put(2, &v4.ip().octets()),
        SocketAddr::V6(v6) => out.u16(1, 10).put(2, &v6.ip().octets()),
    };
    out.u16(3, address.port());
    out
}

pub(crate) fn info() -> AttrWriter {
    let mut pool = AttrWriter::new();
    pool.string(attr::pool::NAME, "net")
        .u32(attr::pool::WORKERS, 2)
        .u32(attr::pool::TASKS, 5);
    let mut out = AttrWriter::new();
    out.string(attr::info::MODULE_VERSION, "0.1.0")
        .u32(
            attr::info::FEATURES,
            uapi::feature::LOCAL_NODES | uapi::feature::IPV6,
        )
        .string(attr::info::ALGORITHM, "linear")
        .string(attr::info::ALGORITHM, "mirror")
        .u16(attr::info::DEFAULT_PORT, 1025)
        .u32(attr::info::MAX_TRANSFER, 1 << 20)
        .nest(attr::info::POOL, &pool);
    out
}

/// A request as text, read from its bytes.
pub(crate) fn describe(command: u8, attrs: Attrs<'_>) -> String {
    let (name, set) = match command {
        cmd::STORAGE_ADD => ("storage-add", attr::storage::NAMES),
        cmd::STORAGE_DEL => ("storage-del", attr::storage::NAMES),
        cmd::STORAGE_START => ("storage-start", attr::storage::NAMES),
        cmd::STORAGE_SET => ("storage-set", attr::storage::NAMES),
        cmd::STORAGE_GET => ("storage-get", attr::storage::NAMES),
        cmd::NODE_ADD => ("node-add", attr::node::NAMES),
        cmd::NODE_DEL => ("node-del", attr::node::NAMES),
        cmd::NODE_GET => ("node-get", attr::node::NAMES),
        cmd::NODE_CLEAR => ("node-clear", attr::node::NAMES),
        cmd::NODE_MIGRATE => ("node-migrate", attr::node::NAMES),
        cmd::NODE_REPLACE => ("node-replace", attr::node::NAMES),
        cmd::NODE_SUSPEND => ("node-suspend", attr::node::NAMES),
        cmd::NODE_RESUME => ("node-resume", attr::node::NAMES),
        cmd::EXPORT_ADD => ("export-add", attr::export::NAMES),
        cmd::EXPORT_DEL => ("export-del", attr::export::NAMES),
        cmd::EXPORT_SET => ("export-set", attr::export::NAMES),
        cmd::EXPORT_GET => ("export-get", attr::export::NAMES),
        cmd::CONNECTION_GET => ("connection-get", attr::connection::NAMES),
        cmd::JOB_BEGIN => ("job-begin", attr::job::NAMES),
        cmd::JOB_GET => ("job-get", attr::job::NAMES),
        cmd::JOB_PAUSE => ("job-pause", attr::job::NAMES),
        cmd::JOB_RESUME => ("job-resume", attr::job::NAMES),
        cmd::JOB_CANCEL => ("job-cancel", attr::job::NAMES),
        cmd::JOB_SET => ("job-set", attr::job::NAMES),
        cmd::INFO_GET => ("info-get", attr::info::NAMES),
        other => panic!("the program sent command {other}"),
    };
    let mut text = name.to_string();
    for attribute in attrs {
        let attribute = attribute.unwrap();
        let key = set[usize::from(attribute.kind) - 1];
        text.push_str(&format!(" {key}={}", value(name, key, &attribute)));
    }
    text
}

fn value(operation: &str, key: &str, attribute: &Attr<'_>) -> String {
    let set = |names: &[&str]| {
        let bits = attribute.number().unwrap();
        let named = |i: &usize| bits & (1 << i) != 0;
        let all: Vec<&str> = (0..names.len()).filter(named).map(|i| names[i]).collect();
        all.join("+")
    };
    match key {
        "name" | "algorithm" | "disk" | "storage" | "path" | "export" | "worker-cpus" => {
            attribute.text()
        }
        "uuid" => {
            let digits = attribute.value.iter().map(|b| format!("{b:02x}"));
            digits.collect::<Vec<_>>().concat()
        }
        "worker-nice" => i32::from_ne_bytes(attribute.value.try_into().unwrap()).to_string(),
        "address" => model::address(attribute).unwrap().to_string(),
        "allow" => model::allow(attribute).unwrap().to_string(),
        "copy-from" => model::prefix(attribute).unwrap(),
        "set-flags" => set(uapi::export_set_flags::NAMES),
        "kind" if operation == "job-begin" => "verify".into(),
        "kind" => {
            uapi::node_kind::NAMES[usize::try_from(attribute.number().unwrap()).unwrap()].into()
        }
        "flags" if operation.starts_with("storage") => set(uapi::storage_flags::NAMES),
        "flags" if operation.starts_with("node") => set(uapi::node_flags::NAMES),
        "flags" => set(uapi::export_flags::NAMES),
        "del-flags" | "start-flags" => set(&["force"]),
        _ => attribute.number().unwrap().to_string(),
    }
}
