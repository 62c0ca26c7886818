// SPDX-License-Identifier: GPL-2.0

//! A node of a storage as it is configured: opened or connected, and looked at.
//!
//! A local device is opened exclusively when the node is added, a remote one connected, so that
//! mistakes are told at once and sizes are known. The connection is kept for the start; one that
//! was lost in between is made again.

use super::{
    config::{Name, NodeConfig, Place, StorageConfig},
    errand::{self, Answer, Errand, Request},
    facts::{device_facts, export_facts, Facts},
    fault::{Fault, Outcome},
    remote::{Known, Settings},
    wait::Patience,
};
use crate::{
    dst_core::{label::Label, transaction::MAX_CONNECTIONS},
    exec::Pools,
    fault,
    net::client::{Client, ClientError, ClientResult, Identity},
    sys::{
        bdev::{BlockDevice, OpenMode},
        cpu,
        net_namespace::Net,
        random,
        refusal::Field,
        socket_address::SocketAddress,
    },
};
use kernel::{new_mutex, prelude::*, str::CString, sync::Arc, sync::Mutex};

/// Requests in flight on a connection if nothing else is asked for.
const QUEUE_DEPTH: u32 = 128;

/// Milliseconds for making a connection, and again for its hello, if nothing else is asked for.
const CONNECT_MS: u32 = 5_000;

/// Connections if nothing else is asked for and there are as many CPUs.
const CONNECTIONS: u32 = 4;

/// Milliseconds of silence if nothing else is asked for.
const KEEPALIVE_MS: u32 = 10_000;

/// Milliseconds for the answer to a request if nothing else is asked for.
const REQUEST_MS: u32 = 30_000;

/// The way to a node's device before the storage runs.
pub enum Link {
    /// An open device.
    Local(Arc<BlockDevice>),
    /// An export.
    Remote {
        /// The connection; `None` when it was lost or given to the running storage.
        client: Option<KBox<Client>>,
        /// The session of its connections.
        session: [u8; 16],
        /// How many were made.
        incarnation: u64,
        /// The running storage, which has the node's connections, and the epoch of its owner; what is asked
        /// here goes over a connection of its own beside them.
        running: Option<([u8; 16], u64)>,
    },
}

/// A node that was added to a storage.
#[pin_data]
pub struct Member {
    /// As it was given; `index` is set.
    pub config: NodeConfig,
    /// Held for the time of a request to the node, by whoever holds the storage's operation lock.
    #[pin]
    link: Mutex<Link>,
    // Behind the link, as sockets need their namespace.
    net: Net,
    pools: Arc<Pools>,
    raw: bool,
    write: bool,
    storage: [u8; 16],
    #[pin]
    facts: Mutex<Facts>,
}

/// Whether the device at `path` is known to refuse writes.
fn is_read_only(path: &CString) -> bool {
    let mode = OpenMode {
        write: false,
        exclusive: false,
    };
    BlockDevice::open(path, mode).is_ok_and(|device| device.is_read_only())
}

fn open_device(path: &CString, place: &Place, write: bool) -> Outcome<Arc<BlockDevice>> {
    // Asked first: a kernel that protects devices in use from writers takes one that was opened for writing in vain for
    // in use until the request is over.
    let write = write && !is_read_only(path);
    let open = |write| {
        BlockDevice::open(
            path,
            OpenMode {
                write,
                exclusive: true,
            },
        )
    };
    let opened = match open(write) {
        // A read-only device makes a read-only storage.
        Err(error) if write && (error == EACCES || error == EROFS) => open(false),
        other => other,
    };
    opened.map_err(|error| {
        let reason = match error {
            ENOENT => "there is no such file",
            ENXIO | ENODEV => "there is no such device",
            ENOTBLK => "it is not a block device",
            EACCES | EPERM => "permission denied",
            EBUSY => "it is in use (mounted, swap, in another storage, exported, or in a RAID)",
            ENOMEDIUM => "there is no medium in it",
            _ => {
                return fault!(
                    error,
                    Field::Path,
                    "cannot open {}: error {}",
                    place,
                    error.to_errno()
                )
            }
        };
        fault!(error, Field::Path, "cannot open {}: {}", place, reason)
    })
}

impl Member {
    /// Opens or connects the node that `config` describes, of `storage`, which an export has to know as
    /// `identity` if that is given. Waits for the network or the device.
    ///
    /// Errors: why that failed, with the node's name.
    pub fn open(
        config: NodeConfig,
        storage: &StorageConfig,
        identity: Option<[u8; 16]>,
        pools: Arc<Pools>,
        patience: Patience<'_>,
    ) -> Outcome<Arc<Self>> {
        let place = config.place.clone();
        let (link, facts) = match &*place {
            Place::Local(path) => {
                let device = open_device(path, &place, !storage.read_only)?;
                let facts = device_facts(&device, &place, storage.raw)?;
                (Link::Local(device), facts)
            }
            Place::Remote { .. } => {
                let link = Link::Remote {
                    client: None,
                    session: random::identity(),
                    incarnation: 0,
                    running: None,
                };
                // Replaced by what the export tells, below.
                (link, Facts::UNKNOWN)
            }
        };
        let member = Arc::pin_init(
            pin_init!(Self {
                config,
                net: storage.net.clone(),
                raw: storage.raw,
                write: !storage.read_only,
                storage: identity.unwrap_or([0; 16]),
                facts <- new_mutex!(facts, "dst_member_facts"),
                link <- new_mutex!(link, "dst_member_link"),
                pools,
            }),
            GFP_KERNEL,
        )?;
        if member.address().is_some() {
            member
                .call(patience, Request::Nothing)
                .map_err(|error| member.refusal(&error))?;
        }
        Ok(member)
    }

    /// Place in the order.
    pub fn index(&self) -> u32 {
        let index = self.facts().index.or(self.config.index);
        index.unwrap_or(0)
    }

    /// Where the data is.
    pub fn place(&self) -> &Place {
        &self.config.place
    }

    /// The address of a remote node.
    pub fn address(&self) -> Option<SocketAddress> {
        match self.place() {
            Place::Local(_) => None,
            Place::Remote { address, .. } => Some(*address),
        }
    }

    /// What is known of it.
    pub fn facts(&self) -> Facts {
        *self.facts.lock()
    }

    /// Notes something that was found out.
    pub fn learn(&self, change: impl FnOnce(&mut Facts)) {
        change(&mut self.facts.lock());
    }

    /// The open device of a local node.
    pub fn device(&self) -> Option<Arc<BlockDevice>> {
        match &*self.link.lock() {
            Link::Local(device) => Some(device.clone()),
            Link::Remote { .. } => None,
        }
    }

    /// What `error` of a request to the node means for the administrator.
    pub fn refusal(&self, error: &ClientError) -> Fault {
        let errno = error.to_error();
        match error {
            ClientError::Connect(ECANCELED) => {
                fault!(errno, None, "the storage is being deleted")
            }
            ClientError::Connect(EINTR) => fault!(errno, None, "interrupted"),
            _ => fault!(errno, Field::Address, "{}: {}", self.place(), error),
        }
    }

    /// How connections to it are made.
    pub fn settings(&self, address: SocketAddress, limit: u32) -> Settings {
        Settings {
            address,
            net: self.net.clone(),
            connect_ms: self.connect_ms().min(limit),
            fail_fast: self.config.fail_fast,
            connections: self.connections(),
            keepalive_ms: self.keepalive_ms(),
            request_ms: self.request_ms(),
            request_tries: self.request_tries(),
        }
    }

    /// How many connections it has when the storage runs.
    pub fn connections(&self) -> u16 {
        let wanted = self
            .config
            .connections
            .and_then(|wanted| wanted.try_into().ok());
        let default = cpu::online().min(CONNECTIONS) as u16;
        wanted.unwrap_or(default).clamp(1, MAX_CONNECTIONS as u16)
    }

    /// Milliseconds of silence after which the server is asked whether it is alive.
    pub fn keepalive_ms(&self) -> u32 {
        self.config.keepalive.unwrap_or(KEEPALIVE_MS)
    }

    /// Milliseconds after which a connection that leaves a request unanswered is given up; 0 for
    /// never.
    pub fn request_ms(&self) -> u32 {
        self.config.request_timeout.unwrap_or(REQUEST_MS)
    }

    /// After so many of these a request ends in error; 0 for never.
    pub fn request_tries(&self) -> u16 {
        let tries = self.config.request_tries.unwrap_or(0);
        tries.try_into().unwrap_or(u16::MAX)
    }

    /// Milliseconds for making a connection.
    pub fn connect_ms(&self) -> u32 {
        self.config.connect_timeout.unwrap_or(CONNECT_MS).max(1)
    }

    /// Tells the server, of a connection beside those of a running storage, which one that is: nothing is
    /// asked of a device that is another one now, or that somebody else owns.
    fn beside(
        &self,
        session: [u8; 16],
        incarnation: u64,
        running: Option<([u8; 16], u64)>,
    ) -> Identity {
        let own = self.identity(session, incarnation);
        let Some((storage, epoch)) = running else {
            return own;
        };
        Identity {
            connection: own.connections,
            connections: own.connections.saturating_add(1),
            storage,
            epoch,
            // One request at a time.
            queue_depth: 1,
            ..own
        }
    }

    fn identity(&self, session: [u8; 16], incarnation: u64) -> Identity {
        Identity {
            session,
            incarnation,
            connection: 0,
            connections: self.connections(),
            storage: self.storage,
            epoch: 0,
            raw: self.raw,
            write: self.write,
            queue_depth: self.config.queue_depth.unwrap_or(QUEUE_DEPTH),
            export: match self.place() {
                Place::Local(_) => Name::new(),
                Place::Remote { export, .. } => *export,
            },
        }
    }

    /// Runs `request` over the connection of a remote node, which is made if there is none. A
    /// request that is ended early, or fails otherwise than by a refusal, costs the connection.
    ///
    /// Sleeps. Errors: as of the request; `ECANCELED`, `ETIMEDOUT` and `EINTR` inside
    /// [`ClientError::Connect`].
    pub fn call(&self, patience: Patience<'_>, request: Request) -> ClientResult<Answer> {
        let mut link = self.link.lock();
        let (
            Link::Remote {
                client,
                session,
                incarnation,
                running,
            },
            Some(address),
        ) = (&mut *link, self.address())
        else {
            return Err(EINVAL.into());
        };
        let errand = Errand {
            client: client.take(),
            settings: self.settings(address, patience.deadline.remaining()),
            identity: self.beside(*session, *incarnation, *running),
            request,
        };
        // If the answer is not waited for, it may have been made all the same.
        *incarnation += errand::MOST_INCARNATIONS;
        let errand = KBox::new(errand, GFP_KERNEL).map_err(Error::from)?;
        let returned = KBox::into_inner(errand.run(&self.pools.net, patience)?);
        *incarnation = returned.incarnation;
        if let Some(made) = &returned.client {
            self.learn(|facts| {
                // What a running storage was told at its start is what it goes by.
                if returned.connected && running.is_none() {
                    let known = *facts;
                    *facts = Facts {
                        session: Some(*session),
                        uuid: known.uuid,
                        sequence: known.sequence,
                        range: known.range,
                        index: known.index,
                        ..export_facts(made, &self.config, self.raw)
                    };
                }
                facts.epoch = made.reply().epoch;
            });
        }
        *client = returned.client;
        returned.result
    }

    /// Whether there is a connection, perhaps one that was lost meanwhile.
    pub fn is_connected(&self) -> bool {
        matches!(
            &*self.link.lock(),
            Link::Remote {
                client: Some(_),
                ..
            }
        )
    }

    /// Gives the connection of a remote node away, with the identity for those that follow it.
    pub fn take_client(&self, storage: [u8; 16], epoch: u64) -> Option<(KBox<Client>, Identity)> {
        let mut link = self.link.lock();
        let Link::Remote {
            client,
            session,
            incarnation,
            running,
        } = &mut *link
        else {
            return None;
        };
        let identity = Identity {
            storage,
            epoch,
            write: !self.facts.lock().limits.read_only,
            ..self.identity(*session, *incarnation)
        };
        let client = client.take()?;
        *running = Some((storage, epoch));
        Some((client, identity))
    }

    /// The same node of a running storage where `config` says that its export is now, of which `facts` were told. Its session
    /// goes on. May sleep. Errors: `ENOMEM`; `EINVAL` for a local one.
    pub fn elsewhere(&self, config: NodeConfig, facts: &Facts) -> Result<Arc<Self>> {
        let link = match &*self.link.lock() {
            Link::Remote {
                session,
                incarnation,
                running,
                ..
            } => Link::Remote {
                client: None,
                session: *session,
                incarnation: *incarnation,
                running: *running,
            },
            Link::Local(_) => return Err(EINVAL),
        };
        let facts = Facts {
            device: facts.device,
            version: facts.version,
            epoch: facts.epoch,
            ..self.facts()
        };
        Arc::pin_init(
            pin_init!(Self {
                config,
                net: self.net.clone(),
                raw: self.raw,
                write: self.write,
                storage: self.storage,
                facts <- new_mutex!(facts, "dst_member_facts"),
                link <- new_mutex!(link, "dst_member_link"),
                pools: self.pools.clone(),
            }),
            GFP_KERNEL,
        )
    }

    /// Goes on with the session that `other` has used.
    pub fn resume_session(&self, other: &Self) {
        let used = match &*other.link.lock() {
            Link::Remote { incarnation, .. } => *incarnation,
            Link::Local(_) => return,
        };
        if let Link::Remote { incarnation, .. } = &mut *self.link.lock() {
            *incarnation = used.max(*incarnation);
        }
    }

    /// What the export is, over the connection that stands; `label` as it was read.
    pub fn known(&self, label: &Label) -> Option<Known> {
        match &*self.link.lock() {
            Link::Remote {
                client: Some(client),
                ..
            } => Some(Known::of(client, Some((label.storage, label.node)))),
            _ => None,
        }
    }

    /// Closes the connection that the requests to a node of a running storage have made.
    pub fn hang_up(&self) {
        if let Link::Remote {
            client,
            running: Some(_),
            ..
        } = &mut *self.link.lock()
        {
            *client = None;
        }
    }

    /// Begins a new session, after the connections of the old one were given away and ended.
    pub fn renew_session(&self) {
        if let Link::Remote {
            client,
            session,
            incarnation,
            running,
        } = &mut *self.link.lock()
        {
            *client = None;
            *session = random::identity();
            *incarnation = 0;
            *running = None;
        }
    }
}
