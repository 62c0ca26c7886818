// SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause)

//! Names and numbers of the netlink family `dst`.
//!
//! Do not edit: `scripts/netlink-gen.py` makes this from `Documentation/netlink/specs/dst.yaml`.

/// Name of the family.
pub const FAMILY_NAME: &str = "dst";
/// Version of the family.
pub const FAMILY_VERSION: u8 = 1;
/// Longest name of a storage or an export, in bytes without the NUL.
pub const NAME_LEN: usize = 63;
/// Longest name of an algorithm, in bytes without the NUL.
pub const ALGORITHM_LEN: usize = 31;
/// Longest name of a disk in a request, in bytes without the NUL and without
/// "/dev/". Which names are taken is decided by the module.
pub const DISK_LEN: usize = 31;
/// Longest path of a device, in bytes without the NUL.
pub const PATH_LEN: usize = 1023;
/// Longest list of CPUs, in bytes without the NUL.
pub const CPUS_LEN: usize = 127;
/// `uuid-len`
pub const UUID_LEN: usize = 16;
/// Most entries in the access list of one export.
pub const ALLOW_MAX: usize = 256;

/// Properties of a storage that are chosen when it is added.
pub mod storage_flags {
    /// The nodes carry no label; every sector of them is data.
    pub const RAW: u32 = 1 << 0;
    /// The disk refuses writes and nodes are asked for reading only.
    pub const READ_ONLY: u32 = 1 << 1;
    /// Not an error if a storage of that name exists, is being configured,
    /// and has the same algorithm, disk and other flags. Never reported.
    pub const REUSE: u32 = 1 << 2;
    /// The names in the order of the values.
    pub const NAMES: &[&str] = &["raw", "read-only", "reuse"];
}

/// Flags `storage-del-flags`.
pub mod storage_del_flags {
    /// Delete the storage although its disk is open. I/O in flight and
    /// later I/O fails; the disk goes when the last opener closes it.
    pub const FORCE: u32 = 1 << 0;
    /// The names in the order of the values.
    pub const NAMES: &[&str] = &["force"];
}

/// Flags `storage-start-flags`.
pub mod storage_start_flags {
    /// Write new labels over those that say that a node belongs to another
    /// storage or to another place, and over other signatures. The data of
    /// the previous owner is lost.
    pub const FORCE: u32 = 1 << 0;
    /// The names in the order of the values.
    pub const NAMES: &[&str] = &["force"];
}

/// What a storage is doing.
pub mod storage_state {
    /// Nodes can be added and removed; there is no disk.
    pub const CONFIGURING: u32 = 0;
    /// Nodes are being opened and connected; there is no disk yet.
    pub const STARTING: u32 = 1;
    /// The disk is there and every node is up.
    pub const RUNNING: u32 = 2;
    /// The disk is there, at least one node is not up.
    pub const DEGRADED: u32 = 3;
    /// The disk is there and fails all I/O; "reason" tells why.
    pub const FAILED: u32 = 4;
    /// Deletion is under way.
    pub const STOPPING: u32 = 5;
    /// The names in the order of the values.
    pub const NAMES: &[&str] = &[
        "configuring",
        "starting",
        "running",
        "degraded",
        "failed",
        "stopping",
    ];
}

/// Values of `node-kind`.
pub mod node_kind {
    /// A block device of this machine.
    pub const LOCAL: u32 = 0;
    /// An export of another (or this) machine.
    pub const REMOTE: u32 = 1;
    /// The names in the order of the values.
    pub const NAMES: &[&str] = &["local", "remote"];
}

/// What a node is doing.
pub mod node_state {
    /// Nothing was opened or connected yet.
    pub const CONFIGURED: u32 = 0;
    /// The device is being opened, or the first connection made.
    pub const CONNECTING: u32 = 1;
    /// The node serves I/O.
    pub const UP: u32 = 2;
    /// The connection was lost and is tried again, also while another
    /// device answers there; I/O waits.
    pub const RECONNECTING: u32 = 3;
    /// The node cannot be used; "reason" tells why. I/O fails.
    pub const FAILED: u32 = 4;
    /// The node is being torn down.
    pub const STOPPING: u32 = 5;
    /// The administrator has suspended the node; I/O to it waits.
    pub const SUSPENDED: u32 = 6;
    /// The names in the order of the values.
    pub const NAMES: &[&str] = &[
        "configured",
        "connecting",
        "up",
        "reconnecting",
        "failed",
        "stopping",
        "suspended",
    ];
}

/// Flags `node-flags`.
pub mod node_flags {
    /// Use the device although it carries the signature of something
    /// else. Never reported.
    pub const FORCE: u32 = 1 << 0;
    /// Fail I/O while the node is not connected instead of waiting.
    pub const FAIL_FAST: u32 = 1 << 1;
    /// The node does not take writes. Reported only, never asked for.
    pub const READ_ONLY: u32 = 1 << 2;
    /// The number of connections was left to the module. Reported only,
    /// never asked for.
    pub const DEFAULT_CONNECTIONS: u32 = 1 << 3;
    /// The names in the order of the values.
    pub const NAMES: &[&str] = &["force", "fail-fast", "read-only", "default-connections"];
}

/// Flags `export-flags`.
pub mod export_flags {
    /// Nobody may write, whatever the access list says.
    pub const READ_ONLY: u32 = 1 << 0;
    /// Complete writes when the device has them in its cache and let
    /// clients flush. Without it each write is stable when it completes.
    pub const WRITE_BACK: u32 = 1 << 1;
    /// More than one session may write at the same time.
    pub const SHARED_WRITERS: u32 = 1 << 2;
    /// Allow listening on all addresses (an unspecified bind address).
    pub const ANY_ADDRESS: u32 = 1 << 3;
    /// Export the device although it carries the signature of something
    /// that may be mounted or assembled on this machine. Never reported.
    pub const FORCE: u32 = 1 << 4;
    /// The names in the order of the values.
    pub const NAMES: &[&str] = &[
        "read-only",
        "write-back",
        "shared-writers",
        "any-address",
        "force",
    ];
}

/// Flags `export-del-flags`.
pub mod export_del_flags {
    /// Delete the export although clients are connected.
    pub const FORCE: u32 = 1 << 0;
    /// The names in the order of the values.
    pub const NAMES: &[&str] = &["force"];
}

/// Which lists of an export are replaced.
pub mod export_set_flags {
    /// That of who may connect.
    pub const ALLOW: u32 = 1 << 0;
    /// That of the machines from whose exports it may copy.
    pub const COPY_FROM: u32 = 1 << 1;
    /// The names in the order of the values.
    pub const NAMES: &[&str] = &["allow", "copy-from"];
}

/// Values of `export-state`.
pub mod export_state {
    /// The device is open, the socket does not listen yet.
    pub const STARTING: u32 = 0;
    /// Clients can connect.
    pub const LISTENING: u32 = 1;
    /// Clients are not served; "reason" tells why.
    pub const FAILED: u32 = 2;
    /// The export is being deleted.
    pub const STOPPING: u32 = 3;
    /// The names in the order of the values.
    pub const NAMES: &[&str] = &["starting", "listening", "failed", "stopping"];
}

/// What a client may do.
pub mod access {
    /// `read-only`
    pub const READ_ONLY: u32 = 0;
    /// `read-write`
    pub const READ_WRITE: u32 = 1;
    /// The names in the order of the values.
    pub const NAMES: &[&str] = &["read-only", "read-write"];
}

/// Values of `connection-role`.
pub mod connection_role {
    /// This machine is the client; the connection belongs to a node.
    pub const NODE: u32 = 0;
    /// This machine serves; the connection belongs to an export.
    pub const EXPORT: u32 = 1;
    /// The names in the order of the values.
    pub const NAMES: &[&str] = &["node", "export"];
}

/// Values of `connection-state`.
pub mod connection_state {
    /// The transport connection is being made.
    pub const CONNECTING: u32 = 0;
    /// The peers are negotiating.
    pub const HANDSHAKE: u32 = 1;
    /// Requests can be sent.
    pub const ESTABLISHED: u32 = 2;
    /// No new requests; those in flight are being finished.
    pub const DRAINING: u32 = 3;
    /// The connection is gone. Seen in events only.
    pub const CLOSED: u32 = 4;
    /// The names in the order of the values.
    pub const NAMES: &[&str] = &[
        "connecting",
        "handshake",
        "established",
        "draining",
        "closed",
    ];
}

/// What this module can do.
pub mod feature {
    /// `local-nodes`
    pub const LOCAL_NODES: u32 = 1 << 0;
    /// `remote-nodes`
    pub const REMOTE_NODES: u32 = 1 << 1;
    /// `exports`
    pub const EXPORTS: u32 = 1 << 2;
    /// `labels`
    pub const LABELS: u32 = 1 << 3;
    /// `discard`
    pub const DISCARD: u32 = 1 << 4;
    /// `write-zeroes`
    pub const WRITE_ZEROES: u32 = 1 << 5;
    /// `ipv6`
    pub const IPV6: u32 = 1 << 6;
    /// `encryption`
    pub const ENCRYPTION: u32 = 1 << 7;
    /// `jobs`
    pub const JOBS: u32 = 1 << 8;
    /// The names in the order of the values.
    pub const NAMES: &[&str] = &[
        "local-nodes",
        "remote-nodes",
        "exports",
        "labels",
        "discard",
        "write-zeroes",
        "ipv6",
        "encryption",
        "jobs",
    ];
}

/// What a job does.
pub mod job_kind {
    /// Reads every sector, and ends with the first that cannot be read.
    pub const VERIFY: u32 = 0;
    /// Moves a node to another device.
    pub const MIGRATE: u32 = 1;
    /// The names in the order of the values.
    pub const NAMES: &[&str] = &["verify", "migrate"];
}

/// What a job is doing.
pub mod job_state {
    /// It works.
    pub const RUNNING: u32 = 0;
    /// It issues nothing more, and waits for what is in flight.
    pub const PAUSING: u32 = 1;
    /// It waits to be resumed.
    pub const PAUSED: u32 = 2;
    /// It issues nothing more, and ends when nothing is in flight.
    pub const CANCELLING: u32 = 3;
    /// It has ended well.
    pub const DONE: u32 = 4;
    /// It could not go on; "reason" tells why.
    pub const FAILED: u32 = 5;
    /// It was told to end before it was done; "reason" tells by whom.
    pub const CANCELLED: u32 = 6;
    /// The names in the order of the values.
    pub const NAMES: &[&str] = &[
        "running",
        "pausing",
        "paused",
        "cancelling",
        "done",
        "failed",
        "cancelled",
    ];
}

/// Attributes, by the set that they belong to.
pub mod attr {
    /// The address of a socket.
    pub mod address {
        /// Address family as in struct sockaddr, AF_INET (2) or AF_INET6 (10).
        pub const FAMILY: u16 = 1;
        /// Address in network byte order: 4 bytes for AF_INET, 16 bytes for
        /// AF_INET6.
        pub const IP: u16 = 2;
        /// Port, in the byte order of the host.
        pub const PORT: u16 = 3;
        /// Index of the interface, for an IPv6 address that is only valid on
        /// one link; 0 or absent otherwise.
        pub const SCOPE_ID: u16 = 4;
        /// The names; that of attribute 1 comes first.
        pub const NAMES: &[&str] = &["family", "ip", "port", "scope-id"];
    }

    /// One entry in the access list of an export. The longest prefix counts.
    pub mod allow {
        /// Address in network byte order, 4 (IPv4) or 16 (IPv6) bytes.
        pub const IP: u16 = 1;
        /// Number of leading bits of the address that count, up to 32 or 128.
        /// Absent means all of them. Bits of the address behind the prefix must
        /// be zero.
        pub const PREFIX_LEN: u16 = 2;
        /// What clients with such an address may do.
        pub const ACCESS: u16 = 3;
        /// The names; that of attribute 1 comes first.
        pub const NAMES: &[&str] = &["ip", "prefix-len", "access"];
    }

    /// The addresses with the same leading bits.
    pub mod prefix {
        /// Address in network byte order, 4 (IPv4) or 16 (IPv6) bytes.
        pub const IP: u16 = 1;
        /// How many leading bits count; all of them without this attribute.
        pub const PREFIX_LEN: u16 = 2;
        /// The names; that of attribute 1 comes first.
        pub const NAMES: &[&str] = &["ip", "prefix-len"];
    }

    /// Attributes of `storage`.
    pub mod storage {
        /// Name of the storage, unique on this machine. Also the name of its
        /// directory under /sys/devices.
        pub const NAME: u16 = 1;
        /// Name of the algorithm that maps the disk onto the nodes, such as
        /// "linear". The prefix "alg_" may be written or left out.
        pub const ALGORITHM: u16 = 2;
        /// Name of the disk without "/dev/": "dst", or a name that begins with
        /// "dst-". Absent in a request means "dst".
        pub const DISK: u16 = 3;
        /// Identity of the storage that its nodes' labels carry. If it is given
        /// when adding, the nodes must have labels with it, unless the start is
        /// forced. Absent when adding: taken from the labels, or made up if
        /// there are none.
        pub const UUID: u16 = 4;
        /// `flags`
        pub const FLAGS: u16 = 5;
        /// `del-flags`
        pub const DEL_FLAGS: u16 = 6;
        /// `start-flags`
        pub const START_FLAGS: u16 = 7;
        /// Longest time in milliseconds that the request may take before it is
        /// given up and undone. Absent or 0 means the module's default.
        pub const TIMEOUT: u16 = 8;
        /// `state`
        pub const STATE: u16 = 9;
        /// Why the storage is in its state, if that needs a reason.
        pub const REASON: u16 = 10;
        /// What the storage is waiting for, and for whom. Absent if nothing.
        pub const WAITS_FOR: u16 = 11;
        /// Time in milliseconds since the state was entered.
        pub const SINCE: u16 = 12;
        /// Size of the disk in sectors of 512 bytes.
        pub const SECTORS: u16 = 13;
        /// Logical block size of the disk, in bytes.
        pub const LOGICAL_BLOCK: u16 = 14;
        /// Physical block size of the disk, in bytes.
        pub const PHYSICAL_BLOCK: u16 = 15;
        /// Major device number of the disk.
        pub const MAJOR: u16 = 16;
        /// Minor device number of the disk.
        pub const MINOR: u16 = 17;
        /// Number of the owner, raised whenever the owner changes.
        pub const EPOCH: u16 = 18;
        /// `node-count`
        pub const NODE_COUNT: u16 = 19;
        /// How often the disk is open now.
        pub const OPENERS: u16 = 20;
        /// Number of bios accepted and not completed.
        pub const IN_FLIGHT: u16 = 21;
        /// Number of reads completed.
        pub const READ_IOS: u16 = 22;
        /// Bytes read.
        pub const READ_BYTES: u16 = 23;
        /// Number of writes completed.
        pub const WRITE_IOS: u16 = 24;
        /// Bytes written.
        pub const WRITE_BYTES: u16 = 25;
        /// Number of flushes completed.
        pub const FLUSH_IOS: u16 = 26;
        /// Number of discard and write-zeroes requests completed.
        pub const DISCARD_IOS: u16 = 27;
        /// Bytes discarded or zeroed without data being sent.
        pub const DISCARD_BYTES: u16 = 28;
        /// Number of bios that ended in an error.
        pub const ERRORS: u16 = 29;
        /// Network namespace of the storage's sockets, as the inode number that
        /// /proc/PID/ns/net shows.
        pub const NETNS: u16 = 30;
        /// Number of threads that issue the storage's I/O, at least one for
        /// each local node and one more. Before the start, as many as there
        /// will be with the nodes that it has.
        pub const WORKERS: u16 = 31;
        /// Nice level of these threads, -20 to 19.
        pub const WORKER_NICE: u16 = 32;
        /// CPUs on which these threads run, as a list such as "0-3,6". In a
        /// request, an empty list stands for wherever kernel threads run; in a
        /// reply the attribute is absent then.
        pub const WORKER_CPUS: u16 = 33;
        /// The names; that of attribute 1 comes first.
        pub const NAMES: &[&str] = &[
            "name",
            "algorithm",
            "disk",
            "uuid",
            "flags",
            "del-flags",
            "start-flags",
            "timeout",
            "state",
            "reason",
            "waits-for",
            "since",
            "sectors",
            "logical-block",
            "physical-block",
            "major",
            "minor",
            "epoch",
            "node-count",
            "openers",
            "in-flight",
            "read-ios",
            "read-bytes",
            "write-ios",
            "write-bytes",
            "flush-ios",
            "discard-ios",
            "discard-bytes",
            "errors",
            "netns",
            "workers",
            "worker-nice",
            "worker-cpus",
        ];
    }

    /// Attributes of `node`.
    pub mod node {
        /// Name of the storage that the node belongs to.
        pub const STORAGE: u16 = 1;
        /// Place of the node in the storage, counted from 0. Absent when
        /// adding: behind the last node.
        pub const INDEX: u16 = 2;
        /// `kind`
        pub const KIND: u16 = 3;
        /// Device of a local node, as an absolute path.
        pub const PATH: u16 = 4;
        /// Address of a remote node's export.
        pub const ADDRESS: u16 = 5;
        /// Name of the export to ask for at the address. Absent: the only one
        /// that is served there.
        pub const EXPORT: u16 = 6;
        /// First sector of the storage that lies on this node. Absent when
        /// adding: behind the node before it.
        pub const START: u16 = 7;
        /// Number of sectors of the storage that lie on this node. Absent or 0
        /// when adding: all that the node has.
        pub const SIZE: u16 = 8;
        /// `flags`
        pub const FLAGS: u16 = 9;
        /// Number of connections to a remote node. Absent when adding: as many
        /// as there are CPUs, but at most 4.
        pub const CONNECTIONS: u16 = 10;
        /// Most requests in flight at the node, on all connections together.
        pub const QUEUE_DEPTH: u16 = 11;
        /// Most bytes of data in one request.
        pub const MAX_TRANSFER: u16 = 12;
        /// Time in milliseconds in which a connection and its negotiation must
        /// be made.
        pub const CONNECT_TIMEOUT: u16 = 13;
        /// Time in milliseconds of silence after which the peer is asked
        /// whether it is alive, and again until it counts as dead.
        pub const KEEPALIVE: u16 = 14;
        /// Time in milliseconds for which a lost node is tried again before it
        /// fails. Absent or 0: for ever.
        pub const RETRY_LIMIT: u16 = 15;
        /// The node in one line as sysfs shows it, "R: address:port" or
        /// "L: path".
        pub const TYPE: u16 = 16;
        /// `state`
        pub const STATE: u16 = 17;
        /// Why the node is in its state, if that needs a reason.
        pub const REASON: u16 = 18;
        /// What the node is waiting for. Absent if nothing.
        pub const WAITS_FOR: u16 = 19;
        /// Time in milliseconds since the state was entered.
        pub const SINCE: u16 = 20;
        /// Identity of the node, from its label.
        pub const UUID: u16 = 21;
        /// Sectors that the node offers for data; "size" of them are used.
        pub const DEVICE_SECTORS: u16 = 22;
        /// Logical block size of the node, in bytes.
        pub const LOGICAL_BLOCK: u16 = 23;
        /// Number of transactions sent and not answered.
        pub const IN_FLIGHT: u16 = 24;
        /// Number of transactions that wait to be sent.
        pub const QUEUED: u16 = 25;
        /// Number of reads that the node answered.
        pub const READ_IOS: u16 = 26;
        /// Bytes read from the node.
        pub const READ_BYTES: u16 = 27;
        /// Number of writes that the node answered.
        pub const WRITE_IOS: u16 = 28;
        /// Bytes written to the node.
        pub const WRITE_BYTES: u16 = 29;
        /// Number of transactions that ended in an error.
        pub const ERRORS: u16 = 30;
        /// Number of transactions that were sent again.
        pub const RETRIES: u16 = 31;
        /// Number of connections that were made again after a loss.
        pub const RECONNECTS: u16 = 32;
        /// Number of connections that are established now.
        pub const ESTABLISHED: u16 = 33;
        /// Longest time in milliseconds that the request may wait. Absent or 0
        /// means the module's default.
        pub const TIMEOUT: u16 = 34;
        /// Time in milliseconds for the answer to a request. A connection that
        /// leaves one unanswered for longer is given up, and the request sent
        /// again. 0: never. Absent when adding: 30000.
        pub const REQUEST_TIMEOUT: u16 = 35;
        /// How often a request may be left unanswered before it ends in error.
        /// Absent or 0: for ever.
        pub const REQUEST_TRIES: u16 = 36;
        /// Errno of the first write or flush that has ended in error since
        /// node-clear. Absent: none has.
        pub const WRITE_ERROR: u16 = 37;
        /// Sector of the node where that write was to begin; 0 for a flush.
        pub const WRITE_ERROR_SECTOR: u16 = 38;
        /// How many milliseconds ago that was.
        pub const WRITE_ERROR_AGO: u16 = 39;
        /// Number of the job that moves the node.
        pub const JOB: u16 = 40;
        /// Most bytes in a second for that job, as in a job.
        pub const RATE_LIMIT: u16 = 41;
        /// Bytes in a second for that job however busy the application is, as
        /// in a job.
        pub const MIN_RATE: u16 = 42;
        /// The names; that of attribute 1 comes first.
        pub const NAMES: &[&str] = &[
            "storage",
            "index",
            "kind",
            "path",
            "address",
            "export",
            "start",
            "size",
            "flags",
            "connections",
            "queue-depth",
            "max-transfer",
            "connect-timeout",
            "keepalive",
            "retry-limit",
            "type",
            "state",
            "reason",
            "waits-for",
            "since",
            "uuid",
            "device-sectors",
            "logical-block",
            "in-flight",
            "queued",
            "read-ios",
            "read-bytes",
            "write-ios",
            "write-bytes",
            "errors",
            "retries",
            "reconnects",
            "established",
            "timeout",
            "request-timeout",
            "request-tries",
            "write-error",
            "write-error-sector",
            "write-error-ago",
            "job",
            "rate-limit",
            "min-rate",
        ];
    }

    /// Attributes of `export`.
    pub mod export {
        /// Number of the export, unique on this machine while the module is
        /// loaded. Never 0.
        pub const ID: u16 = 1;
        /// Name that clients may ask for. Absent when adding: the export has
        /// no name.
        pub const NAME: u16 = 2;
        /// The exported device, as an absolute path.
        pub const PATH: u16 = 3;
        /// Where the export listens. A port of 0 or none when adding: a free
        /// one is taken and told in the reply.
        pub const ADDRESS: u16 = 4;
        /// `flags`
        pub const FLAGS: u16 = 5;
        /// `del-flags`
        pub const DEL_FLAGS: u16 = 6;
        /// Who may connect, one entry per attribute. Without any nobody may.
        pub const ALLOW: u16 = 7;
        /// Most connections that wait to be accepted.
        pub const BACKLOG: u16 = 8;
        /// Most requests in work per connection.
        pub const QUEUE_DEPTH: u16 = 9;
        /// Most bytes of data in one request.
        pub const MAX_TRANSFER: u16 = 10;
        /// Most clients at the same time, each with up to 16 connections.
        pub const MAX_CLIENTS: u16 = 11;
        /// Most memory for data of one client, in bytes.
        pub const CLIENT_MEMORY: u16 = 12;
        /// Time in milliseconds that a new connection has for its negotiation.
        pub const HELLO_TIMEOUT: u16 = 13;
        /// Time in milliseconds after which a silent client counts as dead.
        /// 0: never.
        pub const IDLE_TIMEOUT: u16 = 14;
        /// `state`
        pub const STATE: u16 = 15;
        /// Why the export is in its state, if that needs a reason.
        pub const REASON: u16 = 16;
        /// Time in milliseconds since the state was entered.
        pub const SINCE: u16 = 17;
        /// Size of the device in sectors of 512 bytes.
        pub const SECTORS: u16 = 18;
        /// Logical block size of the device, in bytes.
        pub const LOGICAL_BLOCK: u16 = 19;
        /// Number of clients now. All connections of a session are one.
        pub const CLIENTS: u16 = 20;
        /// Number of sessions that may write now.
        pub const WRITERS: u16 = 21;
        /// Number of requests in work.
        pub const IN_FLIGHT: u16 = 22;
        /// Number of reads served.
        pub const READ_IOS: u16 = 23;
        /// Bytes sent to clients as data.
        pub const READ_BYTES: u16 = 24;
        /// Number of writes served.
        pub const WRITE_IOS: u16 = 25;
        /// Bytes received from clients as data.
        pub const WRITE_BYTES: u16 = 26;
        /// Number of requests that ended in an error of the device.
        pub const ERRORS: u16 = 27;
        /// Number of connections and requests that were refused.
        pub const REFUSED: u16 = 28;
        /// Network namespace of the export's sockets, as the inode number that
        /// /proc/PID/ns/net shows.
        pub const NETNS: u16 = 29;
        /// The machines from whose exports it may copy, without the data passing
        /// through its client, one entry per attribute. Without any it may from
        /// none.
        pub const COPY_FROM: u16 = 30;
        /// Which lists a request of export-set replaces; that of who may connect
        /// without this attribute.
        pub const SET_FLAGS: u16 = 31;
        /// The names; that of attribute 1 comes first.
        pub const NAMES: &[&str] = &[
            "id",
            "name",
            "path",
            "address",
            "flags",
            "del-flags",
            "allow",
            "backlog",
            "queue-depth",
            "max-transfer",
            "max-clients",
            "client-memory",
            "hello-timeout",
            "idle-timeout",
            "state",
            "reason",
            "since",
            "sectors",
            "logical-block",
            "clients",
            "writers",
            "in-flight",
            "read-ios",
            "read-bytes",
            "write-ios",
            "write-bytes",
            "errors",
            "refused",
            "netns",
            "copy-from",
            "set-flags",
        ];
    }

    /// Attributes of `connection`.
    pub mod connection {
        /// Number of the connection, unique on this machine while the module is
        /// loaded.
        pub const ID: u16 = 1;
        /// `role`
        pub const ROLE: u16 = 2;
        /// `state`
        pub const STATE: u16 = 3;
        /// Why the connection is in its state, if that needs a reason.
        pub const REASON: u16 = 4;
        /// Time in milliseconds since the state was entered.
        pub const SINCE: u16 = 5;
        /// Name of the storage, on a connection of a node.
        pub const STORAGE: u16 = 6;
        /// Index of the node in its storage, on a connection of a node.
        pub const NODE_INDEX: u16 = 7;
        /// Number of the export, on a connection of an export.
        pub const EXPORT_ID: u16 = 8;
        /// Own address.
        pub const LOCAL: u16 = 9;
        /// Address of the other side.
        pub const PEER: u16 = 10;
        /// What the client may do.
        pub const ACCESS: u16 = 11;
        /// Negotiated version of the wire protocol.
        pub const VERSION: u16 = 12;
        /// Identity of the session that the connection belongs to.
        pub const SESSION: u16 = 13;
        /// Number of requests sent (node) or in work (export).
        pub const IN_FLIGHT: u16 = 14;
        /// Number of requests answered.
        pub const REQUESTS: u16 = 15;
        /// Number of requests refused.
        pub const REFUSED: u16 = 16;
        /// Bytes given to the socket, headers included.
        pub const SENT_BYTES: u16 = 17;
        /// Bytes taken from the socket, headers included.
        pub const RECEIVED_BYTES: u16 = 18;
        /// The names; that of attribute 1 comes first.
        pub const NAMES: &[&str] = &[
            "id",
            "role",
            "state",
            "reason",
            "since",
            "storage",
            "node-index",
            "export-id",
            "local",
            "peer",
            "access",
            "version",
            "session",
            "in-flight",
            "requests",
            "refused",
            "sent-bytes",
            "received-bytes",
        ];
    }

    /// A pool of worker threads.
    pub mod pool {
        /// `name`
        pub const NAME: u16 = 1;
        /// Number of threads.
        pub const WORKERS: u16 = 2;
        /// Number of tasks that live on the pool.
        pub const TASKS: u16 = 3;
        /// How often a task was run.
        pub const POLLS: u16 = 4;
        /// The names; that of attribute 1 comes first.
        pub const NAMES: &[&str] = &["name", "workers", "tasks", "polls"];
    }

    /// Attributes of `info`.
    pub mod info {
        /// `module-version`
        pub const MODULE_VERSION: u16 = 1;
        /// Oldest version of the wire protocol that is spoken.
        pub const PROTOCOL_MIN: u16 = 2;
        /// Newest version of the wire protocol that is spoken.
        pub const PROTOCOL_MAX: u16 = 3;
        /// Version of the label that is written.
        pub const LABEL_VERSION: u16 = 4;
        /// `features`
        pub const FEATURES: u16 = 5;
        /// Name of an algorithm that storages can have.
        pub const ALGORITHM: u16 = 6;
        /// Port of an export or node if none is given.
        pub const DEFAULT_PORT: u16 = 7;
        /// `max-storages`
        pub const MAX_STORAGES: u16 = 8;
        /// Most nodes in one storage.
        pub const MAX_NODES: u16 = 9;
        /// `max-exports`
        pub const MAX_EXPORTS: u16 = 10;
        /// Most bytes of data in one request that can be negotiated.
        pub const MAX_TRANSFER: u16 = 11;
        /// Most requests in flight on one connection.
        pub const MAX_QUEUE_DEPTH: u16 = 12;
        /// Number of storages now.
        pub const STORAGES: u16 = 13;
        /// Number of exports now.
        pub const EXPORTS: u16 = 14;
        /// `pool`
        pub const POOL: u16 = 15;
        /// The names; that of attribute 1 comes first.
        pub const NAMES: &[&str] = &[
            "module-version",
            "protocol-min",
            "protocol-max",
            "label-version",
            "features",
            "algorithm",
            "default-port",
            "max-storages",
            "max-nodes",
            "max-exports",
            "max-transfer",
            "max-queue-depth",
            "storages",
            "exports",
            "pool",
        ];
    }

    /// Long work on the nodes of a storage.
    pub mod job {
        /// Number, never used again while the module is loaded.
        pub const ID: u16 = 1;
        /// `kind`
        pub const KIND: u16 = 2;
        /// Name of the storage.
        pub const STORAGE: u16 = 3;
        /// The only node that it works on; absent if it works on all.
        pub const NODE_INDEX: u16 = 4;
        /// `state`
        pub const STATE: u16 = 5;
        /// Why it is in that state.
        pub const REASON: u16 = 6;
        /// What it waits for.
        pub const WAITS_FOR: u16 = 7;
        /// Milliseconds since the state was entered.
        pub const SINCE: u16 = 8;
        /// Milliseconds from its beginning to now, or to its end.
        pub const ELAPSED: u16 = 9;
        /// Bytes that are done.
        pub const DONE: u16 = 10;
        /// Bytes that there are.
        pub const TOTAL: u16 = 11;
        /// Bytes in a second, of the last seconds; over all of its time once
        /// the job has ended.
        pub const RATE: u16 = 12;
        /// Milliseconds that it will take at this rate; absent if that cannot
        /// be said.
        pub const TIME_LEFT: u16 = 13;
        /// Most bytes in a second. In a request 0 is no limit; absent in a
        /// reply if there is none. At least 4096.
        pub const RATE_LIMIT: u16 = 14;
        /// Bytes in a second that the job may do however busy the application
        /// is with the same node. At least 4096.
        pub const MIN_RATE: u16 = 15;
        /// Extents in flight.
        pub const IN_FLIGHT: u16 = 16;
        /// The first sector of the storage that cannot be read.
        pub const BAD_SECTOR: u16 = 17;
        /// The node that it is on.
        pub const BAD_NODE: u16 = 18;
        /// Which way the data goes when a node moves from one remote device to
        /// another, and why not from machine to machine.
        pub const WAY: u16 = 19;
        /// The names; that of attribute 1 comes first.
        pub const NAMES: &[&str] = &[
            "id",
            "kind",
            "storage",
            "node-index",
            "state",
            "reason",
            "waits-for",
            "since",
            "elapsed",
            "done",
            "total",
            "rate",
            "time-left",
            "rate-limit",
            "min-rate",
            "in-flight",
            "bad-sector",
            "bad-node",
            "way",
        ];
    }
}

/// Operations and notifications.
pub mod cmd {
    /// Add a storage in the state "configuring", without nodes and disk.
    pub const STORAGE_ADD: u8 = 1;
    /// Delete a storage and its nodes, returning when all of it is gone.
    /// Refused (EBUSY) while its disk is open, unless forced.
    pub const STORAGE_DEL: u8 = 2;
    /// Open and connect all nodes, check their labels, and create the disk.
    /// Returns when the disk is there; on an error the storage is
    /// "configuring" again.
    pub const STORAGE_START: u8 = 3;
    /// Tell about one storage, or dump all.
    pub const STORAGE_GET: u8 = 4;
    /// A storage came, went (state "stopping"), or changed its state.
    pub const STORAGE_NTF: u8 = 5;
    /// Add a node to a storage: its device is opened, or its export
    /// connected, and looked at. A linear storage that runs becomes larger
    /// by it; all nodes must be reachable then, as their labels are
    /// written. The reply tells the index.
    pub const NODE_ADD: u8 = 6;
    /// Remove a node from a storage that is being configured. The node is
    /// named by index, by path, by address, or by start and size; whatever is
    /// given must match one node.
    pub const NODE_DEL: u8 = 7;
    /// Tell about one node, or dump those of one storage or of all.
    pub const NODE_GET: u8 = 8;
    /// A node came, went (state "stopping"), or changed its state.
    pub const NODE_NTF: u8 = 9;
    /// Serve a device. Returns when the export listens; the reply tells its
    /// number and address.
    pub const EXPORT_ADD: u8 = 10;
    /// Delete an export. It is named by id, or by name, path or address (with
    /// port) in the caller's network namespace; whatever is given must match
    /// one export. Refused (EBUSY) while clients are connected, unless
    /// forced.
    pub const EXPORT_DEL: u8 = 11;
    /// Replace the access list of an export, which is named as for
    /// export-del, or the list of those that it may copy from, or both. A list
    /// may be empty. Clients that the new list does not admit, or not with the
    /// access that they have, are disconnected.
    pub const EXPORT_SET: u8 = 12;
    /// Tell about one export, named as for export-del, or dump all.
    pub const EXPORT_GET: u8 = 13;
    /// An export came, went (state "stopping"), or changed its state.
    pub const EXPORT_NTF: u8 = 14;
    /// Dump the connections of nodes and exports, of one storage or export if
    /// it is given.
    pub const CONNECTION_GET: u8 = 15;
    /// A connection was established, refused or closed.
    pub const CONNECTION_NTF: u8 = 16;
    /// Tell about the module.
    pub const INFO_GET: u8 = 17;
    /// Change the threads that issue a storage's I/O, at any time. What is
    /// not given stays as it is. Returns when threads that are too many have
    /// ended what they do; I/O goes on meanwhile.
    pub const STORAGE_SET: u8 = 18;
    /// Suspend a node of a storage that has started, named as for node-del:
    /// I/O to it waits from now on, all other I/O goes on. What the node was
    /// given before is waited for, for at most "timeout"; the reply tells
    /// how much of it is still not answered then, and how much I/O waits.
    /// Refused (EALREADY) if the node is suspended.
    pub const NODE_SUSPEND: u8 = 19;
    /// Let a suspended node, named as for node-del, go on: what has waited
    /// is issued in its order. Refused (EINVAL) if it is not suspended.
    pub const NODE_RESUME: u8 = 20;
    /// Forget the first write error of a node, named as for node-del, after
    /// its cause was looked into. Refused (EINVAL) if there is none.
    pub const NODE_CLEAR: u8 = 21;
    /// Begin a job on a running storage, on all of its nodes or on one. The
    /// reply tells its number. Refused (EBUSY) if another job works on one of
    /// these nodes; the text names it.
    pub const JOB_BEGIN: u8 = 22;
    /// Tell about one job, or dump all, those that have ended lately
    /// included.
    pub const JOB_GET: u8 = 23;
    /// A job began, or changed its state. Those of one job come in the order
    /// of its states.
    pub const JOB_NTF: u8 = 24;
    /// Let a job wait. What is in flight is not taken back: the job is
    /// "pausing" until that has ended. Refused (EALREADY) if it was told to
    /// pause before.
    pub const JOB_PAUSE: u8 = 25;
    /// Let a job that was told to pause go on. Refused (EINVAL) if it was
    /// not.
    pub const JOB_RESUME: u8 = 26;
    /// Tell a job to end. It is "cancelling" until nothing of it is in
    /// flight. Refused (ESRCH) if it has ended.
    pub const JOB_CANCEL: u8 = 27;
    /// Change how fast a job may be. What is not given stays as it is.
    pub const JOB_SET: u8 = 28;
    /// Begin to move the node "index" of a running storage to the device that
    /// the other attributes describe, as for node-add. The device is labelled
    /// as a copy; a job does the rest, while the node is used. The reply
    /// tells its number. Refused (EAGAIN) if the node does not answer,
    /// (EBUSY) if another node moves or another job works on this one, and
    /// (EEXIST) if there is something on the device, but for force.
    pub const NODE_MIGRATE: u8 = 29;
    /// Replace the device of the node "index" of a running storage by the one
    /// that the other attributes describe, as for node-add. If that carries
    /// the node's own label, its disk is at another place: the node goes on
    /// there at once, and what it has not answered is sent there. Refused
    /// (EBUSY) if the node is connected and not suspended, and, but for
    /// force, if requests that change data were sent to the old place and
    /// not answered; (EINVAL) if the label is older than the last one that
    /// was written. If the device does not carry the node's label this is
    /// node-migrate, and the reply tells the number of the job.
    pub const NODE_REPLACE: u8 = 30;
}

/// Multicast groups.
pub mod mcgrp {
    /// `events`
    pub const EVENTS: &str = "events";
}
