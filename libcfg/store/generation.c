/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Snapshots and kept generations: whole documents, one a file. The file's name is the generation's number. What to keep and what to
 * drop is the caller's business.
 */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>

#include "base/file.h"
#include "store/store-private.h"

#define SUFFIX ".json"

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

static int print_document(struct json_object *json, char **ret, size_t *ret_len)
{
	_cleanup_free_ char *text = json_print(json);

	if (!text)
		return -ENOMEM;
	*ret_len = strlen(text);
	/* What could not be read back must not be written. */
	if (*ret_len > JSON_MAX_BYTES)
		return -EFBIG;
	*ret = steal_ptr(text);
	return 0;
}

int store_snapshot_text(const struct tree *t, uint64_t generation, char **ret, size_t *ret_len)
{
	_cleanup_json_ struct json_object *json = document_build(t, NULL, generation, 0);

	return json ? print_document(json, ret, ret_len) : -ENOMEM;
}

static int move_member(struct json_object *to, struct json_object *from, const char *key)
{
	struct json_object *v;

	return json_object_object_get_ex(from, key, &v) ? json_object_object_add(to, key, json_object_get(v)) : 0;
}

int store_generation_text(const struct tree *t, uint64_t generation, time_t when, const char *label, char **ret, size_t *ret_len)
{
	_cleanup_json_ struct json_object *json = document_build(t, NULL, generation, 0);
	_cleanup_json_ struct json_object *out = json_object_new_object();

	/* First what tells people which one they look at. */
	if (!json || !out || move_member(out, json, "version") < 0 || move_member(out, json, "generation") < 0 ||
	    json_object_object_add(out, "saved", json_object_new_int64(when)) < 0 ||
	    json_object_object_add(out, "label", json_object_new_string(label ? label : "")) < 0)
		return -ENOMEM;
	json_object_object_foreach(json, key, v)
		if (json_object_object_add(out, key, json_object_get(v)) < 0)
			return -ENOMEM;
	return print_document(out, ret, ret_len);
}

/* ---- finding ---- */

static bool number_of_file(const char *name, uint64_t *ret)
{
	size_t len = strlen(name);
	_cleanup_free_ char *digits = NULL;

	if (len <= strlen(SUFFIX) || !streq(name + len - strlen(SUFFIX), SUFFIX))
		return false;
	digits = strndup(name, len - strlen(SUFFIX));
	return digits && text_to_u64(digits, ret) >= 0 && *ret > 0 && *ret <= INT64_MAX;
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

/* Counts members of collections, as deep as they go. It reads no values: listing must not cost what loading costs. */
static size_t count_objects(struct json_object *json, enum kind kind)
{
	size_t n = 0;

	if (!json_object_is_type(json, json_type_object))
		return 0;
	json_object_object_foreach(json, key, v) {
		enum kind below = kind_from_collection(kind, key);

		if (below == KIND_MAX || !json_object_is_type(v, json_type_object))
			continue;
		if (kind_info(below)->singleton) {
			n++;
			continue;
		}
		n += (size_t)json_object_object_length(v);
		json_object_object_foreach(v, name, object) {
			(void)name;
			n += count_objects(object, below);
		}
	}
	return n;
}

static int describe(const struct store_paths *p, uint64_t number, struct generation *ret, struct cfg_error *err)
{
	_cleanup_free_ char *path = store_path_generation(p, number), *text = NULL;
	_cleanup_json_ struct json_object *json = NULL;
	struct json_object *saved, *label;
	size_t len;
	int r;

	if (!path)
		return cfg_error_oom(err);
	r = file_read(path, JSON_MAX_BYTES, &text, &len, err);
	if (r >= 0)
		r = json_parse(path, text, len, &json, err);
	if (r < 0)
		return r;
	if (!json_object_is_type(json, json_type_object))
		return cfg_error_set(err, EINVAL, "%s is not a document", path);
	*ret = (struct generation){ .number = number, .objects = count_objects(json, KIND_ROOT) };
	if (json_object_object_get_ex(json, "saved", &saved))
		ret->when = (time_t)json_object_get_int64(saved);
	json_object_object_get_ex(json, "label", &label);
	ret->label = strdup(json_object_is_type(label, json_type_string) ? json_object_get_string(label) : "");
	return ret->label ? 0 : cfg_error_oom(err);
}

void generations_free(struct generation *g, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(g[i].label);
	free(g);
}

int store_generations(const struct store_paths *p, struct generation **ret, size_t *ret_n, struct cfg_errors *errs)
{
	_cleanup_error_ struct cfg_error folder = CFG_ERROR_NULL;
	_cleanup_free_ uint64_t *numbers = NULL;
	struct generation *list;
	size_t n, kept = 0;

	*ret = NULL;
	*ret_n = 0;
	if (generation_numbers(p, &numbers, &n, &folder) < 0)
		return cfg_errors_take(errs, &folder);
	list = calloc(n ? n : 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;

		if (describe(p, numbers[i], &list[kept], &err) >= 0) {
			kept++;
		} else if (cfg_errors_take(errs, &err) == -ENOMEM) {
			generations_free(list, kept);
			return -ENOMEM;
		}
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
