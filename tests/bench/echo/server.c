// SPDX-License-Identifier: GPL-2.0
/*
 * The echo server of user space that dst_echo is compared with: one thread,
 * epoll, non-blocking sockets, a buffer of the same size. It receives, sends
 * back at once, and waits for room only where the socket takes no more.
 *
 *   usage: server ADDRESS PORT        says "serving on PORT" when it does
 */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define BUFFER_BYTES (16 << 10)
#define EVENTS 64

struct client {
	int socket;
	int waits_for_room;
	size_t done, count;		/* of what has to go back first */
	char rest[BUFFER_BYTES];
};

static char buffer[BUFFER_BYTES];

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void watch(int epoll, struct client *client, int operation, unsigned int events)
{
	struct epoll_event event = { .events = events, .data.ptr = client };

	if (epoll_ctl(epoll, operation, client->socket, &event))
		die("epoll_ctl");
}

/* Sends; 1 if all went, 0 if the socket is full, -1 if the client is gone. */
static int send_all(struct client *client, const char *bytes, size_t count, size_t *done)
{
	while (*done < count) {
		ssize_t sent = send(client->socket, bytes + *done, count - *done, MSG_NOSIGNAL);

		if (sent < 0)
			return errno == EAGAIN ? 0 : -1;
		*done += sent;
	}
	return 1;
}

/* Serves a client that is ready; -1 when its connection is over. */
static int serve(int epoll, struct client *client)
{
	size_t done = 0;
	ssize_t count;
	int all;

	if (client->waits_for_room) {
		all = send_all(client, client->rest, client->count, &client->done);
		if (all <= 0)
			return all;
		client->waits_for_room = 0;
		watch(epoll, client, EPOLL_CTL_MOD, EPOLLIN);
	}
	count = recv(client->socket, buffer, sizeof(buffer), 0);
	if (count < 0)
		return errno == EAGAIN ? 0 : -1;
	if (count == 0)
		return -1;
	all = send_all(client, buffer, count, &done);
	if (all == 0) {
		client->done = 0;
		client->count = count - done;
		memcpy(client->rest, buffer + done, client->count);
		client->waits_for_room = 1;
		watch(epoll, client, EPOLL_CTL_MOD, EPOLLOUT);
	}
	return all < 0 ? -1 : 0;
}

static void accept_client(int epoll, int listener)
{
	struct client *client = malloc(sizeof(*client));
	int one = 1;

	if (!client)
		die("malloc");
	client->waits_for_room = 0;
	client->socket = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
	if (client->socket < 0)
		die("accept4");
	setsockopt(client->socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	watch(epoll, client, EPOLL_CTL_ADD, EPOLLIN);
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	int epoll = epoll_create1(0), listener = socket(AF_INET, SOCK_STREAM, 0);
	struct client listening = { .socket = listener };
	struct epoll_event events[EVENTS];
	int one = 1;

	if (argc != 3 || inet_pton(AF_INET, argv[1], &address.sin_addr) != 1) {
		fprintf(stderr, "usage: server ADDRESS PORT\n");
		return 2;
	}
	address.sin_port = htons(atoi(argv[2]));
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) || listen(listener, 128))
		die("listen");
	watch(epoll, &listening, EPOLL_CTL_ADD, EPOLLIN);
	printf("serving on %s\n", argv[2]);
	fflush(stdout);
	for (;;) {
		int count = epoll_wait(epoll, events, EVENTS, -1);

		for (int i = 0; i < count; i++) {
			struct client *client = events[i].data.ptr;

			if (client == &listening) {
				accept_client(epoll, listener);
			} else if (serve(epoll, client) < 0) {
				close(client->socket);
				free(client);
			}
		}
	}
}
