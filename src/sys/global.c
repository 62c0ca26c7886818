// SPDX-License-Identifier: GPL-2.0
/* The mutex of src/sys/global.rs, which is initialised before any code runs. */

#include <linux/mutex.h>

static DEFINE_MUTEX(dst_blk_global);

void dst_blk_global_lock(void);
void dst_blk_global_lock(void)
{
	mutex_lock(&dst_blk_global);
}

void dst_blk_global_unlock(void);
void dst_blk_global_unlock(void)
{
	mutex_unlock(&dst_blk_global);
}
