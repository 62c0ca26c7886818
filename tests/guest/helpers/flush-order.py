#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Checks the order of writes and flushes in a trace.

usage: flush-order.py through|back TRACE DISK DEVICE:START:SIZE... NODE...

TRACE holds the events block_bio_queue, block_bio_complete, block_rq_issue and block_rq_complete in their order. DISK is
the storage and each DEVICE that of a node, both as major,minor; START and SIZE tell the node's sectors of the storage.
The NODEs (indices) are checked.

through  every write was on the node's device, and flushed there, before the storage answered it
back     every write that was answered before a flush began was flushed on its node before the flush was answered, and
         before the data that came with the flush went out; a write with forced unit access was flushed before it was
         answered

The nodes' devices have a volatile cache and no forced unit access of their own, so that a write is stable when a flush
that was issued after its end has ended.
"""

import re
import sys

LINE = re.compile(r"(block_(?:bio|rq)_\w+): (\d+,\d+) (\w+) (?:\d+ )?(?:\([^)]*\) )?(\d+) \+ (\d+)")
NEVER = float("inf")


class Write:
    def __init__(self, issued, at, count):
        self.issued, self.at, self.count, self.done, self.stable = issued, at, count, NEVER, NEVER


class Device:
    """One node's device: its writes, and when each was stable."""

    def __init__(self, start, size):
        self.start, self.size = start, size
        self.writes, self.open, self.flushes = [], {}, []

    def event(self, now, name, kind, at, count):
        flush = "W" not in kind and "F" in kind and "R" not in kind
        if name == "block_rq_issue":
            if flush:
                self.flushes.append(now)
            elif is_write(kind):
                write = Write(now, at, count)
                self.writes.append(write)
                self.open.setdefault((at, count), []).append(write)
        elif name == "block_rq_complete":
            if flush and self.flushes:
                begun = self.flushes.pop(0)
                for write in self.writes:
                    if write.done < begun and write.stable == NEVER:
                        write.stable = now
            elif is_write(kind) and self.open.get((at, count)):
                self.open[at, count].pop(0).done = now

    def part(self, at, count):
        first, end = max(at, self.start), min(at + count, self.start + self.size)
        return first - self.start, max(0, end - first)

    def since(self, at, count, begin, end):
        """The writes to the device's part of a range of the storage that were issued in a period, and whether they cover it."""
        first, length = self.part(at, count)
        found = [w for w in self.writes if begin < w.issued < end and w.at < first + length and first < w.at + w.count]
        covered = first
        for write in sorted(found, key=lambda w: w.at):
            if write.at <= covered:
                covered = max(covered, write.at + write.count)
        return found, covered >= first + length


class Bio:
    def __init__(self, begun, kind, at, count):
        self.begun, self.kind, self.at, self.count, self.done = begun, kind, at, count, NEVER
        self.flush, self.fua = kind.startswith("F"), "F" in kind[1:]


def is_write(kind):
    return "W" in kind and "Z" not in kind


def parse(path, disk, devices):
    bios, open_bios = [], {}
    with open(path) as trace:
        for now, line in enumerate(trace):
            found = LINE.search(line)
            if not found:
                continue
            name, device, kind, at, count = found.groups()
            at, count = int(at), int(count)
            if device in devices:
                devices[device].event(now, name, kind, at, count)
            elif device == disk and (is_write(kind) or kind.startswith("F")):
                if count == 0:
                    at = 0
                if name == "block_bio_queue":
                    bios.append(Bio(now, kind, at, count))
                    open_bios.setdefault((at, count), []).append(bios[-1])
                elif name == "block_bio_complete" and open_bios.get((at, count)):
                    open_bios[at, count].pop(0).done = now
    return bios


def stable_at(bio, devices):
    """The event with which the bio's data was stable on all of the devices."""
    latest = -1
    for device in devices:
        if device.part(bio.at, bio.count)[1]:
            writes, covered = device.since(bio.at, bio.count, bio.begun, bio.done)
            if not covered:
                sys.exit(f"event {bio.done}: {bio.kind} {bio.at} + {bio.count} was answered before it was written")
            latest = max([latest] + [write.stable for write in writes])
    return latest


def demand(bio, stable, limit, what):
    if stable > limit:
        sys.exit(f"event {limit}: {what} came before {bio.kind} {bio.at} + {bio.count}, answered by event {bio.done}, "
                 f"was stable on its node (event {stable})")


def main():
    way, path, disk = sys.argv[1:4]
    nodes = [argument for argument in sys.argv[4:] if ":" in argument]
    chosen = [int(argument) for argument in sys.argv[4:] if ":" not in argument]
    devices = {}
    for node in nodes:
        name, start, size = node.split(":")
        devices[name] = Device(int(start), int(size))
    bios = parse(path, disk, devices)
    checked = [list(devices.values())[node] for node in chosen]
    writes = [(bio, stable_at(bio, checked)) for bio in bios if bio.count and bio.done < NEVER]
    flushes = [bio for bio in bios if bio.flush and bio.done < NEVER]
    for bio, stable in writes:
        if way == "through" or bio.fua:
            demand(bio, stable, bio.done, "the answer")
    for flush in flushes if way == "back" else ():
        limit, what = flush.done, "the answer to a flush"
        if flush.count:
            out = [write.issued for device in devices.values()
                   for write in device.since(flush.at, flush.count, flush.begun, flush.done)[0]]
            limit, what = min(out, default=flush.done), "the data behind a flush"
        for bio, stable in writes:
            if bio.done < flush.begun:
                demand(bio, stable, limit, what)
    fua = sum(bio.fua for bio, _ in writes)
    print(f"# {way}: {len(writes)} writes, {fua} with forced unit access, {len(flushes)} flushes")
    if len(writes) < 100 or (way == "back" and len(flushes) < 5):
        sys.exit("the trace has too few events for a judgement")


main()
