// SPDX-License-Identifier: GPL-2.0
/*
 * Inline functions and values of the block layer that sys/bio.rs needs.
 */

#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/build_bug.h>

/* sys/bio.rs repeats these values: they are macros with casts that bindgen skips. */
static_assert((__force u8)BLK_STS_OK == 0);
static_assert((__force u8)BLK_STS_NOTSUPP == 1);
static_assert((__force u8)BLK_STS_TIMEOUT == 2);
static_assert((__force u8)BLK_STS_NOSPC == 3);
static_assert((__force u8)BLK_STS_TRANSPORT == 4);
static_assert((__force u8)BLK_STS_TARGET == 5);
static_assert((__force u8)BLK_STS_RESV_CONFLICT == 6);
static_assert((__force u8)BLK_STS_MEDIUM == 7);
static_assert((__force u8)BLK_STS_PROTECTION == 8);
static_assert((__force u8)BLK_STS_RESOURCE == 9);
static_assert((__force u8)BLK_STS_IOERR == 10);
static_assert((__force u8)BLK_STS_AGAIN == 12);
static_assert((__force u8)BLK_STS_OFFLINE == 16);
static_assert((__force u8)BLK_STS_INVAL == 19);
static_assert(BLK_QC_T_NONE == -1U);

void dst_blk_bio_advance(const struct bio *bio, struct bvec_iter *iter,
			 unsigned int bytes);
unsigned int dst_blk_bio_gather(const struct bio *bio,
				const struct bvec_iter *iter,
				struct bio_vec *vecs, unsigned int max,
				size_t *bytes);
u32 dst_blk_bio_start_accounting(struct bio *bio);
void dst_blk_bio_end_accounting(struct bio *bio, u32 start);
bool dst_blk_bio_copy(const struct bio *bio, const struct bvec_iter *iter,
		      void *buffer, unsigned int bytes, bool to_bio);

/* @bytes must not exceed what is left in @iter. */
void dst_blk_bio_advance(const struct bio *bio, struct bvec_iter *iter,
			 unsigned int bytes)
{
	bio_advance_iter(bio, iter, bytes);
}

/*
 * Copies up to @max multi-page segments of @iter to @vecs, returns their number
 * and puts the number of bytes they cover in @bytes.
 */
unsigned int dst_blk_bio_gather(const struct bio *bio,
				const struct bvec_iter *iter,
				struct bio_vec *vecs, unsigned int max,
				size_t *bytes)
{
	struct bvec_iter it = *iter;
	unsigned int count = 0;
	size_t total = 0;

	if (bio_no_advance_iter(bio) || !bio->bi_io_vec)
		it.bi_size = 0;

	while (count < max && it.bi_size) {
		struct bio_vec bv = mp_bvec_iter_bvec(bio->bi_io_vec, it);

		vecs[count++] = bv;
		total += bv.bv_len;
		bio_advance_iter_single(bio, &it, bv.bv_len);
	}

	*bytes = total;
	return count;
}

/*
 * Counts @bio as in flight and returns the low half of the start time, never
 * BLK_QC_T_NONE; or BLK_QC_T_NONE if statistics are switched off.
 */
u32 dst_blk_bio_start_accounting(struct bio *bio)
{
	u32 start;

	if (!blk_queue_io_stat(bdev_get_queue(bio->bi_bdev)))
		return BLK_QC_T_NONE;
	start = bio_start_io_acct(bio);
	return start == BLK_QC_T_NONE ? start - 1 : start;
}

/* @start as returned by dst_blk_bio_start_accounting(), not BLK_QC_T_NONE. */
void dst_blk_bio_end_accounting(struct bio *bio, u32 start)
{
	unsigned long now = READ_ONCE(jiffies);

	bio_end_io_acct(bio, now - (u32)((u32)now - start));
}

/* Copies between @buffer and the first @bytes bytes of @iter. */
bool dst_blk_bio_copy(const struct bio *bio, const struct bvec_iter *iter,
		      void *buffer, unsigned int bytes, bool to_bio)
{
	struct bvec_iter it = *iter;
	char *at = buffer;

	if (bio_no_advance_iter(bio) || !bio->bi_io_vec || it.bi_size < bytes)
		return false;

	while (bytes) {
		struct bio_vec bv = bio_iter_iovec(bio, it);

		bv.bv_len = min(bv.bv_len, bytes);
		if (to_bio)
			memcpy_to_bvec(&bv, at);
		else
			memcpy_from_bvec(at, &bv);
		at += bv.bv_len;
		bytes -= bv.bv_len;
		bio_advance_iter_single(bio, &it, bv.bv_len);
	}
	return true;
}
