/* SPDX-License-Identifier: Apache-2.0 */
/* What the machine has beside the target: devices, files, addresses and who listens there, modules. Nothing of it is this machine's. */
#include <arpa/inet.h>
#include <errno.h>

#include "tests/fake-kernel/fake.h"

#define DISKS 25
#define DISK_SIZE (1ull << 30)
#define MAJOR 254

static void backing_free(struct backing *b)
{
	if (b)
		free(b->content);
	free(b);
}

struct backing *machine_find(struct fake *f, const char *path)
{
	return map_get(f->backing, path);
}

struct backing *machine_put(struct fake *f, const char *path, char type, uint64_t size)
{
	struct backing *b = must(calloc(1, sizeof(*b)));

	*b = (struct backing){ .type = type, .size = size, .block_size = type == 'f' ? 4096 : 512, .minor = (uint32_t)map_len(f->backing) };
	backing_free(map_del(f->backing, path));
	if (map_put(f->backing, path, b) < 0)
		must(NULL);
	return b;
}

static void append(char ***list, const char *s)
{
	if (!strv_contains(*list, s) && strv_append(list, s) < 0)
		must(NULL);
}

void machine_init(struct fake *f)
{
	static const char *const addresses[] = { "127.0.0.1", "::1", "192.0.2.1", "192.0.2.2", "192.0.2.3", "2001:db8::1" };
	char path[] = "/dev/vda";

	f->backing = must(map_new());
	f->kept = must(map_new());
	f->tunables = must(map_new());
	snprintf(machine_put(f, path, 'b', DISK_SIZE)->holder, sizeof(((struct backing *)0)->holder), "mounted on /");
	for (int i = 1; i <= DISKS; i++) {
		path[sizeof(path) - 2] = (char)('a' + i);
		machine_put(f, path, 'b', DISK_SIZE);
	}
	machine_put(f, "/dev/nvme0", 'n', 0);
	machine_put(f, "/dev/nvme0n1", 'b', DISK_SIZE);
	machine_put(f, "/dev/nvme1", 'n', 0);
	machine_put(f, "/dev/null", 'c', 0);
	machine_put(f, "/dev", 'd', 0);
	for (size_t i = 0; i < ARRAY_SIZE(addresses); i++)
		append(&f->addresses, addresses[i]);
}

void machine_done(struct fake *f)
{
	struct map_iter it = { 0 };

	while (map_next(f->backing, &it))
		backing_free(it.value);
	map_free(f->backing);
	strv_free(f->addresses);
	strv_free(f->listeners);
	strv_free(f->modules);
	strv_free(f->hardware);
	it = (struct map_iter){ 0 };
	while (map_next(f->kept, &it))
		free(it.value);
	map_free(f->kept);
	it = (struct map_iter){ 0 };
	while (map_next(f->tunables, &it))
		free(it.value);
	map_free(f->tunables);
}

/* ---- devices and files ---- */

static int add_word(struct backing *b, const char *word)
{
	const char *value = strchr(word, '=');
	uint64_t n;

	if (!value)
		return -EINVAL;
	value++;
	if (strncmp(word, "size=", 5) == 0)
		return text_to_size(value, &b->size);
	if (strncmp(word, "type=", 5) == 0 && *value && !value[1] && strchr("bfcnd", *value))
		return b->type = *value, 0;
	if (strncmp(word, "holder=", 7) == 0)
		return snprintf(b->holder, sizeof(b->holder), "%s", value), 0;
	if (strncmp(word, "hctl=", 5) == 0)
		return snprintf(b->hctl, sizeof(b->hctl), "%s", value), 0;
	if (text_to_u64(value, &n) < 0)
		return -EINVAL;
	if (strncmp(word, "block=", 6) == 0)
		b->block_size = (uint32_t)n;
	else if (strncmp(word, "ro=", 3) == 0)
		b->read_only = n;
	else if (strncmp(word, "nodirect=", 9) == 0)
		b->no_direct = n;
	else
		return -EINVAL;
	return 0;
}

int machine_add(struct fake *f, const char *path, char *const *words)
{
	struct backing *b = map_get(f->backing, path);
	struct backing changed;
	int r = 0;

	if (*path != '/')
		return -EINVAL;
	if (!b)
		b = machine_put(f, path, strncmp(path, "/dev/", 5) == 0 ? 'b' : 'f', DISK_SIZE);
	changed = *b;
	for (; words && *words && r >= 0; words++)
		r = add_word(&changed, *words);
	if (r >= 0)
		*b = changed;
	return r;
}

int machine_remove(struct fake *f, const char *path)
{
	struct backing *b = map_del(f->backing, path);

	backing_free(b);
	return b ? 0 : -ENOENT;
}

/* Known as one, or because something is known to be in it. */
bool machine_is_folder(struct fake *f, const char *path)
{
	const struct backing *b = map_get(f->backing, path);
	struct map_iter it = { 0 };
	size_t n = strlen(path);

	if (b)
		return b->type == 'd';
	if (!n)
		return false;
	while (map_next(f->backing, &it))
		if (strncmp(it.key, path, n) == 0 && it.key[n] == '/')
			return true;
	return streq(path, "/");
}

int machine_probe(struct fake *f, const char *path, unsigned flags, struct strbuf *ret)
{
	const struct backing *b = map_get(f->backing, path);
	bool block = b && b->type == 'b';

	if (!b)
		return -ENOENT;
	if (flags & KFS_PROBE_CONTROLLER) {
		if (b->type != 'n')
			return -ENOTTY;
		strbuf_addf(ret, "n 0 0 0 0 %s", flags & KFS_PROBE_EXCL ? b->holder : "");
		return 0;
	}
	if (b->type == 'd')
		return -EISDIR;
	if (!block && b->type != 'f')
		return -ENOTBLK;
	if (b->read_only)
		return -EACCES;
	if (!block && flags & KFS_PROBE_DIRECT && b->no_direct)
		return -EINVAL;
	strbuf_addf(ret, "%c %llu %u %u %u ", b->type, (unsigned long long)b->size, b->block_size, block ? MAJOR : 0, block ? b->minor : 0);
	if (flags & KFS_PROBE_EXCL && b->claimed)
		lio_holder(f, path, ret);
	else if (flags & KFS_PROBE_EXCL)
		strbuf_add(ret, b->holder);
	return 0;
}

int machine_create_file(struct fake *f, const char *path, uint64_t size)
{
	if (map_get(f->backing, path))
		return -EEXIST;
	machine_put(f, path, 'f', size);
	return 0;
}

int machine_grow_file(struct fake *f, const char *path, uint64_t size)
{
	struct backing *b = map_get(f->backing, path);

	if (!b)
		return -ENOENT;
	if (b->type != 'f' || b->size > size)
		return b->type == 'd' ? -EISDIR : -EINVAL;
	b->size = size;
	return 0;
}

int machine_remove_file(struct fake *f, const char *path)
{
	return machine_remove(f, path);
}

int machine_hctl(struct fake *f, const char *path, struct strbuf *ret)
{
	const struct backing *b = map_get(f->backing, path);

	if (!b)
		return -ENOENT;
	if (!*b->hctl)
		return -ENODEV;
	strbuf_add(ret, b->hctl);
	return 0;
}

int machine_open(struct fake *f, const char *path, bool buffered)
{
	const struct backing *b = map_get(f->backing, path);

	if (!b)
		return -ENOENT;
	switch (b->type) {
	case 'd':
		return -EISDIR;
	case 'b':
		return b->read_only && !buffered ? -EACCES : 0;
	case 'f':
		if (b->read_only)
			return -EACCES;
		return b->no_direct && !buffered ? -EINVAL : 0;
	default:
		return buffered ? 0 : -EINVAL;
	}
}

int machine_open_controller(struct fake *f, const char *path)
{
	const struct backing *b = map_get(f->backing, path);

	if (!b)
		return -ENOENT;
	return b->type == 'd' ? -EISDIR : b->type == 'n' ? 0 : -EINVAL;
}

/* ---- modules ---- */

/* Modules, with the tree that they make and what of the machine they do not load without. */
static const struct module {
	const char *name, *option;
	void (*load)(struct fake *f);
	const char *hardware;
} modules[] = {
	{ "configfs" },
	{ "nvmet", .load = nvmet_load },
	{ "nvmet_tcp", .load = nvmet_load },
	{ "nvmet_rdma", .load = nvmet_load },
	{ "nvmet_fc", .load = nvmet_load },
	{ "nvme_loop", .option = "NVME_TARGET_LOOP", .load = nvmet_load },
	{ "sd_mod" },
	{ "target_core_mod", .load = lio_load },
	{ "target_core_iblock", .load = lio_load },
	{ "target_core_file", .load = lio_load },
	{ "target_core_pscsi", .load = lio_load },
	{ "target_core_user", .load = lio_load },
	{ "iscsi_target_mod", .load = lio_load },
	{ "tcm_loop", .load = lio_load },
	{ "vhost_scsi", .option = "VHOST_SCSI", .load = lio_load },
	{ "tcm_qla2xxx", .option = "TCM_QLA2XXX", .load = lio_load },
	{ "ib_srpt", .option = "INFINIBAND_SRPT", .load = lio_load },
	{ "tcm_fc", .option = "TCM_FC", .load = lio_load },
	{ "sbp_target", .option = "SBP_TARGET", .load = lio_load },
	{ "xen_scsiback", .option = "XEN_SCSI_BACKEND", .load = lio_load, .hardware = "xen-pvscsi" },
};

/* NULL when the kernel was built without it. */
static const struct module *find_module(struct fake *f, const char *name)
{
	_cleanup_free_ char *plain = must(strdup(name));

	for (char *c = plain; *c; c++)
		if (*c == '-')
			*c = '_';
	for (size_t i = 0; i < ARRAY_SIZE(modules); i++)
		if (streq(modules[i].name, plain) && fake_has(f, modules[i].option))
			return &modules[i];
	return NULL;
}

int machine_has_module(struct fake *f, const char *name)
{
	return find_module(f, name) ? 0 : -ENOENT;
}

static bool has_tunable(struct fake *f, const char *name)
{
	_cleanup_free_ char *module = must(strndup(name, strcspn(name, "/")));

	return streq(name, "rcu_expedited") || (streq(name, "tcm_loop/can_queue") && strv_contains(f->modules, module));
}

int machine_tune(struct fake *f, const char *name, const char *value)
{
	if (!has_tunable(f, name))
		return -ENOENT;
	free(map_del(f->tunables, name));
	if (map_put(f->tunables, name, must(strdup(value))) < 0)
		must(NULL);
	return 0;
}

int machine_tuned(struct fake *f, const char *name, struct strbuf *ret)
{
	const char *value = map_get(f->tunables, name);

	if (!has_tunable(f, name))
		return -ENOENT;
	strbuf_add(ret, value ? value : streq(name, "rcu_expedited") ? "0" : "1024");
	return 0;
}

int machine_load_module(struct fake *f, const char *name)
{
	const struct module *module = find_module(f, name);

	if (!module)
		return -ENOENT;
	if (module->hardware && !strv_contains(f->hardware, module->hardware))
		return -ENODEV;
	append(&f->modules, module->name);
	if (module->load)
		module->load(f);
	return 0;
}

/* ---- addresses ---- */

static bool is_any(const char *address)
{
	return streq(address, "0.0.0.0") || streq(address, "::");
}

bool machine_has_address(const struct fake *f, const char *address)
{
	_cleanup_free_ char *plain = must(strndup(address, strcspn(address, "%")));
	unsigned char wanted[16], ours[16];
	int family = strchr(plain, ':') ? AF_INET6 : AF_INET;

	if (is_any(plain) || strncmp(plain, "127.", 4) == 0)
		return true;
	inet_pton(family, plain, wanted);
	for (char *const *a = f->addresses; a && *a; a++)
		if (inet_pton(family, *a, ours) == 1 && memcmp(wanted, ours, family == AF_INET ? 4 : 16) == 0)
			return true;
	return false;
}

/* "::" hears IPv4 as well. */
static bool clashes(const char *a, const char *b)
{
	bool a6 = strchr(a, ':'), b6 = strchr(b, ':');

	if (streq(a, b) || streq(a, "::") || streq(b, "::"))
		return true;
	return a6 == b6 && (is_any(a) || is_any(b));
}

int machine_listen(struct fake *f, const char *trtype, int family, const char *address, uint16_t port)
{
	_cleanup_free_ char *listener = fmt("%s %u", address, port);

	if (!streq(trtype, "iscsi") && !machine_has_address(f, address))
		return -EADDRNOTAVAIL;
	/* There is no RDMA device, which is not noticed where none is asked for. */
	if (streq(trtype, "rdma"))
		return is_any(address) || strncmp(address, "127.", 4) == 0 || streq(address, "::1") ? 0 : -ENODEV;
	for (char *const *l = f->listeners; l && *l; l++) {
		_cleanup_free_ char *other = must(strndup(*l, strcspn(*l, " ")));

		if (streq(strchr(*l, ' '), strchr(listener, ' ')) && clashes(address, other))
			return -EADDRINUSE;
	}
	append(&f->listeners, listener);
	return 0;
}

void machine_unlisten(struct fake *f, const char *address, const char *port)
{
	_cleanup_free_ char *listener = NULL;
	uint64_t n;

	if (kernel_u64(port, UINT16_MAX, &n) < 0)
		return;
	listener = fmt("%s %llu", address, (unsigned long long)n);
	strv_remove(f->listeners, listener);
}
