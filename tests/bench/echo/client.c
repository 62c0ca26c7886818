// SPDX-License-Identifier: GPL-2.0
/*
 * Measures an echo server.
 *
 *   usage: client ADDRESS PORT ping|stream CLIENTS BYTES MESSAGES PID...
 *
 * CLIENTS connections of one thread exchange MESSAGES messages of BYTES bytes
 * in all. ping: each connection has one message under way; all are sent, then
 * all are received. stream: each connection is kept full with up to WINDOW
 * bytes or messages.
 *
 * Prints: nanoseconds for a message, of these the run time of the threads of
 * the processes PID (the server) and of this process, and the share of time in
 * which the CPU was idle, in percent. With QEMU's -icount shift=0 a nanosecond
 * is an instruction.
 */

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MAX_CLIENTS 64
#define MAX_BYTES (64 << 10)
#define WINDOW_BYTES (128 << 10)
#define WINDOW_MESSAGES 64

struct connection {
	int socket;
	size_t to_send, under_way;	/* bytes */
};

static struct connection connections[MAX_CLIENTS];
static size_t clients, bytes;
static char out[MAX_BYTES], in[MAX_BYTES];

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static long long now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

/* Nanoseconds that the threads of a process have run. */
static long long run_time(const char *pid)
{
	char path[64];
	struct dirent *entry;
	long long sum = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%s/task", pid);
	dir = opendir(path);
	if (!dir)
		die(path);
	while ((entry = readdir(dir))) {
		long long time;
		FILE *file;

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%.16s/task/%.16s/schedstat", pid, entry->d_name);
		file = fopen(path, "r");
		if (!file || fscanf(file, "%lld", &time) != 1)
			die(path);
		fclose(file);
		sum += time;
	}
	closedir(dir);
	return sum;
}

/* Nanoseconds that the CPU was idle since it was started. */
static long long idle_time(void)
{
	FILE *file = fopen("/proc/uptime", "r");
	double up, idle;

	if (!file || fscanf(file, "%lf %lf", &up, &idle) != 2)
		die("/proc/uptime");
	fclose(file);
	return idle * 1e9;
}

static int connect_to(const char *host, const char *port)
{
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(atoi(port)) };
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	if (inet_pton(AF_INET, host, &address.sin_addr) != 1 ||
	    connect(fd, (struct sockaddr *)&address, sizeof(address)))
		die("connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static void receive(struct connection *connection, size_t most)
{
	ssize_t count = recv(connection->socket, in, most, 0);

	if (count <= 0)
		die("recv");
	/* A sample: the guest test compares every byte. */
	if (in[0] != out[0])
		die("the bytes that came back are wrong");
	connection->under_way -= count;
}

static void ping(size_t messages)
{
	for (size_t sent = 0; sent < messages; sent += clients) {
		for (size_t i = 0; i < clients; i++) {
			if (send(connections[i].socket, out, bytes, MSG_NOSIGNAL) != (ssize_t)bytes)
				die("send");
			connections[i].under_way = bytes;
		}
		for (size_t i = 0; i < clients; i++)
			while (connections[i].under_way)
				receive(&connections[i], connections[i].under_way);
	}
}

/* Sends messages while the window has room and the socket takes them. */
static void fill(struct connection *connection, size_t window)
{
	while (connection->to_send && connection->under_way + bytes <= window) {
		/* The rest of a message that was cut short is sent like a shorter one. */
		size_t length = (connection->to_send - 1) % bytes + 1;
		ssize_t count = send(connection->socket, out, length, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (count < 0) {
			if (errno != EAGAIN)
				die("send");
			return;
		}
		connection->to_send -= count;
		connection->under_way += count;
	}
}

static void stream(size_t messages)
{
	size_t window = WINDOW_MESSAGES * bytes, busy = clients;

	if (window > WINDOW_BYTES)
		window = WINDOW_BYTES;
	for (size_t i = 0; i < clients; i++)
		connections[i].to_send = messages / clients * bytes;
	while (busy) {
		busy = 0;
		for (size_t i = 0; i < clients; i++) {
			fill(&connections[i], window);
			if (!connections[i].under_way)
				continue;
			receive(&connections[i], sizeof(in));
			busy++;
		}
	}
}

int main(int argc, char **argv)
{
	long long begin, elapsed, idle, server = 0, client;
	void (*measured)(size_t);
	size_t messages;

	if (argc < 7) {
		fprintf(stderr, "usage: client ADDRESS PORT ping|stream CLIENTS BYTES MESSAGES PID...\n");
		return 2;
	}
	measured = strcmp(argv[3], "ping") ? stream : ping;
	clients = atoi(argv[4]);
	bytes = atoi(argv[5]);
	messages = atoi(argv[6]);
	if (!clients || clients > MAX_CLIENTS || !bytes || bytes > MAX_BYTES || messages % clients)
		return 2;
	memset(out, 'e', sizeof(out));
	for (size_t i = 0; i < clients; i++)
		connections[i].socket = connect_to(argv[1], argv[2]);
	/* The windows of TCP and the caches of the allocator settle. */
	measured(messages / 4 / clients * clients);

	for (int i = 7; i < argc; i++)
		server -= run_time(argv[i]);
	client = -run_time("self");
	idle = -idle_time();
	begin = now();
	measured(messages);
	elapsed = now() - begin;
	idle += idle_time();
	client += run_time("self");
	for (int i = 7; i < argc; i++)
		server += run_time(argv[i]);
	printf("%lld %lld %lld %.1f\n", elapsed / (long long)messages, server / (long long)messages,
	       client / (long long)messages, 100.0 * idle / elapsed);
	return 0;
}
