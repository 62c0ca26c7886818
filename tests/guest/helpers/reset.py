#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Resets connections of this network namespace again and again, and waits each time until the node is up again.

usage: reset.py PORT COUNT

Every TCP connection with PORT at one of its ends is aborted as "ss -K" does it: both ends see a reset. After each time the
first node of the storage "storage" must have reconnected and be up, within a minute: one that is cut off while it looks whether
the node is the same waits longer and longer.
"""

import socket
import struct
import sys
import time

NETLINK_SOCK_DIAG, SOCK_DESTROY = 4, 21
REQUEST, ACK = 1, 4
ESTABLISHED = "01"


def connections(port):
    """Addresses and ports of both ends, as the kernel has them."""
    found = []
    with open("/proc/net/tcp", encoding="ascii") as file:
        for line in list(file)[1:]:
            _, here, there, state, *_ = line.split()
            ends = [(struct.pack("=I", int(end[:8], 16)), int(end[9:], 16)) for end in (here, there)]
            if state == ESTABLISHED and port in (ends[0][1], ends[1][1]):
                found.append(ends)
    return found


def destroy(diag, ends):
    """Aborts one connection, if it is still there."""
    (source, source_port), (target, target_port) = ends
    identity = struct.pack(">HH", source_port, target_port) + source.ljust(16, b"\0") + target.ljust(16, b"\0")
    identity += struct.pack("=I", 0) + b"\xff" * 8
    request = struct.pack("=BBBxI", socket.AF_INET, socket.IPPROTO_TCP, 0, 0xFFFFFFFF) + identity
    diag.send(struct.pack("=IHHII", 16 + len(request), SOCK_DESTROY, REQUEST | ACK, 0, 0) + request)
    answer = diag.recv(4096)
    error = -struct.unpack_from("=i", answer, 16)[0]
    if error not in (0, 2):
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
                hit = any([destroy(diag, ends) for ends in connections(port)])
            time.sleep(0.01)
        if done % 100 == 0:
            print(f"# {done} resets", flush=True)


main()
