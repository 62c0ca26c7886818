#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Operations of DST of which each allocation fails in turn: memory-faults.py SPEC PART ARGUMENT...

faults.py says how.
"""

import ctypes
import errno
import mmap
import os
import sys
import time

from faults import CLEAN, FAULTS, MOST, SHIFT, STEP, Driver, aim, commands, fail, get, patiently, put, waiting
from pyynl.lib.ynl import NlError

SPEC = sys.argv[1]
# The kernel says EADDRINUSE when it cannot note a port.
BIND = {errno.EADDRINUSE}
# It says EINVAL when it cannot note the name of a disk.
NAME = {errno.EINVAL}
# Where the server had none: it closes the connection without a word, as it does to who may not connect.
REMOTE = {errno.EACCES, errno.ECONNRESET, errno.ECONNREFUSED, errno.ETIMEDOUT, errno.EPIPE}
PORT = 1025
ADDRESS = {"family": 2, "ip": "127.0.0.1", "port": PORT}
ALLOW = [{"ip": "127.0.0.0", "prefix-len": 8, "access": "read-write"}]
OTHERS = [{"ip": f"10.{i}.0.0", "prefix-len": 16, "access": "read-only"} for i in range(20)]
# What a disk says of a request that could not be sent or served.
DISK = {errno.EIO, errno.ENOMEM}
# Milliseconds for a connection: one whose packet or message found no memory is to be tried again soon.
LIMIT = 3000
libc = ctypes.CDLL(None, use_errno=True)


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
    driver = Driver(SPEC)
    do, serve = driver.do, exporter(driver, sys.argv[3])
    driver.sweep("information", lambda: do("info-get"), lambda: None)
    driver.sweep("storage-add", lambda: do("storage-add", name="storage", algorithm="linear"),
                 lambda: do("storage-del", name="storage"))
    driver.sweep("export-add", serve, lambda: do("export-del", name="far"), clean=BIND)
    serve()
    driver.sweep("export-set", lambda: do("export-set", name="far", allow=ALLOW + OTHERS), lambda: None)
    driver.sweep("export-del", lambda: do("export-del", name="far"), serve)
    do("export-del", name="far")


class Storage:
    """A storage with an export of this machine and a device: memory-faults.py ... EXPORTED LOCAL."""

    def __init__(self, driver):
        self.driver, self.do = driver, driver.do
        exported, self.local = sys.argv[3:5]
        exporter(driver, exported)()
        self.add()

    def add(self):
        self.do("storage-add", name="storage", algorithm="linear")

    def add_remote(self):
        self.do("node-add", storage="storage", kind="remote", address=ADDRESS, connect_timeout=LIMIT)

    def add_remote_patiently(self):
        # A client whose reset was lost is noticed when it has been silent for a while.
        patiently(lambda: granted(self.add_remote)) or fail(f"the export stays busy:\n{waiting()}")

    def add_local(self):
        self.do("node-add", storage="storage", kind="local", path=self.local)

    def start(self):
        self.do("storage-start", name="storage")

    def delete(self):
        self.do("storage-del", name="storage")

    def make_again(self):
        self.add()
        self.add_remote_patiently()
        self.add_local()

    def stop(self):
        self.delete()
        self.make_again()

    def start_again(self):
        self.make_again()
        self.start()
        self.is_up() or fail(f"the storage does not start again: {self.driver.state()}\n{waiting()}")

    def is_up(self):
        """Whether both nodes are there, after a while; not in sysfs, where they are missing if memory was short."""
        return patiently(lambda: [node["state"] for node in self.driver.family.dump("node-get", {})] == ["up", "up"])

    def end(self):
        self.delete()
        self.do("export-del", name="far", del_flags=["force"])


def storages():
    """storages EXPORTED LOCAL: whatever makes, changes, shows, uses and removes a storage, but its start."""
    aim()
    driver = Driver(SPEC)
    do, dump, sweep = driver.do, driver.family.dump, driver.sweep
    storage = Storage(driver)
    sweep("node-add, remote", storage.add_remote, lambda: do("node-del", storage="storage", index=0), clean=REMOTE)
    storage.add_remote_patiently()
    sweep("node-add, local", storage.add_local, lambda: do("node-del", storage="storage", index=1))
    storage.add_local()
    sweep("node-del", lambda: do("node-del", storage="storage", index=1), storage.add_local)
    storage.start()
    for what in ("storage", "node", "export", "connection"):
        sweep(f"{what} dump", lambda: dump(f"{what}-get", {}), lambda: None)
    sweep("storage-get", lambda: do("storage-get", name="storage"), lambda: None)
    sweep("node-get", lambda: do("node-get", storage="storage", index=0), lambda: None)
    sweep("export-get", lambda: do("export-get", name="far"), lambda: None)
    sweep("storage-set", lambda: do("storage-set", name="storage", workers=4),
          lambda: do("storage-set", name="storage", workers=2))
    sweep("I/O", traffic, lambda: None, io, DISK)
    sweep("storage-del", storage.delete, storage.start_again)
    storage.end()


def ready():
    """ready EXPORTED LOCAL: makes a storage that runs, for others to use."""
    storage = Storage(Driver(SPEC))
    storage.add_remote_patiently()
    storage.add_local()
    storage.start()


def starts():
    """starts EXPORTED LOCAL: the start of a storage."""
    aim()
    driver = Driver(SPEC)
    storage = Storage(driver)
    storage.add_remote_patiently()
    storage.add_local()

    def works():
        return storage.is_up() and io()

    driver.sweep("storage-start", storage.start, storage.stop, works, REMOTE | NAME, renew=storage.stop)
    storage.end()


def exporter(driver, device):
    """What exports a device, to clients with little memory: by default each has two thousand pages, one by one."""
    return lambda: driver.do("export-add", name="far", path=device, address=ADDRESS, allow=ALLOW,
                             queue_depth=4, max_transfer=32768, client_memory=65536)


def granted(act):
    """Runs act unless something is busy, or the machine: LIMIT is short."""
    try:
        act()
    except NlError as found:
        if found.error not in (errno.EBUSY, errno.ETIMEDOUT):
            raise
        return False
    return True


def outages():
    """outages EXPORTED LOCAL: connections that are lost come back, whatever allocation of either side fails."""
    aim()
    driver = Driver(SPEC)
    storage = Storage(driver)
    serve = exporter(driver, sys.argv[3])

    def outage():
        driver.do("export-del", name="far", del_flags=["force"])
        try:
            serve()
        except NlError as error:
            if error.error not in CLEAN | BIND:
                raise
            serve()
        # Without a request, which would allocate.
        back = patiently(lambda: get("/sys/devices/storage/n-0/state") == "up")
        back or fail(f"the node stays down: {driver.state()}\n{waiting()}")

    storage.add_remote_patiently()
    storage.add_local()
    storage.start()
    driver.sweep("outage", outage, lambda: None, io)
    storage.end()


def controls():
    """The checks of a sweep find what is wrong: leftovers, errors that are not told, and what does not work."""
    aim()
    driver = Driver(SPEC)

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


def transfer(offset, content):
    """Writes, flushes and reads back, past the page cache."""
    buffer = mmap.mmap(-1, len(content))
    disk = os.open("/dev/dst", os.O_RDWR | os.O_DIRECT)
    try:
        buffer[:] = content
        whole = os.pwritev(disk, [buffer], offset) == len(content)
        os.fsync(disk)
        buffer[:] = bytes(len(content))
        whole = os.preadv(disk, [buffer], offset) == len(content) and whole
        if not whole:
            raise OSError(errno.EIO, "less than all was written or read")
        if buffer[:] != content:
            fail(f"what is read at {offset} is not what was written")
    finally:
        os.close(disk)


def disk_bytes():
    return int(get("/sys/class/block/dst/size")) * 512


def io():
    """Both nodes can be written and read."""
    for offset in (0, disk_bytes() - 4096):
        transfer(offset, os.urandom(4096))
    return True


def traffic():
    """A sector, a piece of either node, and one that lies on both, which are equally large."""
    for offset, length in ((512, 512), (disk_bytes() - 4096, 4096), (disk_bytes() // 2 - 65536, 131072)):
        transfer(offset, os.urandom(length))


globals()[sys.argv[2]]()
