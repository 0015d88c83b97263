/* SPDX-License-Identifier: Apache-2.0 */
/* Controllers that the kernel takes down, as far as it shows that: whether to remove a port would hang behind one of them. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/text.h"
#include "daemon/worker-private.h"

#define TEARDOWN_STEP_MSEC 50
#define TEARDOWN_QUIET_MSEC 300		/* without any: those that were to begin have ended */
#define TEARDOWN_STILL_MSEC 3000	/* unmoved for so long */
#define TEARDOWN_MSEC 10000
#define TEARDOWNS_MAX 16

struct teardown {
	pid_t pid;
	unsigned long long switches;
};

/* How often it has slept: one that stands still has not slept again. */
static unsigned long long count_switches(const char *pid)
{
	_cleanup_free_ char *path = strf("/proc/%s/status", pid);
	_cleanup_fclose_ FILE *f = path ? fopen(path, "re") : NULL;
	unsigned long long n = 0, sum = 0;
	char line[256];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "voluntary_ctxt_switches: %llu", &n) == 1 || sscanf(line, "nonvoluntary_ctxt_switches: %llu", &n) == 1)
			sum += n;
	return sum;
}

/* A thread of the kernel that works for nvmet's workqueue now calls itself "kworker/0:1+nvmet-wq". */
static bool is_teardown(const char *pid)
{
	_cleanup_free_ char *path = strf("/proc/%s/comm", pid);
	_cleanup_fclose_ FILE *f = path ? fopen(path, "re") : NULL;
	char name[64];

	return f && fgets(name, sizeof(name), f) && strncmp(name, "kworker/", 8) == 0 && strstr(name, "+nvmet-wq");
}

static size_t list_teardowns(struct teardown *ret)
{
	DIR *dir = opendir("/proc");
	struct dirent *e;
	size_t n = 0;

	while (dir && n < TEARDOWNS_MAX && (e = readdir(dir))) {
		uint64_t pid;

		if (text_to_u64(e->d_name, &pid) >= 0 && is_teardown(e->d_name))
			ret[n++] = (struct teardown){ (pid_t)pid, count_switches(e->d_name) };
	}
	if (dir)
		closedir(dir);
	return n;
}

/* Those of the first list that have not moved since. */
static size_t keep_unmoved(struct teardown *list, size_t n, const struct teardown *now, size_t n_now)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < n_now; k++)
			if (list[i].pid == now[k].pid && list[i].switches == now[k].switches) {
				list[kept++] = list[i];
				break;
			}
	return kept;
}

static bool file_says(const char *disk, const char *file, bool (*is)(const char *line))
{
	_cleanup_free_ char *path = strf("/sys/block/%s/%s", disk, file);
	_cleanup_fclose_ FILE *f = path ? fopen(path, "re") : NULL;
	char line[64];

	return f && fgets(line, sizeof(line), f) && is(line);
}

static bool is_not_zero(const char *line)
{
	return strpbrk(line, "123456789");
}

/* Whether any disk has I/O that could stand still; one that is suspended does not count what comes in. */
static bool io_in_flight(void)
{
	DIR *dir = opendir("/sys/block");
	struct dirent *e;
	bool found = false;

	while (dir && !found && (e = readdir(dir)))
		found = *e->d_name != '.' && (file_says(e->d_name, "inflight", is_not_zero) || file_says(e->d_name, "dm/suspended", is_not_zero));
	if (dir)
		closedir(dir);
	return found;
}

/* Removing a port waits until every controller that is being taken down is gone, with the folder of all ports locked (kernel-abi 2.10). One whose
 * I/O stands still would keep it locked for as long. */
int worker_await_teardowns(struct worker *w, char **message)
{
	const struct timespec pause = { .tv_nsec = TEARDOWN_STEP_MSEC * 1000 * 1000 };
	struct teardown list[TEARDOWNS_MAX], now[TEARDOWNS_MAX];
	unsigned quiet = 0, still = 0;
	size_t n = 0, n_now;

	if (!worker_configfs_root(w) || !io_in_flight())
		return 0;
	for (unsigned msec = 0; msec < TEARDOWN_MSEC && quiet < TEARDOWN_QUIET_MSEC; msec += TEARDOWN_STEP_MSEC) {
		worker_goes_on(w);
		n_now = list_teardowns(now);
		n = keep_unmoved(list, n, now, n_now);
		quiet = n_now ? 0 : quiet + TEARDOWN_STEP_MSEC;
		still = n ? still + TEARDOWN_STEP_MSEC : 0;
		if (!n)
			memcpy(list, now, (n = n_now) * sizeof(*list));
		if (still >= TEARDOWN_STILL_MSEC)
			return worker_say(message, EBUSY, "a controller cannot be taken down, since its I/O stands still; with that, removing a port would lock all ports");
		nanosleep(&pause, NULL);
	}
	return 0;
}
