#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Compares a storage with the files behind its nodes.

usage: layout.py prepare|exercise|compare FOLDER FILE:START:SIZE...

Each node is given by the file that holds its device, and by its first sector in the storage and its number of sectors.
FOLDER keeps what is expected from one step to the next.

prepare   fills all files with noise, so that a write to a wrong place shows even where it writes zeroes
exercise  /dev/dst must show the noise of the nodes in the order of the layout; then writes at, before and over all
          boundaries, each in one write past the page cache
compare   the files must hold what was written at the places of the layout and the old noise everywhere else; the two
          copies of the label are left out where the area behind the data begins with one
"""

import mmap
import os
import random
import sys

SECTOR = 512


def noise(seed, size):
    return random.Random(seed).randbytes(size)


def extents(nodes):
    total = max(start + size for _, start, size in nodes)
    yield from ((0, 1), (total - 1, 1), (17, 9), (total - 300, 200))
    for _, start, _ in nodes:
        if start > 0:
            # Over the boundary in the middle of a page, behind it, and in a longer piece.
            yield from ((start - 1, 2), (start + 40, 1), (start - 61, 64), (start - 130, 7))
    # Over all of a node, where it is small enough.
    yield (700, 1200)


def exercise(folder, nodes):
    total = max(start + size for _, start, size in nodes)
    whole = bytearray(total * SECTOR)
    for number, (path, start, size) in enumerate(nodes):
        with open(f"{folder}/expected.{number}", "rb") as file:
            whole[start * SECTOR:(start + size) * SECTOR] = file.read(size * SECTOR)
    with open("/dev/dst", "rb") as disk:
        if disk.read() != whole:
            sys.exit("the storage does not read what lies on its nodes")
    disk = os.open("/dev/dst", os.O_RDWR | os.O_DIRECT)
    data = noise("data", total * SECTOR)
    for at, count in extents(nodes):
        buffer = mmap.mmap(-1, count * SECTOR)
        buffer[:] = data[at * SECTOR:(at + count) * SECTOR]
        if os.pwrite(disk, buffer, at * SECTOR) != count * SECTOR:
            sys.exit(f"short write at sector {at}")
    os.close(disk)
    for number, (path, start, size) in enumerate(nodes):
        with open(f"{folder}/expected.{number}", "r+b") as file:
            for at, count in extents(nodes):
                first, end = max(at, start), min(at + count, start + size)
                if first < end:
                    file.seek((first - start) * SECTOR)
                    file.write(data[first * SECTOR:end * SECTOR])


def compare(folder, nodes):
    for number, (path, _, size) in enumerate(nodes):
        with open(path, "rb") as file:
            found = bytearray(file.read())
        with open(f"{folder}/expected.{number}", "rb") as file:
            expected = bytearray(file.read())
        if found[size * SECTOR:size * SECTOR + 8] == b"DSTLABEL":
            whole = len(found) // 4096 * 4096
            for at in (size * SECTOR, whole - 4096):
                if found[at:at + 8] != b"DSTLABEL":
                    sys.exit(f"node {number} has no label at byte {at}")
                expected[at:at + 4096] = found[at:at + 4096]
        if found != expected:
            wrong = [at // SECTOR for at in range(0, len(found), SECTOR)
                     if found[at:at + SECTOR] != expected[at:at + SECTOR]]
            sys.exit(f"node {number} holds something else in {len(wrong)} sectors, the first at {wrong[0]}")


def main():
    step, folder = sys.argv[1:3]
    nodes = []
    for argument in sys.argv[3:]:
        path, start, size = argument.rsplit(":", 2)
        nodes.append((path, int(start), int(size)))
    if step == "prepare":
        for number, (path, _, _) in enumerate(nodes):
            content = noise(f"{folder} {number}", os.path.getsize(path))
            for target, mode in ((path, "r+b"), (f"{folder}/expected.{number}", "wb")):
                with open(target, mode) as file:
                    file.write(content)
    else:
        {"exercise": exercise, "compare": compare}[step](folder, nodes)


main()
