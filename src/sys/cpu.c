// SPDX-License-Identifier: GPL-2.0
/* The number of CPUs: the inline function that src/sys/cpu.rs needs. */

#include <linux/cpumask.h>

u32 dst_blk_num_online_cpus(void);
u32 dst_blk_num_online_cpus(void)
{
	return num_online_cpus();
}
