/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attributes and identity of storage objects (kernel-abi 3.4, 3.5, 10.c; drivers/target/target_core_configfs.c, target_core_device.c,
 * target_core_user.c).
 */
#include <ctype.h>

#include "tests/fake-kernel/lio.h"

#define ON_SBC (ON_BLOCK | ON_FILE | ON_RAMDISK)	/* those whose commands the kernel itself carries out */
#define SERIAL_LEN 253
#define FILE_BYTES_MAX (8u << 20)	/* of one request to a file */
#define MODEL_LEN 15

/* ---- what enabling settles ---- */

struct settled {
	unsigned only;
	const char *file, *text;
};

static const struct settled settled[] = {
	{ ON_BLOCK, "attrib/hw_max_sectors", "2560" },
	{ ON_BLOCK, "attrib/optimal_sectors", "2560" },
	{ ON_BLOCK, "attrib/is_nonrot", "1" },
	{ ON_BLOCK, "attrib/max_unmap_block_desc_count", "1" },
	{ ON_BLOCK, "attrib/max_unmap_lba_count", "8388607" },
	{ ON_BLOCK, "attrib/max_write_same_len", "8388607" },
	{ ON_BLOCK, "attrib/unmap_granularity", "8" },
	{ ON_FILE, "attrib/hw_max_sectors", "16384" },
	{ ON_FILE, "attrib/optimal_sectors", "16384" },
	{ ON_FILE, "attrib/max_unmap_block_desc_count", "1" },
	{ ON_FILE, "attrib/max_unmap_lba_count", "8192" },
	{ ON_FILE, "attrib/max_write_same_len", "4096" },
	{ ON_FILE, "attrib/unmap_granularity", "1" },
	{ ON_RAMDISK, "attrib/hw_max_sectors", "4294967288" },
	{ ON_RAMDISK, "attrib/optimal_sectors", "4294967288" },
	{ ON_RAMDISK, "attrib/is_nonrot", "1" },
	{ ON_SBC | ON_USER, "attrib/hw_queue_depth", "128" },
	{ ON_SBC, "attrib/queue_depth", "128" },
	{ ON_SCSI, "attrib/hw_max_sectors", "1024" },
	{ ON_SCSI, "attrib/hw_queue_depth", "64" },
};

void lio_settle_attributes(struct fake *f, struct node *storage)
{
	const struct device *d = storage->state;
	const struct backing *b = d->path ? machine_find(f, d->path) : NULL;
	struct node *block_size = node_attr(storage, "attrib/block_size"), *hw = node_attr(storage, "attrib/hw_block_size");
	struct node *hw_max = node_attr(storage, "attrib/hw_max_sectors");

	/* Of a device in user space it may be a key. */
	if (streq(hw->value, "0"))
		lio_set_number(hw, b && b->type == 'b' && storage->only != ON_USER ? b->block_size : 512);
	if (block_size)
		node_set(block_size, hw->value);
	if (storage->only == ON_USER && streq(hw_max->value, "0"))
		node_set(hw_max, "128");
	for (size_t i = 0; i < ARRAY_SIZE(settled); i++)
		if (settled[i].only & storage->only)
			node_set(node_attr(storage, settled[i].file), settled[i].text);
	if (d->buffered && storage->only == ON_FILE)
		node_set(node_attr(storage, "attrib/emulate_write_cache"), "1");
}

/* ---- attributes ---- */

static int store_block_size(struct fake *f, struct node *attr, const char *page)
{
	const struct node *storage = node_item(attr);
	uint64_t n;
	int r = kernel_u64(page, UINT32_MAX, &n);

	if (r < 0)
		return r;
	if (n != 512 && n != 1024 && n != 2048 && n != 4096)
		return -EINVAL;
	lio_set_number(attr, (int64_t)n);
	if (storage->only == ON_FILE && lio_device(attr)->enabled)
		lio_set_number(node_attr(storage, "attrib/hw_max_sectors"), (int64_t)(FILE_BYTES_MAX / n));
	return 0;
}

/* Up to what the hardware has, which is nothing before there is some. */
static int store_limited(struct node *attr, const char *page, const char *limit, uint64_t min)
{
	uint64_t n, max = 0;
	int r = kernel_u64(page, UINT32_MAX, &n);

	if (r < 0)
		return r;
	kernel_u64(node_text(node_item(attr), limit), UINT64_MAX, &max);
	if (n < min || n > max)
		return -EINVAL;
	lio_set_number(attr, (int64_t)n);
	return 0;
}

static int store_queue_depth(struct fake *f, struct node *attr, const char *page)
{
	return store_limited(attr, page, "attrib/hw_queue_depth", 1);
}

static int store_optimal_sectors(struct fake *f, struct node *attr, const char *page)
{
	return store_limited(attr, page, "attrib/hw_max_sectors", 0);
}

/* What unmaps asks the device for it. */
static int store_unmap(struct fake *f, struct node *attr, const char *page)
{
	const struct node *storage = node_item(attr);
	bool value;
	int r = kernel_bool(f, page, &value);

	if (r < 0)
		return r;
	if (value && streq(node_text(storage, "attrib/max_unmap_block_desc_count"), "0"))
		return storage->only == ON_RAMDISK || lio_device(attr)->enabled ? -ENOSYS : -ENODEV;
	return lio_store_bool(f, attr, page);
}

static int store_pi_type(struct fake *f, struct node *attr, const char *page)
{
	const struct node *storage = node_item(attr);
	uint64_t n;
	int r = kernel_u64(page, UINT32_MAX, &n);

	if (r < 0)
		return r;
	if (n == 2)
		return -ENOSYS;
	if (n > 3)
		return -EINVAL;
	if (storage->only == ON_BLOCK)
		return n ? -ENOSYS : 0;
	if (!lio_device(attr)->enabled)
		return -ENODEV;
	if (lio_exported(f, storage))
		return -EINVAL;
	lio_set_number(attr, (int64_t)n);
	node_set(node_attr(storage, "attrib/pi_prot_verify"), n ? "1" : "0");
	return 0;
}

static int store_pi_format(struct fake *f, struct node *attr, const char *page)
{
	const struct node *storage = node_item(attr);
	bool value;
	int r = kernel_bool(f, page, &value);

	if (r < 0 || !value)
		return r;
	if (storage->only != ON_FILE)
		return -ENOSYS;
	if (!lio_device(attr)->enabled)
		return -ENODEV;
	return lio_exported(f, storage) ? -EINVAL : 0;
}

static int store_pi_verify(struct fake *f, struct node *attr, const char *page)
{
	bool value;
	int r = kernel_bool(f, page, &value);

	/* Without such information there is nothing to verify, and no error. */
	if (r < 0 || (value && streq(node_text(node_item(attr), "attrib/pi_prot_type"), "0")))
		return r;
	return lio_store_bool(f, attr, page);
}

static int store_write_cache(struct fake *f, struct node *attr, const char *page)
{
	bool value;
	int r = kernel_bool(f, page, &value);

	if (r < 0)
		return r;
	/* A disk's own cannot be pretended. */
	return value && attr->parent->parent->only == ON_BLOCK ? -EINVAL : lio_store_bool(f, attr, page);
}

static int store_restricted_reordering(struct fake *f, struct node *attr, const char *page)
{
	bool value;
	int r = kernel_bool(f, page, &value);

	return r < 0 ? r : value ? -ENOSYS : 0;
}

static int store_ignored(struct fake *f, struct node *attr, const char *page)
{
	return 0;
}

/* What the backend says of itself, which some let one change. */
static int store_support(struct fake *f, struct node *attr, const char *page)
{
	bool reservations = streq(attr->name, "pgr_support"), value;
	int r = kernel_bool(f, page, &value);
	unsigned only = attr->only;

	if (r < 0 || streq(attr->value, value ? "1" : "0"))
		return r;
	if (only == ON_USER || (only == ON_BLOCK && reservations && fake_since(f, "6.5")))
		return lio_store_bool(f, attr, page);
	return -ENOSYS;
}

static int store_model_alias(struct fake *f, struct node *attr, const char *page)
{
	struct node *storage = node_item(attr), *product = node_attr(storage, "wwn/product_id");
	_cleanup_free_ char *name = must(strndup(storage->name, MODEL_LEN));
	int r = lio_store_bool(f, attr, page);

	if (r >= 0)
		node_set(product, streq(attr->value, "1") ? name : product->file->text);
	return r;
}

/* ---- of user space ---- */

/* An enabled device asks its handler by netlink, and nobody listens. */
static int store_asked(struct fake *f, struct node *attr, const char *page)
{
	struct device *d = lio_device(attr);
	int r = 0;

	if (d->enabled)
		return -ESRCH;
	if (streq(attr->name, "dev_config")) {
		/* Raw, with a newline if there is one. */
		free(d->path);
		d->path = must(strdup(page));
		node_set(attr, page);
	} else if (streq(attr->name, "dev_size")) {
		r = kernel_u64(page, UINT64_MAX, &d->size);
		if (r >= 0)
			lio_set_number(attr, (int64_t)d->size);
	} else {
		r = lio_store_bool(f, attr, page);
	}
	return r;
}

/* ---- identity ---- */

static int store_serial(struct fake *f, struct node *attr, const char *page)
{
	_cleanup_free_ char *text = lio_strip(page);

	if (strlen(page) > SERIAL_LEN)
		return -EOVERFLOW;
	node_set(attr, text);
	return 0;
}

static int show_serial(struct fake *f, struct node *attr, struct strbuf *ret)
{
	strbuf_addf(ret, "T10 VPD Unit Serial Number: %s\n", attr->value);
	return 0;
}

/* At most max printable characters. */
static int store_inquiry(struct fake *f, struct node *attr, const char *page)
{
	_cleanup_free_ char *text = lio_strip(page);

	if (strlen(text) > (size_t)attr->file->max)
		return -EOVERFLOW;
	if (!text_is_printable_ascii(text))
		return -EINVAL;
	node_set(attr, text);
	return 0;
}

static int store_company(struct fake *f, struct node *attr, const char *page)
{
	_cleanup_free_ char *text = NULL;
	uint64_t n;
	int r = kernel_u64(page, UINT32_MAX, &n);

	if (r < 0)
		return r;
	if (n > (uint64_t)attr->file->max)
		return -EOVERFLOW;
	text = fmt("0x%06llx", (unsigned long long)n);
	node_set(attr, text);
	return 0;
}

/* ---- the table ---- */

static const struct lio_file files[] = {
	{ LIO_STORAGE, ON_SCSI, "attrib/alua_support", "0", store_support },
	{ LIO_STORAGE, ON_SBC | ON_USER, "attrib/alua_support", "1", store_support },
	{ LIO_STORAGE, ON_SBC, "attrib/atomic_alignment", "0", .since = "7.0" },
	{ LIO_STORAGE, ON_SBC, "attrib/atomic_granularity", "0", .since = "7.0" },
	{ LIO_STORAGE, ON_SBC, "attrib/atomic_max_boundary", "0", .since = "7.0" },
	{ LIO_STORAGE, ON_SBC, "attrib/atomic_max_len", "0", .since = "7.0" },
	{ LIO_STORAGE, ON_SBC, "attrib/atomic_max_with_boundary", "0", .since = "7.0" },
	{ LIO_STORAGE, ON_SBC, "attrib/block_size", "0", store_block_size, .flags = LIO_EXPORTED },
	{ LIO_STORAGE, ON_USER, "attrib/cmd_ring_size_mb", "8" },
	{ LIO_STORAGE, ON_USER, "attrib/cmd_time_out", "30", lio_store_number, .max = UINT32_MAX, .flags = LIO_EXPORTED },
	{ LIO_STORAGE, 0, "attrib/complete_type", "0", lio_store_number, .max = 2, .since = "7.0" },
	{ LIO_STORAGE, ON_USER, "attrib/data_pages_per_blk", "1" },
	{ LIO_STORAGE, ON_USER, "attrib/dev_config", "", store_asked },
	{ LIO_STORAGE, ON_USER, "attrib/dev_size", "0", store_asked },
	{ LIO_STORAGE, ON_SBC, "attrib/emulate_3pc", "1", lio_store_bool },
	{ LIO_STORAGE, ON_SBC, "attrib/emulate_caw", "1", lio_store_bool },
	{ LIO_STORAGE, ON_SBC, "attrib/emulate_dpo", "1", store_ignored },
	{ LIO_STORAGE, ON_SBC, "attrib/emulate_fua_read", "1", store_ignored },
	{ LIO_STORAGE, ON_SBC, "attrib/emulate_fua_write", "1", lio_store_bool },
	{ LIO_STORAGE, ON_SBC, "attrib/emulate_model_alias", "0", store_model_alias, .flags = LIO_EXPORTED },
	{ LIO_STORAGE, 0, "attrib/emulate_pr", "1", lio_store_bool },
	{ LIO_STORAGE, ON_SBC, "attrib/emulate_rest_reord", "0", store_restricted_reordering },
	{ LIO_STORAGE, ON_SBC, "attrib/emulate_rsoc", "1", lio_store_bool, .since = "6.2" },
	{ LIO_STORAGE, ON_SBC, "attrib/emulate_tas", "1", lio_store_bool, .flags = LIO_EXPORTED },
	{ LIO_STORAGE, ON_SBC, "attrib/emulate_tpu", "0", store_unmap },
	{ LIO_STORAGE, ON_SBC, "attrib/emulate_tpws", "0", store_unmap },
	{ LIO_STORAGE, ON_SBC, "attrib/emulate_ua_intlck_ctrl", "0", lio_store_number, .max = 2, .flags = LIO_EXPORTED },
	{ LIO_STORAGE, ON_SBC, "attrib/emulate_write_cache", "0", store_write_cache },
	{ LIO_STORAGE, ON_USER, "attrib/emulate_write_cache", "0", store_asked },
	{ LIO_STORAGE, ON_SBC | ON_USER, "attrib/enforce_pr_isids", "1", lio_store_bool },
	{ LIO_STORAGE, ON_SBC | ON_USER, "attrib/force_pr_aptpl", "0", lio_store_bool, .flags = LIO_EXPORTED },
	{ LIO_STORAGE, 0, "attrib/hw_block_size", "0" },
	{ LIO_STORAGE, 0, "attrib/hw_max_sectors", "0" },
	{ LIO_STORAGE, 0, "attrib/hw_pi_prot_type", "0" },
	{ LIO_STORAGE, 0, "attrib/hw_queue_depth", "0" },
	{ LIO_STORAGE, ON_SBC, "attrib/is_nonrot", "0", lio_store_bool },
	{ LIO_STORAGE, ON_USER, "attrib/max_data_area_mb", "1024" },
	{ LIO_STORAGE, ON_SBC, "attrib/max_unmap_block_desc_count", "0", lio_store_number, .max = UINT32_MAX },
	{ LIO_STORAGE, ON_SBC, "attrib/max_unmap_lba_count", "0", lio_store_number, .max = UINT32_MAX },
	{ LIO_STORAGE, ON_SBC, "attrib/max_write_same_len", "0", lio_store_number, .max = UINT32_MAX },
	{ LIO_STORAGE, ON_USER, "attrib/nl_reply_supported", "0", lio_store_number, .min = -128, .max = 127 },
	{ LIO_STORAGE, ON_SBC, "attrib/optimal_sectors", "0", store_optimal_sectors, .flags = LIO_EXPORTED },
	{ LIO_STORAGE, ON_SCSI, "attrib/pgr_support", "0", store_support },
	{ LIO_STORAGE, ON_SBC | ON_USER, "attrib/pgr_support", "1", store_support },
	{ LIO_STORAGE, ON_SBC, "attrib/pi_prot_format", "0", store_pi_format },
	{ LIO_STORAGE, ON_SBC, "attrib/pi_prot_type", "0", store_pi_type },
	{ LIO_STORAGE, ON_SBC, "attrib/pi_prot_verify", "0", store_pi_verify },
	{ LIO_STORAGE, ON_USER, "attrib/qfull_time_out", "-1", lio_store_number, .min = -1, .max = INT32_MAX },
	{ LIO_STORAGE, ON_SBC, "attrib/queue_depth", "0", store_queue_depth, .flags = LIO_EXPORTED },
	{ LIO_STORAGE, 0, "attrib/submit_type", "0", lio_store_number, .max = 2, .since = "6.7" },
	{ LIO_STORAGE, ON_USER, "attrib/tmr_notification", "0", lio_store_number, .max = 1 },
	{ LIO_STORAGE, ON_SBC, "attrib/unmap_granularity", "0", lio_store_number, .max = UINT32_MAX },
	{ LIO_STORAGE, ON_SBC, "attrib/unmap_granularity_alignment", "0", lio_store_number, .max = UINT32_MAX },
	{ LIO_STORAGE, ON_SBC, "attrib/unmap_zeroes_data", "0", store_unmap, .flags = LIO_EXPORTED },
	{ LIO_STORAGE, ON_USER, "action/block_dev", "unblocked", store_ignored },
	{ LIO_STORAGE, ON_USER, "action/free_kept_buf", NULL, store_ignored, .flags = LIO_WRITE_ONLY },
	{ LIO_STORAGE, ON_USER, "action/reset_ring", NULL, store_ignored, .flags = LIO_WRITE_ONLY },
	{ LIO_STORAGE, 0, "wwn/company_id", "0x001405", store_company, .max = 0xffffff, .flags = LIO_EXPORTED },
	{ LIO_STORAGE, 0, "wwn/pd_text_id_info", "", lio_store_line, .since = "7.0", .flags = LIO_EXPORTED },
	{ LIO_STORAGE, ON_BLOCK, "wwn/product_id", "IBLOCK", store_inquiry, .max = 16, .flags = LIO_EXPORTED },
	{ LIO_STORAGE, ON_FILE, "wwn/product_id", "FILEIO", store_inquiry, .max = 16, .flags = LIO_EXPORTED },
	{ LIO_STORAGE, ON_RAMDISK, "wwn/product_id", "RAMDISK-MCP", store_inquiry, .max = 16, .flags = LIO_EXPORTED },
	{ LIO_STORAGE, ON_SCSI | ON_USER, "wwn/product_id", "", store_inquiry, .max = 16, .flags = LIO_EXPORTED },
	{ LIO_STORAGE, ON_SBC, "wwn/revision", "4.0", store_inquiry, .max = 4, .flags = LIO_EXPORTED },
	{ LIO_STORAGE, ON_SCSI | ON_USER, "wwn/revision", "", store_inquiry, .max = 4, .flags = LIO_EXPORTED },
	{ LIO_STORAGE, 0, "wwn/vendor_id", "LIO-ORG", store_inquiry, .max = 8, .flags = LIO_EXPORTED },
	{ LIO_STORAGE, 0, "wwn/vpd_assoc_logical_unit", NULL },
	{ LIO_STORAGE, 0, "wwn/vpd_assoc_scsi_target_device", NULL },
	{ LIO_STORAGE, 0, "wwn/vpd_assoc_target_port", NULL },
	{ LIO_STORAGE, 0, "wwn/vpd_protocol_identifier", NULL },
	{ LIO_STORAGE, 0, "wwn/vpd_unit_serial", "", store_serial, show_serial, .flags = LIO_EXPORTED },
};

const struct lio_table lio_attr_table = { files, ARRAY_SIZE(files) };
