// SPDX-License-Identifier: GPL-2.0
/* Random numbers: the inline function that src/sys/random.rs needs. */

#include <linux/random.h>

u32 dst_blk_random_u32(void);
u32 dst_blk_random_u32(void)
{
	return get_random_u32();
}
