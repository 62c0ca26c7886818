#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Both sides of the wire protocol, written a second time: for peers that do what no good one would.

As a program: "peer.py golden FOLDER" compares its encoding with the golden files. The tests import it.
"""

import os
import socket
import struct
import sys
import threading
import time

PREFACE = b"DST\x01\0\0\0\0"
RECORD = struct.Struct("<BBHI")
HEADER = struct.Struct("<IBBHQQIIQQ")
HEAD_BYTES = RECORD.size + HEADER.size
MAGIC = int.from_bytes(b"DSTm", "little")
PLAIN = 1
REQUEST, REPLY = 0, 1
HELLO, READ, WRITE, FLUSH, DISCARD, WRITE_ZEROES, PING, LABEL_READ, LABEL_WRITE, CLAIM, COPY, GOODBYE = range(1, 13)
FUA, NO_UNMAP, FORCE = 1, 2, 4
WANT_WRITE, WANT_SHARED, WANT_RAW = 1, 2, 4
IS_READ_ONLY, HAS_CACHE, HAS_FUA, IS_ROTATIONAL, IS_STABLE, HAS_LABEL, IS_RAW = (1 << bit for bit in range(7))
OK, INVALID, IO, NO_SPACE, READ_ONLY, NOT_ALLOWED, UNSUPPORTED, OUT_OF_RANGE, STALE_EPOCH, BUSY = range(10)
VERSION, FEATURE, NO_EXPORT, NO_LABEL, LABEL_MISMATCH = 14, 15, 16, 17, 18
HELLO_REQUEST = struct.Struct("<HHIQQ16sQHHIII16sQ40s64s64s")
HELLO_REPLY = struct.Struct("<HHIQQIIIIIIIIII16sQ16sQQ136s")


class Closed(Exception):
    """The peer has closed or reset the connection."""


def record(payload_bytes, kind=PLAIN, flags=0, reserved=0):
    return RECORD.pack(kind, flags, reserved, payload_bytes)


def header(opcode, kind=REQUEST, flags=0, tag=0, offset=0, length=0, status=0, epoch=0, cache=0, magic=MAGIC):
    return HEADER.pack(magic, opcode, kind, flags, tag, offset, length, status, epoch, cache)


def message(opcode, payload=b"", **fields):
    return record(len(payload)) + header(opcode, **fields) + payload


def hello_request(version_min=1, version_max=1, flags=WANT_WRITE, required=0, optional=0, session=b"s" * 16,
                  incarnation=1, connection=0, connections=1, max_transfer=1 << 20, queue_depth=128, reserved0=0,
                  storage=bytes(16), epoch=0, reserved1=bytes(40), export=b"", client=b"peer.py"):
    return HELLO_REQUEST.pack(version_min, version_max, flags, required, optional, session, incarnation, connection,
                              connections, max_transfer, queue_depth, reserved0, storage, epoch, reserved1, export,
                              client)


def hello_reply(version=1, reserved0=0, flags=0, features=0, size=0, logical_block=512, physical_block=512, io_min=0,
                io_opt=0, max_transfer=1 << 20, queue_depth=128, max_discard=0, discard_granularity=0,
                max_write_zeroes=0, reserved1=0, boot=b"b" * 16, cache=1, device=b"d" * 16, epoch=0, incarnation=1,
                reserved2=bytes(136)):
    return HELLO_REPLY.pack(version, reserved0, flags, features, size, logical_block, physical_block, io_min, io_opt,
                            max_transfer, queue_depth, max_discard, discard_granularity, max_write_zeroes, reserved1,
                            boot, cache, device, epoch, incarnation, reserved2)


class Reply:
    """A message that was received."""

    def __init__(self, head, payload):
        (self.magic, self.opcode, self.kind, self.flags, self.tag, self.offset, self.length, self.status, self.epoch,
         self.cache) = HEADER.unpack(head)
        self.payload = payload


class Peer:
    """A client's connection."""

    def __init__(self, address, port=1025, timeout=30, receive_buffer=None):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout)
        self.socket.connect((address, port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, data):
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise Closed from error

    def take(self, count):
        data = b""
        while len(data) < count:
            try:
                part = self.socket.recv(count - len(data))
            except ConnectionResetError as error:
                raise Closed from error
            if not part:
                raise Closed
            data += part
        return data

    def receive(self):
        kind, flags, reserved, length = RECORD.unpack(self.take(RECORD.size))
        assert (kind, flags, reserved) == (PLAIN, 0, 0), "a malformed record"
        head = self.take(HEADER.size)
        return Reply(head, self.take(length))

    def ask(self, opcode, payload=b"", **fields):
        """Sends a request and returns its reply."""
        fields.setdefault("tag", 0x700000001)
        self.send(message(opcode, payload, **fields))
        reply = self.receive()
        assert (reply.kind, reply.opcode, reply.tag) == (REPLY, opcode, fields["tag"]), "a reply to something else"
        return reply

    def open(self, **fields):
        """Preface and hello; returns the reply to the hello."""
        self.send(PREFACE)
        self.send(message(HELLO, hello_request(**fields), tag=1))
        assert self.take(len(PREFACE)) == PREFACE, "another preface"
        reply = self.receive()
        if reply.status == OK:
            values = HELLO_REPLY.unpack(reply.payload[:HELLO_REPLY.size])
            self.size, self.max_transfer, self.flags = values[4], values[9], values[2]
            self.cache, self.epoch = values[16], values[18]
        return reply

    def until_closed(self):
        """Reads until the other side closes, which it must do within the time limit."""
        try:
            while True:
                self.take(1)
        except Closed:
            return True

    def close(self, reset=False):
        if reset:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


class Server:
    """A raw export that lies in memory and tells the truth, but for what its faults do.

    "hello" (a dict) replaces fields of the replies to hellos. "fault" is called once with (server, connection,
    request) instead of the next answer to a read or write; what it returns is sent, None closes the connection.
    """

    def __init__(self, address, port=1025, size=16 << 20):
        self.data = bytearray(size)
        self.hello, self.fault, self.greeting = {}, None, None
        self.connections = self.faults = 0
        # The connections that stand.
        self.peers = []
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.listener = socket.socket(family, socket.SOCK_STREAM)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind((address, port))
        self.listener.listen(64)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            connection, _ = self.listener.accept()
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.connections += 1
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        peer = Peer.__new__(Peer)
        peer.socket = connection
        self.peers.append(peer)
        try:
            if self.greeting is not None:
                peer.send(self.greeting)
                peer.until_closed()
                return
            peer.send(PREFACE)
            peer.take(len(PREFACE))
            while self.answer(peer):
                pass
        except (Closed, OSError):
            pass
        finally:
            connection.close()
            self.peers.remove(peer)

    def answer(self, peer):
        head = peer.take(RECORD.size)
        length = RECORD.unpack(head)[3]
        request = Reply(peer.take(HEADER.size), b"")
        request.announced = length
        if self.fault and request.opcode in (READ, WRITE):
            fault, self.fault = self.fault, None
            self.faults += 1
            answer = fault(self, peer, request)
            if answer is None:
                return False
            peer.send(answer)
            return True
        request.payload = peer.take(length)
        answer = self.truth(request)
        if answer is None:
            return False
        peer.send(answer)
        return True

    def truth(self, request):
        """The right answer."""
        payload = b""
        if request.opcode == HELLO:
            values = HELLO_REQUEST.unpack(request.payload[:HELLO_REQUEST.size])
            fields = {"size": len(self.data), "flags": IS_RAW, "incarnation": values[6],
                      "max_transfer": min(values[9], 1 << 20), "queue_depth": min(values[10], 128)}
            fields.update(self.hello)
            payload = hello_reply(**fields)
        elif request.opcode == READ:
            payload = bytes(self.data[request.offset:request.offset + request.length])
        elif request.opcode == WRITE:
            self.data[request.offset:request.offset + request.length] = request.payload
        elif request.opcode == GOODBYE:
            return None
        return self.reply(request, payload)

    @staticmethod
    def reply(request, payload=b"", **changes):
        fields = {"kind": REPLY, "tag": request.tag, "offset": request.offset, "length": request.length}
        fields.update(changes)
        return message(request.opcode, payload, **fields)


def wait_until(seconds, condition):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def crc32c(data):
    """CRC-32C as the labels have it."""
    table = crc32c.__dict__.setdefault("table", [])
    if not table:
        for byte in range(256):
            for _ in range(8):
                byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
            table.append(byte)
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


def golden(folder):
    """Compares what this file makes with what the module makes."""
    tag = 0x700000102
    data = bytes(i * 7 & 255 for i in range(512))
    read = {"tag": tag, "epoch": 3, "offset": 1 << 33, "length": 512}
    made = {
        "preface-plain": PREFACE,
        "hello-request": message(HELLO, hello_request(
            session=b"session-0123456!", incarnation=7, connection=1, connections=2, storage=b"storage-0123456!",
            epoch=3, export=b"kano", client=b"client-1"), tag=1),
        "read-request": message(READ, **read),
        "read-reply": message(READ, data, kind=REPLY, **read),
        "write-request": message(WRITE, data, tag=tag, epoch=3, offset=4096, length=512, flags=FUA),
        "flush-request": message(FLUSH, tag=tag, epoch=3),
        "discard-request": message(DISCARD, tag=tag, epoch=3, length=1 << 30),
        "write-zeroes-request": message(WRITE_ZEROES, tag=tag, epoch=3, offset=8192, length=65536, flags=NO_UNMAP),
        "ping-request": message(PING, tag=tag),
        "claim-epoch-request": message(CLAIM, tag=tag, epoch=4),
        "goodbye": message(GOODBYE, length=2),
    }
    bad = []
    for name, content in made.items():
        with open(os.path.join(folder, name + ".bin"), "rb") as file:
            kept = file.read()
        if kept != content:
            bad.append(name)
    with open(os.path.join(folder, "hello-reply.bin"), "rb") as file:
        kept = file.read()
    if HELLO_REPLY.pack(*HELLO_REPLY.unpack(kept[HEAD_BYTES:])) != kept[HEAD_BYTES:]:
        bad.append("hello-reply")
    with open(os.path.join(folder, "label-linear.bin"), "rb") as file:
        label = bytearray(file.read())
    stored = struct.unpack_from("<I", label, 12)[0]
    label[12:16] = bytes(4)
    if crc32c(label) != stored:
        bad.append("label-linear")
    if bad:
        sys.exit("FAILED: other bytes than in the golden files: " + " ".join(bad))
    print(f"{len(made) + 2} golden files agree")


if __name__ == "__main__":
    if sys.argv[1:2] == ["golden"]:
        golden(sys.argv[2])
    else:
        sys.exit(__doc__)
