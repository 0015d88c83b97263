// SPDX-License-Identifier: Apache-2.0
/*
 * floor [-e] THREADS FILE: makes the kernel calls that are listed in FILE and nothing else, and prints how many microseconds that took. What a
 * configuration tool can at best come down to.
 *
 * FILE has an operation a line, on paths below configfs:
 *
 *	mkdir PATH
 *	rmdir PATH
 *	write PATH VALUE	as one write, with a newline
 *	link TARGET PATH
 *	unlink PATH
 *
 * Operations without an empty line between them are a chain: one thread makes them, in this order. Chains go on side by side; a line
 * "barrier" waits for all that stand before it. What fails ends the program: a floor that leaves something out is none.
 *
 * With -e the kernel's grace periods are expedited meanwhile.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"

#define CONFIGFS "/sys/kernel/config"
#define EXPEDITED "/sys/kernel/rcu_expedited"

struct operation {
	char *verb;
	char *path;
	char *value;	/* or a link's path */
};

struct group {
	size_t *chains;	/* where each begins; one more says where the last ends */
	size_t count;
};

static struct operation *operations;
static size_t operation_count;
static struct group *groups;
static size_t group_count;
static pthread_barrier_t barrier;
static atomic_size_t *next_chain;	/* of each group */

static void *grown(void *array, size_t count, size_t size)
{
	/* Whenever count is a power of two there is no room left. */
	if (count & (count - 1))
		return array;
	array = reallocarray(array, count ? count * 2 : 1, size);
	if (!array)
		err(1, "memory");
	return array;
}

static void group_begin(void)
{
	groups = grown(groups, group_count, sizeof(*groups));
	groups[group_count++] = (struct group){ 0 };
}

/* A chain begins where the next operation will be. */
static void chain_begin(void)
{
	struct group *group = &groups[group_count - 1];

	group->chains = grown(group->chains, group->count, sizeof(*group->chains));
	group->chains[group->count++] = operation_count;
}

static void operation_add(const char *file, char *line)
{
	struct operation op = { .verb = strsep(&line, " ") };

	op.path = strsep(&line, " ");
	op.value = line;
	if (!op.path || (!op.value && (!strcmp(op.verb, "write") || !strcmp(op.verb, "link"))))
		errx(1, "%s: %s: something is missing", file, op.verb);
	operations = grown(operations, operation_count, sizeof(*operations));
	operations[operation_count++] = op;
}

static void read_file(const char *file)
{
	_cleanup_free_ char *line = NULL;
	size_t size = 0;
	ssize_t length;
	bool inside = false;
	FILE *f = fopen(file, "re");

	if (!f)
		err(1, "%s", file);
	group_begin();
	while ((length = getline(&line, &size, f)) > 0) {
		line[length - 1] = '\0';
		if (!*line || !strcmp(line, "barrier")) {
			inside = false;
			if (*line) {
				chain_begin();
				group_begin();
			}
			continue;
		}
		if (!inside)
			chain_begin();
		inside = true;
		operation_add(file, strdup(line));
	}
	chain_begin();
	fclose(f);
}

static int write_value(const char *path, const char *value)
{
	char text[4096];
	int length = snprintf(text, sizeof(text), "%s\n", value);
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	int status = 0;

	if (fd < 0)
		return -1;
	if (write(fd, text, length) != length)
		status = -1;
	close(fd);
	return status;
}

static void run_operation(const struct operation *op)
{
	int status;

	if (!strcmp(op->verb, "mkdir")) {
		status = mkdir(op->path, 0755);
	} else if (!strcmp(op->verb, "rmdir")) {
		status = rmdir(op->path);
	} else if (!strcmp(op->verb, "write")) {
		status = write_value(op->path, op->value);
	} else if (!strcmp(op->verb, "unlink")) {
		status = unlink(op->path);
	} else if (!strcmp(op->verb, "link")) {
		char target[4096];

		snprintf(target, sizeof(target), CONFIGFS "/%s", op->path);
		status = symlink(target, op->value);
	} else {
		errx(1, "no operation %s", op->verb);
	}
	if (status < 0)
		err(1, "%s %s %s", op->verb, op->path, op->value ?: "");
}

static void *run_thread(void *unused)
{
	(void)unused;
	for (size_t g = 0; g < group_count; g++) {
		const struct group *group = &groups[g];
		size_t chain;

		while ((chain = atomic_fetch_add(&next_chain[g], 1)) + 1 < group->count)
			for (size_t i = group->chains[chain]; i < group->chains[chain + 1]; i++)
				run_operation(&operations[i]);
		pthread_barrier_wait(&barrier);
	}
	return NULL;
}

static long microseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000L + now.tv_nsec / 1000;
}

int main(int argc, char **argv)
{
	bool expedite = argc == 4 && !strcmp(argv[1], "-e");
	unsigned long count;
	pthread_t *threads;
	long begin;

	if (expedite)
		argv++;
	else if (argc != 3)
		errx(2, "usage: floor [-e] THREADS FILE");
	count = strtoul(argv[1], NULL, 10);
	if (!count || count > 1024)
		errx(2, "threads: a number from 1 to 1024");
	read_file(argv[2]);
	if (chdir(CONFIGFS) < 0)
		err(1, CONFIGFS);
	next_chain = calloc(group_count, sizeof(*next_chain));
	threads = calloc(count, sizeof(*threads));
	if (!next_chain || !threads)
		err(1, "memory");
	pthread_barrier_init(&barrier, NULL, count);

	begin = microseconds();
	if (expedite && write_value(EXPEDITED, "1") < 0)
		err(1, EXPEDITED);
	for (unsigned long i = 0; i < count; i++) {
		errno = pthread_create(&threads[i], NULL, run_thread, NULL);
		if (errno)
			err(1, "thread");
	}
	for (unsigned long i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	if (expedite && write_value(EXPEDITED, "0") < 0)
		err(1, EXPEDITED);
	printf("%ld\n", microseconds() - begin);
	return 0;
}
