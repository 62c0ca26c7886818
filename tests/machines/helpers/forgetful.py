#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Disks that forget what was not flushed when their machine loses its power.

usage: forgetful.py --socket PATH --seed NUMBER [--dump FOLDER] NAME=BYTES[,deaf[=BYTES]]...

Serves the disks to QEMU over NBD. Each has a volatile write cache: a write is answered when it is in the cache, a flush
when all of the cache is stable, a write with forced unit access when it is stable itself. A deaf disk answers flushes and
does nothing, one with a deaf beginning of so many bytes does nothing there. The end of a connection, which a killed QEMU
causes, is the loss of power.

What happens to the cache then is the worst that a disk may do. A cache holds every version of a sector since the last
flush, since a disk may have stored any of them at any time: each sector is left with one of these versions, or with the
one that was stable, independently of all others. So writes are lost, torn, and reordered. How much is lost differs from
one cut to the next, from a little to everything.

The content lives as long as this process. For each loss of power one line tells what was lost; "ready" tells that
connections are accepted. At the signal USR1 all disks store what they have in their caches, as any disk does with time.
At USR2 what a reader would find on each disk is written to FOLDER/NAME.
"""

import argparse
import random
import re
import signal
import socket
import struct
import sys
import threading

SECTOR = 512
# The oldest of more versions of a sector are left out: that is a disk that chooses among fewer.
VERSIONS = 4
# How likely a sector of the cache is to have been stored before the power went.
STORED = (0, 0, 0.1, 0.5, 0.9)

GREETING = struct.pack(">8s8sH", b"NBDMAGIC", b"IHAVEOPT", 1 | 2)
OPTION_REPLY = 0x3E889045565A9
REQUEST = struct.Struct(">IHHQQI")
REQUEST_MAGIC, REPLY_MAGIC = 0x25609513, 0x67446698
OPTION_EXPORT_NAME, OPTION_ABORT, OPTION_INFO, OPTION_GO = 1, 2, 6, 7
ACK, INFO, UNSUPPORTED = 1, 3, 0x80000001
# Has flags, knows flush, knows forced unit access.
FLAGS = 1 | 4 | 8
READ, WRITE, DISCONNECT, FLUSH = 0, 1, 2, 3
FUA = 1
EINVAL = 22


class Disk:
    def __init__(self, name, size, seed, deaf):
        # Up to "deaf" nothing is stable because somebody wants it so.
        self.name, self.size, self.seed, self.deaf = name, size, seed, deaf
        self.stable = bytearray(size)
        self.cache = {}
        self.cuts = 0
        # Held by the connection that uses the disk.
        self.power = threading.Lock()
        # Held while the content changes, or is read.
        self.lock = threading.Lock()

    def read(self, offset, length):
        with self.lock:
            data = bytearray(self.stable[offset : offset + length])
            for at in range(0, length, SECTOR):
                versions = self.cache.get((offset + at) // SECTOR)
                if versions:
                    data[at : at + SECTOR] = versions[-1]
        return data

    def write(self, offset, data, stable):
        stable = stable and offset >= self.deaf
        with self.lock:
            for at in range(0, len(data), SECTOR):
                sector = (offset + at) // SECTOR
                if stable:
                    self.cache.pop(sector, None)
                else:
                    versions = self.cache.setdefault(sector, [])
                    versions.append(data[at : at + SECTOR])
                    del versions[:-VERSIONS]
            if stable:
                self.stable[offset : offset + len(data)] = data

    def store(self, sector, data):
        self.stable[sector * SECTOR : (sector + 1) * SECTOR] = data

    def flush(self):
        self.store_all(self.deaf)

    def store_all(self, begin=0):
        with self.lock:
            for sector in [sector for sector in self.cache if sector * SECTOR >= begin]:
                self.store(sector, self.cache.pop(sector)[-1])

    def lose_power(self):
        self.cuts += 1
        dice = random.Random(f"{self.seed} {self.name} {self.cuts}")
        stored = dice.choice(STORED)
        lost = 0
        for sector, versions in self.cache.items():
            # The newest version is as likely as all others together.
            survivor = dice.choice((versions[-1], dice.choice(versions))) if dice.random() < stored else None
            if survivor is not None:
                self.store(sector, survivor)
            lost += survivor is not versions[-1]
        print(f"{self.name}: power lost, {len(self.cache)} sectors were not flushed, {lost} of them are lost", flush=True)
        self.cache.clear()


class Connection:
    def __init__(self, stream, disks):
        self.stream, self.disks = stream, disks

    def receive(self, length):
        data = bytearray(length)
        view = memoryview(data)
        while view:
            count = self.stream.recv_into(view)
            if not count:
                raise EOFError
            view = view[count:]
        return bytes(data)

    def negotiate(self):
        """The disk that the client asks for."""
        self.stream.sendall(GREETING)
        (client,) = struct.unpack(">I", self.receive(4))
        while True:
            _, option, length = struct.unpack(">8sII", self.receive(16))
            data = self.receive(length)
            if option == OPTION_EXPORT_NAME:
                disk = self.disks[data.decode()]
                self.stream.sendall(struct.pack(">QH", disk.size, FLAGS) + (b"" if client & 2 else bytes(124)))
                return disk
            if option in (OPTION_GO, OPTION_INFO):
                (name,) = struct.unpack_from(">I", data)
                disk = self.disks[data[4 : 4 + name].decode()]
                self.answer(option, INFO, struct.pack(">HQH", 0, disk.size, FLAGS))
                self.answer(option, INFO, struct.pack(">HIII", 3, SECTOR, 4096, 1 << 25))
                self.answer(option, ACK)
                if option == OPTION_GO:
                    return disk
            elif option == OPTION_ABORT:
                self.answer(option, ACK)
                raise EOFError
            else:
                self.answer(option, UNSUPPORTED)

    def answer(self, option, kind, data=b""):
        self.stream.sendall(struct.pack(">QIII", OPTION_REPLY, option, kind, len(data)) + data)

    def serve(self, disk):
        while True:
            magic, flags, command, handle, offset, length = REQUEST.unpack(self.receive(REQUEST.size))
            assert magic == REQUEST_MAGIC
            # Before anything of a write that did not arrive as a whole is looked at.
            data = self.receive(length) if command == WRITE else b""
            error = 0
            if command == DISCONNECT:
                return
            if command == FLUSH:
                disk.flush()
            elif offset % SECTOR or length % SECTOR or offset + length > disk.size:
                error = EINVAL
            elif command == WRITE:
                disk.write(offset, data, flags & FUA)
            elif command == READ:
                data = disk.read(offset, length)
            else:
                error = EINVAL
            reply = struct.pack(">IIQ", REPLY_MAGIC, error, handle)
            self.stream.sendall(reply + data if command == READ and not error else reply)

    def run(self):
        try:
            disk = self.negotiate()
        except (EOFError, OSError, KeyError):
            self.stream.close()
            return
        with disk.power:
            try:
                self.serve(disk)
            except (EOFError, OSError):
                pass
            disk.lose_power()
        self.stream.close()


def obey(disks, folder):
    while True:
        if signal.sigwait([signal.SIGUSR1, signal.SIGUSR2]) == signal.SIGUSR1:
            for disk in disks:
                disk.store_all()
            print("stored", flush=True)
        elif folder:
            for disk in disks:
                with open(f"{folder}/{disk.name}", "wb") as file:
                    file.write(disk.read(0, disk.size))
            print("dumped", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--socket", required=True)
    parser.add_argument("--seed", required=True)
    parser.add_argument("--dump")
    parser.add_argument("disks", nargs="+")
    arguments = parser.parse_args()
    disks = {}
    for item in arguments.disks:
        name, size, deaf, beginning = re.fullmatch(r"([^=]+)=(\d+)(,deaf(?:=(\d+))?)?", item).groups()
        disks[name] = Disk(name, int(size), arguments.seed, int(beginning or size) if deaf else 0)
    # In a thread of its own, which holds no lock when it is told to.
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1, signal.SIGUSR2])
    threading.Thread(target=obey, args=[list(disks.values()), arguments.dump], daemon=True).start()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(arguments.socket)
    listener.listen(64)
    print("ready", flush=True)
    while True:
        stream, _ = listener.accept()
        threading.Thread(target=Connection(stream, disks).run, daemon=True).start()


if __name__ == "__main__":
    sys.exit(main())
