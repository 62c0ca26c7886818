// SPDX-License-Identifier: GPL-2.0
/*
 * Inline functions of the block layer that sys/disk.rs needs.
 */

#include <linux/blkdev.h>
#include <linux/device.h>
#include <linux/device/class.h>
#include <linux/module.h>
#include <linux/mutex.h>

unsigned int dst_blk_disk_openers(struct gendisk *disk);
void dst_blk_disk_lock_openers(struct gendisk *disk);
void dst_blk_disk_unlock_openers(struct gendisk *disk);
bool dst_blk_disk_name_taken(struct gendisk *disk, const char *name);
bool dst_blk_disk_get_module(struct module *module);
void dst_blk_disk_put_module(struct module *module);

unsigned int dst_blk_disk_openers(struct gendisk *disk)
{
	return disk_openers(disk);
}

/* Until dst_blk_disk_unlock_openers(), nobody opens or closes the disk. */
void dst_blk_disk_lock_openers(struct gendisk *disk)
{
	mutex_lock(&disk->open_mutex);
}

void dst_blk_disk_unlock_openers(struct gendisk *disk)
{
	mutex_unlock(&disk->open_mutex);
}

/*
 * Whether a block device, or a partition of one, has this name. @disk is any
 * disk: its class is the way to the others.
 */
bool dst_blk_disk_name_taken(struct gendisk *disk, const char *name)
{
	struct device *device = class_find_device_by_name(
		disk_to_dev(disk)->class, name);

	put_device(device);
	return device;
}

bool dst_blk_disk_get_module(struct module *module)
{
	return try_module_get(module);
}

void dst_blk_disk_put_module(struct module *module)
{
	module_put(module);
}
