/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The tree and what configfs itself allows and refuses, before and whatever a driver says (kernel-abi 1.1, 1.2; fs/configfs/dir.c,
 * symlink.c, file.c). Paths are resolved as kfs-kernel.c has it done: no component may be a link.
 */
#include <errno.h>

#include "tests/fake-kernel/fake.h"

/* ---- nodes ---- */

struct node *node_new(struct node *parent, const char *name, enum kfs_entry_type type)
{
	struct node *n = must(calloc(1, sizeof(*n)));
	struct node **at;

	n->name = must(strdup(name));
	n->type = type;
	n->parent = parent;
	n->kind = n->makes = KIND_MAX;
	if (!parent)
		return n;
	n->driver = parent->driver;
	n->only = parent->only;
	for (at = &parent->first; *at;)
		at = &(*at)->next;
	*at = n;
	return n;
}

void node_free(struct node *n)
{
	struct node **at = n->parent ? &n->parent->first : NULL;

	while (n->first)
		node_free(n->first);
	while (at && *at != n)
		at = &(*at)->next;
	if (at)
		*at = n->next;
	if (n->target)
		n->target->linked--;
	if (n->state)
		n->forget(n->state);
	free(n->zombies);
	free(n->value);
	free(n->name);
	free(n);
}

struct node *node_folder(struct node *parent, const char *name)
{
	struct node *n = node_child(parent, name);

	if (n)
		return n;
	n = node_new(parent, name, KFS_DIR);
	n->permanent = true;
	return n;
}

struct node *node_next(const struct node *root, const struct node *n)
{
	if (n->first)
		return n->first;
	while (n != root && !n->next)
		n = n->parent;
	return n == root ? NULL : n->next;
}

static void cut_links(struct node *n)
{
	n->target = NULL;
	for (n = n->first; n; n = n->next)
		cut_links(n);
}

void fs_free(struct fake *f)
{
	struct node *roots[] = { f->nvmet, f->target };

	/* What a link leads to may go before it. */
	for (size_t i = 0; i < ARRAY_SIZE(roots); i++)
		if (roots[i]) {
			cut_links(roots[i]);
			node_free(roots[i]);
		}
}

struct node *node_child(const struct node *folder, const char *name)
{
	struct node *n = folder->first;

	while (n && !streq(n->name, name))
		n = n->next;
	return n;
}

char *node_path(const struct node *n)
{
	_cleanup_free_ char *parent = n->parent ? node_path(n->parent) : NULL;

	return parent ? fmt("%s/%s", parent, n->name) : must(strdup(n->name));
}

struct node *node_item(const struct node *n)
{
	while (n->type != KFS_DIR || n->kind == KIND_MAX)
		n = n->parent;
	return (struct node *)n;
}

struct node *node_attr(const struct node *item, const char *file)
{
	const char *slash = strchr(file, '/');
	_cleanup_free_ char *folder = slash ? must(strndup(file, (size_t)(slash - file))) : NULL;
	const struct node *in = folder ? node_child(item, folder) : item;

	return in ? node_child(in, slash ? slash + 1 : file) : NULL;
}

const char *node_text(const struct node *item, const char *file)
{
	const struct node *attr = node_attr(item, file);

	return attr ? attr->value : "";
}

void node_set(struct node *attr, const char *text)
{
	char *copy = must(strdup(text));

	free(attr->value);
	attr->value = copy;
}

/* ---- paths ---- */

/* The folder that holds the last component, and the component. */
static int walk_parent(struct fake *f, const char *path, struct node **ret, const char **ret_name)
{
	struct node *at = *path == 't' ? f->target : f->nvmet;
	const char *next = strchr(path, '/');

	/* kfs makes nothing at the very top. */
	if (!next)
		return -EINVAL;
	if ((strncmp(path, "nvmet/", 6) != 0 && strncmp(path, "target/", 7) != 0) || !at)
		return -ENOENT;
	for (path = next + 1; (next = strchr(path, '/')); path = next + 1) {
		_cleanup_free_ char *name = must(strndup(path, (size_t)(next - path)));

		at = node_child(at, name);
		if (!at)
			return -ENOENT;
		if (at->type != KFS_DIR)
			return at->type == KFS_LINK ? -ELOOP : -ENOTDIR;
	}
	*ret = at;
	*ret_name = path;
	return 0;
}

int fs_find(struct fake *f, const char *path, struct node **ret)
{
	struct node *parent;
	const char *name;
	int r;

	if (streq(path, "nvmet") || streq(path, "target")) {
		*ret = *path == 'n' ? f->nvmet : f->target;
		return *ret ? 0 : -ENOENT;
	}
	r = walk_parent(f, path, &parent, &name);
	if (r < 0)
		return r;
	*ret = node_child(parent, name);
	return *ret ? 0 : -ENOENT;
}

/* ---- folders ---- */

int fs_mkdir(struct fake *f, const char *path)
{
	struct node *parent;
	const char *name;
	int r = walk_parent(f, path, &parent, &name);

	if (r < 0)
		return r;
	if (node_child(parent, name))
		return -EEXIST;
	return parent->makes == KIND_MAX ? -EPERM : parent->driver->make(f, parent, name);
}

/* Nothing leads to it (else EBUSY), and nobody made anything in it or in the folders that go with it: configfs_detach_prep(). */
static int may_go(const struct node *folder)
{
	if (folder->linked)
		return -EBUSY;
	for (const struct node *n = folder->first; n; n = n->next) {
		int r = 0;

		if (n->type == KFS_LINK || (n->type == KFS_DIR && !n->permanent))
			return -ENOTEMPTY;
		if (n->type == KFS_DIR)
			r = may_go(n);
		if (r < 0)
			return r;
	}
	return 0;
}

int fs_rmdir(struct fake *f, const char *path)
{
	struct node *parent, *n;
	const char *name;
	int r = walk_parent(f, path, &parent, &name);

	if (r < 0)
		return r;
	n = node_child(parent, name);
	if (!n)
		return -ENOENT;
	if (n->type != KFS_DIR)
		return -ENOTDIR;
	if (n->permanent)
		return -EPERM;
	r = may_go(n);
	if (r < 0)
		return r;
	n->driver->release(f, n);
	node_free(n);
	return 0;
}

int fs_list(struct fake *f, const char *path, struct strbuf *ret)
{
	struct node *n;
	int r = fs_find(f, path, &n);

	if (r < 0)
		return r;
	if (n->type != KFS_DIR)
		return n->type == KFS_LINK ? -ELOOP : -ENOTDIR;
	for (n = n->first; n; n = n->next)
		strbuf_addf(ret, "%c %s\n", n->type, n->name);
	return 0;
}

/* ---- attributes ---- */

int fs_write(struct fake *f, const char *path, const char *value, size_t len)
{
	_cleanup_free_ char *page = NULL;
	struct node *n;
	int r = fs_find(f, path, &n);

	if (r < 0)
		return r;
	if (n->type != KFS_ATTR)
		return n->type == KFS_LINK ? -ELOOP : -EISDIR;
	if (!(n->mode & 0222))
		return -EACCES;
	if (!len)
		return -EFAULT;
	if (len > KFS_VALUE_MAX)
		len = KFS_VALUE_MAX;
	/* Drivers see the bytes with a NUL behind them. */
	page = must(malloc(len + 1));
	memcpy(page, value, len);
	page[len] = 0;
	return n->driver->store(f, n, page, len);
}

int fs_read(struct fake *f, const char *path, struct strbuf *ret)
{
	struct node *n;
	int r = fs_find(f, path, &n);

	if (r < 0)
		return r;
	if (n->type != KFS_ATTR)
		return n->type == KFS_LINK ? -ELOOP : -EISDIR;
	if (!(n->mode & 0444))
		return -EACCES;
	return n->driver->show(f, n, ret);
}

int fs_hide(struct fake *f, const char *path)
{
	struct node *n;
	int r = fs_find(f, path, &n);

	if (r >= 0 && n->type == KFS_ATTR)
		n->mode = 0600;
	return r;
}

/* ---- links ---- */

/* The target is resolved at the call and may itself be reached through links. */
static int find_target(struct fake *f, const char *path, struct node **ret)
{
	struct node *n;
	int r = fs_find(f, path, &n);

	if (r < 0)
		return r;
	if (n->type == KFS_LINK)
		n = n->target;
	if (n->type != KFS_DIR)
		return -ENOTDIR;
	*ret = n;
	return 0;
}

int fs_link(struct fake *f, const char *path, const char *target)
{
	struct node *parent, *to, *n;
	const char *name;
	int r = walk_parent(f, path, &parent, &name);

	if (r < 0)
		return r;
	if (node_child(parent, name))
		return -EEXIST;
	if (!parent->takes_links)
		return -EPERM;
	r = find_target(f, target, &to);
	if (r >= 0)
		r = parent->driver->allow_link(f, parent, to);
	if (r < 0)
		return r;
	n = node_new(parent, name, KFS_LINK);
	n->target = to;
	to->linked++;
	return 0;
}

int fs_unlink(struct fake *f, const char *path)
{
	struct node *parent, *n, *target;
	const char *name;
	int r = walk_parent(f, path, &parent, &name);

	if (r < 0)
		return r;
	n = node_child(parent, name);
	if (!n)
		return -ENOENT;
	if (n->type != KFS_LINK)
		return n->type == KFS_DIR ? -EISDIR : -EPERM;
	target = n->target;
	node_free(n);
	parent->driver->drop_link(f, parent, target);
	return 0;
}

int fs_readlink(struct fake *f, const char *path, struct strbuf *ret)
{
	_cleanup_free_ char *target = NULL;
	struct node *n;
	int r = fs_find(f, path, &n);

	if (r < 0)
		return r;
	if (n->type != KFS_LINK)
		return -EINVAL;
	target = node_path(n->target);
	strbuf_add(ret, target);
	return 0;
}

/* ---- the whole ---- */

static int by_name(const void *a, const void *b)
{
	return text_natural_cmp((*(struct node *const *)a)->name, (*(struct node *const *)b)->name);
}

/* A line for each, whatever it shows. */
static void dump_attr(struct fake *f, struct node *n, const char *path, struct strbuf *ret)
{
	_cleanup_strbuf_ struct strbuf text = { 0 };
	int r = n->driver->show(f, n, &text);

	strbuf_addf(ret, "f %s%s %s ", path, n->mode == 0600 ? " (0600)" : "", r < 0 ? ":" : "=");
	if (r < 0)
		strbuf_add(ret, errno_name(-r));
	for (size_t i = 0; r >= 0 && i < text.len; i++)
		if (text.s[i] == '\n' && i < text.len - 1)
			strbuf_add(ret, "\\n");
		else if (text.s[i] && text.s[i] != '\n')
			strbuf_add_mem(ret, &text.s[i], 1);
	strbuf_add(ret, "\n");
}

static void dump(struct fake *f, struct node *n, struct strbuf *ret)
{
	_cleanup_free_ char *path = node_path(n), *target = n->type == KFS_LINK ? node_path(n->target) : NULL;
	_cleanup_free_ struct node **list = NULL;
	size_t count = 0;

	if (n->type == KFS_LINK)
		strbuf_addf(ret, "l %s -> %s\n", path, target);
	else if (n->type == KFS_DIR)
		strbuf_addf(ret, "d %s\n", path);
	else if (n->mode & 0444)
		dump_attr(f, n, path, ret);
	for (struct node *c = n->first; c; c = c->next) {
		if ((count & (count - 1)) == 0)
			list = must(reallocarray(list, count ? 2 * count : 1, sizeof(struct node *)));
		list[count++] = c;
	}
	if (count)
		qsort(list, count, sizeof(struct node *), by_name);
	for (size_t i = 0; i < count; i++)
		dump(f, list[i], ret);
}

void fs_dump(struct fake *f, struct strbuf *ret)
{
	if (f->nvmet)
		dump(f, f->nvmet, ret);
	if (f->target)
		dump(f, f->target, ret);
}
