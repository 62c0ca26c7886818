// SPDX-License-Identifier: GPL-2.0
/*
 * The C part of the files of src/sys that dst_echo uses, compiled once more:
 * an object belongs to one module.
 */

#include "../sys/cpu.c"
#include "../sys/global.c"
#include "../sys/kthread.c"
#include "../sys/net_namespace.c"
#include "../sys/ratelimit.c"
#include "../sys/segments.c"
#include "../sys/socket.c"
#include "../sys/socket_wait.c"
