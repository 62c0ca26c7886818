// SPDX-License-Identifier: GPL-2.0
/* Network namespaces: the inline functions that src/sys/net_namespace.rs needs. */

#include <net/net_namespace.h>

struct net *dst_blk_net_get(struct net *net);
struct net *dst_blk_net_get(struct net *net)
{
	return get_net(net);
}

void dst_blk_net_put(struct net *net);
void dst_blk_net_put(struct net *net)
{
	put_net(net);
}

u32 dst_blk_net_number(const struct net *net);
u32 dst_blk_net_number(const struct net *net)
{
	return net->ns.inum;
}
