/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A fuzz target without a fuzzer: replay-NAME gives fuzz-NAME each file of tests/fuzz/seeds/NAME, and of the folders and files that are named
 * on the command line. What a fuzzer once found is there, and is so found again by whoever brings it back. Prints TAP.
 */
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv) __attribute__((weak));

static unsigned count;

static void die(const char *path)
{
	printf("Bail out! %s: %s\n", path, strerror(errno));
	exit(1);
}

static void take_file(const char *path)
{
	FILE *f = fopen(path, "re");
	struct stat st;
	uint8_t *data;

	if (!f || fstat(fileno(f), &st) < 0)
		die(path);
	/* Of exactly its size, so that a sanitizer sees what is read behind its end. */
	data = malloc((size_t)st.st_size + !st.st_size);
	if (!data || fread(data, 1, (size_t)st.st_size, f) != (size_t)st.st_size)
		die(path);
	fclose(f);
	LLVMFuzzerTestOneInput(data, (size_t)st.st_size);
	free(data);
	printf("ok %u - %s\n", ++count, path);
	fflush(stdout);
}

static int not_hidden(const struct dirent *d)
{
	return d->d_name[0] != '.';
}

static void take(const char *path)
{
	struct dirent **names;
	struct stat st;
	int n;

	if (stat(path, &st) < 0)
		die(path);
	if (!S_ISDIR(st.st_mode)) {
		take_file(path);
		return;
	}
	n = scandir(path, &names, not_hidden, alphasort);
	if (n < 0)
		die(path);
	for (int i = 0; i < n; i++) {
		_cleanup_free_ char *below = strf("%s/%s", path, names[i]->d_name);

		take(below);
		free(names[i]);
	}
	free(names);
}

int main(int argc, char **argv)
{
	const char *name = strrchr(argv[0], '/'), *srcdir = getenv("srcdir");
	_cleanup_free_ char *seeds = NULL;

	name = name ? name + 1 : argv[0];
	seeds = strf("%s/tests/fuzz/seeds/%s", srcdir ? srcdir : ".", strncmp(name, "replay-", 7) == 0 ? name + 7 : name);
	if (LLVMFuzzerInitialize)
		LLVMFuzzerInitialize(&argc, &argv);
	if (argc == 1)
		take(seeds);
	for (int i = 1; i < argc; i++)
		take(argv[i]);
	printf("1..%u\n", count);
	return count ? 0 : 1;
}
