/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause) */
/* Do not edit directly, auto-generated from: */
/*	Documentation/netlink/specs/dst.yaml */
/* YNL-GEN kernel header */
/* To regenerate run: scripts/netlink-gen.py */

#ifndef _LINUX_DST_GEN_H
#define _LINUX_DST_GEN_H

#include <net/netlink.h>
#include <net/genetlink.h>

#include "dst_uapi.h"

/* Common nested types */
extern const struct nla_policy dst_blk_address_nl_policy[DST_A_ADDRESS_SCOPE_ID + 1];
extern const struct nla_policy dst_blk_allow_nl_policy[DST_A_ALLOW_ACCESS + 1];
extern const struct nla_policy dst_blk_prefix_nl_policy[DST_A_PREFIX_PREFIX_LEN + 1];

int dst_blk_genl_permit(const struct genl_split_ops *ops, struct sk_buff *skb,
			struct genl_info *info);
int dst_blk_genl_permit_dump(struct netlink_callback *cb);

int dst_blk_nl_storage_add_doit(struct sk_buff *skb, struct genl_info *info);
int dst_blk_nl_storage_del_doit(struct sk_buff *skb, struct genl_info *info);
int dst_blk_nl_storage_start_doit(struct sk_buff *skb, struct genl_info *info);
int dst_blk_nl_storage_get_doit(struct sk_buff *skb, struct genl_info *info);
int dst_blk_nl_storage_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb);
int dst_blk_nl_node_add_doit(struct sk_buff *skb, struct genl_info *info);
int dst_blk_nl_node_del_doit(struct sk_buff *skb, struct genl_info *info);
int dst_blk_nl_node_get_doit(struct sk_buff *skb, struct genl_info *info);
int dst_blk_nl_node_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb);
int dst_blk_nl_export_add_doit(struct sk_buff *skb, struct genl_info *info);
int dst_blk_nl_export_del_doit(struct sk_buff *skb, struct genl_info *info);
int dst_blk_nl_export_set_doit(struct sk_buff *skb, struct genl_info *info);
int dst_blk_nl_export_get_doit(struct sk_buff *skb, struct genl_info *info);
int dst_blk_nl_export_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb);
int dst_blk_nl_connection_get_dumpit(struct sk_buff *skb,
				 struct netlink_callback *cb);
int dst_blk_nl_info_get_doit(struct sk_buff *skb, struct genl_info *info);
int dst_blk_nl_storage_set_doit(struct sk_buff *skb, struct genl_info *info);
int dst_blk_nl_node_suspend_doit(struct sk_buff *skb, struct genl_info *info);
int dst_blk_nl_node_resume_doit(struct sk_buff *skb, struct genl_info *info);
int dst_blk_nl_node_clear_doit(struct sk_buff *skb, struct genl_info *info);
int dst_blk_nl_job_begin_doit(struct sk_buff *skb, struct genl_info *info);
int dst_blk_nl_job_get_doit(struct sk_buff *skb, struct genl_info *info);
int dst_blk_nl_job_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb);
int dst_blk_nl_job_pause_doit(struct sk_buff *skb, struct genl_info *info);
int dst_blk_nl_job_resume_doit(struct sk_buff *skb, struct genl_info *info);
int dst_blk_nl_job_cancel_doit(struct sk_buff *skb, struct genl_info *info);
int dst_blk_nl_job_set_doit(struct sk_buff *skb, struct genl_info *info);
int dst_blk_nl_node_migrate_doit(struct sk_buff *skb, struct genl_info *info);
int dst_blk_nl_node_replace_doit(struct sk_buff *skb, struct genl_info *info);

enum {
	DST_NLGRP_EVENTS,
};

extern struct genl_family dst_blk_nl_family;

#endif /* _LINUX_DST_GEN_H */
