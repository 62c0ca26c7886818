// SPDX-License-Identifier: GPL-2.0
/*
 * Inline functions and allocation contexts that sys/bio_set.rs needs.
 */

#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/gfp.h>
#include <linux/percpu-refcount.h>
#include <trace/events/block.h>

int dst_blk_bio_set_init_users(struct percpu_ref *users,
			       percpu_ref_func_t *release);
void dst_blk_bio_set_get(struct percpu_ref *users);
void dst_blk_bio_set_put(struct percpu_ref *users);
void dst_blk_bio_set_kill(struct percpu_ref *users);
struct bio *dst_blk_bio_set_clone(struct bio_set *set, struct bio *source,
				  const struct bvec_iter *iter,
				  struct block_device *bdev, sector_t sector,
				  blk_opf_t drop, bool nowait);
struct bio *dst_blk_bio_set_flush(struct bio_set *set,
				  struct block_device *bdev);

int dst_blk_bio_set_init_users(struct percpu_ref *users,
			       percpu_ref_func_t *release)
{
	return percpu_ref_init(users, release, 0, GFP_KERNEL);
}

void dst_blk_bio_set_get(struct percpu_ref *users)
{
	percpu_ref_get(users);
}

void dst_blk_bio_set_put(struct percpu_ref *users)
{
	percpu_ref_put(users);
}

void dst_blk_bio_set_kill(struct percpu_ref *users)
{
	percpu_ref_kill(users);
}

/*
 * A clone of the piece @iter of @source for @sector of @bdev, without the flags
 * in @drop. NULL only if @nowait is set and there is no memory.
 */
struct bio *dst_blk_bio_set_clone(struct bio_set *set, struct bio *source,
				  const struct bvec_iter *iter,
				  struct block_device *bdev, sector_t sector,
				  blk_opf_t drop, bool nowait)
{
	struct bio *bio;

	bio = bio_alloc_clone(bdev, source, nowait ? GFP_NOWAIT : GFP_NOIO, set);
	if (!bio)
		return NULL;

	bio->bi_opf &= ~drop;
	/* A device without nowait support would refuse the flag. */
	if (!nowait || !bdev_nowait(bdev))
		bio->bi_opf &= ~REQ_NOWAIT;
	bio->bi_iter = *iter;
	bio->bi_iter.bi_sector = sector;
	/* One that a job has lent has no device. */
	if (source->bi_bdev)
		trace_block_bio_remap(bio, disk_devt(source->bi_bdev->bd_disk),
				      iter->bi_sector);
	return bio;
}

struct bio *dst_blk_bio_set_flush(struct bio_set *set,
				  struct block_device *bdev)
{
	return bio_alloc_bioset(bdev, 0, REQ_OP_WRITE | REQ_PREFLUSH, GFP_NOIO,
				set);
}
