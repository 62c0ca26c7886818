#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Resets connections of this network namespace again and again, and waits each time until the node is up again.

usage: reset.py PORT COUNT

Every TCP connection with PORT at one of its ends is aborted as "ss -K" does it: both ends see a reset. After each time the
first node of the storage "storage" must have reconnected and be up, within a minute: one that is cut off while it looks whether
the node is the same waits longer and longer.
"""

import errno
import socket
import struct
import sys
import time

NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY, SOCK_DESTROY = 4, 20, 21
REQUEST, ACK, DUMP = 1, 4, 0x300
ESTABLISHED = 1 << 1
NLMSG_ERROR, NLMSG_DONE = 2, 3


def message(kind, flags, states, identity):
    """A struct inet_diag_req_v2 in a message of its own."""
    request = struct.pack("=BBBxI", socket.AF_INET, socket.IPPROTO_TCP, 0, states) + identity
    return struct.pack("=IHHII", 16 + len(request), kind, flags, 0, 0) + request


def connections(diag, port):
    """The struct inet_diag_sockid of each connection, with its cookie."""
    diag.send(message(SOCK_DIAG_BY_FAMILY, REQUEST | DUMP, ESTABLISHED, bytes(48)))
    found = []
    while True:
        answer = diag.recv(65536)
        while answer:
            length, kind = struct.unpack_from("=IH", answer)
            if kind == NLMSG_ERROR:
                sys.exit(f"FAILED: the sockets cannot be listed: error {-struct.unpack_from('=i', answer, 16)[0]}")
            if kind == NLMSG_DONE:
                return found
            identity = answer[20:68]
            if port in struct.unpack_from(">HH", identity):
                found.append(identity)
            answer = answer[(length + 3) & ~3 :]


def destroy(diag, identity):
    """Aborts one connection, if it is still there. Without the cookie the kernel would look for a listening socket instead."""
    diag.send(message(SOCK_DESTROY, REQUEST | ACK, 0xFFFFFFFF, identity))
    error = -struct.unpack_from("=i", diag.recv(4096), 16)[0]
    if error not in (0, errno.ENOENT, errno.ESTALE):
        sys.exit(f"FAILED: a connection cannot be destroyed: error {error}")
    return error == 0


def node(name):
    with open(f"/sys/devices/storage/n-0/{name}", encoding="ascii") as file:
        return file.read().strip()


def main():
    port, count = int(sys.argv[1]), int(sys.argv[2])
    diag = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_SOCK_DIAG)
    for done in range(1, count + 1):
        before, hit, end = node("reconnects"), False, time.monotonic() + 60
        while node("reconnects") == before or node("state") != "up":
            if time.monotonic() > end:
                sys.exit(f"FAILED: {'not up again' if hit else 'nothing to reset'} for a minute at reset {done}")
            # Right after the last one it may not be there yet.
            if not hit:
                hit = any([destroy(diag, identity) for identity in connections(diag, port)])
            time.sleep(0.01)
        if done % 100 == 0:
            print(f"# {done} resets", flush=True)


main()
