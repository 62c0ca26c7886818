// SPDX-License-Identifier: GPL-2.0

//! The state of the fake kernel and its rules, as far as the program can tell them.

use super::socket::{message, refuse, FAMILY, GROUP};
use dst_cli::error::errno::{EADDRNOTAVAIL, EBUSY, EEXIST, EINVAL, ENOENT};
use dst_cli::model;
use dst_cli::netlink::codec::{flags, message_type, Attr, AttrWriter, Attrs};
use dst_cli::netlink::uapi::{self, attr, cmd};
use std::collections::VecDeque;
use std::net::SocketAddr;

/// Where the extended acknowledgement points.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Point {
    /// At the attribute of this type.
    At(u16),
    /// An attribute of this type is missing.
    Missing(u16),
    /// Nowhere.
    Nowhere,
}

/// A refusal that a test asks for.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    /// The operation is refused when its record begins with this.
    pub(crate) operation: &'static str,
    pub(crate) errno: i32,
    pub(crate) message: Option<&'static str>,
    pub(crate) point: Point,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Node {
    pub(crate) index: u32,
    pub(crate) path: Option<String>,
    pub(crate) address: Option<SocketAddr>,
    pub(crate) start: Option<u64>,
    pub(crate) size: Option<u64>,
    pub(crate) suspended: bool,
    pub(crate) write_error: bool,
    /// Attributes beyond those above, for tests of the output.
    pub(crate) more: AttrWriter,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Storage {
    pub(crate) name: String,
    pub(crate) algorithm: String,
    pub(crate) disk: String,
    pub(crate) flags: u32,
    pub(crate) state: u32,
    pub(crate) openers: u32,
    pub(crate) nodes: Vec<Node>,
    /// Attributes beyond those above, for tests of the output.
    pub(crate) more: AttrWriter,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Export {
    pub(crate) id: u32,
    pub(crate) name: Option<String>,
    pub(crate) path: String,
    pub(crate) address: Option<SocketAddr>,
    pub(crate) clients: u32,
    /// Attributes beyond those above, for tests of the output.
    pub(crate) more: AttrWriter,
}

/// The state of the fake kernel.
#[derive(Debug, Default)]
pub(crate) struct Kernel {
    pub(crate) storages: Vec<Storage>,
    pub(crate) exports: Vec<Export>,
    pub(crate) jobs: Vec<super::jobs::Job>,
    /// Attributes of connections to be dumped.
    pub(crate) connections: Vec<AttrWriter>,
    pub(crate) faults: Vec<Fault>,
    /// After so many refusals no fault is left.
    pub(crate) heals_after: Option<u32>,
    /// Addresses that this machine does not have.
    pub(crate) foreign: Vec<SocketAddr>,
    /// The module is not loaded.
    pub(crate) unloaded: bool,
    /// This many dumps tell that they were disturbed.
    pub(crate) disturbed: u32,
    /// What was asked for, without looking.
    pub(crate) record: Vec<String>,
    /// So many looks, until what was written is at the nodes.
    pub(crate) writing: std::ops::Range<u32>,
    /// Everything that was asked for.
    pub(crate) asked: Vec<String>,
    /// Events to be sent to listeners; `None` means that some were lost.
    pub(crate) events: VecDeque<Option<(u8, AttrWriter)>>,
}

pub(super) fn fail(errno: i32, message: &'static str, point: Point) -> Fault {
    Fault {
        operation: "",
        errno,
        message: Some(message),
        point,
    }
}

pub(crate) type Answer = Result<Vec<AttrWriter>, Fault>;

/// Attributes of one request, picked by type.
pub(super) struct Given<'a>(Vec<Attr<'a>>);

impl Given<'_> {
    fn attr(&self, kind: u16) -> Option<&Attr<'_>> {
        self.0.iter().find(|a| a.kind == kind)
    }

    pub(super) fn text(&self, kind: u16) -> Option<String> {
        self.attr(kind).map(Attr::text)
    }

    pub(super) fn number(&self, kind: u16) -> Option<u64> {
        self.attr(kind).map(|a| a.number().unwrap())
    }

    /// The attributes of these types, to be told again.
    fn kept(&self, kinds: &[u16]) -> AttrWriter {
        let mut out = AttrWriter::new();
        for attribute in self.0.iter().filter(|a| kinds.contains(&a.kind)) {
            out.put(attribute.kind, attribute.value);
        }
        out
    }

    /// The lists of an export that a request replaces.
    fn lists(&self) -> Vec<u16> {
        use uapi::export_set_flags::{ALLOW, COPY_FROM};
        let flags = self.number(attr::export::SET_FLAGS).unwrap_or(ALLOW.into());
        let all = [
            (ALLOW, attr::export::ALLOW),
            (COPY_FROM, attr::export::COPY_FROM),
        ];
        let given = all.iter().filter(|(flag, _)| flags & u64::from(*flag) != 0);
        given.map(|(_, kind)| *kind).collect()
    }

    fn address(&self, kind: u16) -> Option<SocketAddr> {
        self.attr(kind).map(|a| model::address(a).unwrap())
    }
}

impl Storage {
    /// The one node that a request means.
    pub(super) fn position(&self, given: &Given<'_>) -> Result<usize, Fault> {
        let index = given.number(attr::node::INDEX);
        let path = given.text(attr::node::PATH);
        let address = given.address(attr::node::ADDRESS);
        let start = given.number(attr::node::START);
        let matches = |n: &Node| {
            index.is_none_or(|i| i == u64::from(n.index))
                && (path.is_none() || path == n.path)
                && (address.is_none() || address == n.address)
                && (start.is_none() || start == n.start)
        };
        self.nodes.iter().position(matches).ok_or_else(|| {
            fail(
                ENOENT,
                "the storage \"storage\" has no such node",
                Point::Nowhere,
            )
        })
    }
}

impl Kernel {
    pub(crate) fn family(&self, datagram: &[u8], sequence: u32) -> Vec<u8> {
        if self.unloaded {
            let fault = Fault {
                operation: "",
                errno: ENOENT,
                message: None,
                point: Point::Nowhere,
            };
            return refuse(datagram, sequence, &fault);
        }
        let mut group = AttrWriter::new();
        group.u32(2, GROUP).string(1, "events");
        let mut groups = AttrWriter::new();
        groups.nest(1, &group);
        let mut attrs = AttrWriter::new();
        attrs.string(2, "dst").u16(1, FAMILY).nest(7, &groups);
        let mut out = message(16, 0, sequence, &super::socket::genl(1, &attrs));
        out.extend(message(
            message_type::ERROR,
            flags::CAPPED,
            sequence,
            &[0; 20],
        ));
        out
    }

    pub(crate) fn perform(&mut self, command: u8, attrs: Attrs<'_>, dump: bool) -> Answer {
        let given = Given(attrs.map(Result::unwrap).collect());
        match command {
            cmd::STORAGE_ADD => self.storage_add(&given),
            cmd::STORAGE_DEL => self.storage_del(&given),
            cmd::STORAGE_START => self.storage_start(&given),
            cmd::STORAGE_SET => self.storage_set(&given),
            cmd::STORAGE_GET if dump => Ok(self.storages.iter().map(Storage::tell).collect()),
            cmd::STORAGE_GET => {
                let name = given.text(attr::storage::NAME).unwrap();
                Ok(vec![self.find(&name, attr::storage::NAME)?.tell()])
            }
            cmd::NODE_ADD => self.node_add(&given),
            cmd::NODE_DEL => self.node_del(&given),
            cmd::NODE_SUSPEND => self.node_suspend(&given, true),
            cmd::NODE_RESUME => self.node_suspend(&given, false),
            cmd::NODE_CLEAR => self.node_clear(&given),
            cmd::NODE_MIGRATE => super::jobs::migrate(&mut self.jobs, &given),
            cmd::NODE_REPLACE => self.node_replace(&given),
            cmd::NODE_GET => {
                let only = given.text(attr::node::STORAGE);
                let wanted = |s: &&Storage| only.as_ref().is_none_or(|name| *name == s.name);
                Ok(self
                    .storages
                    .iter()
                    .filter(wanted)
                    .flat_map(Storage::tell_nodes)
                    .collect())
            }
            cmd::EXPORT_ADD => self.export_add(&given),
            cmd::EXPORT_DEL => self.export_del(&given),
            cmd::EXPORT_SET => {
                let index = self.export_index(&given)?;
                let lists = given.lists();
                let mut more = given.kept(&lists);
                for other in Attrs::new(self.exports[index].more.as_bytes()) {
                    let other = other.unwrap();
                    if !lists.contains(&other.kind) {
                        more.put(other.kind, other.value);
                    }
                }
                self.exports[index].more = more;
                Ok(Vec::new())
            }
            cmd::EXPORT_GET => Ok(self.exports.iter().map(Export::tell).collect()),
            cmd::CONNECTION_GET => Ok(self.connections.clone()),
            cmd::JOB_BEGIN..=cmd::JOB_SET => {
                super::jobs::perform(&mut self.jobs, command, &given, dump)
            }
            cmd::INFO_GET => Ok(vec![super::tell::info()]),
            other => panic!("the program sent command {other}"),
        }
    }

    pub(super) fn find(&mut self, name: &str, kind: u16) -> Result<&mut Storage, Fault> {
        let found = self.storages.iter_mut().find(|s| s.name == name);
        found.ok_or_else(|| {
            fail(
                ENOENT,
                "there is no storage \"storage\"; dst status shows those that are",
                Point::At(kind),
            )
        })
    }

    fn storage_add(&mut self, given: &Given<'_>) -> Answer {
        let new = Storage {
            name: given.text(attr::storage::NAME).unwrap(),
            algorithm: given.text(attr::storage::ALGORITHM).unwrap(),
            disk: given.text(attr::storage::DISK).unwrap_or("dst".into()),
            flags: u32::try_from(given.number(attr::storage::FLAGS).unwrap_or(0)).unwrap(),
            more: given.kept(&[attr::storage::UUID]),
            ..Storage::default()
        };
        if self.storages.iter().any(|s| s.name == new.name) {
            return Err(fail(
                EEXIST,
                "there is a storage \"storage\" already, and it is running",
                Point::At(attr::storage::NAME),
            ));
        }
        if self.storages.iter().any(|s| s.disk == new.disk) {
            return Err(fail(
                EEXIST,
                "/dev/dst belongs to the storage \"storage\"; give another name with -f",
                Point::At(attr::storage::DISK),
            ));
        }
        if new.algorithm != "linear" {
            let point = Point::At(attr::storage::ALGORITHM);
            return Err(fail(
                EINVAL,
                "there is no algorithm \"stripe\"; known are: linear",
                point,
            ));
        }
        self.storages.push(new);
        Ok(vec![])
    }

    fn storage_del(&mut self, given: &Given<'_>) -> Answer {
        let name = given.text(attr::storage::NAME).unwrap();
        let force = given.number(attr::storage::DEL_FLAGS).is_some();
        let storage = self.find(&name, attr::storage::NAME)?;
        if storage.openers > 0 && !force {
            return Err(fail(
                EBUSY,
                "/dev/dst is open; unmount it, or use --force, which fails its I/O",
                Point::At(attr::storage::NAME),
            ));
        }
        self.storages.retain(|s| s.name != name);
        Ok(vec![])
    }

    fn storage_start(&mut self, given: &Given<'_>) -> Answer {
        let name = given.text(attr::storage::NAME).unwrap();
        let storage = self.find(&name, attr::storage::NAME)?;
        if storage.state != uapi::storage_state::CONFIGURING {
            return Err(fail(
                EBUSY,
                "the storage \"storage\" is started already; delete it to change it",
                Point::At(attr::storage::NAME),
            ));
        }
        if storage.nodes.is_empty() {
            return Err(fail(
                EINVAL,
                "the storage has no nodes; add some first",
                Point::Nowhere,
            ));
        }
        let mut places: Vec<u32> = storage.nodes.iter().map(|n| n.index).collect();
        places.sort_unstable();
        if places.iter().zip(0..).any(|(place, index)| *place != index) {
            let text =
                "there is no node 1, and nodes are numbered without gaps; add it, or add the \
                        others again";
            return Err(fail(EINVAL, text, Point::Nowhere));
        }
        storage.state = uapi::storage_state::RUNNING;
        Ok(vec![])
    }

    fn storage_set(&mut self, given: &Given<'_>) -> Answer {
        let name = given.text(attr::storage::NAME).unwrap();
        let storage = self.find(&name, attr::storage::NAME)?;
        for kind in [
            attr::storage::WORKERS,
            attr::storage::WORKER_NICE,
            attr::storage::WORKER_CPUS,
        ] {
            if let Some(attribute) = given.attr(kind) {
                storage.more.put(kind, attribute.value);
            }
        }
        Ok(vec![])
    }

    fn node_add(&mut self, given: &Given<'_>) -> Answer {
        let name = given.text(attr::node::STORAGE).unwrap();
        let storage = self.find(&name, attr::node::STORAGE)?;
        if storage.state == uapi::storage_state::STOPPING {
            return Err(fail(
                EBUSY,
                "the storage \"storage\" is being deleted",
                Point::At(attr::node::STORAGE),
            ));
        }
        let behind = storage.nodes.iter().map(|n| n.index + 1).max().unwrap_or(0);
        let index = given
            .number(attr::node::INDEX)
            .map_or(behind, |i| u32::try_from(i).unwrap());
        storage.nodes.push(Node {
            index,
            path: given.text(attr::node::PATH),
            address: given.address(attr::node::ADDRESS),
            start: given.number(attr::node::START),
            size: given.number(attr::node::SIZE),
            suspended: false,
            more: given.kept(&[
                attr::node::EXPORT,
                attr::node::FLAGS,
                attr::node::CONNECTIONS,
                attr::node::QUEUE_DEPTH,
                attr::node::MAX_TRANSFER,
                attr::node::CONNECT_TIMEOUT,
                attr::node::KEEPALIVE,
                attr::node::REQUEST_TIMEOUT,
                attr::node::REQUEST_TRIES,
                attr::node::RETRY_LIMIT,
            ]),
            write_error: false,
        });
        let mut reply = AttrWriter::new();
        reply
            .string(attr::node::STORAGE, &name)
            .u32(attr::node::INDEX, index);
        Ok(vec![reply])
    }

    fn node_del(&mut self, given: &Given<'_>) -> Answer {
        let name = given.text(attr::node::STORAGE).unwrap();
        let storage = self.find(&name, attr::node::STORAGE)?;
        if storage.state != uapi::storage_state::CONFIGURING {
            return Err(fail(
                EBUSY,
                "the storage \"storage\" is started already; delete it to change it",
                Point::At(attr::node::STORAGE),
            ));
        }
        let found = storage.position(given)?;
        storage.nodes.remove(found);
        Ok(vec![])
    }

    fn export_add(&mut self, given: &Given<'_>) -> Answer {
        let address = given.address(attr::export::ADDRESS).unwrap();
        if self.foreign.contains(&address) {
            let point = Point::At(attr::export::ADDRESS);
            return Err(fail(
                EADDRNOTAVAIL,
                "10.0.0.1:1025 is not an address of this machine",
                point,
            ));
        }
        let export = Export {
            id: u32::try_from(self.exports.len()).unwrap() + 1,
            name: given.text(attr::export::NAME),
            path: given.text(attr::export::PATH).unwrap(),
            address: Some(address),
            more: given.kept(&[
                attr::export::FLAGS,
                attr::export::ALLOW,
                attr::export::COPY_FROM,
                attr::export::BACKLOG,
                attr::export::QUEUE_DEPTH,
                attr::export::MAX_TRANSFER,
                attr::export::MAX_CLIENTS,
                attr::export::CLIENT_MEMORY,
                attr::export::HELLO_TIMEOUT,
                attr::export::IDLE_TIMEOUT,
            ]),
            ..Export::default()
        };
        let reply = export.tell();
        self.exports.push(export);
        Ok(vec![reply])
    }

    fn export_index(&self, given: &Given<'_>) -> Result<usize, Fault> {
        let id = given.number(attr::export::ID);
        let name = given.text(attr::export::NAME);
        let path = given.text(attr::export::PATH);
        let address = given.address(attr::export::ADDRESS);
        let matches = |e: &Export| {
            id.is_none_or(|id| id == u64::from(e.id))
                && (name.is_none() || name == e.name)
                && path.as_ref().is_none_or(|path| *path == e.path)
                && (address.is_none() || address == e.address)
        };
        let found = self.exports.iter().position(matches);
        found.ok_or_else(|| fail(ENOENT, "there is no such export", Point::Nowhere))
    }

    fn export_del(&mut self, given: &Given<'_>) -> Answer {
        let index = self.export_index(given)?;
        if self.exports[index].clients > 0 && given.number(attr::export::DEL_FLAGS).is_none() {
            return Err(fail(
                EBUSY,
                "2 connections use the export; stop the storages there first, or use --force",
                Point::Nowhere,
            ));
        }
        self.exports.remove(index);
        Ok(vec![])
    }
}
