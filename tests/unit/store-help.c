/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <ftw.h>
#include <sys/stat.h>

#include "base/file.h"
#include "tests/unit/store-help.h"

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

void remove_folder(const char *path)
{
	nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

int box_new(void **state)
{
	struct box *b = calloc(1, sizeof(*b));
	/* In memory where there is such a place: every cut at every byte means thousands of fsyncs. */
	const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";

	b->top = strf("%s/nvmetctl-store-XXXXXX", base);
	assert_non_null(mkdtemp(b->top));
	assert_int_equal(chmod(b->top, 0755), 0);
	b->config = strf("%s/etc", b->top);
	b->state = strf("%s/var", b->top);
	b->generations = strf("%s/generations", b->state);
	assert_int_equal(file_make_dirs(b->config, 0755, NULL), 0);
	assert_int_equal(file_make_dirs(b->generations, 0755, NULL), 0);
	b->p = (struct store_paths){ b->config, b->state, b->top };
	b->snapshot = store_path_snapshot(&b->p);
	b->journal = store_path_journal(&b->p);
	*state = b;
	return 0;
}

int box_free(void **state)
{
	struct box *b = *state;

	remove_folder(b->top);
	free(b->top);
	free(b->config);
	free(b->state);
	free(b->generations);
	free(b->snapshot);
	free(b->journal);
	free(b);
	return 0;
}

void put(const char *path, const char *text, size_t len)
{
	_cleanup_fclose_ FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, len, f), len);
}

void put_text(const char *path, const char *text)
{
	put(path, text, strlen(text));
}

size_t count_aside(const char *folder)
{
	DIR *dir = opendir(folder);
	struct dirent *e;
	size_t n = 0;

	assert_non_null(dir);
	while ((e = readdir(dir)))
		n += strstr(e->d_name, ".bad-") != NULL;
	closedir(dir);
	return n;
}

bool exists(const char *path)
{
	return access(path, F_OK) == 0;
}

/* ---- trees and histories ---- */

char *text_of(const struct tree *t)
{
	_cleanup_json_ struct json_object *json = document_build(t, NULL, 0, 0);

	assert_non_null(json);
	return json_print(json);
}

void set(struct tree *t, const char *path, const char *attr, const char *value)
{
	struct object *o = tree_find(t, path);
	const struct attr_row *row;

	if (!o)
		assert_int_equal(tree_add(t, path, &o), 0);
	if (!attr)
		return;
	row = attr_find(o->kind, attr);
	assert_non_null(row);
	assert_int_equal(object_set(o, row, value), 0);
}

static void set_list(struct tree *t, const char *path, const char *attr, const char *name)
{
	struct object *o = tree_find(t, path);
	_cleanup_strv_ char **list = NULL;

	if (name)
		assert_int_equal(strv_append(&list, name), 0);
	assert_int_equal(object_set_list(o, attr_find(o->kind, attr), list), 0);
}

/* Some change of a small world in which names come back again and again. */
static void mutate(struct tree *t)
{
	_cleanup_free_ char *host = strf("hosts/" NQN "h%ld", random() % 3);
	_cleanup_free_ char *subsystem = strf("subsystems/" NQN "s%ld", random() % 3);
	_cleanup_free_ char *namespace = strf("%s/namespaces/%ld", subsystem, random() % 3 + 1);
	_cleanup_free_ char *backend = strf("backends/b%ld", random() % 3);
	_cleanup_free_ char *device = strf("/dev/vd%c", 'a' + (char)(random() % 26));
	_cleanup_free_ char *port = strf("ports/%ld", random() % 3 + 1);

	switch (random() % 9) {
	case 0:
		set(t, host, NULL, NULL);
		break;
	case 1:
		set(t, subsystem, "serial", random() % 2 ? "0123456789abcdef" : "s");
		break;
	case 2:
		if (tree_find(t, subsystem))
			set_list(t, subsystem, "allowed_hosts", random() % 2 ? strchr(host, '/') + 1 : NULL);
		break;
	case 3:
		set(t, backend, "type", "block");
		set(t, backend, "device", device);
		break;
	case 4:
		if (tree_find(t, subsystem))
			set(t, namespace, "backend", strchr(backend, '/') + 1);
		break;
	case 5:
		set(t, port, "traddr", random() % 2 ? "192.0.2.1" : "192.0.2.2");
		break;
	case 6:
		if (tree_find(t, port))
			set_list(t, port, "subsystems", random() % 2 ? strchr(subsystem, '/') + 1 : NULL);
		break;
	default: {
		struct object *root = tree_root(t);

		if (root->n_children)
			object_remove(root->children[(size_t)random() % root->n_children]);
	}
	}
}

static void history_add(struct history *h, struct tree *next /* taken over */)
{
	_cleanup_changes_ struct changes c = { 0 };
	size_t i = ++h->n;

	assert_true(i <= HISTORY_MAX);
	assert_int_equal(changes_diff(h->tree[i - 1], next, false, &c), 0);
	assert_int_equal(store_journal_line(i, 1764000000, "set", &c, &h->line[i], &h->len[i]), 0);
	h->tree[i] = next;
	h->text[i] = text_of(next);
}

static void history_begin(struct history *h)
{
	*h = (struct history){ .tree[0] = tree_new() };
	h->text[0] = text_of(h->tree[0]);
}

void history_random(struct history *h, size_t n)
{
	history_begin(h);
	while (h->n < n) {
		struct tree *next = tree_copy(h->tree[h->n]);

		for (long k = random() % 4; k >= 0; k--)
			mutate(next);
		history_add(h, next);
	}
}

void history_hosts(struct history *h, size_t n)
{
	history_begin(h);
	while (h->n < n) {
		struct tree *next = tree_copy(h->tree[h->n]);
		_cleanup_free_ char *path = strf("hosts/" NQN "h%zu", h->n + 1);

		set(next, path, NULL, NULL);
		history_add(h, next);
	}
}

void history_done(struct history *h)
{
	for (size_t i = 0; i <= h->n; i++) {
		free(h->line[i]);
		free(h->text[i]);
		tree_free(h->tree[i]);
	}
}
void put_journal(const struct box *b, const struct history *h, size_t first, size_t last)
{
	_cleanup_strbuf_ struct strbuf text = { 0 };

	for (size_t i = first; i <= last; i++)
		strbuf_add_mem(&text, h->line[i], h->len[i]);
	put(b->journal, text.s ? text.s : "", text.len);
}

void put_snapshot(const struct box *b, const struct history *h, size_t i)
{
	_cleanup_free_ char *text = NULL;
	size_t len;

	assert_int_equal(store_snapshot_text(h->tree[i], i, &text, &len), 0);
	put(b->snapshot, text, len);
}

void put_generation(const struct box *b, const struct history *h, size_t i, const char *label)
{
	_cleanup_free_ char *text = NULL, *path = store_path_generation(&b->p, i);
	size_t len;

	assert_int_equal(store_generation_text(h->tree[i], i, 1764000000 + (time_t)i, label, &text, &len), 0);
	put(path, text, len);
}

/* ---- looking at what was loaded ---- */

void load(const struct box *b, struct loaded *l)
{
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;

	*l = (struct loaded){ 0 };
	if (store_load(&b->p, l, &err) < 0)
		fail_msg("%s", err.msg);
}

void assert_tree(const struct tree *t, const char *expected)
{
	_cleanup_free_ char *text = text_of(t);

	assert_string_equal(text, expected);
}

void assert_no_shouts(const struct loaded *l)
{
	for (size_t i = 0; i < l->shouts.n; i++) {
		_cleanup_free_ char *text = cfg_error_text(&l->shouts.items[i]);

		print_error("%s\n", text);
	}
	assert_int_equal(l->shouts.total, 0);
}

bool shouts_of(const struct loaded *l, const char *needle)
{
	for (size_t i = 0; i < l->shouts.n; i++) {
		_cleanup_free_ char *text = cfg_error_text(&l->shouts.items[i]);

		if (strstr(text, needle))
			return true;
	}
	return false;
}

void assert_shouts(const struct loaded *l, const char *needle)
{
	if (shouts_of(l, needle))
		return;
	for (size_t i = 0; i < l->shouts.n; i++) {
		_cleanup_free_ char *text = cfg_error_text(&l->shouts.items[i]);

		print_error("%s\n", text);
	}
	fail_msg("no shout holds \"%s\"", needle);
}

void assert_loads(const struct box *b, const char *expected, uint64_t generation)
{
	_cleanup_(loaded_done) struct loaded l;

	load(b, &l);
	assert_no_shouts(&l);
	assert_int_equal(l.generation, generation);
	assert_tree(l.tree, expected);
}
