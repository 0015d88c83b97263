/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Snapshots and kept generations: whole documents, one a file. The file's name is the generation's number. What to keep and what to
 * drop is the caller's business.
 *
 * A generation begins with "version", "generation" and "saved", an object that says what a list of generations shows, so that
 * listing reads the beginning of a file and not all of it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#include "base/file.h"
#include "store/store-private.h"

#define SUFFIX ".json"
#define LABEL_MAX 1000		/* bytes; longer ones are cut */
#define HEAD_MAX 8192		/* bytes that hold the beginning, whatever is escaped in the label */

char *store_path_snapshot(const struct store_paths *p)
{
	return strf("%s/config.json", p->config_dir);
}

char *store_path_journal(const struct store_paths *p)
{
	return strf("%s/journal", p->state_dir);
}

char *store_path_generation(const struct store_paths *p, uint64_t number)
{
	return strf("%s/generations/%" PRIu64 SUFFIX, p->state_dir, number);
}

char *store_path_ledger(const struct store_paths *p)
{
	return strf("%s/ledger", p->run_dir);
}

/* ---- writing ---- */

static int print_document(const struct tree *t, struct json_object *head, char **ret, size_t *ret_len)
{
	_cleanup_strbuf_ struct strbuf b = { 0 };
	int r = head ? document_print(t, head, &b) : -ENOMEM;

	if (r < 0)
		return r;
	/* What could not be read back must not be written. */
	if (b.len > JSON_MAX_BYTES)
		return -EFBIG;
	*ret_len = b.len;
	*ret = strbuf_steal(&b);
	return 0;
}

int store_snapshot_text(const struct tree *t, uint64_t generation, char **ret, size_t *ret_len)
{
	_cleanup_json_ struct json_object *head = document_head(generation);

	return print_document(t, head, ret, ret_len);
}

static struct json_object *saved_new(const struct tree *t, time_t when, const char *label)
{
	struct json_object *saved = json_object_new_object();
	size_t len = text_utf8_prefix(label, strnlen(label, LABEL_MAX));

	if (saved && json_add_member(saved, "time", json_object_new_int64(when)) >= 0 &&
	    json_add_member(saved, "label", json_object_new_string_len(label, (int)len)) >= 0 &&
	    json_add_member(saved, "objects", json_object_new_uint64(tree_count(t))) >= 0)
		return saved;
	json_object_put(saved);
	return NULL;
}

int store_generation_text(const struct tree *t, uint64_t generation, time_t when, const char *label, char **ret, size_t *ret_len)
{
	_cleanup_json_ struct json_object *head = document_head(generation);

	if (!head || json_add_member(head, "saved", saved_new(t, when, label ? label : "")) < 0)
		return -ENOMEM;
	return print_document(t, head, ret, ret_len);
}

/* ---- finding ---- */

static bool number_of_file(const char *name, uint64_t *ret)
{
	size_t len = strlen(name), n = len - strlen(SUFFIX);
	char digits[24];

	if (len <= strlen(SUFFIX) || n >= sizeof(digits) || !streq(name + n, SUFFIX))
		return false;
	memcpy(digits, name, n);
	digits[n] = 0;
	return text_to_u64(digits, ret) >= 0 && *ret > 0 && *ret <= INT64_MAX;
}

static int newest_first(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? 1 : x > y ? -1 : 0;
}

static int read_numbers(DIR *dir, uint64_t **ret, size_t *ret_n)
{
	const struct dirent *entry;
	size_t size = 0;
	uint64_t number;

	while (errno = 0, (entry = readdir(dir)) != NULL) {
		if (!number_of_file(entry->d_name, &number))
			continue;
		if (*ret_n == size) {
			uint64_t *list = reallocarray(*ret, size ? 2 * size : 32, sizeof(*list));

			if (!list)
				return -ENOMEM;
			*ret = list;
			size = size ? 2 * size : 32;
		}
		(*ret)[(*ret_n)++] = number;
	}
	return -errno;
}

int generation_numbers(const struct store_paths *p, uint64_t **ret, size_t *ret_n, struct cfg_error *err)
{
	_cleanup_free_ char *path = strf("%s/generations", p->state_dir);
	_cleanup_free_ uint64_t *list = NULL;
	size_t n = 0;
	DIR *dir;
	int r;

	*ret = NULL;
	*ret_n = 0;
	if (!path)
		return cfg_error_oom(err);
	dir = opendir(path);
	if (!dir && errno == ENOENT)
		return 0;
	r = dir ? read_numbers(dir, &list, &n) : -errno;
	if (dir)
		closedir(dir);
	if (r < 0)
		return cfg_error_set(err, -r, "%s cannot be read: %s", path, strerror(-r));
	if (n)
		qsort(list, n, sizeof(*list), newest_first);
	*ret = steal_ptr(list);
	*ret_n = n;
	return 0;
}

/* ---- listing ---- */

/* The beginning of a file up to the end of "saved", made JSON again by closing it; NULL when it is not as we write it. */
static const char *read_head(const char *path, char head[HEAD_MAX + 1])
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char tail[2], *end;
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return NULL;
	n = pread(fd, head, HEAD_MAX, 0);
	/* A file that was cut off has another end. */
	if (n < 2 || pread(fd, tail, 2, st.st_size - 2) != 2 || memcmp(tail, "}\n", 2) != 0)
		return NULL;
	head[n] = 0;
	end = strstr(head, "\n  }");
	if (!end || end + 6 > head + n)
		return NULL;
	memcpy(end + 4, "\n}", 3);
	return head;
}

/* 1, 0 when it has no such head, -ENOMEM. */
static int describe_by_head(const char *path, struct generation *ret)
{
	char buf[HEAD_MAX + 1];
	const char *head = read_head(path, buf);
	_cleanup_json_ struct json_object *json = NULL;
	struct json_object *saved, *when, *label, *objects;

	int r = head ? json_parse(path, head, strlen(head), &json, NULL) : -EINVAL;

	if (r == -ENOMEM)
		return r;
	if (r < 0 || !json_object_object_get_ex(json, "saved", &saved) || !json_object_is_type(saved, json_type_object) ||
	    !json_object_object_get_ex(saved, "time", &when) || !json_object_is_type(when, json_type_int) ||
	    !json_object_object_get_ex(saved, "label", &label) || !json_object_is_type(label, json_type_string) ||
	    !json_object_object_get_ex(saved, "objects", &objects) || !json_object_is_type(objects, json_type_int))
		return 0;
	ret->when = (time_t)json_object_get_int64(when);
	ret->objects = (size_t)json_object_get_uint64(objects);
	ret->label = strdup(json_object_get_string(label));
	return ret->label ? 1 : -ENOMEM;
}

/* One that someone wrote or edited is read whole. */
static int describe_by_content(const struct store_paths *p, const char *path, struct generation *ret, struct cfg_errors *errs)
{
	_cleanup_document_ struct document d = { 0 };
	struct stat st;
	int r = store_generation_load(p, ret->number, &d, errs);

	if (r < 0)
		return r;
	ret->when = stat(path, &st) < 0 ? 0 : st.st_mtime;
	ret->objects = tree_count(d.tree);
	ret->label = strdup("");
	return ret->label ? 0 : -ENOMEM;
}

static int describe(const struct store_paths *p, uint64_t number, struct generation *ret, struct cfg_errors *errs)
{
	_cleanup_free_ char *path = store_path_generation(p, number);
	int r;

	*ret = (struct generation){ .number = number };
	if (!path)
		return -ENOMEM;
	r = describe_by_head(path, ret);
	return r ? r : describe_by_content(p, path, ret, errs);
}

void generations_free(struct generation *g, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(g[i].label);
	free(g);
}

int store_generations(const struct store_paths *p, struct generation **ret, size_t *ret_n, struct cfg_errors *errs,
		      struct cfg_error *err)
{
	_cleanup_free_ uint64_t *numbers = NULL;
	struct generation *list;
	size_t n, kept = 0;
	int r;

	*ret = NULL;
	*ret_n = 0;
	r = generation_numbers(p, &numbers, &n, err);
	if (r < 0)
		return r;
	list = calloc(n ? n : 1, sizeof(*list));
	if (!list)
		return cfg_error_oom(err);
	for (size_t i = 0; i < n; i++) {
		r = describe(p, numbers[i], &list[kept], errs);
		if (r == -ENOMEM) {
			generations_free(list, kept);
			return cfg_error_oom(err);
		}
		kept += r >= 0;
	}
	*ret = list;
	*ret_n = kept;
	return 0;
}

int store_generation_load(const struct store_paths *p, uint64_t number, struct document *ret, struct cfg_errors *errs)
{
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;
	_cleanup_free_ char *path = store_path_generation(p, number), *text = NULL;
	size_t len;

	if (!path)
		return cfg_errors_add(errs, ENOMEM, NULL, NULL, NULL, "out of memory");
	if (file_read(path, JSON_MAX_BYTES, &text, &len, &err) < 0)
		return cfg_errors_take(errs, &err);
	return document_parse(path, text, len, ret, errs);
}
