// SPDX-License-Identifier: GPL-2.0
/* CPUs: the inline functions and macros that src/sys/cpu.rs needs. */

#include <linux/cpumask.h>
#include <linux/kernel.h>
#include <linux/rcupdate.h>
#include <linux/sched/isolation.h>

u32 dst_blk_num_online_cpus(void);
u32 dst_blk_num_online_cpus(void)
{
	return num_online_cpus();
}

int dst_blk_cpulist_parse(const char *text, struct cpumask *mask);
int dst_blk_cpulist_parse(const char *text, struct cpumask *mask)
{
	return cpulist_parse(text, mask);
}

void dst_blk_cpumask_kthreads(struct cpumask *mask);
void dst_blk_cpumask_kthreads(struct cpumask *mask)
{
	rcu_read_lock();
	cpumask_copy(mask, housekeeping_cpumask(HK_TYPE_KTHREAD));
	rcu_read_unlock();
}

bool dst_blk_cpumask_any_active(const struct cpumask *mask);
bool dst_blk_cpumask_any_active(const struct cpumask *mask)
{
	return cpumask_intersects(mask, cpu_active_mask);
}
