// SPDX-License-Identifier: GPL-2.0
/*
 * Inline functions and values of the block layer that sys/limits.rs needs.
 */

#include <linux/blkdev.h>
#include <linux/build_bug.h>

/* sys/limits.rs repeats these values: they are macros with casts that bindgen skips. */
static_assert((__force u32)BLK_FEAT_WRITE_CACHE == 1u << 0);
static_assert((__force u32)BLK_FEAT_FUA == 1u << 1);
static_assert((__force u32)BLK_FEAT_ROTATIONAL == 1u << 2);
static_assert((__force u32)BLK_FEAT_IO_STAT == 1u << 4);
static_assert((__force u32)BLK_FEAT_STABLE_WRITES == 1u << 5);
static_assert((__force u32)BLK_FEAT_NOWAIT == 1u << 7);

int dst_blk_limits_stack_device(struct queue_limits *top,
				struct block_device *bdev);

/* As blk_stack_limits(); -1 if the device is not aligned with what is there. */
int dst_blk_limits_stack_device(struct queue_limits *top,
				struct block_device *bdev)
{
	return blk_stack_limits(top, &bdev_get_queue(bdev)->limits,
				get_start_sect(bdev));
}
