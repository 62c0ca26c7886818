// SPDX-License-Identifier: GPL-2.0
/*
 * The C part of src/sys, compiled once more for the module of tests: an object
 * belongs to one module.
 */

#include "../sys/bdev.c"
#include "../sys/bio.c"
#include "../sys/bio_set.c"
#include "../sys/cpu.c"
#include "../sys/device_bio.c"
#include "../sys/disk.c"
#include "../sys/genl.c"
#include "../sys/global.c"
#include "../sys/kthread.c"
#include "../sys/limits.c"
#include "../sys/net_namespace.c"
#include "../sys/netlink_gen.c"
#include "../sys/random.c"
#include "../sys/ratelimit.c"
#include "../sys/segments.c"
#include "../sys/socket.c"
#include "../sys/socket_wait.c"
#include "../sys/sysfs.c"
