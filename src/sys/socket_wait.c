// SPDX-License-Identifier: GPL-2.0
/* Waiting for sockets: the inline functions that src/sys/socket_wait.rs needs. */

#include <linux/net.h>
#include <linux/poll.h>
#include <linux/wait.h>

__poll_t dst_blk_socket_poll(struct socket *sock, poll_table *table);
__poll_t dst_blk_socket_poll(struct socket *sock, poll_table *table)
{
	return READ_ONCE(sock->ops)->poll(NULL, sock, table);
}

void dst_blk_init_waitqueue_func_entry(struct wait_queue_entry *entry,
				       wait_queue_func_t func);
void dst_blk_init_waitqueue_func_entry(struct wait_queue_entry *entry,
				       wait_queue_func_t func)
{
	init_waitqueue_func_entry(entry, func);
}

u32 dst_blk_poll_key(void *key);
u32 dst_blk_poll_key(void *key)
{
	return (__force u32)key_to_poll(key);
}
