// SPDX-License-Identifier: GPL-2.0
/*
 * Inline functions of the network layer that sys/segments.rs needs.
 */

#include <linux/bvec.h>
#include <linux/net.h>

bool dst_blk_segments_splice_ok(const struct bio_vec *vecs, unsigned int count);

/* True if every page of every segment may be handed to a socket by reference. */
bool dst_blk_segments_splice_ok(const struct bio_vec *vecs, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		if (!sendpages_ok(vecs[i].bv_page, vecs[i].bv_len,
				  vecs[i].bv_offset))
			return false;
	return true;
}
