#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Clients that do what no good one would: hostile.py ATTACK SERVER. Each exits with an error if it is not answered as
it should be. Port 1026 may be written to, port 1025 only be read; port 1027 has room for one connection that waits."""

import fcntl
import socket
import struct
import sys
import termios
import threading
import time

import peer
from peer import Peer, message

address = sys.argv[2]
VICTIM, READ_ONLY_PORT, PACKED = 1026, 1025, 1027
PEER_NOT_ALLOWED, PEER_UNREACHABLE, PEER_REFUSED = 23, 24, 25


def expect(condition, what):
    if not condition:
        sys.exit(f"FAILED: {what}")


def admitted(port=VICTIM, **fields):
    """A client whose hello was granted, perhaps after the writer before it has gone."""
    granted = []

    def attempt():
        client = Peer(address, port)
        reply = client.open(**fields)
        if reply.status == peer.BUSY:
            client.close()
            return False
        expect(reply.status == peer.OK, f"the hello is refused with {reply.status} {reply.payload}")
        granted.append(client)
        return True

    expect(peer.wait_until(60, attempt), "a writer that has gone still bars the next one")
    return granted[0]


def closes(what, *parts, after_hello=False, port=VICTIM):
    """What is sent must cost the connection."""
    if after_hello:
        client = admitted(port, session=what.encode()[:16].ljust(16, b"-"), flags=0)
    else:
        client = Peer(address, port)
    try:
        for part in parts:
            client.send(part)
        client.until_closed()
    except peer.Closed:
        pass
    except TimeoutError:
        sys.exit(f"FAILED: {what}: the connection stands")
    client.close()


def framing():
    """Nonsense below the messages."""
    hello = peer.hello_request()
    good = peer.header(peer.HELLO)
    closes("another protocol", b"GET / HTTP/1.1\r\n\r\n")
    closes("zeroes", bytes(4096))
    closes("session version", b"DST\x02\0\0\0\0")
    closes("sealed mode", b"DST\x01\x01\0\0\0")
    closes("unknown mode", b"DST\x01\x07\0\0\0")
    closes("reserved in the preface", b"DST\x01\0\0\0\x01")
    for what, head in (
        ("handshake record", peer.record(256, kind=2)),
        ("sealed record", peer.record(256, kind=3)),
        ("unknown record", peer.record(256, kind=9)),
        ("flags of a record", peer.record(256, flags=1)),
        ("reserved in a record", peer.record(256, reserved=1)),
        ("longest payload", peer.record(0xFFFFFFFF)),
        ("payload of a MiB", peer.record(1 << 20)),
        ("hello too long", peer.record(4097)),
        ("hello too short", peer.record(255)),
        ("hello without payload", peer.record(0)),
    ):
        closes(what, peer.PREFACE, head + good, hello)
    for what, fields in (
        ("magic", {"magic": 0x12345678}),
        ("kind 7", {"kind": 7}),
        ("reply", {"kind": peer.REPLY}),
        ("cache in a hello", {"cache": 1}),
        ("hello with a flag", {"flags": 1}),
        ("hello with an offset", {"offset": 512}),
        ("hello with a status", {"status": 5}),
    ):
        closes(what, peer.PREFACE, peer.record(256) + peer.header(peer.HELLO, **fields), hello)
    for opcode in (0, peer.READ, peer.WRITE, peer.GOODBYE, peer.CLAIM, 13, 255):
        closes(f"opcode {opcode} before the hello", peer.PREFACE, peer.record(256) + peer.header(opcode), hello)


def hellos():
    """Hellos that cannot be read cost the connection, those that cannot be granted are refused with a reason."""
    for what, fields in (
        ("versions the wrong way round", {"version_min": 3, "version_max": 2}),
        ("connection number", {"connection": 1, "connections": 1}),
        ("no connections", {"connections": 0}),
        ("reserved word", {"reserved0": 1}),
        ("reserved bytes", {"reserved1": b"\1" * 40}),
        ("name without an end", {"export": b"x" * 64}),
        ("name that is not UTF-8", {"client": b"\xff\xfe"}),
        ("name with something behind it", {"export": b"a\0b"}),
        ("name with a newline", {"client": b"a\nb"}),
    ):
        closes(what, peer.PREFACE, message(peer.HELLO, peer.hello_request(**fields)))
    for what, status, text, fields in (
        ("newer version", peer.VERSION, b"versions 9 to 12", {"version_min": 9, "version_max": 12}),
        ("version 0", peer.VERSION, b"versions 0 to 0", {"version_min": 0, "version_max": 0}),
        ("required feature", peer.FEATURE, b"features 0x80", {"required": 0x80}),
        ("unknown flag", peer.INVALID, b"unknown flags", {"flags": 0x100}),
        ("65 connections", peer.INVALID, b"65 connections", {"connections": 65}),
        ("small transfers", peer.INVALID, b"512 bytes at a time", {"max_transfer": 512}),
        ("no queue", peer.INVALID, b"queue depth", {"queue_depth": 0}),
        ("another export", peer.NO_EXPORT, b"no export", {"export": b"another"}),
    ):
        client = Peer(address, VICTIM)
        reply = client.open(**fields)
        expect(reply.status == status and text in reply.payload, f"{what}: {reply.status} {reply.payload}")
        client.close()
    admitted(optional=1 << 63).close()
    client = Peer(address, VICTIM)
    later = peer.hello_request(session=b"l" * 16, flags=0) + b"x" * 3840
    client.send(peer.PREFACE + message(peer.HELLO, later))
    client.take(8)
    expect(client.receive().status == peer.OK, "a longer hello of a later version is refused")
    client.close()


def requests():
    """Requests that are refused one by one; the connection stands."""
    client = admitted(session=b"requests--------")
    size, most = client.size, client.max_transfer
    data = bytes(512)
    for what, status, opcode, payload, fields in (
        ("unknown opcode", peer.UNSUPPORTED, 99, b"x" * 1000, {}),
        ("opcode 0", peer.UNSUPPORTED, 0, b"", {}),
        ("copy-from-peer", peer.UNSUPPORTED, peer.COPY, bytes(512), {"length": 512}),
        ("unknown flags", peer.INVALID, peer.READ, b"", {"length": 512, "flags": 0x8000}),
        ("flag of another opcode", peer.INVALID, peer.READ, b"", {"length": 512, "flags": peer.FUA}),
        ("request with a status", peer.INVALID, peer.READ, b"", {"length": 512, "status": 3}),
        ("second hello", peer.INVALID, peer.HELLO, b"", {}),
        ("read of nothing", peer.INVALID, peer.READ, b"", {"offset": 512}),
        ("write of nothing", peer.INVALID, peer.WRITE, b"", {"offset": 512}),
        ("half a sector", peer.INVALID, peer.READ, b"", {"length": 256}),
        ("between sectors", peer.INVALID, peer.READ, b"", {"offset": 100, "length": 512}),
        ("longer than negotiated", peer.INVALID, peer.READ, b"", {"length": most + 512}),
        ("4 GiB", peer.INVALID, peer.READ, b"", {"length": 0xFFFFFE00}),
        ("behind the end", peer.OUT_OF_RANGE, peer.READ, b"", {"offset": size, "length": 512}),
        ("over the end", peer.OUT_OF_RANGE, peer.READ, b"", {"offset": size - 512, "length": 1024}),
        ("last offset", peer.OUT_OF_RANGE, peer.READ, b"", {"offset": 2 ** 64 - 512, "length": 512}),
        ("offset that overflows", peer.OUT_OF_RANGE, peer.READ, b"", {"offset": 2 ** 64 - 512, "length": 1024}),
        ("negative offset", peer.OUT_OF_RANGE, peer.READ, b"", {"offset": 2 ** 63, "length": 512}),
        ("write into the label", peer.OUT_OF_RANGE, peer.WRITE, data, {"offset": size, "length": 512}),
        ("write at the last offset", peer.OUT_OF_RANGE, peer.WRITE, data, {"offset": 2 ** 64 - 512, "length": 512}),
        ("discard behind the end", peer.OUT_OF_RANGE, peer.DISCARD, b"", {"offset": size, "length": 512}),
        ("another epoch", peer.STALE_EPOCH, peer.WRITE, data, {"length": 512, "epoch": client.epoch + 1}),
        ("flush in another epoch", peer.STALE_EPOCH, peer.FLUSH, b"", {"epoch": client.epoch + 1}),
        ("flush with a range", peer.INVALID, peer.FLUSH, b"", {"length": 512}),
        ("label that is none", peer.INVALID, peer.LABEL_WRITE, bytes(4096), {}),
        ("forced label that is none", peer.INVALID, peer.LABEL_WRITE, b"x" * 4096, {"flags": peer.FORCE}),
        ("claim of epoch 0", peer.STALE_EPOCH, peer.CLAIM, b"", {}),
        ("claim without a label", peer.NO_LABEL, peer.CLAIM, b"", {"epoch": 5}),
        ("label that is not there", peer.NO_LABEL, peer.LABEL_READ, b"", {}),
    ):
        fields.setdefault("epoch", client.epoch if what not in ("claim of epoch 0",) else 0)
        reply = client.ask(opcode, payload, **fields)
        expect(reply.status == status, f"{what}: status {reply.status} {reply.payload[:100]}, expected {status}")
        reply = client.ask(peer.READ, length=512, epoch=client.epoch)
        expect(reply.status == peer.OK and len(reply.payload) == 512, f"{what}: the connection is of no use any more")
    client.close()


def violations():
    """Requests after which nothing can be understood any more."""
    for what, data in (
        ("reply to a server", message(peer.READ, kind=peer.REPLY, length=512)),
        ("magic in a request", message(peer.READ, magic=1, length=512)),
        ("cache in a flush", message(peer.FLUSH, cache=1)),
        ("write with less", message(peer.WRITE, bytes(512), length=1024)),
        ("write with more", message(peer.WRITE, bytes(1024), length=512)),
        ("read with data", message(peer.READ, bytes(512), length=512)),
        ("copy without a source", message(peer.COPY, length=512)),
        ("copy with too much of a source", message(peer.COPY, bytes(1024), length=512)),
        ("ping with data", message(peer.PING, bytes(8))),
        ("short label", message(peer.LABEL_WRITE, bytes(100))),
        ("goodbye for no reason", message(peer.GOODBYE, length=200)),
        ("record too long", peer.record(64 << 20) + peer.header(peer.WRITE, length=64 << 20)),
        ("unknown record", peer.record(0, kind=5) + peer.header(peer.PING)),
        ("noise", bytes(range(1, 255))),
    ):
        closes(what, data, after_hello=True)
    closes("goodbye", message(peer.GOODBYE, length=1), after_hello=True)


def truncated():
    """Connections that end in the middle of everything."""
    whole = peer.PREFACE + message(peer.HELLO, peer.hello_request(session=b"truncated-------"))
    for length in (0, 1, 7, 8, 12, 16, 40, 64, 65, 200, len(whole) - 1):
        for reset in (False, True):
            client = Peer(address, VICTIM)
            client.send(whole[:length])
            client.close(reset)
    write = message(peer.WRITE, b"\xee" * 65536, length=65536)
    for number, length in enumerate((1, 8, 30, 56, 57, 4096, 40000, 65591)):
        client = admitted(session=b"truncated-%06d" % number)
        client.send(write[:length])
        client.close(reset=number % 2 == 1)


def source(where, port, wait_ms=500, family=4, node=b"n" * 16):
    """The payload of a copy-from-peer."""
    fields = struct.pack("<BBHI", family, 0, port, wait_ms) + socket.inet_aton(where) + bytes(12)
    return (fields + b"s" * 16 + node + struct.pack("<Q", 7) + bytes(64) + b"d" * 16).ljust(512, b"\0")


def copies():
    """Copies from nowhere, from where the server may not go, and from one that lies to it."""
    client = admitted(session=b"copies----------", optional=1)

    def tells(what, status, payload, **fields):
        begin = time.monotonic()
        fields = {"length": 512, "epoch": client.epoch, **fields}
        reply = client.ask(peer.COPY, payload, **fields)
        expect(reply.status == status, f"{what}: status {reply.status}, expected {status}")
        expect(time.monotonic() - begin < 20, f"{what}: the answer takes {time.monotonic() - begin} s")
        reply = client.ask(peer.READ, length=512, epoch=client.epoch)
        expect(reply.status == peer.OK, f"{what}: the connection is of no use any more")

    own = client.socket.getsockname()[0]
    for what, payload in (
        ("nothing", bytes(512)),
        ("family 7", source(own, 1, family=7)),
        ("port 0", source(own, 0)),
        ("no wait", source(own, 1, wait_ms=0)),
        ("a wait of weeks", source(own, 1, wait_ms=0xFFFFFFFF)),
        ("everybody", source("255.255.255.255", 1)),
        ("anybody", source("0.0.0.0", 1)),
        ("noise", bytes(range(256)) * 2),
    ):
        tells(f"copy from {what}", peer.INVALID, payload)
    for where in ("127.0.0.1", address, "10.99.0.1"):
        tells(f"copy from {where}", PEER_NOT_ALLOWED, source(where, 1025))
    tells("copy of nothing", peer.INVALID, source(own, 1), length=0)
    tells("copy over the end", peer.OUT_OF_RANGE, source(own, 1), offset=client.size - 512, length=1024)
    tells("copy in another epoch", peer.STALE_EPOCH, source(own, 1), epoch=client.epoch + 1)
    tells("copy from where nobody is", PEER_UNREACHABLE, source(own, 9))
    silent = socket.create_server((own, 0))
    tells("copy from somebody silent", PEER_UNREACHABLE, source(own, silent.getsockname()[1]))
    for what, status, said in (
        ("another protocol", PEER_REFUSED, b"HTTP/1.1 200 OK\r\n\r\n" + bytes(512)),
        ("somebody who leaves", PEER_REFUSED, b""),
        ("an endless hello", PEER_REFUSED, peer.PREFACE + peer.record(0xFFFFFFFF) + peer.header(peer.HELLO, kind=peer.REPLY)),
        ("another device", PEER_REFUSED, peer.PREFACE + message(peer.HELLO, peer.hello_reply(size=1 << 20, device=b"x" * 16), kind=peer.REPLY)),
    ):
        liar = socket.create_server((own, 0))

        def lie():
            while True:
                other = liar.accept()[0]
                other.sendall(said)
                other.shutdown(socket.SHUT_WR)

        threading.Thread(target=lie, daemon=True).start()
        tells(f"copy from {what}", status, source(own, liar.getsockname()[1]))
    # Many at a time, and nobody who waits for the answers.
    for tag in range(64):
        client.send(message(peer.COPY, source(own, silent.getsockname()[1], 60000), tag=tag, length=4096, epoch=client.epoch))
    client.close(reset=True)
    client = admitted(session=b"copies----------", incarnation=2)
    client.close()


def read_only():
    """Nothing that modifies is done for a client that may only read."""
    client = Peer(address, READ_ONLY_PORT)
    reply = client.open()
    expect(reply.status == peer.READ_ONLY, f"a writer is welcome: {reply.status}")
    client.close()
    client = Peer(address, READ_ONLY_PORT)
    expect(client.open(flags=0).status == peer.OK, "a reader is not welcome")
    for what, opcode, payload, fields in (
        ("write", peer.WRITE, bytes(512), {"length": 512}),
        ("write with FUA", peer.WRITE, bytes(512), {"length": 512, "flags": peer.FUA}),
        ("discard", peer.DISCARD, b"", {"length": 4096}),
        ("write-zeroes", peer.WRITE_ZEROES, b"", {"length": 4096}),
        ("label-write", peer.LABEL_WRITE, bytes(4096), {"flags": peer.FORCE}),
        ("claim-epoch", peer.CLAIM, b"", {}),
    ):
        epoch = client.epoch + 1 if opcode == peer.CLAIM else client.epoch
        reply = client.ask(opcode, payload, epoch=epoch, **fields)
        expect(reply.status == peer.READ_ONLY, f"{what}: status {reply.status} for a client that may only read")
    reply = client.ask(peer.READ, length=512, epoch=client.epoch)
    expect(reply.status == peer.OK, f"read: status {reply.status}")
    client.close()


def silence():
    """Connections that say nothing, or stop in the middle of their hello, end when the time for it is up."""
    whole = peer.PREFACE + message(peer.HELLO, peer.hello_request())
    clients = []
    for length in (0, 3, 8, 40, 64, 200):
        client = Peer(address, VICTIM, timeout=60)
        client.send(whole[:length])
        clients.append((length, client))
    for length, client in clients:
        try:
            client.until_closed()
        except TimeoutError:
            sys.exit(f"FAILED: a connection that stops after {length} bytes is kept")


def greedy():
    """Clients that ask for much and take nothing. They stay until they are killed."""
    clients = []
    for number in range(8):
        client = Peer(address, VICTIM, receive_buffer=4096)
        reply = client.open(session=b"greedy-%09d" % number, flags=0)
        expect(reply.status == peer.OK, f"greedy: the hello is refused with {reply.status} {reply.payload}")
        for tag in range(128):
            client.send(message(peer.READ, tag=tag, length=client.max_transfer, epoch=client.epoch))
        clients.append(client)
    print("asked", flush=True)
    threading.Event().wait()


def unread():
    """A client with one request at a time that leaves the answers where TCP has put them: its pages stay referenced, and
    its next request gets others. (Any answer's may, for as long as the CPU that is to free them gets no packet.)"""
    def arrives(client, count):
        waiting = struct.unpack("i", fcntl.ioctl(client.socket, termios.FIONREAD, bytes(4)))[0]
        return waiting >= count
    for what, opcode, fields in (("labels", peer.LABEL_READ, {}), ("reads", peer.READ, {"length": 4096})):
        client = admitted(READ_ONLY_PORT, session=what.encode().ljust(16, b"-"), flags=0, queue_depth=1)
        answers = 4
        for tag in range(answers):
            client.send(message(opcode, tag=tag, epoch=client.epoch, **fields))
        expected = answers * (peer.HEAD_BYTES + 4096)
        expect(peer.wait_until(30, lambda: arrives(client, expected)), f"unread {what} keep others from being answered")
        for tag in range(answers):
            reply = client.receive()
            expect((reply.status, reply.tag, len(reply.payload)) == (peer.OK, tag, 4096), f"unread {what}: {reply.status}")
        client.close()


def crowd():
    """Thousands of connects, one after the other and many at a time."""
    def knock(count):
        for number in range(count):
            try:
                client = Peer(address, PACKED)
                if number % 3 == 0:
                    client.send(b"DST\x01")
                client.close(reset=number % 2 == 0)
            except (OSError, peer.Closed):
                pass
    threads = [threading.Thread(target=knock, args=(400,)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    waiting = []
    for _ in range(300):
        try:
            waiting.append(Peer(address, PACKED))
        except OSError:
            pass
    expect(len(waiting) >= 100, f"only {len(waiting)} of 300 connections were made")
    for client in waiting:
        client.close()
    # The places are free again as soon as the connections are gone.
    def welcome():
        client = Peer(address, PACKED)
        try:
            return client.open(session=b"after the crowd-").status == peer.OK
        except peer.Closed:
            return False
        finally:
            client.close()
    expect(peer.wait_until(30, welcome), "nobody is admitted any more")


globals()[sys.argv[1]]()
