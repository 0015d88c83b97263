/* SPDX-License-Identifier: Apache-2.0 */
/* What both kernels behind the seam share: which paths are let through, and how one is chosen. */
#include "kernel/kfs.h"

#include <errno.h>

static int component_ok(const char *s, size_t n)
{
	if (!n || n > 255 || (n == 1 && s[0] == '.') || (n == 2 && s[0] == '.' && s[1] == '.'))
		return 0;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
			return 0;
	return 1;
}

int kfs_path_ok(const char *path)
{
	const char *at = path;
	size_t n = strcspn(at, "/");

	if (!((n == 5 && memcmp(at, "nvmet", 5) == 0) || (n == 6 && memcmp(at, "target", 6) == 0)))
		return 0;
	while (at[n]) {
		at += n + 1;
		n = strcspn(at, "/");
		if (!component_ok(at, n))
			return 0;
	}
	return 1;
}

int kfs_dbroot_path_ok(const char *path)
{
	while (*path) {
		size_t n = strcspn(path, "/");

		if (!component_ok(path, n) || (path[n] && !path[n + 1]))
			return 0;
		path += n + !!path[n];
	}
	return 1;
}

void kfs_list_done(struct kfs_list *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->entries[i].name);
	free(l->entries);
	*l = (struct kfs_list){ 0 };
}

int kfs_list_add(struct kfs_list *l, const char *name, char type)
{
	if ((l->n & (l->n - 1)) == 0) {
		struct kfs_entry *entries = reallocarray(l->entries, l->n ? 2 * l->n : 1, sizeof(*entries));

		if (!entries)
			return -ENOMEM;
		l->entries = entries;
	}
	l->entries[l->n] = (struct kfs_entry){ .name = strdup(name), .type = type };
	return l->entries[l->n++].name ? 0 : -ENOMEM;
}

int kfs_new(const char *spec, struct kfs **ret)
{
	if (streq(spec, "configfs"))
		return kfs_kernel_new("/sys/kernel/config", ret);
	if (strncmp(spec, "configfs:/", 10) == 0)
		return kfs_kernel_new(spec + 9, ret);
	if (strncmp(spec, "fake:/", 6) == 0)
		return kfs_fake_new(spec + 5, ret);
	return -EINVAL;
}
