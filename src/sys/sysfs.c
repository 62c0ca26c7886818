// SPDX-License-Identifier: GPL-2.0
/*
 * Directories under /sys/devices whose files are made of functions in Rust,
 * for src/sys/sysfs.rs.
 *
 * A directory is a device without class, bus and power management: udev does
 * not hear of it, and it may lie directly in /sys/devices.
 */

#include <linux/completion.h>
#include <linux/device.h>
#include <linux/err.h>
#include <linux/kernfs.h>
#include <linux/platform_device.h>
#include <linux/slab.h>
#include <linux/sysfs.h>

struct dst_blk_dir_spec {
	const char *name;
	umode_t mode;
};

struct dst_blk_dir_ops {
	ssize_t (*show)(void *data, unsigned int index, char *page);
	ssize_t (*store)(void *data, unsigned int index, const char *text,
			 size_t count);
	void (*release)(void *data);
};

struct dst_blk_dir_file {
	struct device_attribute attr;
	unsigned int index;
};

struct dst_blk_dir {
	struct device dev;
	struct dst_blk_dir_ops ops;
	void *data;
	struct completion *released;
	struct attribute_group group;
	const struct attribute_group *groups[2];
	struct attribute **attrs;
	unsigned int count;
	struct dst_blk_dir_file files[] __counted_by(count);
};

static struct dst_blk_dir *to_dir(struct device *dev)
{
	return container_of(dev, struct dst_blk_dir, dev);
}

static ssize_t dst_blk_dir_show(struct device *dev,
				struct device_attribute *attr, char *page)
{
	struct dst_blk_dir *dir = to_dir(dev);
	struct dst_blk_dir_file *file =
		container_of(attr, struct dst_blk_dir_file, attr);

	return dir->ops.show(dir->data, file->index, page);
}

static ssize_t dst_blk_dir_store(struct device *dev,
				 struct device_attribute *attr,
				 const char *text, size_t count)
{
	struct dst_blk_dir *dir = to_dir(dev);
	struct dst_blk_dir_file *file =
		container_of(attr, struct dst_blk_dir_file, attr);

	return dir->ops.store(dir->data, file->index, text, count);
}

static void dst_blk_dir_release(struct device *dev)
{
	struct dst_blk_dir *dir = to_dir(dev);
	struct completion *released = dir->released;

	dir->ops.release(dir->data);
	kfree(dir->attrs);
	kfree(dir);
	if (released)
		complete(released);
}

/* Whether something in /sys/devices is called @name. */
bool dst_blk_dir_name_taken(const char *name);
bool dst_blk_dir_name_taken(const char *name)
{
	/* Every device belongs to the set of /sys/devices; this one always exists. */
	struct kernfs_node *top = platform_bus.kobj.kset->kobj.sd;
	struct kernfs_node *found = kernfs_find_and_get(top, name);

	kernfs_put(found);
	return found;
}

/*
 * Makes the directory @name in @parent, or in /sys/devices if that is NULL,
 * with one file for each of the @count @specs. @data goes to the functions; it
 * is released when the directory is gone, or if it cannot be made.
 */
struct dst_blk_dir *dst_blk_dir_new(struct dst_blk_dir *parent,
				    const char *name,
				    const struct dst_blk_dir_spec *specs,
				    unsigned int count,
				    const struct dst_blk_dir_ops *ops,
				    void *data);
struct dst_blk_dir *dst_blk_dir_new(struct dst_blk_dir *parent,
				    const char *name,
				    const struct dst_blk_dir_spec *specs,
				    unsigned int count,
				    const struct dst_blk_dir_ops *ops,
				    void *data)
{
	struct dst_blk_dir *dir;
	unsigned int i;
	int err;

	dir = kzalloc(struct_size(dir, files, count), GFP_KERNEL);
	if (!dir) {
		ops->release(data);
		return ERR_PTR(-ENOMEM);
	}
	dir->count = count;
	dir->ops = *ops;
	dir->data = data;
	device_initialize(&dir->dev);
	dir->dev.release = dst_blk_dir_release;
	dir->dev.parent = parent ? &parent->dev : NULL;
	device_set_pm_not_required(&dir->dev);

	err = -ENOMEM;
	dir->attrs = kcalloc(count + 1, sizeof(*dir->attrs), GFP_KERNEL);
	if (!dir->attrs)
		goto fail;
	for (i = 0; i < count; i++) {
		struct device_attribute *attr = &dir->files[i].attr;

		dir->files[i].index = i;
		/* Two lock classes: what is written may do what readers wait for. */
		if (specs[i].mode & 0222)
			sysfs_attr_init(&attr->attr);
		else
			sysfs_attr_init(&attr->attr);
		attr->attr.name = specs[i].name;
		attr->attr.mode = specs[i].mode;
		if (specs[i].mode & 0444)
			attr->show = dst_blk_dir_show;
		if (specs[i].mode & 0222)
			attr->store = dst_blk_dir_store;
		dir->attrs[i] = &attr->attr;
	}
	dir->group.attrs = dir->attrs;
	dir->groups[0] = &dir->group;
	dir->dev.groups = dir->groups;

	err = dev_set_name(&dir->dev, "%s", name);
	if (err)
		goto fail;
	/* device_add() would refuse as well, with a stack trace in the log. */
	err = -EEXIST;
	if (!parent && dst_blk_dir_name_taken(name))
		goto fail;
	err = device_add(&dir->dev);
	if (err)
		goto fail;
	return dir;

fail:
	put_device(&dir->dev);
	return ERR_PTR(err);
}

/*
 * Removes the directory and returns when no function of its files runs any more
 * and its data is released. Directories in it must be gone already.
 */
void dst_blk_dir_remove(struct dst_blk_dir *dir);
void dst_blk_dir_remove(struct dst_blk_dir *dir)
{
	DECLARE_COMPLETION_ONSTACK(released);

	dir->released = &released;
	device_unregister(&dir->dev);
	wait_for_completion(&released);
}
