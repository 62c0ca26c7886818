// SPDX-License-Identifier: GPL-2.0

//! From netlink requests to plain values.
//!
//! Whether attributes contradict each other or are missing is found here; whether what they name
//! exists, or may be used, is the business of the layers below.

use super::uapi::{
    access, attr, export_flags, export_set_flags, job_kind, node_flags, node_kind, storage_flags,
    ALLOW_MAX,
};
use crate::{
    dst_core::{
        access::{Access, Prefix, Rule},
        text::Text,
    },
    export::config::{ExportConfig, ExportSelector, ListsChange},
    jobs::config::{JobConfig, JobKind, MigrateConfig, PaceChange},
    storage::config::{
        DiskName, Name, NodeConfig, NodeSelector, Place, StorageConfig, WorkersChange,
    },
    sys::{
        genl::{At, Attribute, Attributes, Fault},
        net_namespace::Net,
        socket_address::SocketAddress,
    },
};
use kernel::{prelude::*, str::CString, sync::Arc};

/// What the parsers return.
pub type Parsed<T> = core::result::Result<T, Fault>;

/// A text that must fit into `N` bytes.
fn text<const N: usize>(attribute: &Attribute<'_>) -> Parsed<Text<N>> {
    let given = attribute.text()?;
    if given.len() > N {
        return Err(attribute.fault(EINVAL, fmt!("the text has more than {} bytes", N)));
    }
    Ok(Text::from_display(&given))
}

/// A required name.
pub fn name(attributes: &Attributes<'_>, kind: u16, what: &str) -> Parsed<Name> {
    let attribute = attributes.require(kind, what)?;
    let name: Name = text(&attribute)?;
    if name.is_empty() {
        return Err(attribute.fault(EINVAL, fmt!("{} is empty", what)));
    }
    Ok(name)
}

/// A name that may be left out, which is the same as an empty one.
fn name_or_empty(attributes: &Attributes<'_>, kind: u16) -> Parsed<Name> {
    attributes
        .get(kind)
        .map_or(Ok(Name::new()), |attribute| text(&attribute))
}

/// The path of a device, if given.
fn path(attributes: &Attributes<'_>, kind: u16) -> Parsed<Option<CString>> {
    let Some(attribute) = attributes.get(kind) else {
        return Ok(None);
    };
    let path = attribute.text()?;
    if !path.starts_with('/') {
        return Err(attribute.fault(
            EINVAL,
            fmt!("the device must be given by its absolute path, such as /dev/sdb"),
        ));
    }
    CString::try_from_fmt(fmt!("{}", path))
        .map(Some)
        .map_err(Fault::from)
}

/// An Internet address in a nest, if given. A port that is not given is 0.
fn address(attributes: &Attributes<'_>, kind: u16) -> Parsed<Option<SocketAddress>> {
    use attr::address as a;
    const AF_INET: u16 = 2;
    const AF_INET6: u16 = 10;
    let Some(outer) = attributes.get(kind) else {
        return Ok(None);
    };
    let nest = outer.nest();
    let ip = nest.require(a::IP, "the address")?;
    let port = nest.get(a::PORT).map_or(Ok(0), |port| port.u16())?;
    let scope_id = nest.get_u32(a::SCOPE_ID)?.unwrap_or(0);
    let (address, family) = match ip.bytes().len() {
        4 => (
            SocketAddress::V4 {
                address: ip.exactly()?,
                port,
            },
            AF_INET,
        ),
        16 => (
            SocketAddress::V6 {
                address: ip.exactly()?,
                port,
                scope_id,
            },
            AF_INET6,
        ),
        bytes => {
            return Err(ip.fault(
                EAFNOSUPPORT,
                fmt!("an address of {} bytes; IPv4 has 4, IPv6 has 16", bytes),
            ))
        }
    };
    if let Some(given) = nest.get(a::FAMILY) {
        let number = given.u16()?;
        if number != family {
            return Err(given.fault(
                EAFNOSUPPORT,
                fmt!(
                    "family {} does not fit an address of family {}",
                    number,
                    family
                ),
            ));
        }
    }
    if scope_id != 0 && family == AF_INET {
        return Err(outer.fault(EINVAL, fmt!("an IPv4 address has no scope")));
    }
    Ok(Some(address))
}

/// Refuses an attribute that does not belong to the others.
fn refuse_given(attributes: &Attributes<'_>, kind: u16, why: &str) -> Parsed<()> {
    match attributes.get(kind) {
        None => Ok(()),
        Some(attribute) => Err(attribute.fault(EINVAL, fmt!("{}", why))),
    }
}

/// A number of which 0 means the same as not given.
pub fn nonzero(attributes: &Attributes<'_>, kind: u16) -> Parsed<Option<u32>> {
    Ok(attributes.get_u32(kind)?.filter(|value| *value != 0))
}

/// A request for a new storage.
pub fn storage(attributes: &Attributes<'_>, net: Net) -> Parsed<StorageConfig> {
    use attr::storage as a;
    let algorithm = attributes.require(a::ALGORITHM, "the algorithm")?;
    // The names of 2007 begin so; both are the same algorithm.
    let plain = algorithm.text()?;
    let plain = plain.strip_prefix("alg_").unwrap_or(plain);
    let flags = attributes.flags(a::FLAGS)?;
    Ok(StorageConfig {
        name: name(attributes, a::NAME, "the name of the storage")?,
        algorithm: Text::from_display(&plain),
        disk: match attributes.get(a::DISK) {
            Some(disk) => text(&disk)?,
            None => DiskName::from_display(&"dst"),
        },
        uuid: attributes
            .get(a::UUID)
            .map(|uuid| uuid.exactly())
            .transpose()?,
        raw: flags & storage_flags::RAW != 0,
        read_only: flags & storage_flags::READ_ONLY != 0,
        reuse: flags & storage_flags::REUSE != 0,
        net,
    })
}

/// What is to be changed of a storage's workers.
pub fn workers(attributes: &Attributes<'_>) -> Parsed<WorkersChange> {
    use attr::storage as a;
    let change = WorkersChange {
        count: attributes.get_u32(a::WORKERS)?,
        nice: attributes.get_i32(a::WORKER_NICE)?,
        cpus: attributes
            .get(a::WORKER_CPUS)
            .map(|list| text(&list))
            .transpose()?,
    };
    if change.count.is_none() && change.nice.is_none() && change.cpus.is_none() {
        let text = fmt!("nothing to change: give workers, worker-nice or worker-cpus");
        return Err(Fault::new(EINVAL, At::Missing(a::WORKERS), text));
    }
    Ok(change)
}

/// The number of a job.
pub fn job_id(attributes: &Attributes<'_>) -> Parsed<u32> {
    attributes
        .require(attr::job::ID, "the number of the job")?
        .u32()
}

/// A job that is to begin.
pub fn job(attributes: &Attributes<'_>) -> Parsed<JobConfig> {
    use attr::job as a;
    let kind = attributes.require(a::KIND, "the kind of the job")?;
    let kind = match kind.u32()? {
        job_kind::VERIFY => JobKind::Verify,
        job_kind::MIGRATE => {
            return Err(kind.fault(EINVAL, fmt!("node-migrate begins to move a node")))
        }
        number => return Err(kind.fault(EINVAL, fmt!("there is no kind {} of jobs", number))),
    };
    Ok(JobConfig {
        kind,
        storage: name(attributes, a::STORAGE, "the name of the storage")?,
        node: attributes.get_u32(a::NODE_INDEX)?,
        pace: pace(attributes)?,
    })
}

fn pace(attributes: &Attributes<'_>) -> Parsed<PaceChange> {
    use attr::job as a;
    let limit = attributes.get_uint(a::RATE_LIMIT)?;
    Ok(PaceChange {
        limit: limit.map(|limit| (limit != 0).then_some(limit)),
        floor: attributes.get_uint(a::MIN_RATE)?,
    })
}

/// What is to be changed of the pace of a job.
pub fn pace_change(attributes: &Attributes<'_>) -> Parsed<PaceChange> {
    let change = pace(attributes)?;
    if change.limit.is_none() && change.floor.is_none() {
        let text = fmt!("nothing to change: give rate-limit or min-rate");
        return Err(Fault::new(EINVAL, At::Missing(attr::job::RATE_LIMIT), text));
    }
    Ok(change)
}

/// Where a new node is.
fn place(attributes: &Attributes<'_>) -> Parsed<Place> {
    use attr::node as a;
    let kind = attributes.require(a::KIND, "the kind of the node")?;
    match kind.u32()? {
        node_kind::LOCAL => {
            for remote in [
                a::ADDRESS,
                a::EXPORT,
                a::CONNECTIONS,
                a::KEEPALIVE,
                a::REQUEST_TIMEOUT,
                a::REQUEST_TRIES,
            ] {
                refuse_given(attributes, remote, "only a remote node can have this")?;
            }
            attributes.require(a::PATH, "the path of the local node's device")?;
            path(attributes, a::PATH)?
                .map(Place::Local)
                .ok_or_else(|| Fault::from(EINVAL))
        }
        node_kind::REMOTE => {
            refuse_given(attributes, a::PATH, "only a local node can have this")?;
            let outer = attributes.require(a::ADDRESS, "the address of the remote node")?;
            let address = address(attributes, a::ADDRESS)?.ok_or_else(|| Fault::from(EINVAL))?;
            if address.port() == 0 {
                outer
                    .nest()
                    .require(attr::address::PORT, "the port of the remote node")?;
                return Err(outer.fault(EINVAL, fmt!("port 0 cannot be connected to")));
            }
            if address.is_unspecified() {
                let text = fmt!("the unspecified address cannot be connected to");
                return Err(outer.fault(EINVAL, text));
            }
            Ok(Place::Remote {
                address,
                export: name_or_empty(attributes, a::EXPORT)?,
            })
        }
        _ => Err(kind.fault(EINVAL, fmt!("the kind of a node is local or remote"))),
    }
}

/// A request for a new node.
pub fn node(attributes: &Attributes<'_>) -> Parsed<NodeConfig> {
    use attr::node as a;
    let place = place(attributes)?;
    let flags = attributes.flags(a::FLAGS)?;
    if flags & node_flags::DEFAULT_CONNECTIONS != 0 {
        let text = "this is only told; to leave the number to the module, do not give it";
        refuse_given(attributes, a::FLAGS, text)?;
    }
    if flags & node_flags::READ_ONLY != 0 {
        let text = "read-only is a property of a whole storage: add the storage with it";
        refuse_given(attributes, a::FLAGS, text)?;
    }
    Ok(NodeConfig {
        index: attributes.get_u32(a::INDEX)?,
        place: Arc::new(place, GFP_KERNEL)?,
        start: attributes.get_uint(a::START)?,
        size: attributes.get_uint(a::SIZE)?.filter(|size| *size != 0),
        force: flags & node_flags::FORCE != 0,
        fail_fast: flags & node_flags::FAIL_FAST != 0,
        connections: attributes.get_u32(a::CONNECTIONS)?,
        queue_depth: attributes.get_u32(a::QUEUE_DEPTH)?,
        max_transfer: nonzero(attributes, a::MAX_TRANSFER)?,
        connect_timeout: nonzero(attributes, a::CONNECT_TIMEOUT)?,
        keepalive: nonzero(attributes, a::KEEPALIVE)?,
        request_timeout: attributes.get_u32(a::REQUEST_TIMEOUT)?,
        request_tries: attributes.get_u32(a::REQUEST_TRIES)?,
        retry_limit: nonzero(attributes, a::RETRY_LIMIT)?,
    })
}

/// A node that is to move.
pub fn migration(attributes: &Attributes<'_>) -> Parsed<MigrateConfig> {
    use attr::node as a;
    let storage = name(attributes, a::STORAGE, "the name of the storage")?;
    attributes.require(a::INDEX, "the index of the node that is to move")?;
    let limit = attributes.get_uint(a::RATE_LIMIT)?;
    Ok(MigrateConfig {
        storage,
        device: node(attributes)?,
        pace: PaceChange {
            limit: limit.map(|limit| (limit != 0).then_some(limit)),
            floor: attributes.get_uint(a::MIN_RATE)?,
        },
    })
}

/// Which node is meant.
pub fn node_selector(attributes: &Attributes<'_>) -> Parsed<NodeSelector> {
    use attr::node as a;
    let selector = NodeSelector {
        index: attributes.get_u32(a::INDEX)?,
        path: path(attributes, a::PATH)?,
        address: address(attributes, a::ADDRESS)?,
        start: attributes.get_uint(a::START)?,
        size: attributes.get_uint(a::SIZE)?.filter(|size| *size != 0),
    };
    let given = selector.index.is_some()
        || selector.path.is_some()
        || selector.address.is_some()
        || selector.start.is_some();
    if !given {
        let text = fmt!("which node? give its index, path, address or start");
        return Err(Fault::new(EINVAL, At::Missing(a::INDEX), text));
    }
    Ok(selector)
}

/// The entries of an access list.
pub fn allow(attributes: &Attributes<'_>) -> Parsed<KVec<Rule>> {
    let mut rules: KVec<Rule> = KVec::new();
    for entry in attributes.all(attr::export::ALLOW) {
        if rules.len() >= ALLOW_MAX {
            return Err(entry.fault(
                E2BIG,
                fmt!("an access list has at most {} entries", ALLOW_MAX),
            ));
        }
        let rule = rule(&entry)?;
        if rules.iter().any(|other| other.prefix == rule.prefix) {
            return Err(entry.fault(EINVAL, fmt!("{} is in the list twice", rule.prefix)));
        }
        rules.push(rule, GFP_KERNEL)?;
    }
    Ok(rules)
}

/// The machines from whose exports one may copy.
pub fn copy_from(attributes: &Attributes<'_>) -> Parsed<KVec<Prefix>> {
    use attr::prefix as a;
    let mut prefixes: KVec<Prefix> = KVec::new();
    for entry in attributes.all(attr::export::COPY_FROM) {
        if prefixes.len() >= ALLOW_MAX {
            return Err(entry.fault(E2BIG, fmt!("a list has at most {} entries", ALLOW_MAX)));
        }
        let prefix = prefix(&entry.nest(), a::IP, a::PREFIX_LEN)?;
        if prefixes.iter().any(|other| *other == prefix) {
            return Err(entry.fault(EINVAL, fmt!("{} is in the list twice", prefix)));
        }
        prefixes.push(prefix, GFP_KERNEL)?;
    }
    Ok(prefixes)
}

/// Which lists of an export are to be replaced, and by what.
pub fn lists_change(attributes: &Attributes<'_>) -> Parsed<ListsChange> {
    let flags = match attributes.get(attr::export::SET_FLAGS) {
        Some(_) => attributes.flags(attr::export::SET_FLAGS)?,
        None => export_set_flags::ALLOW,
    };
    let change = |flag| flags & flag != 0;
    for (flag, list) in [
        (export_set_flags::ALLOW, attr::export::ALLOW),
        (export_set_flags::COPY_FROM, attr::export::COPY_FROM),
    ] {
        if let Some(entry) = attributes.get(list).filter(|_| !change(flag)) {
            let text = fmt!("set-flags does not say that this list is to be replaced");
            return Err(entry.fault(EINVAL, text));
        }
    }
    Ok(ListsChange {
        allow: match change(export_set_flags::ALLOW) {
            true => Some(allow(attributes)?),
            false => None,
        },
        copy_from: match change(export_set_flags::COPY_FROM) {
            true => Some(copy_from(attributes)?),
            false => None,
        },
    })
}

fn prefix(nest: &Attributes<'_>, ip: u16, bits: u16) -> Parsed<Prefix> {
    let ip = nest.require(ip, "the address of a list's entry")?;
    let bits = match nest.get(bits) {
        Some(bits) => u32::from(bits.u8()?),
        None => u32::try_from(ip.bytes().len().saturating_mul(8)).unwrap_or(u32::MAX),
    };
    Prefix::from_bytes(ip.bytes(), bits).map_err(|error| ip.fault(EINVAL, fmt!("{}", error)))
}

fn rule(entry: &Attribute<'_>) -> Parsed<Rule> {
    use attr::allow as a;
    let nest = entry.nest();
    let prefix = prefix(&nest, a::IP, a::PREFIX_LEN)?;
    let given = nest.require(a::ACCESS, "the access of an access list entry")?;
    let access = match given.u32()? {
        access::READ_ONLY => Access::ReadOnly,
        access::READ_WRITE => Access::ReadWrite,
        _ => return Err(given.fault(EINVAL, fmt!("the access is read-only or read-write"))),
    };
    Ok(Rule { prefix, access })
}

/// A request for a new export.
pub fn export(attributes: &Attributes<'_>, net: Net) -> Parsed<ExportConfig> {
    use attr::export as a;
    attributes.require(a::PATH, "the path of the device")?;
    let path = path(attributes, a::PATH)?.ok_or_else(|| Fault::from(EINVAL))?;
    let outer = attributes.require(a::ADDRESS, "the address to listen on")?;
    let address = address(attributes, a::ADDRESS)?.ok_or_else(|| Fault::from(EINVAL))?;
    let flags = attributes.flags(a::FLAGS)?;
    if address.is_unspecified() && flags & export_flags::ANY_ADDRESS == 0 {
        return Err(outer.fault(
            EINVAL,
            fmt!(
                "{} means all addresses of this machine; give one of them, or the flag any-address",
                address
            ),
        ));
    }
    Ok(ExportConfig {
        name: name_or_empty(attributes, a::NAME)?,
        path,
        address,
        read_only: flags & export_flags::READ_ONLY != 0,
        write_back: flags & export_flags::WRITE_BACK != 0,
        shared_writers: flags & export_flags::SHARED_WRITERS != 0,
        force: flags & export_flags::FORCE != 0,
        allow: allow(attributes)?,
        copy_from: copy_from(attributes)?,
        backlog: attributes.get_u32(a::BACKLOG)?,
        queue_depth: attributes.get_u32(a::QUEUE_DEPTH)?,
        max_transfer: nonzero(attributes, a::MAX_TRANSFER)?,
        max_clients: nonzero(attributes, a::MAX_CLIENTS)?,
        client_memory: attributes
            .get_uint(a::CLIENT_MEMORY)?
            .filter(|bytes| *bytes != 0),
        hello_timeout: nonzero(attributes, a::HELLO_TIMEOUT)?,
        idle_timeout: attributes.get_u32(a::IDLE_TIMEOUT)?,
        net,
    })
}

/// Which export is meant.
pub fn export_selector(attributes: &Attributes<'_>, net: Net) -> Parsed<ExportSelector> {
    use attr::export as a;
    let selector = ExportSelector {
        id: attributes.get_u32(a::ID)?,
        name: attributes
            .get(a::NAME)
            .map(|name| text(&name))
            .transpose()?,
        path: path(attributes, a::PATH)?,
        address: address(attributes, a::ADDRESS)?,
        net,
    };
    let given = selector.id.is_some()
        || selector.name.is_some()
        || selector.path.is_some()
        || selector.address.is_some();
    if !given {
        let text = fmt!("which export? give its number, name, path or address");
        return Err(Fault::new(EINVAL, At::Missing(a::ID), text));
    }
    Ok(selector)
}
