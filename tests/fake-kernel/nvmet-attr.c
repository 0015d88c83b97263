/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the attributes of the NVMe target take and show (kernel-abi 2.1 to 2.7). Most follow from the type and the moment of their
 * row; those that do not have a function here, in the order of drivers/nvme/target/configfs.c.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>

#include "tests/fake-kernel/fake.h"

#define ENOTSUPP 524	/* the kernel's own, include/linux/errno.h */
#define NAMESPACES_MAX 1024

/* ---- the kernel's readings ---- */

int kernel_u64(const char *s, uint64_t max, uint64_t *ret)
{
	unsigned base = 10;
	uint64_t n = 0;
	const char *start;

	s += *s == '+';
	if (*s == '0')
		base = tolower(s[1]) == 'x' && isxdigit((unsigned char)s[2]) ? 16 : 8;
	if (base == 16)
		s += 2;
	for (start = s; isxdigit((unsigned char)*s); s++) {
		unsigned digit = isdigit((unsigned char)*s) ? (unsigned)(*s - '0') : (unsigned)(tolower(*s) - 'a' + 10);

		if (digit >= base)
			break;
		if (__builtin_mul_overflow(n, base, &n) || __builtin_add_overflow(n, digit, &n))
			return -ERANGE;
	}
	if (s == start)
		return -EINVAL;
	s += *s == '\n';
	if (*s)
		return -EINVAL;
	if (n > max)
		return -ERANGE;
	*ret = n;
	return 0;
}

int kernel_int(const char *s, int64_t *ret)
{
	bool negative = *s == '-';
	uint64_t n;
	int r = kernel_u64(s + negative, (uint64_t)INT32_MAX + negative, &n);

	if (r >= 0)
		*ret = negative ? -(int64_t)n : (int64_t)n;
	return r;
}

int kernel_bool(const struct fake *f, const char *s, bool *ret)
{
	char c = (char)tolower(*s), second = c ? (char)tolower(s[1]) : 0;

	if (c == 'y' || c == 't' || c == '1' || (c == 'o' && second == 'n') || (c == 'e' && f->major >= 7))
		*ret = true;
	else if (c == 'n' || c == 'f' || c == '0' || (c == 'o' && second == 'f') || (c == 'd' && f->major >= 7))
		*ret = false;
	else
		return -EINVAL;
	return 0;
}

/* sysfs_streq(): equal but for one newline at the end. */
static bool same_word(const char *page, const char *word)
{
	size_t n = strlen(word);

	return strncmp(page, word, n) == 0 && streq(page + n + (page[n] == '\n'), "");
}

/* sscanf("%hu"): leading blanks, then decimal digits, whatever follows; what is too large wraps. */
static int scan_u16(const char *s, uint16_t *ret)
{
	uint64_t n = 0;

	while (isspace((unsigned char)*s))
		s++;
	if (!isdigit((unsigned char)*s))
		return -EINVAL;
	for (; isdigit((unsigned char)*s); s++)
		n = n * 10 + (uint64_t)(*s - '0');
	*ret = (uint16_t)n;
	return 0;
}

static void set_number(struct node *attr, int64_t n)
{
	_cleanup_free_ char *text = fmt("%lld", (long long)n);

	node_set(attr, text);
}

/* ---- what they show at first ---- */

struct initial {
	enum kind kind;
	const char *file, *text;
};

/* Where it is not the row's default. */
static const struct initial initials[] = {
	{ KIND_SUBSYSTEM, "passthru/device_path", "(null)" },
	{ KIND_NAMESPACE, "device_path", "(null)" },
	{ KIND_NAMESPACE, "device_nguid", "00000000-0000-0000-0000-000000000000" },
	{ KIND_NAMESPACE, "enable", "0" },
	{ KIND_PORT, "addr_tsas", "" },
	{ KIND_PORT, "param_mdts", "-1" },
	{ KIND_REFERRAL, "enable", "0" },
};

static char *random_hex(struct fake *f, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	char *s = must(calloc(1, n + 1));

	for (size_t i = 0; i < n; i++)
		s[i] = digits[fake_random(&f->random) % 16];
	return s;
}

static char *random_uuid(struct fake *f)
{
	_cleanup_free_ char *h = random_hex(f, 32);

	return fmt("%.8s-%.4s-4%.3s-%c%.3s-%.12s", h, h + 8, h + 13, "89ab"[fake_random(&f->random) % 4], h + 17, h + 20);
}

char *nvmet_initial(struct fake *f, enum kind kind, const char *item, const struct attr_row *row)
{
	if (kind == KIND_SUBSYSTEM && streq(row->file, "attr_serial"))
		return random_hex(f, 20);
	if (kind == KIND_SUBSYSTEM && streq(row->file, "attr_version"))
		return must(strdup(fake_since(f, "6.13") ? "2.1" : "1.3"));
	if (kind == KIND_SUBSYSTEM && streq(row->file, "attr_firmware"))
		return must(strndup(f->release, 8));
	if (kind == KIND_NAMESPACE && streq(row->file, "device_uuid"))
		return random_uuid(f);
	if (kind == KIND_ANA_GROUP)
		return must(strdup(streq(item, "1") ? "optimized" : "inaccessible"));
	/* Of a referral it is 0 like everything else, and since 6.14 that has a name. */
	if (kind == KIND_REFERRAL && streq(row->file, "addr_adrfam") && fake_since(f, "6.14"))
		return must(strdup("pci"));
	for (size_t i = 0; i < ARRAY_SIZE(initials); i++)
		if (initials[i].kind == kind && streq(initials[i].file, row->file))
			return must(strdup(initials[i].text));
	return must(strdup(row->dflt ? row->dflt : ""));
}

/* ---- by type ---- */

static int store_bool(const struct fake *f, struct node *attr, const char *page)
{
	bool value;
	int r = kernel_bool(f, page, &value);

	if (r >= 0)
		node_set(attr, value ? "1" : "0");
	return r;
}

static int store_word(struct node *attr, const char *page)
{
	for (const char *const *w = attr->row->words; *w; w++)
		if (same_word(page, *w)) {
			node_set(attr, *w);
			return 0;
		}
	return -EINVAL;
}

/* Up to the first newline, printable, of the row's length. */
static int store_string(struct node *attr, const char *page)
{
	size_t len = strcspn(page, "\n");
	_cleanup_free_ char *text = must(strndup(page, len));

	if (!len || len > (size_t)attr->row->max || !text_is_printable_ascii(text))
		return -EINVAL;
	node_set(attr, text);
	return 0;
}

/* sscanf("%s"): the first word, or nothing. */
static int store_token(struct node *attr, const char *page, size_t len)
{
	_cleanup_free_ char *text = NULL;

	if (len > (size_t)attr->row->max + 1)
		return -EINVAL;
	page += strspn(page, " \t\n\v\f\r");
	text = must(strndup(page, strcspn(page, " \t\n\v\f\r")));
	node_set(attr, text);
	return 0;
}

static int store_path(struct node *attr, const char *page)
{
	_cleanup_free_ char *text = must(strndup(page, strcspn(page, "\n")));

	if (!*text)
		return -EINVAL;
	node_set(attr, text);
	return 0;
}

static int store_by_type(const struct fake *f, struct node *attr, const char *page, size_t len)
{
	const struct attr_row *row = attr->row;
	uint64_t n;
	int64_t i;
	int r;

	switch (row->type) {
	case ATTR_BOOL:
		return store_bool(f, attr, page);
	case ATTR_WORD:
		return store_word(attr, page);
	case ATTR_STRING:
		return store_string(attr, page);
	case ATTR_TOKEN:
		return store_token(attr, page, len);
	case ATTR_PATH:
		return store_path(attr, page);
	case ATTR_INT:
		if (row->min < 0) {
			r = kernel_int(page, &i);
		} else {
			r = kernel_u64(page, UINT32_MAX, &n);
			i = (int64_t)n;
		}
		if (r < 0)
			return -EINVAL;
		set_number(attr, i);
		return 0;
	default:
		return -EINVAL;
	}
}

/* ---- the root ---- */

static int store_discovery_nqn(struct fake *f, struct node *attr, const char *page, size_t size)
{
	const struct node *subsystems = node_child(f->nvmet, "subsystems");
	size_t len = strcspn(page, "\n");
	_cleanup_free_ char *text = must(strndup(page, len));

	if (!len || len > 255)
		return -EINVAL;
	for (const struct node *s = subsystems->first; s; s = s->next)
		if (strncmp(s->name, text, len) == 0)
			return -EINVAL;
	node_set(attr, text);
	return 0;
}

/* ---- hosts ---- */

static int store_key(struct fake *f, struct node *attr, const char *page, size_t len)
{
	_cleanup_free_ char *text = NULL;
	char *end;
	long hash;

	if (!*page) {
		node_set(attr, "");
		return 0;
	}
	if (strncmp(page, "DHHC-1:", 7) != 0)
		return -EINVAL;
	/* sscanf("DHHC-1:%hhd:%*s"): all that counts is the number. */
	hash = strtol(page + 7, &end, 10);
	if (end == page + 7 || isspace((unsigned char)page[7]) || (uint8_t)hash > 3)
		return -EINVAL;
	text = must(strdup(page));
	for (len = strlen(text); len && isspace((unsigned char)text[len - 1]);)
		text[--len] = 0;
	node_set(attr, text);
	return 0;
}

/* What begins as one of the words does. */
static int store_algorithm(struct fake *f, struct node *attr, const char *page, size_t len)
{
	for (const char *const *w = attr->row->words; *w; w++)
		if (strncmp(page, *w, strlen(*w)) == 0) {
			node_set(attr, *w);
			return 0;
		}
	return -EINVAL;
}

/* ---- subsystems ---- */

static int store_allow_any_host(struct fake *f, struct node *attr, const char *page, size_t len)
{
	bool value;
	int r = kernel_bool(f, page, &value);

	if (r < 0)
		return r;
	if (value && node_child(node_item(attr), "allowed_hosts")->first)
		return -EINVAL;
	return store_bool(f, attr, page);
}

static int store_version(struct fake *f, struct node *attr, const char *page, size_t len)
{
	int major, minor, tertiary = 0, n;
	_cleanup_free_ char *text = NULL;

	if (streq(node_text(node_item(attr), "passthru/enable"), "1"))
		return -EINVAL;
	n = sscanf(page, "%d.%d.%d", &major, &minor, &tertiary);
	if (n < 2)
		return -EINVAL;
	major &= 0xffff;
	minor &= 0xff;
	tertiary &= 0xff;
	text = tertiary ? fmt("%d.%d.%d", major, minor, tertiary) : fmt("%d.%d", major, minor);
	node_set(attr, text);
	return 0;
}

static int store_serial(struct fake *f, struct node *attr, const char *page, size_t len)
{
	_cleanup_free_ char *padded = NULL;
	int r = store_string(attr, page);

	if (r < 0)
		return r;
	padded = fmt("%-20s", attr->value);
	node_set(attr, padded);
	return 0;
}

static int store_hex(struct fake *f, struct node *attr, const char *page, size_t len)
{
	bool oui = streq(attr->row->file, "attr_ieee_oui");
	_cleanup_free_ char *text = NULL;
	uint64_t n;
	int r = kernel_u64(page, oui ? UINT32_MAX : UINT16_MAX, &n);

	if (r < 0)
		return oui ? r : -EINVAL;
	if (n > (uint64_t)attr->row->max)
		return -EINVAL;
	text = oui ? fmt("0x%06llx", (unsigned long long)n) : fmt("0x%llx", (unsigned long long)n);
	node_set(attr, text);
	return 0;
}

static int store_cntlid(struct fake *f, struct node *attr, const char *page, size_t len)
{
	bool is_min = streq(attr->row->file, "attr_cntlid_min");
	const struct node *other = node_attr(node_item(attr), is_min ? "attr_cntlid_max" : "attr_cntlid_min");
	uint16_t n, limit;

	if (scan_u16(page, &n) < 0 || !n || scan_u16(other->value, &limit) < 0)
		return -EINVAL;
	if (is_min ? n > limit : n < limit)
		return -EINVAL;
	if (n == limit && !fake_since(f, "6.2"))
		return -EINVAL;
	set_number(attr, n);
	return 0;
}

static int store_qid_max(struct fake *f, struct node *attr, const char *page, size_t len)
{
	uint16_t n;

	if (scan_u16(page, &n) < 0 || n < 1 || n > 128)
		return -EINVAL;
	set_number(attr, n);
	/* Even the same value as before. */
	hosts_drop(f, NULL, node_item(attr));
	return 0;
}

static const struct node *enabled_namespace(const struct node *subsystem, uint32_t nsid, const struct node *but, size_t *ret_count)
{
	const struct node *found = NULL;
	uint64_t n;

	*ret_count = 0;
	for (const struct node *ns = node_child(subsystem, "namespaces")->first; ns; ns = ns->next)
		if (ns != but && nvmet_namespace_enabled(ns)) {
			++*ret_count;
			if (kernel_u64(ns->name, UINT32_MAX, &n) >= 0 && n == nsid)
				found = ns;
		}
	return found;
}

static int store_passthru_path(struct fake *f, struct node *attr, const char *page, size_t len)
{
	return streq(node_text(node_item(attr), "passthru/enable"), "1") ? -EBUSY : store_path(attr, page);
}

/* The controller is served by another subsystem already. */
static bool passes_elsewhere(struct fake *f, const struct node *subsystem, const char *path)
{
	for (const struct node *s = node_child(f->nvmet, "subsystems")->first; s; s = s->next)
		if (s != subsystem && streq(node_text(s, "passthru/enable"), "1") && streq(node_text(s, "passthru/device_path"), path))
			return true;
	return false;
}

static int store_passthru_enable(struct fake *f, struct node *attr, const char *page, size_t len)
{
	struct node *subsystem = node_item(attr);
	const char *path = node_text(subsystem, "passthru/device_path");
	_cleanup_free_ char *version = nvmet_initial(f, KIND_SUBSYSTEM, NULL, attr_find(KIND_SUBSYSTEM, "version"));
	size_t count;
	bool value;
	int r = kernel_bool(f, page, &value);

	if (r < 0)
		return r;
	if (!value) {
		/* Also when it was not enabled. */
		node_set(node_attr(subsystem, "attr_version"), version);
		node_set(attr, "0");
		return 0;
	}
	enabled_namespace(subsystem, 0, NULL, &count);
	/* Since 7 also those that are not enabled are in the way. */
	if (f->major >= 7)
		count = node_child(subsystem, "namespaces")->first != NULL;
	if (streq(path, "(null)") || streq(attr->value, "1") || count)
		return -EINVAL;
	r = machine_open_controller(f, path);
	if (r >= 0 && passes_elsewhere(f, subsystem, path))
		r = -EINVAL;
	if (r < 0)
		return r;
	/* Its controllers are another such target's, and have that one's version. */
	node_set(node_attr(subsystem, "attr_version"), version);
	node_set(attr, "1");
	return 0;
}

/* ---- namespaces ---- */

static int store_uuid(struct fake *f, struct node *attr, const char *page, size_t len)
{
	char text[37] = "";

	for (size_t i = 0; i < 36; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? page[i] != '-' : !isxdigit((unsigned char)page[i]))
			return -EINVAL;
		text[i] = (char)tolower(page[i]);
	}
	node_set(attr, text);
	return 0;
}

static int store_nguid(struct fake *f, struct node *attr, const char *page, size_t len)
{
	char text[37] = "", *out = text;

	for (size_t i = 0; i < 16; i++) {
		if (!isxdigit((unsigned char)page[0]) || !isxdigit((unsigned char)page[1]))
			return -EINVAL;
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*out++ = '-';
		*out++ = (char)tolower(page[0]);
		*out++ = (char)tolower(page[1]);
		page += 2;
		page += *page == '-' || *page == ':';
	}
	node_set(attr, text);
	return 0;
}

static int store_ana_grpid(struct fake *f, struct node *attr, const char *page, size_t len)
{
	uint64_t n;
	int r = kernel_u64(page, UINT32_MAX, &n);

	if (r < 0)
		return r;
	if (n < 1 || n > 128)
		return -EINVAL;
	/* array_index_nospec() with a bound that is one too low. */
	set_number(attr, n == 128 ? 0 : (int64_t)n);
	return 0;
}

static int store_namespace_switch(struct fake *f, struct node *attr, const char *page, size_t len)
{
	bool value;
	int r = kernel_bool(f, page, &value);

	if (r < 0)
		return r;
	return nvmet_namespace_enabled(node_item(attr)) ? -EINVAL : store_bool(f, attr, page);
}

static int store_revalidate(struct fake *f, struct node *attr, const char *page, size_t len)
{
	bool value;
	int r = kernel_bool(f, page, &value);

	if (r < 0)
		return r;
	return value && nvmet_namespace_enabled(node_item(attr)) ? 0 : -EINVAL;
}

static int enable_namespace(struct fake *f, struct node *ns)
{
	struct node *subsystem = node_item(ns->parent);
	const char *path = node_text(ns, "device_path");
	const struct node *other;
	uint64_t nsid = 0;
	size_t count;
	int r;

	kernel_u64(ns->name, UINT32_MAX, &nsid);
	other = enabled_namespace(subsystem, (uint32_t)nsid, ns, &count);
	if (count >= NAMESPACES_MAX)
		return -EMFILE;
	/* With buffered_io a kernel before 7 would die of this; the daemon's worker does not let it come to that. */
	if (streq(path, "(null)"))
		return -EINVAL;
	r = machine_open(f, path, streq(node_text(ns, "buffered_io"), "1"));
	if (r < 0)
		return r;
	for (size_t i = 0; i < subsystem->n_zombies; i++)
		if (subsystem->zombies[i] == nsid)
			return -EBUSY;
	if (other)
		return -EBUSY;
	node_set(node_attr(ns, "enable"), "1");
	return 0;
}

static int store_namespace_enable(struct fake *f, struct node *attr, const char *page, size_t len)
{
	struct node *ns = node_item(attr);
	bool value;
	int r = kernel_bool(f, page, &value);

	if (r < 0)
		return r;
	if (!value) {
		node_set(attr, "0");
		return 0;
	}
	/* Beside passthrough it succeeds and does nothing. */
	if (nvmet_namespace_enabled(ns) || streq(node_text(node_item(ns->parent), "passthru/enable"), "1"))
		return 0;
	return enable_namespace(f, ns);
}

static int store_p2pmem(struct fake *f, struct node *attr, const char *page, size_t len)
{
	bool value;

	/* The machine has no device with such memory, so an address is not found. */
	if (kernel_bool(f, page, &value) < 0 || strchr(page, ':'))
		return -ENODEV;
	return store_bool(f, attr, page);
}

/* ---- ports and referrals ---- */

static int store_trtype(struct fake *f, struct node *attr, const char *page, size_t len)
{
	struct node *tsas = node_attr(node_item(attr), "addr_tsas");
	int r = same_word(page, "pci") && !fake_since(f, "6.14") ? -EINVAL : store_word(attr, page);

	if (r >= 0 && tsas)
		node_set(tsas, streq(attr->value, "tcp") ? "none" : streq(attr->value, "rdma") ? "connected" : "");
	return r;
}

static int store_adrfam(struct fake *f, struct node *attr, const char *page, size_t len)
{
	return same_word(page, "pci") && !fake_since(f, "6.14") ? -EINVAL : store_word(attr, page);
}

static int store_treq(struct fake *f, struct node *attr, const char *page, size_t len)
{
	if (streq(node_text(node_item(attr), "addr_tsas"), "tls1.3") && same_word(page, "not specified"))
		return -EINVAL;
	return store_word(attr, page);
}

static int store_tsas(struct fake *f, struct node *attr, const char *page, size_t len)
{
	struct node *port = node_item(attr), *treq = node_attr(port, "addr_treq");
	bool tls = same_word(page, "tls1.3");

	if (streq(node_text(port, "addr_trtype"), "rdma"))
		return same_word(page, attr->value) ? 0 : -EINVAL;
	if (!streq(node_text(port, "addr_trtype"), "tcp") || (!tls && !same_word(page, "none")))
		return -EINVAL;
	if (tls && !fake_has(f, "NVME_TARGET_TCP_TLS"))
		return -EINVAL;
	if (!tls)
		node_set(treq, "not specified");
	else if (streq(treq->value, "not specified"))
		node_set(treq, "required");
	node_set(attr, tls ? "tls1.3" : "none");
	return 0;
}

static int store_portid(struct fake *f, struct node *attr, const char *page, size_t len)
{
	uint64_t n;

	if (kernel_u64(page, UINT16_MAX, &n) < 0)
		return -EINVAL;
	if (nvmet_port_enabled(node_item(attr)))
		return -EACCES;
	set_number(attr, (int64_t)n);
	return 0;
}

static int store_port_pi(struct fake *f, struct node *attr, const char *page, size_t len)
{
	bool value;
	int r = kernel_bool(f, page, &value);

	if (r < 0)
		return r;
	return nvmet_port_enabled(node_item(attr)) ? -EACCES : store_bool(f, attr, page);
}

static int store_mdts(struct fake *f, struct node *attr, const char *page, size_t len)
{
	int64_t n;

	if (kernel_int(page, &n) < 0 || n < 0 || n > 255)
		return -EINVAL;
	set_number(attr, n);
	return 0;
}

/* ---- enabling a port ---- */

static int parse_address(const char *family, const char *address)
{
	_cleanup_free_ char *plain = must(strndup(address, strcspn(address, "%")));
	unsigned char raw[16];
	int f = streq(family, "ipv4") ? AF_INET : streq(family, "ipv6") ? AF_INET6 : -1;

	return f >= 0 && inet_pton(f, plain, raw) == 1 ? f : -EINVAL;
}

static int enable_ip(struct fake *f, struct node *port, const char *trtype)
{
	const char *address = node_text(port, "addr_traddr");
	int family = parse_address(node_text(port, "addr_adrfam"), address);
	struct node *inline_size = node_attr(port, "param_inline_data_size");
	uint64_t service;

	if (family < 0 || kernel_u64(node_text(port, "addr_trsvcid"), UINT16_MAX, &service) < 0)
		return -EINVAL;
	/* Even if it then cannot listen. */
	if (*inline_size->value == '-')
		node_set(inline_size, streq(trtype, "tcp") ? "16384" : "4096");
	return machine_listen(f, trtype, family, address, (uint16_t)service);
}

static void settle_params(struct node *port, bool rdma)
{
	struct node *inline_size = node_attr(port, "param_inline_data_size"), *queue = node_attr(port, "param_max_queue_size");
	struct node *mdts = node_attr(port, "param_mdts");
	int64_t n, max = rdma ? 256 : 1024;

	if (mdts && streq(mdts->value, "-1"))
		node_set(mdts, "0");

	if (*inline_size->value == '-')
		node_set(inline_size, "0");
	else if (rdma && kernel_int(inline_size->value, &n) >= 0 && n > 16384)
		node_set(inline_size, "16384");
	if (!queue || kernel_int(queue->value, &n) < 0)
		return;
	set_number(queue, n < 0 ? rdma ? 128 : 1024 : n < 16 ? 16 : n > max ? max : n);
}

int nvmet_enable_port(struct fake *f, struct node *port)
{
	const char *trtype = node_text(port, "addr_trtype");
	bool rdma = streq(trtype, "rdma"), loop = streq(trtype, "loop");
	int r = 0;

	/* Without a module for it: fc's does not load by itself. */
	if (!*trtype || streq(trtype, "pci") || (streq(trtype, "fc") && !strv_contains(f->modules, "nvmet_fc")) ||
	    (loop && !fake_has(f, "NVME_TARGET_LOOP")))
		return -EINVAL;
	if (streq(node_text(port, "param_pi_enable"), "1") && !rdma)
		return -EINVAL;
	if (streq(trtype, "fc"))
		return streq(node_text(port, "addr_adrfam"), "fc") ? -ENXIO : -EINVAL;
	if (!loop)
		r = enable_ip(f, port, trtype);
	if (r >= 0)
		settle_params(port, rdma);
	return r;
}

/* ---- one attribute ---- */

struct store {
	enum kind kind;
	const char *file;
	int (*store)(struct fake *f, struct node *attr, const char *page, size_t len);
};

static const struct store stores[] = {
	{ KIND_NVMET, "discovery_nqn", store_discovery_nqn },
	{ KIND_HOST, "dhchap_key", store_key },
	{ KIND_HOST, "dhchap_ctrl_key", store_key },
	{ KIND_HOST, "dhchap_hash", store_algorithm },
	{ KIND_HOST, "dhchap_dhgroup", store_algorithm },
	{ KIND_SUBSYSTEM, "attr_allow_any_host", store_allow_any_host },
	{ KIND_SUBSYSTEM, "attr_version", store_version },
	{ KIND_SUBSYSTEM, "attr_serial", store_serial },
	{ KIND_SUBSYSTEM, "attr_ieee_oui", store_hex },
	{ KIND_SUBSYSTEM, "attr_vendor_id", store_hex },
	{ KIND_SUBSYSTEM, "attr_subsys_vendor_id", store_hex },
	{ KIND_SUBSYSTEM, "attr_cntlid_min", store_cntlid },
	{ KIND_SUBSYSTEM, "attr_cntlid_max", store_cntlid },
	{ KIND_SUBSYSTEM, "attr_qid_max", store_qid_max },
	{ KIND_SUBSYSTEM, "passthru/device_path", store_passthru_path },
	{ KIND_SUBSYSTEM, "passthru/enable", store_passthru_enable },
	{ KIND_NAMESPACE, "device_uuid", store_uuid },
	{ KIND_NAMESPACE, "device_nguid", store_nguid },
	{ KIND_NAMESPACE, "ana_grpid", store_ana_grpid },
	{ KIND_NAMESPACE, "buffered_io", store_namespace_switch },
	{ KIND_NAMESPACE, "resv_enable", store_namespace_switch },
	{ KIND_NAMESPACE, "revalidate_size", store_revalidate },
	{ KIND_NAMESPACE, "enable", store_namespace_enable },
	{ KIND_NAMESPACE, "p2pmem", store_p2pmem },
	{ KIND_PORT, "addr_trtype", store_trtype },
	{ KIND_PORT, "addr_adrfam", store_adrfam },
	{ KIND_PORT, "addr_treq", store_treq },
	{ KIND_PORT, "addr_tsas", store_tsas },
	{ KIND_PORT, "param_pi_enable", store_port_pi },
	{ KIND_PORT, "param_mdts", store_mdts },
	{ KIND_REFERRAL, "addr_trtype", store_trtype },
	{ KIND_REFERRAL, "addr_adrfam", store_adrfam },
	{ KIND_REFERRAL, "addr_portid", store_portid },
};

/* What the row's moment forbids just now, before the value is looked at. */
static int guard(const struct node *attr, size_t len)
{
	const struct node *item = node_item(attr);
	const struct attr_row *row = attr->row;
	bool referral = item->kind == KIND_REFERRAL;

	switch (row->moment) {
	case ATTR_FRESH:
		return item->identified ? -EINVAL : 0;
	case ATTR_UNLINKED:
	case ATTR_DISABLED:
		/* These look at the value first. */
		if (row->type == ATTR_TOKEN && len > (size_t)row->max + 1 && item->kind != KIND_NAMESPACE)
			return -EINVAL;
		if (streq(row->file, "addr_portid") || streq(row->file, "param_pi_enable") || (item->kind == KIND_NAMESPACE && row->type == ATTR_BOOL))
			return 0;
		if (item->kind == KIND_NAMESPACE)
			return nvmet_namespace_enabled(item) ? -EBUSY : 0;
		return (referral || item->kind == KIND_PORT) && nvmet_port_enabled(item) ? -EACCES : 0;
	default:
		return 0;
	}
}

int nvmet_store(struct fake *f, struct node *attr, const char *page, size_t len)
{
	const char *file = attr->row->file;
	int r = guard(attr, len);

	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(stores); i++)
		if (stores[i].kind == attr->kind && streq(stores[i].file, file))
			return stores[i].store(f, attr, page, len);
	return store_by_type(f, attr, page, len);
}
