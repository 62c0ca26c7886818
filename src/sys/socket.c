// SPDX-License-Identifier: GPL-2.0
/* Kernel sockets: the functions without a Rust binding that src/sys/socket.rs needs. */

#include <linux/net.h>
#include <linux/tcp.h>
#include <linux/uio.h>
#include <net/sock.h>
#include <net/tcp.h>

#ifdef CONFIG_DEBUG_LOCK_ALLOC
static struct lock_class_key dst_blk_slock_keys[3];
static struct lock_class_key dst_blk_sk_keys[3];
#endif

/*
 * Connections of this module are used below the block layer, those of user
 * space above it: with one lock class lockdep would see a cycle where there is
 * none.
 */
void dst_blk_socket_reclassify(struct socket *sock);
void dst_blk_socket_reclassify(struct socket *sock)
{
#ifdef CONFIG_DEBUG_LOCK_ALLOC
	struct sock *sk = sock->sk;

	if (!sock_allow_reclassification(sk))
		return;
	switch (sk->sk_family) {
	case AF_INET:
		sock_lock_init_class_and_name(sk, "slock-AF_INET-DST",
					      &dst_blk_slock_keys[0],
					      "sk_lock-AF_INET-DST",
					      &dst_blk_sk_keys[0]);
		break;
	case AF_INET6:
		sock_lock_init_class_and_name(sk, "slock-AF_INET6-DST",
					      &dst_blk_slock_keys[1],
					      "sk_lock-AF_INET6-DST",
					      &dst_blk_sk_keys[1]);
		break;
	default:
		sock_lock_init_class_and_name(sk, "slock-DST",
					      &dst_blk_slock_keys[2],
					      "sk_lock-DST",
					      &dst_blk_sk_keys[2]);
		break;
	}
#endif
}

/* What a data socket needs to make progress when memory is short, see sk_set_memalloc(). */
void dst_blk_socket_setup(struct socket *sock);
void dst_blk_socket_setup(struct socket *sock)
{
	struct sock *sk = sock->sk;

	lock_sock(sk);
	sk->sk_allocation = GFP_NOIO;
	sk->sk_use_task_frag = false;
	sk_set_memalloc(sk);
	release_sock(sk);
	sock_no_linger(sk);
	if (sk_is_tcp(sk)) {
		tcp_sock_set_nodelay(sk);
		/* A peer that is gone is noticed after some twenty seconds, thirty with data in flight. */
		sock_set_keepalive(sk);
		tcp_sock_set_keepidle(sk, 10);
		tcp_sock_set_keepintvl(sk, 3);
		tcp_sock_set_keepcnt(sk, 3);
		tcp_sock_set_user_timeout(sk, 30000);
	}
}

/* Undoes dst_blk_socket_setup() before the socket is released. */
void dst_blk_socket_teardown(struct socket *sock);
void dst_blk_socket_teardown(struct socket *sock)
{
	lock_sock(sock->sk);
	sk_clear_memalloc(sock->sk);
	release_sock(sock->sk);
}

/*
 * Resets the connection and purges what was not sent yet, so that no page is
 * read by this socket any more; see inet_shutdown() for the call.
 */
void dst_blk_socket_abort(struct socket *sock);
void dst_blk_socket_abort(struct socket *sock)
{
	struct sock *sk = sock->sk;

	lock_sock(sk);
	sk->sk_prot->disconnect(sk, O_NONBLOCK);
	release_sock(sk);
}

void dst_blk_iov_iter_discard(struct iov_iter *iter, size_t count);
void dst_blk_iov_iter_discard(struct iov_iter *iter, size_t count)
{
	iov_iter_discard(iter, ITER_DEST, count);
}

void dst_blk_socket_reuse_address(struct socket *sock);
void dst_blk_socket_reuse_address(struct socket *sock)
{
	sock_set_reuseaddr(sock->sk);
}

/* Whether there is no connection (any more). */
bool dst_blk_socket_is_closed(struct socket *sock);
bool dst_blk_socket_is_closed(struct socket *sock)
{
	return inet_sk_state_load(sock->sk) == TCP_CLOSE;
}

/* The pending error of the socket, as SO_ERROR gives it. */
int dst_blk_socket_error(struct socket *sock);
int dst_blk_socket_error(struct socket *sock)
{
	return sock_error(sock->sk);
}
