#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Writes numbered records to a device while a node of it loses its power, and looks which of them are there in the end.

usage: power-load.py through|back DEVICE MIDDLE SEED FOLDER

Several threads write, flush and read around sector MIDDLE, the boundary of two nodes, past the page cache. Each sector
of a write says where it belongs and which write it is of. FOLDER/busy appears when the load is at its full depth;
FOLDER/cut has to be there before the power is cut, FOLDER/stop tells that it is back: then every thread does a little
more, and all sectors are read. FOLDER/state carries what is known from one round to the next.

through  a write is stable when it has ended: every sector holds the last write, whenever it is read; no flush fails
back     a write is stable when a flush has ended well that began after the write had ended. Every sector holds its
         newest stable write or one that came after it. A flush may fail after a cut: then nothing that was written before
         counts as stable, whatever a flush at the same time says, since it may have reached the kernel later.

A sector never holds anything but one of its own writes, in no case may a write or a read fail, and when the load has
ended one flush more may fail but not two. That flushes at the same time fail together is left to flush-loss.py.
"""

import errno
import mmap
import os
import pickle
import random
import struct
import sys
import threading
import zlib

SECTOR = 512
SPAN = 4096
CHUNK = 64
THREADS = int(os.environ.get("THREADS", "6"))
BUSY = 120
REST = 15
HEAD = struct.Struct("<8sQQI")
MAGIC = b"DSTpower"
FILL = SECTOR - HEAD.size


def checksum(sector, version, fill):
    return zlib.crc32(fill, zlib.crc32(struct.pack("<QQ", sector, version)))


def record(sector, version, fill):
    return HEAD.pack(MAGIC, sector, version, checksum(sector, version, fill)) + fill


def version_of(sector, data):
    """The write that the content of a sector is of; None if it is of none."""
    magic, where, version, check = HEAD.unpack_from(data)
    if data == bytes(SECTOR):
        return 0
    if magic == MAGIC and where == sector and check == checksum(sector, version, data[HEAD.size :]):
        return version
    return None


class Flush:
    """A flush: it covers the acknowledged writes from number "void" to "end"."""

    def __init__(self, void, end):
        self.void, self.end = void, end
        self.spoiled = False
        # Flushes at the same time: their end decides.
        self.waits = set()


class Model:
    """What each sector may hold: writes from "sure" to "last", by number. Numbers grow."""

    def __init__(self, way, folder):
        self.way, self.folder = way, folder
        self.lock = threading.Lock()
        self.sure, self.last, self.next = [0] * SPAN, [0] * SPAN, 1
        self.written, self.flushes, self.failed, self.reads = 0, 0, 0, 0
        # Acknowledged writes in their order; up to "floor" all are stable, up to "void" a failed flush told of a loss.
        self.log, self.floor, self.void = [], 0, 0
        self.active, self.pending = set(), []
        self.problems = []
        self.old = 0

    def problem(self, text):
        with self.lock:
            self.problems.append(text)

    def exists(self, name):
        return os.path.exists(f"{self.folder}/{name}")

    def write_begins(self, first, count):
        with self.lock:
            version = self.next
            self.next += 1
            self.last[first : first + count] = [version] * count
            return version

    def write_ended(self, first, count, version):
        with self.lock:
            self.written += 1
            if self.written == BUSY:
                open(f"{self.folder}/busy", "w").close()
            if self.way == "through":
                self.sure[first : first + count] = [version] * count
            else:
                self.log.append((first, count, version))

    def flush_begins(self):
        with self.lock:
            flush = Flush(self.void, len(self.log))
            self.active.add(flush)
            return flush

    def flush_ended(self, flush):
        with self.lock:
            self.flushes += 1
            self.active.remove(flush)
            flush.waits = set(self.active)
            if not flush.spoiled:
                self.pending.append(flush)
            for other in list(self.pending):
                other.waits.discard(flush)
                if not other.waits:
                    self.pending.remove(other)
                    self.covered(other)

    def flush_failed(self, flush):
        with self.lock:
            self.failed += 1
            self.void = len(self.log)
            self.active.remove(flush)
            for other in self.active:
                other.spoiled = True
            self.pending = [other for other in self.pending if flush not in other.waits]

    def covered(self, flush):
        for first, count, version in self.log[max(flush.void, self.floor) : flush.end]:
            for at in range(first, first + count):
                self.sure[at] = max(self.sure[at], version)
        if flush.void <= self.floor:
            self.floor = max(self.floor, flush.end)

    def sure_of(self, first, count):
        with self.lock:
            return self.sure[first : first + count], self.last[first : first + count]

    def check(self, base, first, data, sure, last, when):
        """Compares sectors that nobody writes to with what they may hold; returns what they hold."""
        found = []
        for i in range(len(data) // SECTOR):
            version = version_of(base + first + i, data[i * SECTOR : (i + 1) * SECTOR])
            found.append(version)
            if version is None:
                self.problem(f"sector {base + first + i} holds garbage {when}: {data[i * SECTOR : i * SECTOR + 64].hex()}")
            elif not sure[i] <= version <= last[i]:
                self.old += 1
                self.problem(f"sector {base + first + i} holds write {version} {when}: {sure[i]} was stable, {last[i]} the last")
        return found


class Thread(threading.Thread):
    def __init__(self, model, fd, base, number, seed):
        super().__init__()
        self.model, self.fd, self.base, self.number = model, fd, base, number
        self.dice = random.Random(f"{seed} {number}")
        self.buffer = memoryview(mmap.mmap(-1, CHUNK * SECTOR))

    def extent(self):
        """Some sectors of a chunk that belongs to this thread alone."""
        chunk = self.dice.randrange(SPAN // CHUNK // THREADS) * THREADS + self.number
        count = self.dice.choice((1, 1, 2, 7, 8, 8, 8, 16, 33, CHUNK))
        return chunk * CHUNK + self.dice.randrange(CHUNK - count + 1), count

    def write(self):
        first, count = self.extent()
        version = self.model.write_begins(first, count)
        fill = self.dice.randbytes(FILL)
        for i in range(count):
            self.buffer[i * SECTOR : (i + 1) * SECTOR] = record(self.base + first + i, version, fill)
        done = os.pwritev(self.fd, [self.buffer[: count * SECTOR]], (self.base + first) * SECTOR)
        assert done == count * SECTOR
        self.model.write_ended(first, count, version)

    def flush(self):
        flush = self.model.flush_begins()
        cut = self.model.exists("cut")
        try:
            os.fdatasync(self.fd)
        except OSError as error:
            if self.model.way == "through" or error.errno != errno.EIO:
                raise
            if not cut and not self.model.exists("cut"):
                raise
            self.model.flush_failed(flush)
        else:
            self.model.flush_ended(flush)

    def read(self):
        first, count = self.extent()
        sure, last = self.model.sure_of(first, count)
        done = os.preadv(self.fd, [self.buffer[: count * SECTOR]], (self.base + first) * SECTOR)
        assert done == count * SECTOR
        self.model.check(self.base, first, bytes(self.buffer[:done]), sure, last, "during the load")
        self.model.reads += 1

    def step(self):
        self.dice.choices((self.write, self.flush, self.read), (70, 15, 15))[0]()

    def run(self):
        try:
            while not self.model.exists("stop"):
                self.step()
            for _ in range(REST):
                self.step()
        except Exception as error:  # pylint: disable=broad-except
            self.model.problem(f"thread {self.number}: {error!r}")


def settle(model, fd):
    """One flush more: it may be the one that tells of a loss, the one after it may not."""
    for attempt in 1, 2:
        flush = model.flush_begins()
        try:
            os.fdatasync(fd)
            return model.flush_ended(flush)
        except OSError as error:
            if model.way == "through" or attempt == 2:
                model.problem(f"flush {attempt} after the load: {error!r}")
            model.flush_failed(flush)


def main():
    way, device, middle, seed, folder = sys.argv[1:]
    base = int(middle) - SPAN // 2
    state = f"{folder}/state"
    model = Model(way, folder)
    if os.path.exists(state):
        with open(state, "rb") as file:
            model.sure, model.next = pickle.load(file)
        model.last = list(model.sure)
    fd = os.open(device, os.O_RDWR | os.O_DIRECT)
    threads = [Thread(model, fd, base, number, seed) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    settle(model, fd)
    with open("/proc/sys/vm/drop_caches", "w") as file:
        file.write("3")
    buffer = memoryview(mmap.mmap(-1, CHUNK * SECTOR))
    found = []
    for first in range(0, SPAN, CHUNK):
        os.preadv(fd, [buffer], (base + first) * SECTOR)
        sure, last = model.sure_of(first, CHUNK)
        found += model.check(base, first, bytes(buffer), sure, last, "in the end")
    os.close(fd)
    # What was found is stable: the last flush has ended well.
    with open(state, "wb") as file:
        pickle.dump(([version or 0 for version in found], model.next), file)
    for text in model.problems[:10]:
        print(text)
    print(
        f"{os.path.basename(device)}: {model.written} writes, {model.flushes} flushes and {model.failed} that failed, "
        f"{model.reads} reads, {len(model.problems)} problems, of which {model.old} sectors lost a stable write"
    )
    if model.old and model.old == len(model.problems):
        return 2
    return 1 if model.problems else 0


if __name__ == "__main__":
    sys.exit(main())
