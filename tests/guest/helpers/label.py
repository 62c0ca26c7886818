#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Reads and writes labels on devices that nobody uses, as Documentation/label.md describes them.

    label.py get DEVICE FIELD...         prints fields of copy A, one on a line; "bad" if the copies differ
    label.py set DEVICE FIELD=VALUE...   changes fields in both copies
    label.py copy FROM TO                gives TO the label of FROM
    label.py look DEVICE...              prints what a start may change of each
    label.py newest FILE...              prints for the image of each device state, events, the identities of partner and
                                         node, epoch and sequence of the newer of its labels that is not torn, or "none"
    label.py stage NAME EPOCH OLD NEW IDENTITIES SECTORS OTHER...
                                         the labels at that moment of the way of node 1 from OLD to NEW, which have these
                                         identities ("of the old node/of the new one"); the new device has SECTORS ("of the
                                         device/for data")

Identities are written as hexadecimal digits.
"""

import mmap
import os
import struct
import sys

import peer

AREA = 4 << 20
FIELDS = {
    "incompat": (32, "<Q"), "storage": (40, "16s"), "node": (56, "16s"), "index": (168, "<I"), "nodes": (172, "<I"),
    "start": (176, "<Q"), "size": (184, "<Q"), "device_sectors": (192, "<Q"), "data_sectors": (200, "<Q"),
    "epoch": (208, "<Q"), "events": (216, "<Q"), "state": (224, "<I"), "sequence": (232, "<Q"),
    "partner": (296, "16s"), "place": (312, "64s"),
}


class Device:
    """A device with an area of 4 MiB, as small ones have. Past all caches, as the module reads it."""

    def __init__(self, path):
        self.file = os.open(path, os.O_RDWR | os.O_DIRECT)
        size = os.lseek(self.file, 0, os.SEEK_END)
        assert size % 4096 == 0 and size <= 128 << 30
        self.places = (size - AREA, size - 4096)
        self.buffer = mmap.mmap(-1, 4096)

    def read(self, copy):
        assert os.preadv(self.file, [self.buffer], self.places[copy]) == 4096
        return bytearray(self.buffer[:])

    def write(self, block):
        block[12:16] = bytes(4)
        struct.pack_into("<I", block, 12, peer.crc32c(block))
        self.fill(block)

    def fill(self, block):
        self.buffer[:] = bytes(block)
        for place in self.places:
            assert os.pwritev(self.file, [self.buffer], place) == 4096
        os.fsync(self.file)


def text(block, field):
    value, = struct.unpack_from(FIELDS[field][1], block, FIELDS[field][0])
    if field == "place":
        return value.rstrip(b"\0").decode()
    return value.hex() if isinstance(value, bytes) else str(value)


def change(block, field, value):
    offset, form = FIELDS[field]
    if field == "place":
        value = value.encode()
    elif form == "16s":
        value = bytes.fromhex(value)
    else:
        value = int(value)
    struct.pack_into(form, block, offset, value)


def identity(block, *fields):
    for field in fields:
        name, value = field.split("=", 1)
        change(block, name, value)
    return block


def newest(path):
    """Both places are looked at, as a crash may have torn the label in one of them."""
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        blocks = [bytearray(os.pread(file.fileno(), 4096, place)) for place in (size - AREA, size - 4096)]
    whole = []
    for block in blocks:
        told, = struct.unpack_from("<I", block, 12)
        block[12:16] = bytes(4)
        if any(block) and peer.crc32c(block) == told:
            whole.append(block)
    if not whole:
        return "none"
    block = max(whole, key=lambda block: int(text(block, "sequence")))
    return " ".join(text(block, field) for field in ("state", "events", "partner", "node", "epoch", "sequence"))


def stage(name, epoch, old_path, new_path, identities, sectors, *others):
    """The table of the updates in Documentation/label.md."""
    names = ("plain", "copying", "recorded", "taken", "half", "told", "settled")
    at = names.index(name)
    old_node, new_node = identities.split("/")
    device_sectors, data_sectors = sectors.split("/")
    plain = ("incompat=0", "state=1", "events=0", "partner=" + "0" * 32, "place=")
    old, new = Device(old_path), Device(new_path)
    block = identity(old.read(0), "node=" + old_node, "index=1", "epoch=" + epoch, *plain)
    copy = identity(bytearray(block), "node=" + new_node, "device_sectors=" + device_sectors,
                    "data_sectors=" + data_sectors, "incompat=1", "state=2", "partner=" + old_node, "place=" + old_path)
    if at >= names.index("recorded"):
        identity(block, "incompat=1", "state=3", "events=1", "partner=" + new_node, "place=" + new_path)
    if at >= names.index("taken"):
        identity(copy, "state=1", "events=1")
    if name == "settled":
        identity(copy, *plain)
        identity(copy, "events=1")
    old.write(block)
    if name == "plain":
        new.fill(bytes(4096))
    else:
        new.write(copy)
    for number, path in enumerate(others):
        told = at >= names.index("told") or name == "half" and number > 0
        other = Device(path)
        other.write(identity(other.read(0), f"events={int(told)}", "epoch=" + epoch))


def main(verb, *arguments):
    if verb == "stage":
        stage(*arguments)
        return
    if verb == "newest":
        for path in arguments:
            print(newest(path))
        return
    if verb == "look":
        for path in arguments:
            block = Device(path).read(0)
            print(*(text(block, field) for field in ("state", "events", "partner", "epoch", "sequence", "node")))
        return
    device, *arguments = arguments
    device = Device(device)
    block = device.read(0)
    if verb == "get":
        if block != device.read(1):
            print("bad")
            return
        for field in arguments:
            print(text(block, field))
    elif verb == "set":
        device.write(identity(block, *arguments))
    elif verb == "copy":
        Device(arguments[0]).fill(block)


if __name__ == "__main__":
    main(*sys.argv[1:])
