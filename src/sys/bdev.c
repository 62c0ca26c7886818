// SPDX-License-Identifier: GPL-2.0
/*
 * Inline functions and queries of the block layer that sys/bdev.rs needs.
 */

#include <linux/blkdev.h>
#include <linux/blk-integrity.h>
#include <linux/build_bug.h>
#include <linux/file.h>
#include <linux/gfp.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>

/* sys/bdev.rs and sys/disk.rs repeat these values. */
static_assert((__force u32)BLK_OPEN_READ == 1 << 0);
static_assert((__force u32)BLK_OPEN_WRITE == 1 << 1);

/* The same layout as struct RawLimits in sys/bdev.rs; all sizes in bytes. */
struct dst_blk_bdev_limits {
	u64 max_transfer;
	u64 max_discard;
	u64 max_write_zeroes;
	u32 logical_block;
	u32 physical_block;
	u32 io_min;
	u32 io_opt;
	u32 discard_granularity;
	u32 discard_alignment;
	u32 dma_alignment;
	u8 write_cache;
	u8 fua;
	u8 rotational;
	u8 read_only;
	u8 stable_writes;
	u8 nowait;
	u8 zoned;
	u8 integrity;
};

void dst_blk_bdev_limits(struct block_device *bdev,
			 struct dst_blk_bdev_limits *out);
void dst_blk_bdev_close(struct file *file);
u64 dst_blk_bdev_sectors(struct block_device *bdev);
bool dst_blk_bdev_read_only(struct block_device *bdev);
int dst_blk_bdev_name(struct block_device *bdev, char *buffer, size_t size);
bool dst_blk_bdev_owned_by(struct block_device *bdev, struct module *module);
int dst_blk_bdev_rw(struct block_device *bdev, loff_t pos, void *buffer,
		    size_t length, bool write, bool stable);

void dst_blk_bdev_limits(struct block_device *bdev,
			 struct dst_blk_bdev_limits *out)
{
	const struct queue_limits *lim = &bdev_get_queue(bdev)->limits;

	*out = (struct dst_blk_bdev_limits) {
		.max_transfer = (u64)lim->max_hw_sectors << SECTOR_SHIFT,
		.max_discard =
			(u64)bdev_max_discard_sectors(bdev) << SECTOR_SHIFT,
		.max_write_zeroes =
			(u64)bdev_write_zeroes_sectors(bdev) << SECTOR_SHIFT,
		.logical_block = bdev_logical_block_size(bdev),
		.physical_block = bdev_physical_block_size(bdev),
		.io_min = bdev_io_min(bdev),
		.io_opt = bdev_io_opt(bdev),
		.discard_granularity = bdev_discard_granularity(bdev),
		.discard_alignment = bdev_discard_alignment(bdev),
		.dma_alignment = bdev_dma_alignment(bdev),
		.write_cache = bdev_write_cache(bdev),
		.fua = bdev_fua(bdev),
		.rotational = bdev_rot(bdev),
		.read_only = bdev_read_only(bdev),
		.stable_writes = bdev_stable_writes(bdev),
		.nowait = bdev_nowait(bdev),
		.zoned = bdev_is_zoned(bdev),
		.integrity = !!bdev_get_integrity(bdev),
	};
}

/*
 * Closes a block device. Where sleeping is allowed it is closed on return; else
 * the file layer does it from a work item.
 */
void dst_blk_bdev_close(struct file *file)
{
	if (in_task() && !irqs_disabled() && !rcu_preempt_depth() &&
	    (!IS_ENABLED(CONFIG_PREEMPT_COUNT) || preemptible()))
		__fput_sync(file);
	else
		fput(file);
}

u64 dst_blk_bdev_sectors(struct block_device *bdev)
{
	return bdev_nr_sectors(bdev);
}

bool dst_blk_bdev_read_only(struct block_device *bdev)
{
	return bdev_read_only(bdev);
}

int dst_blk_bdev_name(struct block_device *bdev, char *buffer, size_t size)
{
	return scnprintf(buffer, size, "%pg", bdev);
}

bool dst_blk_bdev_owned_by(struct block_device *bdev, struct module *module)
{
	return module && bdev->bd_disk->fops->owner == module;
}

/*
 * Reads or writes @length bytes at @pos through a buffer of its own, so @buffer
 * may be any kernel memory. May be called in the I/O path, so memory is
 * allocated without starting I/O.
 */
int dst_blk_bdev_rw(struct block_device *bdev, loff_t pos, void *buffer,
		    size_t length, bool write, bool stable)
{
	blk_opf_t opf = write ? REQ_OP_WRITE | REQ_SYNC : REQ_OP_READ;
	/* A logical block may be larger than a page, and is never split. */
	unsigned int order = get_order(bdev_logical_block_size(bdev));
	void *bounce;
	int err = 0;

	if (stable)
		opf |= REQ_FUA;
	bounce = (void *)__get_free_pages(GFP_NOIO, order);
	if (!bounce)
		return -ENOMEM;

	while (length && !err) {
		size_t chunk = min_t(size_t, length, PAGE_SIZE << order);
		struct bio *bio = bio_alloc(bdev, 1, opf, GFP_NOIO);

		bio->bi_iter.bi_sector = pos >> SECTOR_SHIFT;
		__bio_add_page(bio, virt_to_page(bounce), chunk, 0);
		if (write)
			memcpy(bounce, buffer, chunk);
		err = submit_bio_wait(bio);
		if (!write && !err)
			memcpy(buffer, bounce, chunk);
		bio_put(bio);
		buffer += chunk;
		pos += chunk;
		length -= chunk;
	}

	free_pages((unsigned long)bounce, order);
	return err;
}
