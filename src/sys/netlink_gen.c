// SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause)
/* Do not edit directly, auto-generated from: */
/*	Documentation/netlink/specs/dst.yaml */
/* YNL-GEN kernel source */
/* To regenerate run: scripts/netlink-gen.py */

#include <net/netlink.h>
#include <net/genetlink.h>

#include "netlink_gen.h"

/* Integer value ranges */
static const struct netlink_range_validation dst_a_node_index_range = {
	.max	= 65535ULL,
};

/* Common nested types */
const struct nla_policy dst_blk_address_nl_policy[DST_A_ADDRESS_SCOPE_ID + 1] = {
	[DST_A_ADDRESS_FAMILY] = { .type = NLA_U16, },
	[DST_A_ADDRESS_IP] = NLA_POLICY_MAX_LEN(16),
	[DST_A_ADDRESS_PORT] = { .type = NLA_U16, },
	[DST_A_ADDRESS_SCOPE_ID] = { .type = NLA_U32, },
};

const struct nla_policy dst_blk_allow_nl_policy[DST_A_ALLOW_ACCESS + 1] = {
	[DST_A_ALLOW_IP] = NLA_POLICY_MAX_LEN(16),
	[DST_A_ALLOW_PREFIX_LEN] = NLA_POLICY_MAX(NLA_U8, 128),
	[DST_A_ALLOW_ACCESS] = NLA_POLICY_MAX(NLA_U32, 1),
};

const struct nla_policy dst_blk_prefix_nl_policy[DST_A_PREFIX_PREFIX_LEN + 1] = {
	[DST_A_PREFIX_IP] = NLA_POLICY_MAX_LEN(16),
	[DST_A_PREFIX_PREFIX_LEN] = NLA_POLICY_MAX(NLA_U8, 128),
};

/* DST_CMD_STORAGE_ADD - do */
static const struct nla_policy dst_storage_add_nl_policy[DST_A_STORAGE_FLAGS + 1] = {
	[DST_A_STORAGE_NAME] = { .type = NLA_NUL_STRING, .len = DST_NAME_LEN, },
	[DST_A_STORAGE_ALGORITHM] = { .type = NLA_NUL_STRING, .len = DST_ALGORITHM_LEN, },
	[DST_A_STORAGE_DISK] = { .type = NLA_NUL_STRING, .len = DST_DISK_LEN, },
	[DST_A_STORAGE_UUID] = NLA_POLICY_EXACT_LEN(DST_UUID_LEN),
	[DST_A_STORAGE_FLAGS] = NLA_POLICY_MASK(NLA_U32, 0x7),
};

/* DST_CMD_STORAGE_DEL - do */
static const struct nla_policy dst_storage_del_nl_policy[DST_A_STORAGE_TIMEOUT + 1] = {
	[DST_A_STORAGE_NAME] = { .type = NLA_NUL_STRING, .len = DST_NAME_LEN, },
	[DST_A_STORAGE_DEL_FLAGS] = NLA_POLICY_MASK(NLA_U32, 0x1),
	[DST_A_STORAGE_TIMEOUT] = { .type = NLA_U32, },
};

/* DST_CMD_STORAGE_START - do */
static const struct nla_policy dst_storage_start_nl_policy[DST_A_STORAGE_TIMEOUT + 1] = {
	[DST_A_STORAGE_NAME] = { .type = NLA_NUL_STRING, .len = DST_NAME_LEN, },
	[DST_A_STORAGE_START_FLAGS] = NLA_POLICY_MASK(NLA_U32, 0x1),
	[DST_A_STORAGE_TIMEOUT] = { .type = NLA_U32, },
};

/* DST_CMD_STORAGE_GET - do */
static const struct nla_policy dst_storage_get_nl_policy[DST_A_STORAGE_NAME + 1] = {
	[DST_A_STORAGE_NAME] = { .type = NLA_NUL_STRING, .len = DST_NAME_LEN, },
};

/* DST_CMD_NODE_ADD - do */
static const struct nla_policy dst_node_add_nl_policy[DST_A_NODE_REQUEST_TRIES + 1] = {
	[DST_A_NODE_STORAGE] = { .type = NLA_NUL_STRING, .len = DST_NAME_LEN, },
	[DST_A_NODE_INDEX] = NLA_POLICY_FULL_RANGE(NLA_U32, &dst_a_node_index_range),
	[DST_A_NODE_KIND] = NLA_POLICY_MAX(NLA_U32, 1),
	[DST_A_NODE_PATH] = { .type = NLA_NUL_STRING, .len = DST_PATH_LEN, },
	[DST_A_NODE_ADDRESS] = NLA_POLICY_NESTED(dst_blk_address_nl_policy),
	[DST_A_NODE_EXPORT] = { .type = NLA_NUL_STRING, .len = DST_NAME_LEN, },
	[DST_A_NODE_START] = { .type = NLA_UINT, },
	[DST_A_NODE_SIZE] = { .type = NLA_UINT, },
	[DST_A_NODE_FLAGS] = NLA_POLICY_MASK(NLA_U32, 0xf),
	[DST_A_NODE_CONNECTIONS] = NLA_POLICY_RANGE(NLA_U32, 1, 16),
	[DST_A_NODE_QUEUE_DEPTH] = NLA_POLICY_RANGE(NLA_U32, 1, 4096),
	[DST_A_NODE_MAX_TRANSFER] = { .type = NLA_U32, },
	[DST_A_NODE_CONNECT_TIMEOUT] = { .type = NLA_U32, },
	[DST_A_NODE_KEEPALIVE] = { .type = NLA_U32, },
	[DST_A_NODE_RETRY_LIMIT] = { .type = NLA_U32, },
	[DST_A_NODE_REQUEST_TIMEOUT] = { .type = NLA_U32, },
	[DST_A_NODE_REQUEST_TRIES] = { .type = NLA_U32, },
};

/* DST_CMD_NODE_DEL - do */
static const struct nla_policy dst_node_del_nl_policy[DST_A_NODE_SIZE + 1] = {
	[DST_A_NODE_STORAGE] = { .type = NLA_NUL_STRING, .len = DST_NAME_LEN, },
	[DST_A_NODE_INDEX] = NLA_POLICY_FULL_RANGE(NLA_U32, &dst_a_node_index_range),
	[DST_A_NODE_PATH] = { .type = NLA_NUL_STRING, .len = DST_PATH_LEN, },
	[DST_A_NODE_ADDRESS] = NLA_POLICY_NESTED(dst_blk_address_nl_policy),
	[DST_A_NODE_START] = { .type = NLA_UINT, },
	[DST_A_NODE_SIZE] = { .type = NLA_UINT, },
};

/* DST_CMD_NODE_GET - do */
static const struct nla_policy dst_node_get_do_nl_policy[DST_A_NODE_INDEX + 1] = {
	[DST_A_NODE_STORAGE] = { .type = NLA_NUL_STRING, .len = DST_NAME_LEN, },
	[DST_A_NODE_INDEX] = NLA_POLICY_FULL_RANGE(NLA_U32, &dst_a_node_index_range),
};

/* DST_CMD_NODE_GET - dump */
static const struct nla_policy dst_node_get_dump_nl_policy[DST_A_NODE_STORAGE + 1] = {
	[DST_A_NODE_STORAGE] = { .type = NLA_NUL_STRING, .len = DST_NAME_LEN, },
};

/* DST_CMD_EXPORT_ADD - do */
static const struct nla_policy dst_export_add_nl_policy[DST_A_EXPORT_COPY_FROM + 1] = {
	[DST_A_EXPORT_NAME] = { .type = NLA_NUL_STRING, .len = DST_NAME_LEN, },
	[DST_A_EXPORT_PATH] = { .type = NLA_NUL_STRING, .len = DST_PATH_LEN, },
	[DST_A_EXPORT_ADDRESS] = NLA_POLICY_NESTED(dst_blk_address_nl_policy),
	[DST_A_EXPORT_FLAGS] = NLA_POLICY_MASK(NLA_U32, 0x1f),
	[DST_A_EXPORT_ALLOW] = NLA_POLICY_NESTED(dst_blk_allow_nl_policy),
	[DST_A_EXPORT_BACKLOG] = NLA_POLICY_RANGE(NLA_U32, 1, 4096),
	[DST_A_EXPORT_QUEUE_DEPTH] = NLA_POLICY_RANGE(NLA_U32, 1, 4096),
	[DST_A_EXPORT_MAX_TRANSFER] = { .type = NLA_U32, },
	[DST_A_EXPORT_MAX_CLIENTS] = { .type = NLA_U32, },
	[DST_A_EXPORT_CLIENT_MEMORY] = { .type = NLA_UINT, },
	[DST_A_EXPORT_HELLO_TIMEOUT] = { .type = NLA_U32, },
	[DST_A_EXPORT_IDLE_TIMEOUT] = { .type = NLA_U32, },
	[DST_A_EXPORT_COPY_FROM] = NLA_POLICY_NESTED(dst_blk_prefix_nl_policy),
};

/* DST_CMD_EXPORT_DEL - do */
static const struct nla_policy dst_export_del_nl_policy[DST_A_EXPORT_DEL_FLAGS + 1] = {
	[DST_A_EXPORT_ID] = NLA_POLICY_MIN(NLA_U32, 1),
	[DST_A_EXPORT_NAME] = { .type = NLA_NUL_STRING, .len = DST_NAME_LEN, },
	[DST_A_EXPORT_PATH] = { .type = NLA_NUL_STRING, .len = DST_PATH_LEN, },
	[DST_A_EXPORT_ADDRESS] = NLA_POLICY_NESTED(dst_blk_address_nl_policy),
	[DST_A_EXPORT_DEL_FLAGS] = NLA_POLICY_MASK(NLA_U32, 0x1),
};

/* DST_CMD_EXPORT_SET - do */
static const struct nla_policy dst_export_set_nl_policy[DST_A_EXPORT_SET_FLAGS + 1] = {
	[DST_A_EXPORT_ID] = NLA_POLICY_MIN(NLA_U32, 1),
	[DST_A_EXPORT_NAME] = { .type = NLA_NUL_STRING, .len = DST_NAME_LEN, },
	[DST_A_EXPORT_PATH] = { .type = NLA_NUL_STRING, .len = DST_PATH_LEN, },
	[DST_A_EXPORT_ADDRESS] = NLA_POLICY_NESTED(dst_blk_address_nl_policy),
	[DST_A_EXPORT_ALLOW] = NLA_POLICY_NESTED(dst_blk_allow_nl_policy),
	[DST_A_EXPORT_COPY_FROM] = NLA_POLICY_NESTED(dst_blk_prefix_nl_policy),
	[DST_A_EXPORT_SET_FLAGS] = NLA_POLICY_MASK(NLA_U32, 0x3),
};

/* DST_CMD_EXPORT_GET - do */
static const struct nla_policy dst_export_get_nl_policy[DST_A_EXPORT_ADDRESS + 1] = {
	[DST_A_EXPORT_ID] = NLA_POLICY_MIN(NLA_U32, 1),
	[DST_A_EXPORT_NAME] = { .type = NLA_NUL_STRING, .len = DST_NAME_LEN, },
	[DST_A_EXPORT_PATH] = { .type = NLA_NUL_STRING, .len = DST_PATH_LEN, },
	[DST_A_EXPORT_ADDRESS] = NLA_POLICY_NESTED(dst_blk_address_nl_policy),
};

/* DST_CMD_CONNECTION_GET - dump */
static const struct nla_policy dst_connection_get_nl_policy[DST_A_CONNECTION_EXPORT_ID + 1] = {
	[DST_A_CONNECTION_STORAGE] = { .type = NLA_NUL_STRING, .len = DST_NAME_LEN, },
	[DST_A_CONNECTION_EXPORT_ID] = { .type = NLA_U32, },
};

/* DST_CMD_STORAGE_SET - do */
static const struct nla_policy dst_storage_set_nl_policy[DST_A_STORAGE_WORKER_CPUS + 1] = {
	[DST_A_STORAGE_NAME] = { .type = NLA_NUL_STRING, .len = DST_NAME_LEN, },
	[DST_A_STORAGE_WORKERS] = { .type = NLA_U32, },
	[DST_A_STORAGE_WORKER_NICE] = { .type = NLA_S32, },
	[DST_A_STORAGE_WORKER_CPUS] = { .type = NLA_NUL_STRING, .len = DST_CPUS_LEN, },
};

/* DST_CMD_NODE_SUSPEND - do */
static const struct nla_policy dst_node_suspend_nl_policy[DST_A_NODE_TIMEOUT + 1] = {
	[DST_A_NODE_STORAGE] = { .type = NLA_NUL_STRING, .len = DST_NAME_LEN, },
	[DST_A_NODE_INDEX] = NLA_POLICY_FULL_RANGE(NLA_U32, &dst_a_node_index_range),
	[DST_A_NODE_PATH] = { .type = NLA_NUL_STRING, .len = DST_PATH_LEN, },
	[DST_A_NODE_ADDRESS] = NLA_POLICY_NESTED(dst_blk_address_nl_policy),
	[DST_A_NODE_START] = { .type = NLA_UINT, },
	[DST_A_NODE_SIZE] = { .type = NLA_UINT, },
	[DST_A_NODE_TIMEOUT] = { .type = NLA_U32, },
};

/* DST_CMD_NODE_RESUME - do */
static const struct nla_policy dst_node_resume_nl_policy[DST_A_NODE_SIZE + 1] = {
	[DST_A_NODE_STORAGE] = { .type = NLA_NUL_STRING, .len = DST_NAME_LEN, },
	[DST_A_NODE_INDEX] = NLA_POLICY_FULL_RANGE(NLA_U32, &dst_a_node_index_range),
	[DST_A_NODE_PATH] = { .type = NLA_NUL_STRING, .len = DST_PATH_LEN, },
	[DST_A_NODE_ADDRESS] = NLA_POLICY_NESTED(dst_blk_address_nl_policy),
	[DST_A_NODE_START] = { .type = NLA_UINT, },
	[DST_A_NODE_SIZE] = { .type = NLA_UINT, },
};

/* DST_CMD_NODE_CLEAR - do */
static const struct nla_policy dst_node_clear_nl_policy[DST_A_NODE_SIZE + 1] = {
	[DST_A_NODE_STORAGE] = { .type = NLA_NUL_STRING, .len = DST_NAME_LEN, },
	[DST_A_NODE_INDEX] = NLA_POLICY_FULL_RANGE(NLA_U32, &dst_a_node_index_range),
	[DST_A_NODE_PATH] = { .type = NLA_NUL_STRING, .len = DST_PATH_LEN, },
	[DST_A_NODE_ADDRESS] = NLA_POLICY_NESTED(dst_blk_address_nl_policy),
	[DST_A_NODE_START] = { .type = NLA_UINT, },
	[DST_A_NODE_SIZE] = { .type = NLA_UINT, },
};

/* DST_CMD_JOB_BEGIN - do */
static const struct nla_policy dst_job_begin_nl_policy[DST_A_JOB_MIN_RATE + 1] = {
	[DST_A_JOB_KIND] = NLA_POLICY_MAX(NLA_U32, 1),
	[DST_A_JOB_STORAGE] = { .type = NLA_NUL_STRING, .len = DST_NAME_LEN, },
	[DST_A_JOB_NODE_INDEX] = { .type = NLA_U32, },
	[DST_A_JOB_RATE_LIMIT] = { .type = NLA_UINT, },
	[DST_A_JOB_MIN_RATE] = { .type = NLA_UINT, },
};

/* DST_CMD_JOB_GET - do */
static const struct nla_policy dst_job_get_nl_policy[DST_A_JOB_ID + 1] = {
	[DST_A_JOB_ID] = { .type = NLA_U32, },
};

/* DST_CMD_JOB_PAUSE - do */
static const struct nla_policy dst_job_pause_nl_policy[DST_A_JOB_ID + 1] = {
	[DST_A_JOB_ID] = { .type = NLA_U32, },
};

/* DST_CMD_JOB_RESUME - do */
static const struct nla_policy dst_job_resume_nl_policy[DST_A_JOB_ID + 1] = {
	[DST_A_JOB_ID] = { .type = NLA_U32, },
};

/* DST_CMD_JOB_CANCEL - do */
static const struct nla_policy dst_job_cancel_nl_policy[DST_A_JOB_ID + 1] = {
	[DST_A_JOB_ID] = { .type = NLA_U32, },
};

/* DST_CMD_JOB_SET - do */
static const struct nla_policy dst_job_set_nl_policy[DST_A_JOB_MIN_RATE + 1] = {
	[DST_A_JOB_ID] = { .type = NLA_U32, },
	[DST_A_JOB_RATE_LIMIT] = { .type = NLA_UINT, },
	[DST_A_JOB_MIN_RATE] = { .type = NLA_UINT, },
};

/* DST_CMD_NODE_MIGRATE - do */
static const struct nla_policy dst_node_migrate_nl_policy[DST_A_NODE_MIN_RATE + 1] = {
	[DST_A_NODE_STORAGE] = { .type = NLA_NUL_STRING, .len = DST_NAME_LEN, },
	[DST_A_NODE_INDEX] = NLA_POLICY_FULL_RANGE(NLA_U32, &dst_a_node_index_range),
	[DST_A_NODE_KIND] = NLA_POLICY_MAX(NLA_U32, 1),
	[DST_A_NODE_PATH] = { .type = NLA_NUL_STRING, .len = DST_PATH_LEN, },
	[DST_A_NODE_ADDRESS] = NLA_POLICY_NESTED(dst_blk_address_nl_policy),
	[DST_A_NODE_EXPORT] = { .type = NLA_NUL_STRING, .len = DST_NAME_LEN, },
	[DST_A_NODE_FLAGS] = NLA_POLICY_MASK(NLA_U32, 0xf),
	[DST_A_NODE_CONNECTIONS] = NLA_POLICY_RANGE(NLA_U32, 1, 16),
	[DST_A_NODE_QUEUE_DEPTH] = NLA_POLICY_RANGE(NLA_U32, 1, 4096),
	[DST_A_NODE_MAX_TRANSFER] = { .type = NLA_U32, },
	[DST_A_NODE_CONNECT_TIMEOUT] = { .type = NLA_U32, },
	[DST_A_NODE_KEEPALIVE] = { .type = NLA_U32, },
	[DST_A_NODE_RETRY_LIMIT] = { .type = NLA_U32, },
	[DST_A_NODE_REQUEST_TIMEOUT] = { .type = NLA_U32, },
	[DST_A_NODE_REQUEST_TRIES] = { .type = NLA_U32, },
	[DST_A_NODE_RATE_LIMIT] = { .type = NLA_UINT, },
	[DST_A_NODE_MIN_RATE] = { .type = NLA_UINT, },
};

/* DST_CMD_NODE_REPLACE - do */
static const struct nla_policy dst_node_replace_nl_policy[DST_A_NODE_MIN_RATE + 1] = {
	[DST_A_NODE_STORAGE] = { .type = NLA_NUL_STRING, .len = DST_NAME_LEN, },
	[DST_A_NODE_INDEX] = NLA_POLICY_FULL_RANGE(NLA_U32, &dst_a_node_index_range),
	[DST_A_NODE_KIND] = NLA_POLICY_MAX(NLA_U32, 1),
	[DST_A_NODE_PATH] = { .type = NLA_NUL_STRING, .len = DST_PATH_LEN, },
	[DST_A_NODE_ADDRESS] = NLA_POLICY_NESTED(dst_blk_address_nl_policy),
	[DST_A_NODE_EXPORT] = { .type = NLA_NUL_STRING, .len = DST_NAME_LEN, },
	[DST_A_NODE_FLAGS] = NLA_POLICY_MASK(NLA_U32, 0xf),
	[DST_A_NODE_CONNECTIONS] = NLA_POLICY_RANGE(NLA_U32, 1, 16),
	[DST_A_NODE_QUEUE_DEPTH] = NLA_POLICY_RANGE(NLA_U32, 1, 4096),
	[DST_A_NODE_MAX_TRANSFER] = { .type = NLA_U32, },
	[DST_A_NODE_CONNECT_TIMEOUT] = { .type = NLA_U32, },
	[DST_A_NODE_KEEPALIVE] = { .type = NLA_U32, },
	[DST_A_NODE_RETRY_LIMIT] = { .type = NLA_U32, },
	[DST_A_NODE_REQUEST_TIMEOUT] = { .type = NLA_U32, },
	[DST_A_NODE_REQUEST_TRIES] = { .type = NLA_U32, },
	[DST_A_NODE_RATE_LIMIT] = { .type = NLA_UINT, },
	[DST_A_NODE_MIN_RATE] = { .type = NLA_UINT, },
};

/* Ops table for dst */
static const struct genl_split_ops dst_blk_nl_ops[] = {
	{
		.cmd		= DST_CMD_STORAGE_ADD,
		.pre_doit	= dst_blk_genl_permit,
		.doit		= dst_blk_nl_storage_add_doit,
		.policy		= dst_storage_add_nl_policy,
		.maxattr	= DST_A_STORAGE_FLAGS,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= DST_CMD_STORAGE_DEL,
		.pre_doit	= dst_blk_genl_permit,
		.doit		= dst_blk_nl_storage_del_doit,
		.policy		= dst_storage_del_nl_policy,
		.maxattr	= DST_A_STORAGE_TIMEOUT,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= DST_CMD_STORAGE_START,
		.pre_doit	= dst_blk_genl_permit,
		.doit		= dst_blk_nl_storage_start_doit,
		.policy		= dst_storage_start_nl_policy,
		.maxattr	= DST_A_STORAGE_TIMEOUT,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= DST_CMD_STORAGE_GET,
		.pre_doit	= dst_blk_genl_permit,
		.doit		= dst_blk_nl_storage_get_doit,
		.policy		= dst_storage_get_nl_policy,
		.maxattr	= DST_A_STORAGE_NAME,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd	= DST_CMD_STORAGE_GET,
		.start	= dst_blk_genl_permit_dump,
		.dumpit	= dst_blk_nl_storage_get_dumpit,
		.flags	= GENL_CMD_CAP_DUMP,
	},
	{
		.cmd		= DST_CMD_NODE_ADD,
		.pre_doit	= dst_blk_genl_permit,
		.doit		= dst_blk_nl_node_add_doit,
		.policy		= dst_node_add_nl_policy,
		.maxattr	= DST_A_NODE_REQUEST_TRIES,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= DST_CMD_NODE_DEL,
		.pre_doit	= dst_blk_genl_permit,
		.doit		= dst_blk_nl_node_del_doit,
		.policy		= dst_node_del_nl_policy,
		.maxattr	= DST_A_NODE_SIZE,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= DST_CMD_NODE_GET,
		.pre_doit	= dst_blk_genl_permit,
		.doit		= dst_blk_nl_node_get_doit,
		.policy		= dst_node_get_do_nl_policy,
		.maxattr	= DST_A_NODE_INDEX,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= DST_CMD_NODE_GET,
		.start		= dst_blk_genl_permit_dump,
		.dumpit		= dst_blk_nl_node_get_dumpit,
		.policy		= dst_node_get_dump_nl_policy,
		.maxattr	= DST_A_NODE_STORAGE,
		.flags		= GENL_CMD_CAP_DUMP,
	},
	{
		.cmd		= DST_CMD_EXPORT_ADD,
		.pre_doit	= dst_blk_genl_permit,
		.doit		= dst_blk_nl_export_add_doit,
		.policy		= dst_export_add_nl_policy,
		.maxattr	= DST_A_EXPORT_COPY_FROM,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= DST_CMD_EXPORT_DEL,
		.pre_doit	= dst_blk_genl_permit,
		.doit		= dst_blk_nl_export_del_doit,
		.policy		= dst_export_del_nl_policy,
		.maxattr	= DST_A_EXPORT_DEL_FLAGS,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= DST_CMD_EXPORT_SET,
		.pre_doit	= dst_blk_genl_permit,
		.doit		= dst_blk_nl_export_set_doit,
		.policy		= dst_export_set_nl_policy,
		.maxattr	= DST_A_EXPORT_SET_FLAGS,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= DST_CMD_EXPORT_GET,
		.pre_doit	= dst_blk_genl_permit,
		.doit		= dst_blk_nl_export_get_doit,
		.policy		= dst_export_get_nl_policy,
		.maxattr	= DST_A_EXPORT_ADDRESS,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd	= DST_CMD_EXPORT_GET,
		.start	= dst_blk_genl_permit_dump,
		.dumpit	= dst_blk_nl_export_get_dumpit,
		.flags	= GENL_CMD_CAP_DUMP,
	},
	{
		.cmd		= DST_CMD_CONNECTION_GET,
		.start		= dst_blk_genl_permit_dump,
		.dumpit		= dst_blk_nl_connection_get_dumpit,
		.policy		= dst_connection_get_nl_policy,
		.maxattr	= DST_A_CONNECTION_EXPORT_ID,
		.flags		= GENL_CMD_CAP_DUMP,
	},
	{
		.cmd		= DST_CMD_INFO_GET,
		.pre_doit	= dst_blk_genl_permit,
		.doit		= dst_blk_nl_info_get_doit,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= DST_CMD_STORAGE_SET,
		.pre_doit	= dst_blk_genl_permit,
		.doit		= dst_blk_nl_storage_set_doit,
		.policy		= dst_storage_set_nl_policy,
		.maxattr	= DST_A_STORAGE_WORKER_CPUS,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= DST_CMD_NODE_SUSPEND,
		.pre_doit	= dst_blk_genl_permit,
		.doit		= dst_blk_nl_node_suspend_doit,
		.policy		= dst_node_suspend_nl_policy,
		.maxattr	= DST_A_NODE_TIMEOUT,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= DST_CMD_NODE_RESUME,
		.pre_doit	= dst_blk_genl_permit,
		.doit		= dst_blk_nl_node_resume_doit,
		.policy		= dst_node_resume_nl_policy,
		.maxattr	= DST_A_NODE_SIZE,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= DST_CMD_NODE_CLEAR,
		.pre_doit	= dst_blk_genl_permit,
		.doit		= dst_blk_nl_node_clear_doit,
		.policy		= dst_node_clear_nl_policy,
		.maxattr	= DST_A_NODE_SIZE,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= DST_CMD_JOB_BEGIN,
		.pre_doit	= dst_blk_genl_permit,
		.doit		= dst_blk_nl_job_begin_doit,
		.policy		= dst_job_begin_nl_policy,
		.maxattr	= DST_A_JOB_MIN_RATE,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= DST_CMD_JOB_GET,
		.pre_doit	= dst_blk_genl_permit,
		.doit		= dst_blk_nl_job_get_doit,
		.policy		= dst_job_get_nl_policy,
		.maxattr	= DST_A_JOB_ID,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd	= DST_CMD_JOB_GET,
		.start	= dst_blk_genl_permit_dump,
		.dumpit	= dst_blk_nl_job_get_dumpit,
		.flags	= GENL_CMD_CAP_DUMP,
	},
	{
		.cmd		= DST_CMD_JOB_PAUSE,
		.pre_doit	= dst_blk_genl_permit,
		.doit		= dst_blk_nl_job_pause_doit,
		.policy		= dst_job_pause_nl_policy,
		.maxattr	= DST_A_JOB_ID,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= DST_CMD_JOB_RESUME,
		.pre_doit	= dst_blk_genl_permit,
		.doit		= dst_blk_nl_job_resume_doit,
		.policy		= dst_job_resume_nl_policy,
		.maxattr	= DST_A_JOB_ID,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= DST_CMD_JOB_CANCEL,
		.pre_doit	= dst_blk_genl_permit,
		.doit		= dst_blk_nl_job_cancel_doit,
		.policy		= dst_job_cancel_nl_policy,
		.maxattr	= DST_A_JOB_ID,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= DST_CMD_JOB_SET,
		.pre_doit	= dst_blk_genl_permit,
		.doit		= dst_blk_nl_job_set_doit,
		.policy		= dst_job_set_nl_policy,
		.maxattr	= DST_A_JOB_MIN_RATE,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= DST_CMD_NODE_MIGRATE,
		.pre_doit	= dst_blk_genl_permit,
		.doit		= dst_blk_nl_node_migrate_doit,
		.policy		= dst_node_migrate_nl_policy,
		.maxattr	= DST_A_NODE_MIN_RATE,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= DST_CMD_NODE_REPLACE,
		.pre_doit	= dst_blk_genl_permit,
		.doit		= dst_blk_nl_node_replace_doit,
		.policy		= dst_node_replace_nl_policy,
		.maxattr	= DST_A_NODE_MIN_RATE,
		.flags		= GENL_CMD_CAP_DO,
	},
};

static const struct genl_multicast_group dst_blk_nl_mcgrps[] = {
	[DST_NLGRP_EVENTS] = { "events", GENL_MCAST_CAP_SYS_ADMIN, },
};

struct genl_family dst_blk_nl_family __ro_after_init = {
	.name		= DST_FAMILY_NAME,
	.version	= DST_FAMILY_VERSION,
	.netnsok	= true,
	.parallel_ops	= true,
	.module		= THIS_MODULE,
	.split_ops	= dst_blk_nl_ops,
	.n_split_ops	= ARRAY_SIZE(dst_blk_nl_ops),
	.mcgrps		= dst_blk_nl_mcgrps,
	.n_mcgrps	= ARRAY_SIZE(dst_blk_nl_mcgrps),
};
