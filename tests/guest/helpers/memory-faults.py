#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Lets the allocations of DST fail, each in turn: memory-faults.py SPEC PART ARGUMENT...

An allocation belongs to a module if a function of any module is on the stack; so work of kernel threads counts too. Its
number is exact: the kernel counts allocations only while it is to let each n-th fail, so requests for information are
made until one fails, and the n-th after that is the n-th of what is tested.

With STEP=n in the environment only each n-th allocation fails; SHIFT=n says which. ONLY=REGEX chooses operations.
"""

import ctypes
import errno
import mmap
import os
import re
import socket
import struct
import sys
import time

from pyynl.lib.ynl import NlError, YnlFamily

SPEC = sys.argv[1]
STEP, SHIFT = int(os.environ.get("STEP", 1)), int(os.environ.get("SHIFT", 0))
FAULTS = "/sys/kernel/debug/"
KINDS = ("failslab", "fail_page_alloc")
# Where the kernel puts modules on this architecture.
MODULES = ("0xffffffffa0000000", "0xffffffffff000000")
# More than any operation allocates.
MOST = 5000
# What a request may answer when there is no memory. The kernel says ENFILE when it cannot allocate a socket, and
# EADDRINUSE when it cannot note a port.
CLEAN = {errno.ENOMEM, errno.ENOBUFS, errno.ENFILE}
BIND = {errno.EADDRINUSE}
# Where the server had none: it closes the connection without a word, as it does to who may not connect.
REMOTE = {errno.EACCES, errno.ECONNRESET, errno.ECONNREFUSED, errno.ETIMEDOUT, errno.EPIPE}
PORT = 1025
ADDRESS = {"family": 2, "ip": "127.0.0.1", "port": PORT}
ALLOW = [{"ip": "127.0.0.0", "prefix-len": 8, "access": "read-write"}]
OTHERS = [{"ip": f"10.{i}.0.0", "prefix-len": 16, "access": "read-only"} for i in range(20)]
# Milliseconds for a connection: one whose packet or message found no memory is to be tried again soon.
LIMIT = 3000
libc = ctypes.CDLL(None, use_errno=True)


def fail(text):
    sys.exit(f"FAILED: {text}")


def put(path, value):
    with open(path, "w") as file:
        file.write(str(value))


def get(path):
    with open(path) as file:
        return file.read().strip()


def patiently(condition, seconds=60):
    """Waits until the condition holds; whether it did."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def aim():
    """Only what modules, or what they call, allocate is to fail; also what may wait for memory, and single pages."""
    for kind in KINDS:
        put(f"{FAULTS}{kind}/probability", 0)
        put(f"{FAULTS}{kind}/verbose", os.environ.get("VERBOSE", 0))
        put(f"{FAULTS}{kind}/ignore-gfp-wait", "N")
        put(f"{FAULTS}{kind}/stacktrace-depth", 32)
        put(f"{FAULTS}{kind}/require-start", MODULES[0])
        put(f"{FAULTS}{kind}/require-end", MODULES[1])
    put(f"{FAULTS}fail_page_alloc/min-order", 0)
    put(f"{FAULTS}fail_page_alloc/ignore-gfp-highmem", "N")


class Fault:
    """One allocation of the given kind that fails, made and taken back."""

    def __init__(self, kind, ask):
        self.folder, self.kind, self.ask = FAULTS + kind, kind, ask

    def set(self, interval, space):
        put(f"{self.folder}/probability", 0)
        put(f"{self.folder}/interval", interval)
        put(f"{self.folder}/space", space)
        put(f"{self.folder}/times", 1)
        put(f"{self.folder}/probability", 100)

    def arm(self, nth):
        """The nth allocation from now on fails."""
        if self.kind == "fail_page_alloc":
            # The room that is left is counted down by the pages of each allocation.
            self.set(1, nth)
            return
        if nth > 1:
            self.set(nth, 0)
            for _ in range(MOST):
                if get(f"{self.folder}/times") == "0":
                    break
                self.ask()
            else:
                fail("requests for information allocate nothing")
        self.set(nth, 0)

    def disarm(self):
        """Whether it has failed."""
        put(f"{self.folder}/probability", 0)
        return get(f"{self.folder}/times") == "0"


class Driver:
    """The module, over netlink."""

    def __init__(self):
        self.family = YnlFamily(SPEC, schema="")
        self.link = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 16)
        self.link.bind((0, 0))
        self.question = struct.pack("IHHII", 20, self.family.nlproto.family_id, 1, 1, 0) + struct.pack("BBH", 17, 1, 0)
        self.messages = {}

    def ask(self):
        """One request for information, as cheap as it can be made."""
        self.link.send(self.question)
        self.link.recv(65536)

    def do(self, operation, **attributes):
        return self.family.do(operation, {name.replace("_", "-"): value for name, value in attributes.items()})

    def state(self):
        """All that can be seen of DST."""
        dump = self.family.dump
        return {
            "storages": [(s["name"], s["state"], s["node-count"]) for s in dump("storage-get", {})],
            "nodes": [(n["index"], n["state"]) for n in dump("node-get", {})],
            "exports": [(e["name"], e["state"], e["clients"]) for e in dump("export-get", {})],
            "connections": sorted(c["role"] for c in dump("connection-get", {})),
            "directories": sorted(os.listdir("/sys/devices")),
            "disk": os.path.exists("/dev/dst"),
            # Those of an export have its number in their names.
            "threads": sorted(re.sub("-[0-9]+/", "/", name) for name in commands() if name.startswith("dst_")),
        }

    def sweep(self, what, act, undo, works=lambda: True, clean=frozenset(), patience=60):
        """Runs act with its first allocation failing, then its second, and so on until one is more than it makes.

        It must succeed, and then works must tell so after a while, and undo must be possible; or say why not, and then
        all is as it was.
        """
        if not re.search(os.environ.get("ONLY", ""), what):
            return
        for kind in KINDS:
            fault = Fault(kind, self.ask)
            needed = tried = 0
            texts = {}
            before = self.state()
            begin = time.monotonic()
            for nth in range(1 + SHIFT, MOST, STEP):
                where = f"{what}: {kind} {nth}"
                started = time.monotonic()
                fault.arm(nth)
                error = None
                try:
                    act()
                except NlError as found:
                    error, number, text = found, found.error, (found.nl_msg.extack or {}).get("msg", "")
                except OSError as found:
                    # What netlink itself says when it has no memory for an acknowledgement.
                    error, number, text = found, found.errno, "(without an answer)"
                hit = fault.disarm()
                if error is None:
                    works() or fail(f"{where}: it does not work: {self.state()}")
                    undo()
                else:
                    needed += 1
                    if not hit:
                        fail(f"{where}: it fails although every allocation succeeded: {error}")
                    texts[(errno.errorcode[number], text)] = nth
                    if number not in CLEAN | clean:
                        fail(f"{where}: {error} {text}")
                if not patiently(lambda: self.state() == before, patience):
                    fail(f"{where} ({error}): something is left:\n{before}\n{self.state()}")
                if time.monotonic() - started > 5:
                    print(f"# {where}: {time.monotonic() - started:.1f} s, {error or 'success'}", flush=True)
                if not hit:
                    break
                tried += 1
            else:
                fail(f"{what}: more than {MOST} allocations")
            print(f"# {what}: {kind}: {nth - 1} allocations, {tried} failed, {needed} were needed,",
                  f"{time.monotonic() - begin:.1f} s")
            for (number, text), last in sorted(texts.items()):
                print(f"#     {last}: {number} {text}")
            sys.stdout.flush()


def commands():
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            yield get(f"/proc/{pid}/comm")
        except OSError:
            pass


def loaded(name):
    return os.path.exists(f"/sys/module/{name}")


def load(path, parameters, nth):
    """Loads a module with the nth of its allocations failing; the error, and whether there were that many."""
    file = os.open(path, os.O_RDONLY)
    put("/proc/self/fail-nth", nth)
    result = libc.syscall(313, file, parameters.encode(), 0)
    number = ctypes.get_errno() if result else 0
    left = int(get("/proc/self/fail-nth"))
    put("/proc/self/fail-nth", 0)
    os.close(file)
    return number, left == 0


def unload(name, nth):
    """Removes a module; the nth allocation in this fails."""
    def removed():
        put("/proc/self/fail-nth", nth)
        result = libc.syscall(176, name.encode(), os.O_NONBLOCK)
        number = ctypes.get_errno() if result else 0
        put("/proc/self/fail-nth", 0)
        # Sockets to which it gave their lock classes keep it for a moment.
        if number not in (0, errno.EAGAIN):
            fail(f"{name} cannot be removed with allocation {nth} failing: {os.strerror(number)}")
        return number == 0

    patiently(removed) or fail(f"{name} stays in use")


def modules():
    """modules PATH PARAMETERS [MOST]: loading and unloading, which allocate in the context of who asks."""
    aim()
    path, parameters = sys.argv[3:5]
    most = int(sys.argv[5]) if len(sys.argv) > 5 else MOST
    name = os.path.basename(path).removesuffix(".ko")
    needed, numbers, begin = 0, set(), time.monotonic()
    for nth in range(1 + SHIFT, most + 1, STEP):
        number, hit = load(path, parameters, nth)
        if number:
            hit or fail(f"{name} does not load although every allocation succeeded: {os.strerror(number)}")
            number in CLEAN | BIND or len(sys.argv) > 5 or fail(f"{name}: {nth}: {os.strerror(number)}")
            needed += 1
            numbers.add(errno.errorcode[number])
            not loaded(name) or fail(f"{name} stays although it failed to load")
        else:
            unload(name, nth)
        patiently(lambda: not any(command.startswith("dst_") for command in commands())) or fail(
            f"{name}: {nth}: threads are left: {list(commands())}")
        if not hit:
            break
    print(f"# loading {name}: {nth - 1} allocations, {needed} were needed {numbers},",
          f"{time.monotonic() - begin:.1f} s")
    needed or fail(f"no allocation of {name} was needed")


def exports():
    """exports DEVICE: requests for information, an empty storage, and exports."""
    aim()
    driver = Driver()
    do = driver.do

    def serve():
        do("export-add", name="far", path=sys.argv[3], address=ADDRESS, allow=ALLOW)

    driver.sweep("information", lambda: do("info-get"), lambda: None)
    driver.sweep("storage-add", lambda: do("storage-add", name="storage", algorithm="linear"),
                 lambda: do("storage-del", name="storage"))
    driver.sweep("export-add", serve, lambda: do("export-del", name="far"), clean=BIND)
    serve()
    driver.sweep("export-set", lambda: do("export-set", name="far", allow=ALLOW + OTHERS), lambda: None)
    driver.sweep("export-del", lambda: do("export-del", name="far"), serve)
    do("export-del", name="far")


def outages():
    """outages EXPORTED LOCAL: connections that are lost come back, whatever allocation of either side fails."""
    aim()
    exported, local = sys.argv[3:5]
    driver = Driver()
    do = driver.do

    def serve():
        do("export-add", name="far", path=exported, address=ADDRESS, allow=ALLOW)

    def outage():
        do("export-del", name="far", del_flags=["force"])
        try:
            serve()
        except NlError as error:
            if error.error not in CLEAN | BIND:
                raise
            serve()
        # Without a request, which would allocate.
        patiently(lambda: get("/sys/devices/storage/n-0/state") == "up") or fail(f"the node stays down: {driver.state()}")

    serve()
    do("storage-add", name="storage", algorithm="linear")
    do("node-add", storage="storage", kind="remote", address=ADDRESS, connect_timeout=LIMIT)
    do("node-add", storage="storage", kind="local", path=local)
    do("storage-start", name="storage")
    driver.sweep("outage", outage, lambda: None, io)
    do("storage-del", name="storage")
    do("export-del", name="far", del_flags=["force"])


def controls():
    """The checks of a sweep find what is wrong: leftovers, errors that are not told, and what does not work."""
    aim()
    driver = Driver()

    def untidy():
        driver.do("storage-add", name="left", algorithm="linear")
        driver.do("info-get")

    def deaf():
        try:
            driver.do("storage-add", name="left", algorithm="linear")
        except NlError:
            pass

    def delete():
        driver.do("storage-del", name="left")

    for what, text, act, undo, works in (
        ("leftovers", "something is left", untidy, delete, lambda: True),
        ("an ignored error", "it does not work", deaf, delete,
         lambda: any(storage["name"] == "left" for storage in driver.family.dump("storage-get", {}))),
    ):
        try:
            driver.sweep(f"control: {what}", act, undo, works, patience=2)
        except SystemExit as found:
            if text not in str(found):
                fail(f"the control for {what} fails for another reason: {found}")
        else:
            fail(f"the sweep does not notice {what}")
        if any(storage["name"] == "left" for storage in driver.family.dump("storage-get", {})):
            delete()
    put(f"{FAULTS}failslab/probability", 0)


def io():
    """Writes to both nodes and reads back, past the page cache."""
    buffer = mmap.mmap(-1, 4096)
    disk = os.open("/dev/dst", os.O_RDWR | os.O_DIRECT)
    try:
        size = os.lseek(disk, 0, os.SEEK_END)
        for offset in (0, size - 4096):
            content = os.urandom(4096)
            buffer[:] = content
            os.pwritev(disk, [buffer], offset)
            buffer[:] = bytes(4096)
            os.preadv(disk, [buffer], offset)
            if buffer[:] != content:
                fail("what is read is not what was written")
    finally:
        os.close(disk)
    return True


globals()[sys.argv[2]]()
