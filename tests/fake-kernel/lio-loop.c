/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What has a nexus, that is, an initiator that the kernel plays itself: loopback, vhost, xen-pvscsi. And the SCSI disks that the LUNs of
 * a loopback target are on this machine (kernel-abi 6.2, 10.a; drivers/target/loopback/tcm_loop.c, drivers/vhost/scsi.c).
 */
#include "tests/fake-kernel/lio.h"

#define ON_NEXUS (ON_LOOPBACK | ON_VHOST | ON_XEN)
#define TPGS 32
#define NEXUS_LEN 255

/* Of a loopback target. Its portal groups have their places, which stay as they are when the folder goes. */
struct loop {
	unsigned host;
	struct {
		char *nexus;
		int ports;
	} tpgs[TPGS];
};

static void loop_free(void *state)
{
	struct loop *l = state;

	for (size_t i = 0; i < TPGS; i++)
		free(l->tpgs[i].nexus);
	free(l);
}

/* The lowest number that no other has. */
static unsigned free_host(struct fake *f)
{
	_cleanup_free_ bool *taken = NULL;
	unsigned n = 0, size = 0;

	for (const struct node *t = f->target; t; t = node_next(f->target, t))
		size += t->kind == LIO_TARGET && t->only == ON_LOOPBACK && t->state;
	taken = must(calloc(size + 1, sizeof(*taken)));
	for (const struct node *t = f->target; t; t = node_next(f->target, t)) {
		const struct loop *l = t->kind == LIO_TARGET && t->only == ON_LOOPBACK ? t->state : NULL;

		if (l && l->host < size)
			taken[l->host] = true;
	}
	while (taken[n])
		n++;
	return n;
}

void lio_loop_init(struct fake *f, struct node *target)
{
	struct loop *l = must(calloc(1, sizeof(*l)));

	l->host = free_host(f);
	target->state = l;
	target->forget = loop_free;
}

static struct loop *loop_of(const struct node *tpg, size_t *ret_index)
{
	uint64_t n = 0;

	lio_parse_number(tpg->name, "tpgt_", TPGS - 1, &n);
	*ret_index = n;
	return tpg->parent->state;
}

/* ---- nexus ---- */

void lio_loop_made_tpg(struct node *tpg)
{
	size_t i;
	const struct loop *l = loop_of(tpg, &i);

	if (l->tpgs[i].nexus)
		node_set(node_attr(tpg, "nexus"), l->tpgs[i].nexus);
}

static void remember_nexus(const struct node *tpg, const char *nexus)
{
	size_t i;
	struct loop *l;

	if (tpg->only != ON_LOOPBACK)
		return;
	l = loop_of(tpg, &i);
	free(l->tpgs[i].nexus);
	l->tpgs[i].nexus = nexus ? must(strdup(nexus)) : NULL;
}

static int *ports_of(const struct node *tpg)
{
	size_t i;
	struct loop *l = loop_of(tpg, &i);

	return &l->tpgs[i].ports;
}

static bool has_luns(const struct node *tpg)
{
	for (const struct node *lun = node_child(tpg, "lun")->first; lun; lun = lun->next)
		if (lio_leads_to(lun))
			return true;
	return false;
}

static int drop_nexus(struct node *attr)
{
	const struct node *tpg = node_item(attr);

	if (!attr->value)
		return -ENODEV;
	if (tpg->only == ON_LOOPBACK ? *ports_of(tpg) : has_luns(tpg))
		return tpg->only == ON_LOOPBACK ? -EPERM : -EBUSY;
	free(steal_ptr(attr->value));
	remember_nexus(tpg, NULL);
	return 0;
}

void lio_loop_release_tpg(struct node *tpg)
{
	drop_nexus(node_attr(tpg, "nexus"));
}

static int store_nexus(struct fake *f, struct node *attr, const char *page)
{
	static const char *const kinds[] = { "naa.", "fc.", "iqn." };
	_cleanup_free_ char *name = lio_line(page);
	const struct node *tpg = node_item(attr);
	bool right = false;

	if (strncmp(page, "NULL", 4) == 0)
		return drop_nexus(attr);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		right = right || (strstr(name, kinds[i]) && strstr(tpg->parent->name, kinds[i]));
	if (strlen(page) > NEXUS_LEN || !right)
		return -EINVAL;
	if (attr->value)
		return -EEXIST;
	node_set(attr, name);
	remember_nexus(tpg, name);
	return 0;
}

static int show_nexus(struct fake *f, struct node *attr, struct strbuf *ret)
{
	if (!attr->value)
		return -ENODEV;
	strbuf_addf(ret, "%s\n", attr->value);
	return 0;
}

/* ---- disks ---- */

static char *address_of(const struct node *tpg)
{
	size_t i;
	const struct loop *l = loop_of(tpg, &i);

	return fmt("%u:0:%zu", l->host, i);
}

/* "sda" to "sdz", "sdaa", … */
static char *free_disk(struct fake *f)
{
	for (unsigned n = 0;; n++) {
		char *path = n < 26 ? fmt("/dev/sd%c", 'a' + n) : fmt("/dev/sd%c%c", 'a' + n / 26 - 1, 'a' + n % 26);

		if (!machine_find(f, path))
			return path;
		free(path);
	}
}

static void set_size(struct fake *f, struct backing *disk, const struct node *storage)
{
	const struct node *block_size = node_attr(storage, "attrib/block_size");

	disk->size = lio_size(f, storage);
	disk->block_size = block_size ? (uint32_t)atoi(block_size->value) : 512;
}

/* Without a nexus the LUN is counted, and has no disk. */
void lio_loop_linked(struct fake *f, struct node *lun, const struct node *storage)
{
	const struct node *tpg = lio_up(lun, LIO_TPG);
	_cleanup_free_ char *address = address_of(tpg), *path = NULL;
	struct backing *disk;

	++*ports_of(tpg);
	if (!node_attr(tpg, "nexus")->value)
		return;
	path = free_disk(f);
	disk = machine_put(f, path, 'b', 0);
	set_size(f, disk, storage);
	snprintf(disk->hctl, sizeof(disk->hctl), "%s:%s", address, lun->name + strlen("lun_"));
	lun->state = steal_ptr(path);
	lun->forget = free;
}

void lio_loop_unlinked(struct fake *f, struct node *lun)
{
	_cleanup_free_ char *disk = lun->state;

	/* One that had no disk stays counted. */
	if (!disk)
		return;
	lun->state = NULL;
	--*ports_of(lio_up(lun, LIO_TPG));
	machine_remove(f, disk);
}

static struct node *find_lun(struct fake *f, const char *tpg, const char *lun)
{
	_cleanup_free_ char *path = fmt("%s/lun/lun_%s", tpg, lun);
	struct node *n;

	return fs_find(f, path, &n) == 0 && n->kind == LIO_LUN && n->only == ON_LOOPBACK ? n : NULL;
}

const char *lio_disk(struct fake *f, const char *tpg, const char *lun)
{
	const struct node *n = find_lun(f, tpg, lun);

	return n ? n->state : NULL;
}

int lio_rescan(struct fake *f, const char *tpg, const char *lun)
{
	const struct node *n = find_lun(f, tpg, lun);
	struct backing *disk = n && n->state ? machine_find(f, n->state) : NULL;

	if (!disk)
		return -ENOENT;
	set_size(f, disk, lio_leads_to(n));
	return 0;
}

static int show_address(struct fake *f, struct node *attr, struct strbuf *ret)
{
	_cleanup_free_ char *address = address_of(node_item(attr));

	strbuf_addf(ret, "%s\n", address);
	return 0;
}

static int store_status(struct fake *f, struct node *attr, const char *page)
{
	_cleanup_free_ char *word = lio_line(page);

	if (!streq(word, "online") && !streq(word, "offline"))
		return -EINVAL;
	node_set(attr, word);
	return 0;
}

/* ---- the table ---- */

static const struct lio_file files[] = {
	{ LIO_TPG, ON_LOOPBACK, "address", NULL, .show = show_address },
	{ LIO_TPG, ON_NEXUS, "nexus", NULL, store_nexus, show_nexus },
	{ LIO_TPG, ON_LOOPBACK, "transport_status", "online", store_status },
};

const struct lio_table lio_loop_table = { files, ARRAY_SIZE(files) };
