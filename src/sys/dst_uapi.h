/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause) */
/* Do not edit directly, auto-generated from: */
/*	Documentation/netlink/specs/dst.yaml */
/* YNL-GEN uapi header */
/* To regenerate run: scripts/netlink-gen.py */

#ifndef _UAPI_LINUX_DST_H
#define _UAPI_LINUX_DST_H

#define DST_FAMILY_NAME		"dst"
#define DST_FAMILY_VERSION	1

#define DST_NAME_LEN		63
#define DST_ALGORITHM_LEN	31
#define DST_DISK_LEN		31
#define DST_PATH_LEN		1023
#define DST_CPUS_LEN		127
#define DST_UUID_LEN		16
#define DST_ALLOW_MAX		256

/**
 * enum dst_storage_flags - Properties of a storage that are chosen when it is
 *   added.
 * @DST_STORAGE_FLAGS_RAW: The nodes carry no label; every sector of them is
 *   data.
 * @DST_STORAGE_FLAGS_READ_ONLY: The disk refuses writes and nodes are asked
 *   for reading only.
 * @DST_STORAGE_FLAGS_REUSE: Not an error if a storage of that name exists, is
 *   being configured, and has the same algorithm, disk and other flags. Never
 *   reported.
 */
enum dst_storage_flags {
	DST_STORAGE_FLAGS_RAW = 1,
	DST_STORAGE_FLAGS_READ_ONLY = 2,
	DST_STORAGE_FLAGS_REUSE = 4,
};

/**
 * enum dst_storage_del_flags
 * @DST_STORAGE_DEL_FLAGS_FORCE: Delete the storage although its disk is open.
 *   I/O in flight and later I/O fails; the disk goes when the last opener
 *   closes it.
 */
enum dst_storage_del_flags {
	DST_STORAGE_DEL_FLAGS_FORCE = 1,
};

/**
 * enum dst_storage_start_flags
 * @DST_STORAGE_START_FLAGS_FORCE: Write new labels over those that say that a
 *   node belongs to another storage or to another place, and over other
 *   signatures. The data of the previous owner is lost.
 */
enum dst_storage_start_flags {
	DST_STORAGE_START_FLAGS_FORCE = 1,
};

/**
 * enum dst_storage_state - What a storage is doing.
 * @DST_STORAGE_STATE_CONFIGURING: Nodes can be added and removed; there is no
 *   disk.
 * @DST_STORAGE_STATE_STARTING: Nodes are being opened and connected; there is
 *   no disk yet.
 * @DST_STORAGE_STATE_RUNNING: The disk is there and every node is up.
 * @DST_STORAGE_STATE_DEGRADED: The disk is there, at least one node is not up.
 * @DST_STORAGE_STATE_FAILED: The disk is there and fails all I/O; "reason"
 *   tells why.
 * @DST_STORAGE_STATE_STOPPING: Deletion is under way.
 */
enum dst_storage_state {
	DST_STORAGE_STATE_CONFIGURING,
	DST_STORAGE_STATE_STARTING,
	DST_STORAGE_STATE_RUNNING,
	DST_STORAGE_STATE_DEGRADED,
	DST_STORAGE_STATE_FAILED,
	DST_STORAGE_STATE_STOPPING,
};

/**
 * enum dst_node_kind
 * @DST_NODE_KIND_LOCAL: A block device of this machine.
 * @DST_NODE_KIND_REMOTE: An export of another (or this) machine.
 */
enum dst_node_kind {
	DST_NODE_KIND_LOCAL,
	DST_NODE_KIND_REMOTE,
};

/**
 * enum dst_node_state - What a node is doing.
 * @DST_NODE_STATE_CONFIGURED: Nothing was opened or connected yet.
 * @DST_NODE_STATE_CONNECTING: The device is being opened, or the first
 *   connection made.
 * @DST_NODE_STATE_UP: The node serves I/O.
 * @DST_NODE_STATE_RECONNECTING: The connection was lost and is tried again,
 *   also while another device answers there; I/O waits.
 * @DST_NODE_STATE_FAILED: The node cannot be used; "reason" tells why. I/O
 *   fails.
 * @DST_NODE_STATE_STOPPING: The node is being torn down.
 * @DST_NODE_STATE_SUSPENDED: The administrator has suspended the node; I/O to
 *   it waits.
 */
enum dst_node_state {
	DST_NODE_STATE_CONFIGURED,
	DST_NODE_STATE_CONNECTING,
	DST_NODE_STATE_UP,
	DST_NODE_STATE_RECONNECTING,
	DST_NODE_STATE_FAILED,
	DST_NODE_STATE_STOPPING,
	DST_NODE_STATE_SUSPENDED,
};

/**
 * enum dst_node_flags
 * @DST_NODE_FLAGS_FORCE: Use the device although it carries the signature of
 *   something else. Never reported.
 * @DST_NODE_FLAGS_FAIL_FAST: Fail I/O while the node is not connected instead
 *   of waiting.
 * @DST_NODE_FLAGS_READ_ONLY: The node does not take writes. Reported only,
 *   never asked for.
 * @DST_NODE_FLAGS_DEFAULT_CONNECTIONS: The number of connections was left to
 *   the module. Reported only, never asked for.
 */
enum dst_node_flags {
	DST_NODE_FLAGS_FORCE = 1,
	DST_NODE_FLAGS_FAIL_FAST = 2,
	DST_NODE_FLAGS_READ_ONLY = 4,
	DST_NODE_FLAGS_DEFAULT_CONNECTIONS = 8,
};

/**
 * enum dst_export_flags
 * @DST_EXPORT_FLAGS_READ_ONLY: Nobody may write, whatever the access list
 *   says.
 * @DST_EXPORT_FLAGS_WRITE_BACK: Complete writes when the device has them in
 *   its cache and let clients flush. Without it each write is stable when it
 *   completes.
 * @DST_EXPORT_FLAGS_SHARED_WRITERS: More than one session may write at the
 *   same time.
 * @DST_EXPORT_FLAGS_ANY_ADDRESS: Allow listening on all addresses (an
 *   unspecified bind address).
 * @DST_EXPORT_FLAGS_FORCE: Export the device although it carries the signature
 *   of something that may be mounted or assembled on this machine. Never
 *   reported.
 */
enum dst_export_flags {
	DST_EXPORT_FLAGS_READ_ONLY = 1,
	DST_EXPORT_FLAGS_WRITE_BACK = 2,
	DST_EXPORT_FLAGS_SHARED_WRITERS = 4,
	DST_EXPORT_FLAGS_ANY_ADDRESS = 8,
	DST_EXPORT_FLAGS_FORCE = 16,
};

/**
 * enum dst_export_del_flags
 * @DST_EXPORT_DEL_FLAGS_FORCE: Delete the export although clients are
 *   connected.
 */
enum dst_export_del_flags {
	DST_EXPORT_DEL_FLAGS_FORCE = 1,
};

/**
 * enum dst_export_set_flags - Which lists of an export are replaced.
 * @DST_EXPORT_SET_FLAGS_ALLOW: That of who may connect.
 * @DST_EXPORT_SET_FLAGS_COPY_FROM: That of the machines from whose exports it
 *   may copy.
 */
enum dst_export_set_flags {
	DST_EXPORT_SET_FLAGS_ALLOW = 1,
	DST_EXPORT_SET_FLAGS_COPY_FROM = 2,
};

/**
 * enum dst_export_state
 * @DST_EXPORT_STATE_STARTING: The device is open, the socket does not listen
 *   yet.
 * @DST_EXPORT_STATE_LISTENING: Clients can connect.
 * @DST_EXPORT_STATE_FAILED: Clients are not served; "reason" tells why.
 * @DST_EXPORT_STATE_STOPPING: The export is being deleted.
 */
enum dst_export_state {
	DST_EXPORT_STATE_STARTING,
	DST_EXPORT_STATE_LISTENING,
	DST_EXPORT_STATE_FAILED,
	DST_EXPORT_STATE_STOPPING,
};

/*
 * What a client may do.
 */
enum dst_access {
	DST_ACCESS_READ_ONLY,
	DST_ACCESS_READ_WRITE,
};

/**
 * enum dst_connection_role
 * @DST_CONNECTION_ROLE_NODE: This machine is the client; the connection
 *   belongs to a node.
 * @DST_CONNECTION_ROLE_EXPORT: This machine serves; the connection belongs to
 *   an export.
 */
enum dst_connection_role {
	DST_CONNECTION_ROLE_NODE,
	DST_CONNECTION_ROLE_EXPORT,
};

/**
 * enum dst_connection_state
 * @DST_CONNECTION_STATE_CONNECTING: The transport connection is being made.
 * @DST_CONNECTION_STATE_HANDSHAKE: The peers are negotiating.
 * @DST_CONNECTION_STATE_ESTABLISHED: Requests can be sent.
 * @DST_CONNECTION_STATE_DRAINING: No new requests; those in flight are being
 *   finished.
 * @DST_CONNECTION_STATE_CLOSED: The connection is gone. Seen in events only.
 */
enum dst_connection_state {
	DST_CONNECTION_STATE_CONNECTING,
	DST_CONNECTION_STATE_HANDSHAKE,
	DST_CONNECTION_STATE_ESTABLISHED,
	DST_CONNECTION_STATE_DRAINING,
	DST_CONNECTION_STATE_CLOSED,
};

/*
 * What this module can do.
 */
enum dst_feature {
	DST_FEATURE_LOCAL_NODES = 1,
	DST_FEATURE_REMOTE_NODES = 2,
	DST_FEATURE_EXPORTS = 4,
	DST_FEATURE_LABELS = 8,
	DST_FEATURE_DISCARD = 16,
	DST_FEATURE_WRITE_ZEROES = 32,
	DST_FEATURE_IPV6 = 64,
	DST_FEATURE_ENCRYPTION = 128,
	DST_FEATURE_JOBS = 256,
};

/**
 * enum dst_job_kind - What a job does.
 * @DST_JOB_KIND_VERIFY: Reads every sector, and ends with the first that
 *   cannot be read.
 * @DST_JOB_KIND_MIGRATE: Moves a node to another device.
 */
enum dst_job_kind {
	DST_JOB_KIND_VERIFY,
	DST_JOB_KIND_MIGRATE,
};

/**
 * enum dst_job_state - What a job is doing.
 * @DST_JOB_STATE_RUNNING: It works.
 * @DST_JOB_STATE_PAUSING: It issues nothing more, and waits for what is in
 *   flight.
 * @DST_JOB_STATE_PAUSED: It waits to be resumed.
 * @DST_JOB_STATE_CANCELLING: It issues nothing more, and ends when nothing is
 *   in flight.
 * @DST_JOB_STATE_DONE: It has ended well.
 * @DST_JOB_STATE_FAILED: It could not go on; "reason" tells why.
 * @DST_JOB_STATE_CANCELLED: It was told to end before it was done; "reason"
 *   tells by whom.
 */
enum dst_job_state {
	DST_JOB_STATE_RUNNING,
	DST_JOB_STATE_PAUSING,
	DST_JOB_STATE_PAUSED,
	DST_JOB_STATE_CANCELLING,
	DST_JOB_STATE_DONE,
	DST_JOB_STATE_FAILED,
	DST_JOB_STATE_CANCELLED,
};

enum {
	DST_A_ADDRESS_FAMILY = 1,
	DST_A_ADDRESS_IP,
	DST_A_ADDRESS_PORT,
	DST_A_ADDRESS_SCOPE_ID,

	__DST_A_ADDRESS_MAX,
	DST_A_ADDRESS_MAX = (__DST_A_ADDRESS_MAX - 1)
};

enum {
	DST_A_ALLOW_IP = 1,
	DST_A_ALLOW_PREFIX_LEN,
	DST_A_ALLOW_ACCESS,

	__DST_A_ALLOW_MAX,
	DST_A_ALLOW_MAX = (__DST_A_ALLOW_MAX - 1)
};

enum {
	DST_A_PREFIX_IP = 1,
	DST_A_PREFIX_PREFIX_LEN,

	__DST_A_PREFIX_MAX,
	DST_A_PREFIX_MAX = (__DST_A_PREFIX_MAX - 1)
};

enum {
	DST_A_STORAGE_NAME = 1,
	DST_A_STORAGE_ALGORITHM,
	DST_A_STORAGE_DISK,
	DST_A_STORAGE_UUID,
	DST_A_STORAGE_FLAGS,
	DST_A_STORAGE_DEL_FLAGS,
	DST_A_STORAGE_START_FLAGS,
	DST_A_STORAGE_TIMEOUT,
	DST_A_STORAGE_STATE,
	DST_A_STORAGE_REASON,
	DST_A_STORAGE_WAITS_FOR,
	DST_A_STORAGE_SINCE,
	DST_A_STORAGE_SECTORS,
	DST_A_STORAGE_LOGICAL_BLOCK,
	DST_A_STORAGE_PHYSICAL_BLOCK,
	DST_A_STORAGE_MAJOR,
	DST_A_STORAGE_MINOR,
	DST_A_STORAGE_EPOCH,
	DST_A_STORAGE_NODE_COUNT,
	DST_A_STORAGE_OPENERS,
	DST_A_STORAGE_IN_FLIGHT,
	DST_A_STORAGE_READ_IOS,
	DST_A_STORAGE_READ_BYTES,
	DST_A_STORAGE_WRITE_IOS,
	DST_A_STORAGE_WRITE_BYTES,
	DST_A_STORAGE_FLUSH_IOS,
	DST_A_STORAGE_DISCARD_IOS,
	DST_A_STORAGE_DISCARD_BYTES,
	DST_A_STORAGE_ERRORS,
	DST_A_STORAGE_NETNS,
	DST_A_STORAGE_WORKERS,
	DST_A_STORAGE_WORKER_NICE,
	DST_A_STORAGE_WORKER_CPUS,

	__DST_A_STORAGE_MAX,
	DST_A_STORAGE_MAX = (__DST_A_STORAGE_MAX - 1)
};

enum {
	DST_A_NODE_STORAGE = 1,
	DST_A_NODE_INDEX,
	DST_A_NODE_KIND,
	DST_A_NODE_PATH,
	DST_A_NODE_ADDRESS,
	DST_A_NODE_EXPORT,
	DST_A_NODE_START,
	DST_A_NODE_SIZE,
	DST_A_NODE_FLAGS,
	DST_A_NODE_CONNECTIONS,
	DST_A_NODE_QUEUE_DEPTH,
	DST_A_NODE_MAX_TRANSFER,
	DST_A_NODE_CONNECT_TIMEOUT,
	DST_A_NODE_KEEPALIVE,
	DST_A_NODE_RETRY_LIMIT,
	DST_A_NODE_TYPE,
	DST_A_NODE_STATE,
	DST_A_NODE_REASON,
	DST_A_NODE_WAITS_FOR,
	DST_A_NODE_SINCE,
	DST_A_NODE_UUID,
	DST_A_NODE_DEVICE_SECTORS,
	DST_A_NODE_LOGICAL_BLOCK,
	DST_A_NODE_IN_FLIGHT,
	DST_A_NODE_QUEUED,
	DST_A_NODE_READ_IOS,
	DST_A_NODE_READ_BYTES,
	DST_A_NODE_WRITE_IOS,
	DST_A_NODE_WRITE_BYTES,
	DST_A_NODE_ERRORS,
	DST_A_NODE_RETRIES,
	DST_A_NODE_RECONNECTS,
	DST_A_NODE_ESTABLISHED,
	DST_A_NODE_TIMEOUT,
	DST_A_NODE_REQUEST_TIMEOUT,
	DST_A_NODE_REQUEST_TRIES,
	DST_A_NODE_WRITE_ERROR,
	DST_A_NODE_WRITE_ERROR_SECTOR,
	DST_A_NODE_WRITE_ERROR_AGO,
	DST_A_NODE_JOB,
	DST_A_NODE_RATE_LIMIT,
	DST_A_NODE_MIN_RATE,

	__DST_A_NODE_MAX,
	DST_A_NODE_MAX = (__DST_A_NODE_MAX - 1)
};

enum {
	DST_A_EXPORT_ID = 1,
	DST_A_EXPORT_NAME,
	DST_A_EXPORT_PATH,
	DST_A_EXPORT_ADDRESS,
	DST_A_EXPORT_FLAGS,
	DST_A_EXPORT_DEL_FLAGS,
	DST_A_EXPORT_ALLOW,
	DST_A_EXPORT_BACKLOG,
	DST_A_EXPORT_QUEUE_DEPTH,
	DST_A_EXPORT_MAX_TRANSFER,
	DST_A_EXPORT_MAX_CLIENTS,
	DST_A_EXPORT_CLIENT_MEMORY,
	DST_A_EXPORT_HELLO_TIMEOUT,
	DST_A_EXPORT_IDLE_TIMEOUT,
	DST_A_EXPORT_STATE,
	DST_A_EXPORT_REASON,
	DST_A_EXPORT_SINCE,
	DST_A_EXPORT_SECTORS,
	DST_A_EXPORT_LOGICAL_BLOCK,
	DST_A_EXPORT_CLIENTS,
	DST_A_EXPORT_WRITERS,
	DST_A_EXPORT_IN_FLIGHT,
	DST_A_EXPORT_READ_IOS,
	DST_A_EXPORT_READ_BYTES,
	DST_A_EXPORT_WRITE_IOS,
	DST_A_EXPORT_WRITE_BYTES,
	DST_A_EXPORT_ERRORS,
	DST_A_EXPORT_REFUSED,
	DST_A_EXPORT_NETNS,
	DST_A_EXPORT_COPY_FROM,
	DST_A_EXPORT_SET_FLAGS,

	__DST_A_EXPORT_MAX,
	DST_A_EXPORT_MAX = (__DST_A_EXPORT_MAX - 1)
};

enum {
	DST_A_CONNECTION_ID = 1,
	DST_A_CONNECTION_ROLE,
	DST_A_CONNECTION_STATE,
	DST_A_CONNECTION_REASON,
	DST_A_CONNECTION_SINCE,
	DST_A_CONNECTION_STORAGE,
	DST_A_CONNECTION_NODE_INDEX,
	DST_A_CONNECTION_EXPORT_ID,
	DST_A_CONNECTION_LOCAL,
	DST_A_CONNECTION_PEER,
	DST_A_CONNECTION_ACCESS,
	DST_A_CONNECTION_VERSION,
	DST_A_CONNECTION_SESSION,
	DST_A_CONNECTION_IN_FLIGHT,
	DST_A_CONNECTION_REQUESTS,
	DST_A_CONNECTION_REFUSED,
	DST_A_CONNECTION_SENT_BYTES,
	DST_A_CONNECTION_RECEIVED_BYTES,

	__DST_A_CONNECTION_MAX,
	DST_A_CONNECTION_MAX = (__DST_A_CONNECTION_MAX - 1)
};

enum {
	DST_A_POOL_NAME = 1,
	DST_A_POOL_WORKERS,
	DST_A_POOL_TASKS,
	DST_A_POOL_POLLS,

	__DST_A_POOL_MAX,
	DST_A_POOL_MAX = (__DST_A_POOL_MAX - 1)
};

enum {
	DST_A_INFO_MODULE_VERSION = 1,
	DST_A_INFO_PROTOCOL_MIN,
	DST_A_INFO_PROTOCOL_MAX,
	DST_A_INFO_LABEL_VERSION,
	DST_A_INFO_FEATURES,
	DST_A_INFO_ALGORITHM,
	DST_A_INFO_DEFAULT_PORT,
	DST_A_INFO_MAX_STORAGES,
	DST_A_INFO_MAX_NODES,
	DST_A_INFO_MAX_EXPORTS,
	DST_A_INFO_MAX_TRANSFER,
	DST_A_INFO_MAX_QUEUE_DEPTH,
	DST_A_INFO_STORAGES,
	DST_A_INFO_EXPORTS,
	DST_A_INFO_POOL,

	__DST_A_INFO_MAX,
	DST_A_INFO_MAX = (__DST_A_INFO_MAX - 1)
};

enum {
	DST_A_JOB_ID = 1,
	DST_A_JOB_KIND,
	DST_A_JOB_STORAGE,
	DST_A_JOB_NODE_INDEX,
	DST_A_JOB_STATE,
	DST_A_JOB_REASON,
	DST_A_JOB_WAITS_FOR,
	DST_A_JOB_SINCE,
	DST_A_JOB_ELAPSED,
	DST_A_JOB_DONE,
	DST_A_JOB_TOTAL,
	DST_A_JOB_RATE,
	DST_A_JOB_TIME_LEFT,
	DST_A_JOB_RATE_LIMIT,
	DST_A_JOB_MIN_RATE,
	DST_A_JOB_IN_FLIGHT,
	DST_A_JOB_BAD_SECTOR,
	DST_A_JOB_BAD_NODE,
	DST_A_JOB_WAY,

	__DST_A_JOB_MAX,
	DST_A_JOB_MAX = (__DST_A_JOB_MAX - 1)
};

enum {
	DST_CMD_STORAGE_ADD = 1,
	DST_CMD_STORAGE_DEL,
	DST_CMD_STORAGE_START,
	DST_CMD_STORAGE_GET,
	DST_CMD_STORAGE_NTF,
	DST_CMD_NODE_ADD,
	DST_CMD_NODE_DEL,
	DST_CMD_NODE_GET,
	DST_CMD_NODE_NTF,
	DST_CMD_EXPORT_ADD,
	DST_CMD_EXPORT_DEL,
	DST_CMD_EXPORT_SET,
	DST_CMD_EXPORT_GET,
	DST_CMD_EXPORT_NTF,
	DST_CMD_CONNECTION_GET,
	DST_CMD_CONNECTION_NTF,
	DST_CMD_INFO_GET,
	DST_CMD_STORAGE_SET,
	DST_CMD_NODE_SUSPEND,
	DST_CMD_NODE_RESUME,
	DST_CMD_NODE_CLEAR,
	DST_CMD_JOB_BEGIN,
	DST_CMD_JOB_GET,
	DST_CMD_JOB_NTF,
	DST_CMD_JOB_PAUSE,
	DST_CMD_JOB_RESUME,
	DST_CMD_JOB_CANCEL,
	DST_CMD_JOB_SET,
	DST_CMD_NODE_MIGRATE,
	DST_CMD_NODE_REPLACE,

	__DST_CMD_MAX,
	DST_CMD_MAX = (__DST_CMD_MAX - 1)
};

#define DST_MCGRP_EVENTS	"events"

#endif /* _UAPI_LINUX_DST_H */
