// SPDX-License-Identifier: GPL-2.0
/*
 * Generic netlink: the handlers that the generated table of operations names,
 * and the inline functions that src/sys/genl*.rs need.
 */

#include <net/genetlink.h>
#include <net/netlink.h>

#include "netlink_gen.h"

/* In src/sys/genl.rs. */
int dst_blk_genl_request(struct sk_buff *skb, struct genl_info *info);
int dst_blk_genl_dump(struct sk_buff *skb, struct netlink_callback *cb,
		      const struct genl_info *info);
u32 dst_blk_genl_dump_room(const struct genl_info *info);

#define DST_BLK_DOIT(name)						\
int dst_blk_nl_##name##_doit(struct sk_buff *skb, struct genl_info *info) \
{									\
	return dst_blk_genl_request(skb, info);				\
}

#define DST_BLK_DUMPIT(name)						\
int dst_blk_nl_##name##_dumpit(struct sk_buff *skb,			\
			       struct netlink_callback *cb)		\
{									\
	return dst_blk_genl_dump(skb, cb, genl_info_dump(cb));		\
}

DST_BLK_DOIT(storage_add)
DST_BLK_DOIT(storage_del)
DST_BLK_DOIT(storage_start)
DST_BLK_DOIT(storage_set)
DST_BLK_DOIT(storage_get)
DST_BLK_DUMPIT(storage_get)
DST_BLK_DOIT(node_add)
DST_BLK_DOIT(node_del)
DST_BLK_DOIT(node_get)
DST_BLK_DUMPIT(node_get)
DST_BLK_DOIT(node_suspend)
DST_BLK_DOIT(node_resume)
DST_BLK_DOIT(node_clear)
DST_BLK_DOIT(node_migrate)
DST_BLK_DOIT(node_replace)
DST_BLK_DOIT(export_add)
DST_BLK_DOIT(export_del)
DST_BLK_DOIT(export_set)
DST_BLK_DOIT(export_get)
DST_BLK_DUMPIT(export_get)
DST_BLK_DUMPIT(connection_get)
DST_BLK_DOIT(info_get)
DST_BLK_DOIT(job_begin)
DST_BLK_DOIT(job_get)
DST_BLK_DUMPIT(job_get)
DST_BLK_DOIT(job_pause)
DST_BLK_DOIT(job_resume)
DST_BLK_DOIT(job_cancel)
DST_BLK_DOIT(job_set)

/*
 * Who sent @skb, and who opened the socket it came from, must be able to
 * administer the whole machine: GENL_ADMIN_PERM would ask for CAP_NET_ADMIN.
 */
static int dst_blk_genl_may(const struct sk_buff *skb,
			    struct netlink_ext_ack *extack)
{
	if (netlink_capable(skb, CAP_SYS_ADMIN))
		return 0;
	NL_SET_ERR_MSG(extack,
		       "needs CAP_SYS_ADMIN in the initial user namespace; run as root");
	return -EPERM;
}

int dst_blk_genl_permit(const struct genl_split_ops *ops, struct sk_buff *skb,
			struct genl_info *info)
{
	return dst_blk_genl_may(skb, info->extack);
}

int dst_blk_genl_permit_dump(struct netlink_callback *cb)
{
	int err = dst_blk_genl_may(cb->skb, cb->extack);

	if (err)
		return err;
	/*
	 * Netlink makes messages of a page, or of the size that the reader has
	 * shown to read. Larger ones only if an entry needs it: a reader with
	 * a smaller buffer would lose the rest.
	 */
	cb->min_dump_alloc = dst_blk_genl_dump_room(genl_info_dump(cb));
	return 0;
}

struct net *dst_blk_genl_net(const struct genl_info *info);
struct net *dst_blk_genl_net(const struct genl_info *info)
{
	return genl_info_net(info);
}

static gfp_t dst_blk_genl_flags(bool may_sleep)
{
	return may_sleep ? GFP_KERNEL : GFP_ATOMIC | __GFP_NOWARN;
}

struct sk_buff *dst_blk_genl_new(size_t payload, bool may_sleep);
struct sk_buff *dst_blk_genl_new(size_t payload, bool may_sleep)
{
	return genlmsg_new(payload, dst_blk_genl_flags(may_sleep));
}

void dst_blk_genl_free(struct sk_buff *skb);
void dst_blk_genl_free(struct sk_buff *skb)
{
	nlmsg_free(skb);
}

void dst_blk_genl_end(struct sk_buff *skb, void *header);
void dst_blk_genl_end(struct sk_buff *skb, void *header)
{
	genlmsg_end(skb, header);
}

void dst_blk_genl_cancel(struct sk_buff *skb, void *header);
void dst_blk_genl_cancel(struct sk_buff *skb, void *header)
{
	genlmsg_cancel(skb, header);
}

void dst_blk_genl_end_entry(struct sk_buff *skb, struct netlink_callback *cb,
			    void *header);
void dst_blk_genl_end_entry(struct sk_buff *skb, struct netlink_callback *cb,
			    void *header)
{
	genl_dump_check_consistent(cb, header);
	genlmsg_end(skb, header);
}

int dst_blk_genl_reply(struct sk_buff *skb, struct genl_info *info);
int dst_blk_genl_reply(struct sk_buff *skb, struct genl_info *info)
{
	return genlmsg_reply(skb, info);
}

bool dst_blk_genl_has_listeners(const struct genl_family *family,
				struct net *net);
bool dst_blk_genl_has_listeners(const struct genl_family *family,
				struct net *net)
{
	return genl_has_listeners(family, net, DST_NLGRP_EVENTS) > 0;
}

void dst_blk_genl_multicast(const struct genl_family *family, struct net *net,
			    struct sk_buff *skb);
void dst_blk_genl_multicast(const struct genl_family *family, struct net *net,
			    struct sk_buff *skb)
{
	/* Fails if nobody listens; listeners with a full queue learn of it. */
	genlmsg_multicast_netns(family, net, skb, 0, DST_NLGRP_EVENTS,
				dst_blk_genl_flags(false));
}

/* Tells the listeners that an event was lost. */
void dst_blk_genl_lost(const struct genl_family *family, struct net *net);
void dst_blk_genl_lost(const struct genl_family *family, struct net *net)
{
	genl_set_err(family, net, 0, DST_NLGRP_EVENTS, -ENOBUFS);
}

struct nlattr *dst_blk_nest_start(struct sk_buff *skb, int type);
struct nlattr *dst_blk_nest_start(struct sk_buff *skb, int type)
{
	return nla_nest_start(skb, type);
}

void dst_blk_nest_end(struct sk_buff *skb, struct nlattr *nest);
void dst_blk_nest_end(struct sk_buff *skb, struct nlattr *nest)
{
	nla_nest_end(skb, nest);
}

void dst_blk_nest_cancel(struct sk_buff *skb, struct nlattr *nest);
void dst_blk_nest_cancel(struct sk_buff *skb, struct nlattr *nest)
{
	nla_nest_cancel(skb, nest);
}
