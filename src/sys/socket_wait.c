// SPDX-License-Identifier: GPL-2.0
/* Waiting for sockets: the inline functions that src/sys/socket_wait.rs needs. */

#include <linux/net.h>
#include <linux/poll.h>
#include <linux/skbuff.h>
#include <linux/wait.h>
#include <net/inet_sock.h>
#include <net/sock.h>
#include <net/tcp_states.h>

__poll_t dst_blk_socket_poll(struct socket *sock, poll_table *table);
__poll_t dst_blk_socket_poll(struct socket *sock, poll_table *table)
{
	return READ_ONCE(sock->ops)->poll(NULL, sock, table);
}

/*
 * True only if a receive would answer EAGAIN: there is nothing to receive, no
 * error, and the peer may still send. Takes no lock, see tcp_poll().
 */
bool dst_blk_socket_is_quiet(struct socket *sock);
bool dst_blk_socket_is_quiet(struct socket *sock)
{
	const struct sock *sk = sock->sk;

	return sk_is_tcp(sk) &&
	       (1 << inet_sk_state_load(sk)) &
		       (TCPF_ESTABLISHED | TCPF_FIN_WAIT1 | TCPF_FIN_WAIT2) &&
	       skb_queue_empty_lockless(&sk->sk_receive_queue) &&
	       !(READ_ONCE(sk->sk_shutdown) & RCV_SHUTDOWN) &&
	       !READ_ONCE(sk->sk_err);
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
