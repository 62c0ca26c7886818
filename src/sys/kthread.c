// SPDX-License-Identifier: GPL-2.0
/* Kernel threads: the macros and inline functions that src/sys/kthread.rs needs. */

#include <linux/kthread.h>
#include <linux/preempt.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/signal.h>

struct task_struct *dst_blk_kthread_create(int (*run)(void *), void *data,
					   const char *name);
struct task_struct *dst_blk_kthread_create(int (*run)(void *), void *data,
					   const char *name)
{
	return kthread_create(run, data, "%s", name);
}

/* What the current thread was given, if it is one that executes "run" and no interrupt does so on top of it. */
void *dst_blk_kthread_own_data(int (*run)(void *));
void *dst_blk_kthread_own_data(int (*run)(void *))
{
	if (!in_task() || !(current->flags & PF_KTHREAD) ||
	    kthread_func(current) != (void *)run)
		return NULL;
	return kthread_data(current);
}

void dst_blk_kthread_allow_interrupt(void);
void dst_blk_kthread_allow_interrupt(void)
{
	allow_signal(SIGINT);
}

void dst_blk_kthread_interrupt(struct task_struct *task);
void dst_blk_kthread_interrupt(struct task_struct *task)
{
	send_sig(SIGINT, task, 1);
}

u64 dst_blk_kthread_run_time(struct task_struct *task);
u64 dst_blk_kthread_run_time(struct task_struct *task)
{
	return READ_ONCE(task->se.sum_exec_runtime);
}

void dst_blk_cond_resched(void);
void dst_blk_cond_resched(void)
{
	cond_resched();
}

/* Sleeps until kthread_stop() is called; the state is set before each test. */
void dst_blk_kthread_wait_stop(void);
void dst_blk_kthread_wait_stop(void)
{
	set_current_state(TASK_IDLE);
	while (!kthread_should_stop()) {
		schedule();
		set_current_state(TASK_IDLE);
	}
	__set_current_state(TASK_RUNNING);
}

unsigned int dst_blk_memalloc_noreclaim_save(void);
unsigned int dst_blk_memalloc_noreclaim_save(void)
{
	return memalloc_noreclaim_save();
}

void dst_blk_memalloc_noreclaim_restore(unsigned int flags);
void dst_blk_memalloc_noreclaim_restore(unsigned int flags)
{
	memalloc_noreclaim_restore(flags);
}

unsigned int dst_blk_memalloc_noio_save(void);
unsigned int dst_blk_memalloc_noio_save(void)
{
	return memalloc_noio_save();
}

void dst_blk_memalloc_noio_restore(unsigned int flags);
void dst_blk_memalloc_noio_restore(unsigned int flags)
{
	memalloc_noio_restore(flags);
}
