/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTS_WORKER_HELP_H
#define TESTS_WORKER_HELP_H

/* A worker on a tiny kernel, with folders of its own, that is asked for operations one by one. Include cmocka.h first. */

#include "daemon/worker.h"
#include "tests/unit/tiny-kfs.h"

struct fixture {
	struct tiny_kfs kernel;
	struct pool_settings settings;
	struct worker worker;
	char *data, *message;	/* of the last operation */
};

/* For cmocka: the folders for a program, all in top, and one for secrets in config_dir; a fixture for each test. */
extern char top[], config_dir[], state_dir[], run_dir[];
int make_folders(void **state);
int remove_folders(void **state);
int setup(void **state);
int teardown(void **state);
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

/* One operation; positive errno. */
int run(struct fixture *f, enum op_verb verb, unsigned flags, const char *path, const char *value);
/* Forgets what the last one has told. */
void forget(struct fixture *f);
/* It fails for what it asks, before any call. */
void refuse(struct fixture *f, enum op_verb verb, const char *path, const char *value);
void assert_says(const struct fixture *f, const char *words);
/* The kernel's calls since this was asked last. */
void assert_calls(struct fixture *f, const char *calls);

void put_file(const char *path, const char *text, mode_t mode);
/* Its first 255 bytes, or NULL. Caller frees. */
char *get_file(const char *path);

#endif
