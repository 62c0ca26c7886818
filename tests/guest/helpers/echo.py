#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
#
# Clients of an echo server.
#
#   usage: echo.py exchange HOST PORT CLIENTS [SECONDS]   CLIENTS at once, each sends bytes of its own, an odd number,
#                                                         ends its direction and must get the same and an end
#          echo.py turns HOST PORT CLIENTS                that many one after the other
#          echo.py reset HOST PORT CLIENTS                that many connect and reset the connection at once
#          echo.py deaf HOST PORT                         some that do not read, others meanwhile; then the first do read
#          echo.py hold HOST PORT CLIENTS                 connects, says "connected", waits for the end of its input
#          echo.py stream HOST PORT CLIENTS               sends and compares without end; says "running" when bytes came
#                                                         back to all, and succeeds if all are reset after that

import random
import selectors
import socket
import struct
import sys
import time

SIZES = [1, 2, 511, 4095, 4097, 16383, 16384, 16385, 65537, 300007]
READ, WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


def fail(text):
    sys.exit(f"echo.py: {text}")


class Exchange:
    """One client: sends `data`, ends its direction, and expects `data` and an end."""

    def __init__(self, address, data, step):
        self.data, self.step, self.sent, self.received, self.over = data, step, 0, bytearray(), False
        self.sock = socket.create_connection(address, timeout=60)
        self.sock.setblocking(False)

    def events(self):
        return READ | (WRITE if self.sent < len(self.data) else 0)

    def act(self, events):
        if events & WRITE and self.sent < len(self.data):
            self.sent += self.sock.send(memoryview(self.data)[self.sent:self.sent + self.step])
            if self.sent == len(self.data):
                self.sock.shutdown(socket.SHUT_WR)
        if events & READ:
            part = self.sock.recv(self.step)
            self.received += part
            self.over = not part


def run(exchanges, seconds=600):
    """Works all of them off at once and compares."""
    end = time.monotonic() + seconds
    selector = selectors.DefaultSelector()
    for exchange in exchanges:
        selector.register(exchange.sock, exchange.events(), exchange)
    while selector.get_map():
        if time.monotonic() > end:
            fail(f"{len(selector.get_map())} of {len(exchanges)} clients are not served after {seconds} s")
        for key, events in selector.select(1):
            key.data.act(events)
            if key.data.over:
                selector.unregister(key.fileobj)
            else:
                selector.modify(key.fileobj, key.data.events(), key.data)
    for exchange in exchanges:
        exchange.sock.close()
        if exchange.received != exchange.data:
            fail(f"sent {len(exchange.data)} bytes, got {len(exchange.received)}, which are not the same")


def exchanges(address, count):
    draw = random.Random(count)
    return [
        Exchange(address, draw.randbytes(SIZES[i % len(SIZES)]), draw.choice([1 << 10, 7777, 1 << 16]))
        for i in range(count)
    ]


def turns(address, count):
    for exchange in range(count):
        run(exchanges(address, 1))


def blocked(sock):
    """True if nothing can be sent for a second."""
    selector = selectors.DefaultSelector()
    selector.register(sock, WRITE)
    return not selector.select(1)


def deaf(address):
    block = random.Random(1).randbytes(1 << 16)
    clients = []
    for _ in range(4):
        client = Exchange(address, b"", 1 << 16)
        client.data = bytearray()
        clients.append(client)
    for client in clients:
        while not blocked(client.sock):
            try:
                while True:
                    client.data += block[:client.sock.send(block)]
            except BlockingIOError:
                pass
            if len(client.data) > 64 << 20:
                fail("the server takes without end from a client that does not read")
    run(exchanges(address, 20))
    print(f"deaf clients sent {[len(client.data) for client in clients]} bytes; 20 others were served meanwhile")
    for client in clients:
        client.sent = len(client.data)
        client.sock.shutdown(socket.SHUT_WR)
    run(clients)


class Stream:
    """One client that never stops by itself."""

    def __init__(self, address, number):
        self.block = random.Random(number).randbytes(65521)
        self.twice = memoryview(self.block * 2)
        self.sent, self.received, self.reset = 0, 0, False
        self.sock = socket.create_connection(address, timeout=60)
        self.sock.setblocking(False)

    def act(self, events):
        try:
            if events & WRITE:
                at = self.sent % len(self.block)
                self.sent += self.sock.send(self.twice[at:at + len(self.block)])
            if events & READ:
                part = self.sock.recv(1 << 15)
                at = self.received % len(self.block)
                if part != self.twice[at:at + len(part)]:
                    fail(f"wrong bytes from {self.received} on")
                self.received += len(part)
                if not part:
                    fail("the stream ended in order although the server was taken away")
        except (ConnectionResetError, BrokenPipeError):
            self.reset = True
        except BlockingIOError:
            pass


def stream(address, count):
    selector = selectors.DefaultSelector()
    streams = [Stream(address, number) for number in range(count)]
    for one in streams:
        selector.register(one.sock, READ | WRITE, one)
    told = False
    while selector.get_map():
        for key, events in selector.select(1):
            key.data.act(events)
            if key.data.reset:
                selector.unregister(key.fileobj)
        if not told and all(one.received for one in streams):
            told = True
            print("running", flush=True)
    if not told:
        fail("the streams were reset before they ran")
    print(f"{count} streams were reset after {sum(one.received for one in streams)} right bytes", flush=True)


def hold(address, count):
    sockets = [socket.create_connection(address, timeout=60) for _ in range(count)]
    for one in sockets:
        one.sendall(b"here")
        if one.recv(4, socket.MSG_WAITALL) != b"here":
            fail("a client that is held is not served")
    print("connected", flush=True)
    sys.stdin.read()


def reset(address, count):
    for _ in range(count):
        with socket.create_connection(address, timeout=60) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def main():
    mode, address = sys.argv[1], (sys.argv[2], int(sys.argv[3]))
    count = int(sys.argv[4]) if len(sys.argv) > 4 else 1
    if mode == "exchange":
        run(exchanges(address, count), float(sys.argv[5]) if len(sys.argv) > 5 else 600)
        print(f"{count} clients got back what they sent")
    elif mode == "turns":
        turns(address, count)
        print(f"{count} clients in turn got back what they sent")
    elif mode == "reset":
        reset(address, count)
    elif mode == "deaf":
        deaf(address)
    elif mode == "stream":
        stream(address, count)
    elif mode == "hold":
        hold(address, count)
    else:
        fail(f"unknown mode {mode}")


main()
