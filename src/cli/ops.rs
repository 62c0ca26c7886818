// SPDX-License-Identifier: GPL-2.0

//! The requests that the program makes, each built from what a command knows.

use crate::access::Allow;
use crate::netlink::uapi::{self, attr, cmd};
use crate::netlink::{Request, Value};
use dst_core::access::Prefix;
use std::net::SocketAddr;

/// A storage to be added.
#[derive(Debug, Clone, Default)]
pub struct NewStorage {
    /// Name.
    pub name: String,
    /// Algorithm without `alg_`.
    pub algorithm: String,
    /// Disk without `/dev/`.
    pub disk: String,
    /// Identity that the nodes' labels must carry.
    pub uuid: Option<[u8; uapi::UUID_LEN]>,
    /// Nodes carry no label.
    pub raw: bool,
    /// The disk refuses writes.
    pub read_only: bool,
}

/// Where a node is, with its address known.
#[derive(Debug, Clone)]
pub enum Target {
    /// A block device.
    Local(String),
    /// An export.
    Remote(SocketAddr),
}

/// A node to be added.
#[derive(Debug, Clone)]
pub struct NewNode {
    /// Where it is.
    pub target: Target,
    /// Place in the storage; behind the last node if left out.
    pub index: Option<u32>,
    /// Export to ask for.
    pub export: Option<String>,
    /// First sector of the storage on it.
    pub start: Option<u64>,
    /// Sectors of the storage on it.
    pub size: Option<u64>,
    /// What all nodes of a command have in common.
    pub options: NodeOptions,
}

/// Options that all nodes of a command have in common.
#[derive(Debug, Clone, Default)]
pub struct NodeOptions {
    /// Use the device whatever it holds.
    pub force: bool,
    /// Fail I/O instead of waiting for a lost node.
    pub fail_fast: bool,
    /// Connections to a remote node.
    pub connections: Option<u32>,
    /// Requests in flight on one connection.
    pub queue_depth: Option<u32>,
    /// Most bytes in one request.
    pub max_transfer: Option<u32>,
    /// Milliseconds in which a connection must be made.
    pub connect_timeout: Option<u32>,
    /// Milliseconds of silence after which the peer is asked.
    pub keepalive: Option<u32>,
    /// Milliseconds for the answer to a request; 0 for ever.
    pub request_timeout: Option<u32>,
    /// How often a request may go unanswered; 0 for ever.
    pub request_tries: Option<u32>,
    /// Milliseconds for which a lost node is tried again.
    pub retry_limit: Option<u32>,
}

/// Which node is meant.
#[derive(Debug, Clone, Default)]
pub struct NodeSelector {
    /// By its place in the storage.
    pub index: Option<u32>,
    /// By its device.
    pub path: Option<String>,
    /// By its address.
    pub address: Option<SocketAddr>,
    /// By its first sector.
    pub start: Option<u64>,
    /// By its size in sectors.
    pub size: Option<u64>,
}

/// An export to be added.
#[derive(Debug, Clone)]
pub struct NewExport {
    /// Name that clients may ask for.
    pub name: Option<String>,
    /// The device.
    pub path: String,
    /// Where to listen.
    pub address: SocketAddr,
    /// Flags from [`uapi::export_flags`].
    pub flags: u32,
    /// Who may connect.
    pub allow: Vec<Allow>,
    /// From which machines' exports it may copy.
    pub copy_from: Vec<Prefix>,
    /// Connections that may wait to be accepted.
    pub backlog: Option<u32>,
    /// Requests in work on one connection.
    pub queue_depth: Option<u32>,
    /// Most connections.
    pub max_clients: Option<u32>,
    /// Most bytes in one request.
    pub max_transfer: Option<u32>,
    /// Most memory for the data of one client, in bytes.
    pub client_memory: Option<u64>,
    /// Milliseconds for the negotiation of a new connection.
    pub hello_timeout: Option<u32>,
    /// Milliseconds of silence after which a client counts as dead.
    pub idle_timeout: Option<u32>,
}

/// Which export is meant.
#[derive(Debug, Clone, Default)]
pub struct ExportSelector {
    /// By its number.
    pub id: Option<u32>,
    /// By its name.
    pub name: Option<String>,
    /// By its device.
    pub path: Option<String>,
    /// By its address.
    pub address: Option<SocketAddr>,
}

fn u32_value(value: Option<u32>) -> Option<Value> {
    value.map(Value::U32)
}

fn uint_value(value: Option<u64>) -> Option<Value> {
    value.map(Value::Uint)
}

fn text_value(value: Option<&String>) -> Option<Value> {
    value.map(|text| Value::Text(text.clone()))
}

fn storage(command: u8, name: &'static str) -> Request {
    Request::new(command, name, attr::storage::NAMES)
}

/// Adds a storage.
pub fn storage_add(new: &NewStorage) -> Request {
    use uapi::storage_flags::{NAMES, RAW, READ_ONLY};
    let bit = |on: bool, bit: u32| if on { bit } else { 0 };
    let flags = bit(new.raw, RAW) | bit(new.read_only, READ_ONLY);
    storage(cmd::STORAGE_ADD, "storage-add")
        .text(attr::storage::NAME, &new.name)
        .text(attr::storage::ALGORITHM, &new.algorithm)
        .text(attr::storage::DISK, &new.disk)
        .maybe(attr::storage::UUID, new.uuid.map(Value::Uuid))
        .flags(attr::storage::FLAGS, flags, NAMES)
}

/// Deletes a storage.
pub fn storage_del(name: &str, force: bool, timeout: Option<u32>) -> Request {
    use uapi::storage_del_flags::{FORCE, NAMES};
    storage(cmd::STORAGE_DEL, "storage-del")
        .text(attr::storage::NAME, name)
        .flags(
            attr::storage::DEL_FLAGS,
            if force { FORCE } else { 0 },
            NAMES,
        )
        .maybe(attr::storage::TIMEOUT, u32_value(timeout))
}

/// Starts a storage.
pub fn storage_start(name: &str, force: bool, timeout: Option<u32>) -> Request {
    use uapi::storage_start_flags::{FORCE, NAMES};
    storage(cmd::STORAGE_START, "storage-start")
        .text(attr::storage::NAME, name)
        .flags(
            attr::storage::START_FLAGS,
            if force { FORCE } else { 0 },
            NAMES,
        )
        .maybe(attr::storage::TIMEOUT, u32_value(timeout))
}

/// What is to be changed of a storage's workers; what is not given stays as it is.
#[derive(Debug, Clone, Default)]
pub struct WorkersChange {
    /// How many.
    pub count: Option<u32>,
    /// Their nice level.
    pub nice: Option<i32>,
    /// Where they run; empty for any CPU.
    pub cpus: Option<String>,
}

/// Changes the workers of a storage.
pub fn storage_set(name: &str, change: &WorkersChange) -> Request {
    storage(cmd::STORAGE_SET, "storage-set")
        .text(attr::storage::NAME, name)
        .maybe(attr::storage::WORKERS, u32_value(change.count))
        .maybe(attr::storage::WORKER_NICE, change.nice.map(Value::S32))
        .maybe(attr::storage::WORKER_CPUS, text_value(change.cpus.as_ref()))
}

/// Asks for one storage.
pub fn storage_get(name: &str) -> Request {
    storage(cmd::STORAGE_GET, "storage-get").text(attr::storage::NAME, name)
}

/// Asks for all storages.
pub fn storage_dump() -> Request {
    storage(cmd::STORAGE_GET, "storage-get")
}

fn node(command: u8, name: &'static str) -> Request {
    Request::new(command, name, attr::node::NAMES)
}

/// Adds a node.
pub fn node_add(storage: &str, new: &NewNode) -> Request {
    new_node(node(cmd::NODE_ADD, "node-add"), storage, new)
}

/// Begins to move the node with the index of `new` there.
pub fn node_migrate(storage: &str, new: &NewNode, pace: Pace) -> Request {
    new_node(node(cmd::NODE_MIGRATE, "node-migrate"), storage, new)
        .maybe(attr::node::RATE_LIMIT, uint_value(pace.limit))
        .maybe(attr::node::MIN_RATE, uint_value(pace.floor))
}

/// Replaces the node with the index of `new` by what is there.
pub fn node_replace(storage: &str, new: &NewNode, pace: Pace) -> Request {
    new_node(node(cmd::NODE_REPLACE, "node-replace"), storage, new)
        .maybe(attr::node::RATE_LIMIT, uint_value(pace.limit))
        .maybe(attr::node::MIN_RATE, uint_value(pace.floor))
}

fn new_node(request: Request, storage: &str, new: &NewNode) -> Request {
    use uapi::{node_flags, node_kind};
    let o = &new.options;
    let mut flags = 0;
    if o.force {
        flags |= node_flags::FORCE;
    }
    if o.fail_fast {
        flags |= node_flags::FAIL_FAST;
    }
    let (kind, path, address) = match &new.target {
        Target::Local(path) => (node_kind::LOCAL, Some(Value::Text(path.clone())), None),
        Target::Remote(address) => (node_kind::REMOTE, None, Some(Value::Address(*address))),
    };
    // A local node has no connections; among remote ones it is not refused for that.
    let remote = kind == node_kind::REMOTE;
    request
        .text(attr::node::STORAGE, storage)
        .maybe(attr::node::INDEX, u32_value(new.index))
        .with(attr::node::KIND, Value::Enum(kind, node_kind::NAMES))
        .maybe(attr::node::PATH, path)
        .maybe(attr::node::ADDRESS, address)
        .maybe(attr::node::EXPORT, text_value(new.export.as_ref()))
        .maybe(attr::node::START, uint_value(new.start))
        .maybe(attr::node::SIZE, uint_value(new.size))
        .flags(attr::node::FLAGS, flags, node_flags::NAMES)
        .maybe(
            attr::node::CONNECTIONS,
            u32_value(o.connections.filter(|_| remote)),
        )
        .maybe(attr::node::QUEUE_DEPTH, u32_value(o.queue_depth))
        .maybe(attr::node::MAX_TRANSFER, u32_value(o.max_transfer))
        .maybe(attr::node::CONNECT_TIMEOUT, u32_value(o.connect_timeout))
        .maybe(
            attr::node::KEEPALIVE,
            u32_value(o.keepalive.filter(|_| remote)),
        )
        .maybe(
            attr::node::REQUEST_TIMEOUT,
            u32_value(o.request_timeout.filter(|_| remote)),
        )
        .maybe(
            attr::node::REQUEST_TRIES,
            u32_value(o.request_tries.filter(|_| remote)),
        )
        .maybe(attr::node::RETRY_LIMIT, u32_value(o.retry_limit))
}

fn select_node(request: Request, storage: &str, which: &NodeSelector) -> Request {
    request
        .text(attr::node::STORAGE, storage)
        .maybe(attr::node::INDEX, u32_value(which.index))
        .maybe(attr::node::PATH, text_value(which.path.as_ref()))
        .maybe(attr::node::ADDRESS, which.address.map(Value::Address))
        .maybe(attr::node::START, uint_value(which.start))
        .maybe(attr::node::SIZE, uint_value(which.size))
}

/// Removes a node.
pub fn node_del(storage: &str, which: &NodeSelector) -> Request {
    select_node(node(cmd::NODE_DEL, "node-del"), storage, which)
}

/// Suspends a node, and waits for `timeout` milliseconds for what it was given before.
pub fn node_suspend(storage: &str, which: &NodeSelector, timeout: Option<u32>) -> Request {
    select_node(node(cmd::NODE_SUSPEND, "node-suspend"), storage, which)
        .maybe(attr::node::TIMEOUT, u32_value(timeout))
}

/// Lets a suspended node go on.
pub fn node_resume(storage: &str, which: &NodeSelector) -> Request {
    select_node(node(cmd::NODE_RESUME, "node-resume"), storage, which)
}

/// Forgets the write error of a node.
pub fn node_clear(storage: &str, which: &NodeSelector) -> Request {
    select_node(node(cmd::NODE_CLEAR, "node-clear"), storage, which)
}

/// Asks for the nodes of one storage or of all.
pub fn node_dump(storage: Option<&str>) -> Request {
    let name = storage.map(|name| Value::Text(name.to_string()));
    node(cmd::NODE_GET, "node-get").maybe(attr::node::STORAGE, name)
}

fn export(command: u8, name: &'static str) -> Request {
    Request::new(command, name, attr::export::NAMES)
}

fn select(request: Request, which: &ExportSelector) -> Request {
    request
        .maybe(attr::export::ID, u32_value(which.id))
        .maybe(attr::export::NAME, text_value(which.name.as_ref()))
        .maybe(attr::export::PATH, text_value(which.path.as_ref()))
        .maybe(attr::export::ADDRESS, which.address.map(Value::Address))
}

fn allowed(request: Request, allow: &[Allow]) -> Request {
    allow.iter().fold(request, |r, entry| {
        r.with(attr::export::ALLOW, Value::Allow(*entry))
    })
}

fn copies(request: Request, from: &[Prefix]) -> Request {
    from.iter().fold(request, |r, prefix| {
        r.with(attr::export::COPY_FROM, Value::Prefix(*prefix))
    })
}

/// Adds an export.
pub fn export_add(new: &NewExport) -> Request {
    let request = export(cmd::EXPORT_ADD, "export-add")
        .maybe(attr::export::NAME, text_value(new.name.as_ref()))
        .text(attr::export::PATH, &new.path)
        .with(attr::export::ADDRESS, Value::Address(new.address))
        .flags(attr::export::FLAGS, new.flags, uapi::export_flags::NAMES);
    copies(allowed(request, &new.allow), &new.copy_from)
        .maybe(attr::export::BACKLOG, u32_value(new.backlog))
        .maybe(attr::export::QUEUE_DEPTH, u32_value(new.queue_depth))
        .maybe(attr::export::MAX_TRANSFER, u32_value(new.max_transfer))
        .maybe(attr::export::MAX_CLIENTS, u32_value(new.max_clients))
        .maybe(attr::export::CLIENT_MEMORY, uint_value(new.client_memory))
        .maybe(attr::export::HELLO_TIMEOUT, u32_value(new.hello_timeout))
        .maybe(attr::export::IDLE_TIMEOUT, u32_value(new.idle_timeout))
}

/// Deletes an export.
pub fn export_del(which: &ExportSelector, force: bool) -> Request {
    use uapi::export_del_flags::{FORCE, NAMES};
    select(export(cmd::EXPORT_DEL, "export-del"), which).flags(
        attr::export::DEL_FLAGS,
        if force { FORCE } else { 0 },
        NAMES,
    )
}

/// Replaces lists of an export: of those who may connect, of the machines that it may copy from.
pub fn export_set(
    which: &ExportSelector,
    allow: Option<&[Allow]>,
    copy_from: Option<&[Prefix]>,
) -> Request {
    use uapi::export_set_flags::{ALLOW, COPY_FROM, NAMES};
    let request = select(export(cmd::EXPORT_SET, "export-set"), which);
    let request = allowed(request, allow.unwrap_or(&[]));
    let flags = match (allow, copy_from) {
        // What is meant without flags.
        (_, None) => 0,
        (None, Some(_)) => COPY_FROM,
        (Some(_), Some(_)) => ALLOW | COPY_FROM,
    };
    copies(request, copy_from.unwrap_or(&[])).flags(attr::export::SET_FLAGS, flags, NAMES)
}

/// Asks for one export.
pub fn export_get(which: &ExportSelector) -> Request {
    select(export(cmd::EXPORT_GET, "export-get"), which)
}

/// Asks for all exports.
pub fn export_dump() -> Request {
    export(cmd::EXPORT_GET, "export-get")
}

/// Asks for the connections of a storage, of an export, or of all.
pub fn connection_dump(storage: Option<&str>, export_id: Option<u32>) -> Request {
    let name = storage.map(|name| Value::Text(name.to_string()));
    Request::new(
        cmd::CONNECTION_GET,
        "connection-get",
        attr::connection::NAMES,
    )
    .maybe(attr::connection::STORAGE, name)
    .maybe(attr::connection::EXPORT_ID, u32_value(export_id))
}

/// Asks about the module.
pub fn info_get() -> Request {
    Request::new(cmd::INFO_GET, "info-get", attr::info::NAMES)
}

/// How fast a job may be; what is not given is chosen, or stays as it is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pace {
    /// Most bytes in a second; 0 for no limit.
    pub limit: Option<u64>,
    /// Bytes in a second however busy the application is.
    pub floor: Option<u64>,
}

fn job(command: u8, name: &'static str) -> Request {
    Request::new(command, name, attr::job::NAMES)
}

fn job_pace(request: Request, pace: Pace) -> Request {
    request
        .maybe(attr::job::RATE_LIMIT, uint_value(pace.limit))
        .maybe(attr::job::MIN_RATE, uint_value(pace.floor))
}

/// Begins to read every sector of a storage, or of one of its nodes.
pub fn job_verify(storage: &str, node: Option<u32>, pace: Pace) -> Request {
    use uapi::job_kind::{NAMES, VERIFY};
    let request = job(cmd::JOB_BEGIN, "job-begin")
        .with(attr::job::KIND, Value::Enum(VERIFY, NAMES))
        .text(attr::job::STORAGE, storage)
        .maybe(attr::job::NODE_INDEX, u32_value(node));
    job_pace(request, pace)
}

fn one_job(command: u8, name: &'static str, id: u32) -> Request {
    job(command, name).with(attr::job::ID, Value::U32(id))
}

/// Asks for one job.
pub fn job_get(id: u32) -> Request {
    one_job(cmd::JOB_GET, "job-get", id)
}

/// Asks for all jobs.
pub fn job_dump() -> Request {
    job(cmd::JOB_GET, "job-get")
}

/// Lets a job wait.
pub fn job_pause(id: u32) -> Request {
    one_job(cmd::JOB_PAUSE, "job-pause", id)
}

/// Lets a job go on.
pub fn job_resume(id: u32) -> Request {
    one_job(cmd::JOB_RESUME, "job-resume", id)
}

/// Ends a job.
pub fn job_cancel(id: u32) -> Request {
    one_job(cmd::JOB_CANCEL, "job-cancel", id)
}

/// Changes how fast a job may be.
pub fn job_set(id: u32, pace: Pace) -> Request {
    job_pace(one_job(cmd::JOB_SET, "job-set", id), pace)
}
