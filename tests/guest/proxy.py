#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""A machine between a client and an export that passes on what they say, message by message, and breaks off, keeps silent,
answers late or twice when it is told to. The tests import it."""

import fcntl
import socket
import struct
import termios
import threading
import time

import peer

# Who speaks.
CLIENT, SERVER = "client", "server"
# What is said before the first message.
PREFACE = 0


def reset(stream):
    """Closes a socket with a reset."""
    try:
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # Whoever sleeps in it is woken.
        stream.shutdown(socket.SHUT_RD)
    except OSError:
        pass
    stream.close()


def arrived(stream):
    """Waits until the peer's TCP has all that was sent."""
    def nothing_left():
        try:
            return struct.unpack("i", fcntl.ioctl(stream, termios.TIOCOUTQ, bytes(4)))[0] == 0
        except (OSError, ValueError):
            return True

    peer.wait_until(5, nothing_left)


class Fault:
    """What is to happen at byte "at" of the next message with opcode "opcode" (PREFACE: of the preface) that "speaker" says.

    A float counts in the payload: 0.0 is its first byte, 1.0 the end; a message without payload is left alone. All before
    that byte is passed on. Then "action" is called once with (link, rest), "rest" being the part of this message that was
    received and not passed on; it returns what is passed on in its place, or None if the connection is over.
    """

    def __init__(self, speaker, opcode, at, action):
        self.speaker, self.opcode, self.at, self.action = speaker, opcode, at, action
        self.hit = threading.Event()
        self.lock = threading.Lock()

    def position(self, length):
        """Where in a message of so many bytes; None if not in this one."""
        if isinstance(self.at, float):
            payload = length - peer.HEAD_BYTES
            return peer.HEAD_BYTES + int(self.at * payload) if payload > 0 else None
        return self.at if self.at <= length else None

    def take(self, speaker, opcode):
        """Whether this message is the one."""
        with self.lock:
            if self.hit.is_set() or (speaker, opcode) != (self.speaker, self.opcode):
                return False
            return True

    def claim(self):
        with self.lock:
            claimed = not self.hit.is_set()
            self.hit.set()
            return claimed


class Link:
    """A client's connection and the one that was made to the export for it."""

    def __init__(self, proxy, client, server):
        self.proxy = proxy
        self.sides = {CLIENT: client, SERVER: server}
        self.open = True
        for stream in (client, server):
            stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def start(self):
        for speaker in (CLIENT, SERVER):
            threading.Thread(target=self.pass_on, args=(speaker,), daemon=True).start()

    def other(self, speaker):
        return self.sides[SERVER if speaker == CLIENT else CLIENT]

    def take(self, stream, count):
        """So many bytes; b"" at the end."""
        data = bytearray(count)
        view = memoryview(data)
        while view:
            got = stream.recv_into(view)
            if not got:
                raise EOFError
            view = view[got:]
        return bytes(data)

    def pass_on(self, speaker):
        source, target = self.sides[speaker], self.other(speaker)
        try:
            self.say(speaker, target, PREFACE, self.take(source, len(peer.PREFACE)))
            while self.open:
                head = self.take(source, peer.HEAD_BYTES)
                length = peer.RECORD.unpack_from(head)[3]
                opcode = peer.HEADER.unpack_from(head, peer.RECORD.size)[1]
                if not self.say(speaker, target, opcode, head + self.take(source, length)):
                    return
        except (OSError, EOFError, ValueError):
            self.end()

    def say(self, speaker, target, opcode, message):
        """Passes a message on; False if the connection is over by then."""
        self.proxy.hold(self, speaker)
        fault = self.proxy.fault
        position = None
        if fault and fault.take(speaker, opcode):
            position = fault.position(len(message))
        if position is None or not fault.claim():
            target.sendall(message)
            self.proxy.passed[speaker] += 1
            return True
        target.sendall(message[:position])
        arrived(target)
        rest = fault.action(self, message[position:])
        if rest is None:
            return False
        target.sendall(rest)
        return True

    def end(self):
        """One side is gone, so the other one goes."""
        if self.proxy.frozen(self):
            return
        self.cut()

    def cut(self, *sides):
        """Resets the connection to the given sides, or to both."""
        self.open = False
        for side in sides or (CLIENT, SERVER):
            reset(self.sides[side])
        if not sides:
            self.proxy.forget(self)


class Proxy:
    """Listens at ADDRESS:PORT and passes on to EXPORT:PORT."""

    def __init__(self, address, export, port=1025):
        self.export = (export, port)
        self.lock = threading.Condition()
        self.links = []
        self.connections = 0
        self.fault = None
        self.passed = {CLIENT: 0, SERVER: 0}
        self.silent, self.late = set(), 0.0
        self.listener = socket.create_server((address, port), backlog=64)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            client, _ = self.listener.accept()
            try:
                server = socket.create_connection(self.export, timeout=60)
                server.settimeout(None)
            except OSError:
                reset(client)
                continue
            link = Link(self, client, server)
            with self.lock:
                self.links.append(link)
                self.connections += 1
            link.start()

    def forget(self, link):
        with self.lock:
            if link in self.links:
                self.links.remove(link)
            self.silent.discard(link)
            self.lock.notify_all()

    def cut_all(self):
        """Resets every connection; returns how many there were."""
        links = list(self.links)
        for link in links:
            link.cut()
        return len(links)

    def arm(self, fault):
        self.fault = fault
        return fault

    def freeze(self):
        """The connections that there are pass nothing on any more, and stay."""
        with self.lock:
            self.silent = set(self.links)
            return len(self.silent)

    def frozen(self, link):
        return link in self.silent

    def thaw(self):
        """What they have kept back is passed on."""
        with self.lock:
            self.silent = set()
            self.lock.notify_all()

    def hold(self, link, speaker):
        """Returns when a message may be passed on: at once, or when the connection is no longer frozen."""
        if speaker == SERVER and self.late:
            time.sleep(self.late)
        with self.lock:
            while link in self.silent:
                self.lock.wait()
