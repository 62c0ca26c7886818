#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""One very long bio.

usage: huge-bio.py write|read DISK OFFSET BYTES     every page holds its number; "read" checks that
       huge-bio.py mark NODE-BYTES FROM FILE...     puts marks into files that follow one another in the storage
       huge-bio.py marks DISK OFFSET BYTES          reads, and checks that the marks and nothing else is there

Ordinary direct I/O is cut at 256 vectors. A buffer registered with io_uring is not: its request becomes one bio, however
long it is. The few calls that takes are made here by number, without a library.
"""

import ctypes
import mmap
import os
import struct
import sys

PAGE = 4096
SECTOR = 512
STRIDE = (1 << 20) + 5 * SECTOR
SETUP, ENTER, REGISTER = 425, 426, 427
READ_FIXED, WRITE_FIXED = 4, 5
libc = ctypes.CDLL(None, use_errno=True)


def call(number, *arguments):
    result = libc.syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
    return result


def transfer(operation, path, offset, buffer):
    """One request from or to all of buffer, a mapping; returns when it is done."""
    flags = os.O_RDONLY if operation == READ_FIXED else os.O_WRONLY
    disk = os.open(path, flags | os.O_DIRECT)
    parameters = (ctypes.c_uint32 * 30)()
    ring = call(SETUP, ctypes.c_uint(1), parameters)
    values = struct.unpack("<30I", bytes(parameters))
    sq_array, cq_cqes = values[10 + 6], values[20 + 5]
    rings = mmap.mmap(ring, max(sq_array + 4, cq_cqes + 32), mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE, offset=0)
    entries = mmap.mmap(ring, 64, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE, offset=0x10000000)
    view = (ctypes.c_char * len(buffer)).from_buffer(buffer)
    address = ctypes.addressof(view)
    vector = (ctypes.c_uint64 * 2)(address, len(buffer))
    call(REGISTER, ctypes.c_int(ring), ctypes.c_uint(0), vector, ctypes.c_uint(1))
    entries[:] = struct.pack("<BBHiQQIIQHHIQQ", operation, 0, 0, disk, offset, address, len(buffer), 0, 1, 0, 0, 0, 0, 0)
    struct.pack_into("<I", rings, sq_array, 0)
    struct.pack_into("<I", rings, values[10 + 1], 1)
    call(ENTER, ctypes.c_int(ring), ctypes.c_uint(1), ctypes.c_uint(1), ctypes.c_uint(1), None, ctypes.c_size_t(0))
    result = struct.unpack_from("<i", rings, cq_cqes + 8)[0]
    os.close(ring)
    os.close(disk)
    if result != len(buffer):
        sys.exit(f"moving {len(buffer)} bytes at {offset} gave {result}")


BLOCK = 256 * PAGE
PAGES = int.from_bytes(b"".join(struct.pack("<Q", page) * (PAGE // 8) for page in range(256)), "little")
ONES = int.from_bytes(struct.pack("<Q", 1 << 32) * (BLOCK // 8), "little")


def numbered(block):
    """A MiB of pages each of which repeats a number of its own."""
    return (PAGES + (block + 1) * ONES).to_bytes(BLOCK, "little")


def write(path, offset, size):
    buffer = mmap.mmap(-1, size)
    for at in range(0, size, BLOCK):
        buffer[at:at + BLOCK] = numbered(at // BLOCK)
    transfer(WRITE_FIXED, path, offset, buffer)


def read(path, offset, size):
    buffer = mmap.mmap(-1, size)
    transfer(READ_FIXED, path, offset, buffer)
    for at in range(0, size, BLOCK):
        if buffer[at:at + BLOCK] != numbered(at // BLOCK):
            sys.exit(f"something else was read behind byte {offset + at}")


def mark_at(at):
    return struct.pack("<Q", at) * (SECTOR // 8)


def mark(node_size, start, files):
    for number, path in enumerate(files):
        with open(path, "r+b") as file:
            for at in range(start, node_size * len(files), STRIDE):
                if number * node_size <= at < (number + 1) * node_size:
                    file.seek(at - number * node_size)
                    file.write(mark_at(at))


def marks(path, offset, size):
    buffer = mmap.mmap(-1, size)
    transfer(READ_FIXED, path, offset, buffer)
    zeroes = bytes(STRIDE - SECTOR)
    for at in range(0, size, STRIDE):
        if buffer[at:at + SECTOR] != mark_at(offset + at):
            sys.exit(f"the mark at byte {offset + at} is not there")
        rest = buffer[at + SECTOR:at + STRIDE]
        if rest != zeroes[:len(rest)]:
            sys.exit(f"something is written behind byte {offset + at}")


def main():
    step = sys.argv[1]
    if step == "mark":
        mark(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
    else:
        {"write": write, "read": read, "marks": marks}[step](sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))


main()
