#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""A server whose cache is another one at a moment of the test's choice, and a storage "liar" on it: caches.py ADDRESS. Runs
"dst" as the client."""

import errno
import mmap
import os
import subprocess
import sys
import threading

import peer

BLOCK = 4096


class Cached(peer.Server):
    """Says with the answer to a flush what its cache is called. What is held is answered when it is let go of."""

    def __init__(self, address):
        super().__init__(address)
        self.cache, self.holds, self.held = 1, None, []
        self.hello = {"flags": peer.IS_RAW | peer.HAS_CACHE, "cache": 1}

    def becomes(self, cache):
        self.cache = self.hello["cache"] = cache

    def truth(self, request):
        if request.opcode == peer.FLUSH:
            return self.reply(request, cache=self.cache)
        return super().truth(request)

    def answer(self, peer):
        return super().answer(Held(peer, self))


class Held:
    """A connection whose answers to "holds" wait."""

    def __init__(self, connection, server):
        self.connection, self.server = connection, server

    def take(self, count):
        return self.connection.take(count)

    def send(self, data):
        if peer.HEADER.unpack_from(data, peer.RECORD.size)[1] == self.server.holds:
            self.server.holds = None
            self.server.held.append((self.connection, data))
        else:
            self.connection.send(data)


class Disk:
    def __init__(self):
        self.file = os.open("/dev/dst-liar", os.O_RDWR | os.O_DIRECT)
        self.buffer = mmap.mmap(-1, BLOCK)

    def write(self, block):
        assert os.pwritev(self.file, [self.buffer], block * BLOCK) == BLOCK

    def flush(self):
        try:
            os.fsync(self.file)
        except OSError as error:
            assert error.errno == errno.EIO, error
            return False
        return True


class Later(threading.Thread):
    """Something that waits for an answer."""

    def __init__(self, what, *arguments):
        super().__init__(daemon=True)
        self.what, self.arguments, self.result = what, arguments, None
        self.start()

    def run(self):
        self.result = self.what(*self.arguments)

    def ends(self, server):
        """Lets go of the answer."""
        for connection, data in server.held:
            connection.send(data)
        server.held.clear()
        self.join(60)
        assert not self.is_alive(), "it does not end"
        return self.result


def held(server, opcode, what, *arguments):
    server.holds = opcode
    later = Later(what, *arguments)
    assert peer.wait_until(60, lambda: server.held), "nothing is asked for"
    return later


def fails_once(disk, what):
    assert not disk.flush(), f"{what}: it is not told"
    assert disk.flush(), f"{what}: it is told twice"


def begin(server, disk):
    disk.write(0)
    assert disk.flush(), "a flush fails for nothing"
    assert disk.flush(), "a flush fails for nothing"


def beside(server, disk):
    """What others have written while a flush was under way is told by a flush of theirs."""
    flush = held(server, peer.FLUSH, disk.flush)
    disk.write(1)
    server.held = [(connection, renamed(data, 2)) for connection, data in server.held]
    server.becomes(2)
    assert not flush.ends(server), "a flush succeeds that was answered with another cache"
    fails_once(disk, "what was written beside a flush")


def late(server, disk):
    """A write that was sent before, and is answered later."""
    write = held(server, peer.WRITE, disk.write, 2)
    server.becomes(3)
    assert disk.flush(), "a flush fails though all that was acknowledged is stable"
    write.ends(server)
    fails_once(disk, "what was answered late")


def backwards(server, disk):
    """A late answer says what the cache was called before."""
    disk.write(3)
    flush = held(server, peer.FLUSH, disk.flush)
    server.becomes(4)
    assert not disk.flush(), "the loss is not told"
    assert not flush.ends(server), "a flush succeeds that was asked for before the loss was told"
    disk.write(4)
    assert disk.flush(), "a late answer counts"


def harmless(server, disk):
    """Nothing was in the cache."""
    assert disk.flush(), "a flush fails for nothing"
    server.becomes(5)
    assert disk.flush(), "a flush fails though nothing can be lost"


def renamed(data, cache):
    """The same reply, with another name of the cache."""
    at = peer.RECORD.size + peer.HEADER.size - 8
    return data[:at] + cache.to_bytes(8, "little") + data[at + 8:]


def main():
    server = Cached(sys.argv[1])
    command = ["ip", "netns", "exec", "client", "dst", "create", "liar", "--raw", "--device", "dst-liar",
               "--connections", "2", f"{sys.argv[1]}:1025"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=120)
    disk = Disk()
    for test in (begin, beside, late, backwards, harmless):
        test(server, disk)
        print(f"# {test.__name__}: as it should be", flush=True)
    with open("/sys/devices/liar/n-0/reconnects", encoding="ascii") as file:
        assert file.read().strip() == "0", "a connection was lost"
    os.close(disk.file)
    subprocess.run(["ip", "netns", "exec", "client", "dst", "delete", "liar"], check=True, stdout=subprocess.DEVNULL, timeout=120)


main()
