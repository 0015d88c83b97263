/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which locks a call takes, in what order, and which of them it keeps while it hangs: so that what waits behind a hung call in a kernel waits
 * here as well, and nothing else does (kernel-abi 1.3, 2.5, 2.10). Locks that are only ever held for a moment are left out.
 */
#include <fnmatch.h>

#include "tests/fake-kernel/fake.h"

struct config_rule {
	const char *verbs, *path;
	bool exclusive;
};

/* Who takes nvmet_config_sem. */
static const struct config_rule config_rules[] = {
	{ "w", "nvmet/discovery_nqn", true },
	{ "w", "nvmet/hosts/*/dhchap_*key", true },
	{ "R", "nvmet/hosts/*/dhchap_*key", false },
	{ "lu", "nvmet/subsystems/*/allowed_hosts/*", true },
	{ "w", "nvmet/subsystems/*/namespaces/*/enable", true },
	{ "lu", "nvmet/ports/*/subsystems/*", true },
	{ "w", "nvmet/ports/*/referrals/*/enable", true },
	{ "r", "nvmet/ports/*/referrals/*", true },
	{ "w", "nvmet/ports/*/ana_groups/*/ana_state", false },
	{ "mr", "nvmet/ports/*/ana_groups/*", false },
};

static void take(struct locks *l, char kind, char *name, bool exclusive, bool kept)
{
	l->items[l->n++] = (struct lock){ .kind = kind, .name = name, .exclusive = exclusive, .kept = kept };
}

static bool matches(const char *verbs, const char *path, char verb, const char *of)
{
	return strchr(verbs, verb) && fnmatch(path, of, FNM_PATHNAME) == 0;
}

static char *parent_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? must(strndup(path, (size_t)(slash - path))) : must(strdup(""));
}

/* "nvmet/subsystems/S/…" -> "nvmet/subsystems/S" */
static char *subsystem_of(const char *path)
{
	static const char folder[] = "nvmet/subsystems/";
	size_t n = strlen(folder);

	return must(strndup(path, n + strcspn(path + n, "/")));
}

static void take_config(struct locks *l, char verb, const char *path)
{
	for (size_t i = 0; i < ARRAY_SIZE(config_rules); i++)
		if (matches(config_rules[i].verbs, config_rules[i].path, verb, path)) {
			take(l, 'c', NULL, config_rules[i].exclusive, true);
			return;
		}
	/* All of a subsystem's own but pi_enable, which takes no lock. */
	if (matches("w", "nvmet/subsystems/*/attr_*", verb, path) && fnmatch("*/attr_pi_enable", path, 0) != 0)
		take(l, 'c', NULL, true, true);
}

/* subsys->lock. A namespace that is being disabled gives it back before it waits for I/O. */
static void take_subsystem(struct locks *l, char verb, const char *path, const char *value)
{
	bool ns = matches("w", "nvmet/subsystems/*/namespaces/*/*", verb, path);
	bool disables = (ns && fnmatch("*/enable", path, 0) == 0 && *value == '0') ||
			matches("r", "nvmet/subsystems/*/namespaces/*", verb, path);

	if (ns || disables || matches("w", "nvmet/subsystems/*/passthru/*", verb, path))
		take(l, 's', subsystem_of(path), true, !disables);
}

void locks_of(char verb, const char *path, const char *value, struct locks *ret)
{
	ret->n = 0;
	switch (verb) {
	case 'm':
	case 'r':
	case 'l':
	case 'u':
		take(ret, 'd', parent_of(path), true, true);
		if (verb == 'r') {
			take(ret, 'd', must(strdup(path)), true, true);
			take(ret, 'i', must(strdup(path)), true, false);
		}
		break;
	case 'L':
		take(ret, 'd', must(strdup(path)), false, true);
		return;
	case 'w':
	case 'R':
		/* The name is looked up, which is over when the attribute is at work. */
		take(ret, 'd', parent_of(path), false, false);
		take(ret, 'i', parent_of(path), false, true);
		break;
	default:
		return;
	}
	take_config(ret, verb, path);
	take_subsystem(ret, verb, path, value);
}

void locks_done(struct locks *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->items[i].name);
	l->n = 0;
}

bool lock_excludes(const struct lock *a, const struct lock *b)
{
	return a->kind == b->kind && streq_ptr(a->name, b->name) && (a->exclusive || b->exclusive);
}
