// SPDX-License-Identifier: GPL-2.0
/*
 * Inline functions of the block layer that sys/device_bio.rs needs.
 */

#include <linux/blkdev.h>
#include <linux/mm.h>

bool dst_blk_device_bio_page_busy(struct page *page);

/* Whether somebody else, such as a socket, holds a reference to our page. */
bool dst_blk_device_bio_page_busy(struct page *page)
{
	if (page_count(page) > 1)
		return true;
	/* What we do to the page now comes after what its last user did. */
	smp_acquire__after_ctrl_dep();
	return false;
}
