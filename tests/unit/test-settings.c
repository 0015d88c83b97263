/* SPDX-License-Identifier: Apache-2.0 */
/* Settings: what a file may say, and that anything else is said back with its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <syslog.h>

#include "base/json.h"
#include "base/text.h"
#include "daemon/settings.h"

static char path[] = "/tmp/nvmetctl-settings-XXXXXX";

static int make_file(void **state)
{
	int fd = mkstemp(path);

	if (fd < 0)
		return -1;
	close(fd);
	return 0;
}

static int remove_file(void **state)
{
	return unlink(path);
}

static void put(const char *text, size_t len)
{
	_cleanup_fclose_ FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, len, f), len);
}

static void load(const char *text, struct settings *ret)
{
	_cleanup_errors_ struct cfg_errors errs = { 0 };

	put(text, strlen(text));
	if (settings_load(path, ret, &errs) < 0)
		fail_msg("%s: %s", text, errs.items[0].msg);
}

/* Refused at the line, with all of the words in the message. */
static void assert_refused(const char *text, unsigned line, const char *words)
{
	_cleanup_(settings_done) struct settings s = { 0 };
	_cleanup_errors_ struct cfg_errors errs = { 0 };
	_cleanup_free_ char *place = strf("%s:%u", path, line), *got = NULL;

	put(text, strlen(text));
	assert_true(settings_load(path, &s, &errs) < 0);
	assert_null(s.kernel);
	assert_int_equal(errs.total, 1);
	assert_string_equal(errs.items[0].place, place);
	got = cfg_error_text(&errs.items[0]);
	if (!strstr(got, words))
		fail_msg("\"%s\" is not in \"%s\"", words, got);
}

static void test_missing_file_means_defaults(void **state)
{
	_cleanup_(settings_done) struct settings s = { 0 }, d = { 0 };
	_cleanup_errors_ struct cfg_errors errs = { 0 };

	assert_int_equal(settings_load("/nonexistent/nvmetd.conf", &s, &errs), 0);
	assert_int_equal(settings_defaults(&d), 0);
	assert_string_equal(s.kernel, "configfs");
	assert_int_equal(s.log_level, LOG_INFO);
	assert_int_equal(s.max_document_bytes, 16u << 20);
	assert_int_equal(s.readers, d.readers);
	assert_int_equal(s.generation_interval, 3600);
}

static void test_every_form(void **state)
{
	_cleanup_(settings_done) struct settings s = { 0 };

	load("# a comment with 3000000000 and \"quotes\n"
	     "workers = 32;   // another 9999999999\n"
	     "readers : 0x10\n"
	     "/* stuck_seconds = 1;\n   over lines */ stuck_seconds = 30L;\n"
	     "journal_fold_bytes = \"64KiB\"; max_document_bytes = 5000000;\n"
	     "kernel = \"fake:/tmp/a \\\"b\\\" # @ 12\";\n"
	     "log_level = \"debug\"", &s);
	assert_int_equal(s.workers, 32);
	assert_int_equal(s.readers, 16);
	assert_int_equal(s.stuck_seconds, 30);
	assert_int_equal(s.journal_fold_bytes, 65536);
	assert_int_equal(s.max_document_bytes, 5000000);
	assert_string_equal(s.kernel, "fake:/tmp/a \"b\" # @ 12");
	assert_int_equal(s.log_level, LOG_DEBUG);
	assert_int_equal(s.job_history, 100);
}

static void test_numbers_that_do_not_fit(void **state)
{
	/* Each of these is small and right once it has been cut to 32 or 64 bits. */
	assert_refused("workers = 4294967297;", 1, "workers: must be a number from 1 to 1024");
	assert_refused("workers = 3000000000;", 1, "must be a number from 1 to 1024");
	assert_refused("workers = 18446744073709551617;", 1, "must be a number from 1 to 1024");
	assert_refused("workers = 0x100000001;", 1, "must be a number from 1 to 1024");
	assert_refused("workers = 0x10000000000000001;", 1, "must be a number from 1 to 1024");
	assert_refused("workers = -4294967295;", 1, "must be a number from 1 to 1024");
	assert_refused("max_document_bytes = 4294971392;", 1, "must be a size from 4KiB to 64MiB");
}

static void test_ranges(void **state)
{
	_cleanup_(settings_done) struct settings s = { 0 };

	assert_refused("readers = 0;", 1, "must be a number from 1 to 64");
	assert_refused("readers = 65;", 1, "must be a number from 1 to 64");
	assert_refused("readers = -1;", 1, "must be a number from 1 to 64");
	assert_refused("max_document_bytes = \"65MiB\";", 1, "must be a size from 4KiB to 64MiB");
	assert_refused("max_document_bytes = \"99999999999TiB\";", 1, "must be a size");
	assert_refused("log_level = \"loud\";", 1, "must be one of \"error\", \"warning\", \"notice\", \"info\", \"debug\"");
	assert_refused("kernel = \"\";", 1, "must be a text");
	load("readers = 64; max_document_bytes = \"64MiB\";", &s);
	assert_int_equal(s.readers, 64);
	assert_int_equal(s.max_document_bytes, JSON_MAX_BYTES);
}

static void test_types(void **state)
{
	static const char *const values[] = { "true", "1.5", "1e3", "(1, 2)", "[1]", "{ a = 1; }", "\"4\"", "\"four\"", ".5", "2.", "-.5e3" };

	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		_cleanup_free_ char *text = strf("\n\nworkers = %s;", values[i]);

		assert_refused(text, 3, "workers: must be a number from 1 to 1024");
	}
	assert_refused("kernel = 1;", 1, "kernel: must be a text in quotes");
	assert_refused("log_level = 7;", 1, "log_level: must be one of");
}

static void test_names(void **state)
{
	assert_refused("readers = 3;\nreaders = 3;", 2, "duplicate setting name");
	assert_refused("\nworker = 3;", 2, "there is no setting \"worker\"; there are workers, removers, readers, ");
	assert_refused("Workers = 3;", 1, "there is no setting \"Workers\"");
	assert_refused("daemon : { workers = 3; };", 1, "there is no setting \"daemon\"");
}

static void test_syntax(void **state)
{
	assert_refused("workers = ;", 1, "syntax error");
	assert_refused("workers = 3;\nkernel = \"fake\n;\n", 2, "the quote that begins here has no end");
	assert_refused("workers = 3;\n/* readers = 3;\n", 2, "the comment that begins here has no end");
	assert_refused("readers = 3;\n/*/ readers = 3;\n", 2, "the comment that begins here has no end");
	assert_refused("readers = 3; }\n", 1, "syntax error");
	assert_refused("@include \"/etc/passwd\"", 1, "other files cannot be included");
	assert_refused("workers = 1;\n  @include_dir \"/etc\"", 2, "other files cannot be included");
}

static void test_all_problems_at_once(void **state)
{
	_cleanup_(settings_done) struct settings s = { 0 };
	_cleanup_errors_ struct cfg_errors errs = { 0 };
	const char *text = "workers = -1;\nfoo = 2;\nreaders = 3;\nlog_level = 1;\n";

	put(text, strlen(text));
	assert_true(settings_load(path, &s, &errs) < 0);
	assert_int_equal(errs.total, 3);
	assert_non_null(strstr(errs.items[2].place, ":4"));
}

static void test_files_that_are_none(void **state)
{
	_cleanup_(settings_done) struct settings s = { 0 };
	_cleanup_errors_ struct cfg_errors errs = { 0 };

	put("workers = 1;\0readers = 7;", 25);
	assert_true(settings_load(path, &s, &errs) < 0);
	assert_true(settings_load("/tmp", &s, &errs) < 0);
	assert_int_equal(truncate(path, (1 << 20) + 1), 0);
	assert_true(settings_load(path, &s, &errs) < 0);
	assert_int_equal(errs.total, 3);
	assert_non_null(strstr(errs.items[0].msg, "NUL"));
	assert_non_null(strstr(errs.items[1].msg, "/tmp: is not a regular file"));
	assert_non_null(strstr(errs.items[2].msg, "larger than"));
}

static char *printed(void (*print)(FILE *f))
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	assert_non_null(f);
	print(f);
	fclose(f);
	return text;
}

/* The sample file says nothing as it is, and the defaults with every comment sign before a setting taken away. */
static void test_sample(void **state)
{
	_cleanup_(settings_done) struct settings d = { 0 }, s = { 0 }, t = { 0 };
	_cleanup_free_ char *text = printed(settings_print);
	size_t taken = 0;

	settings_defaults(&d);
	load(text, &s);
	for (char *line = text; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
		if (line[0] == '#' && line[1] != ' ') {
			line[0] = ' ';
			taken++;
		}
	}
	assert_int_equal(taken, 15);
	load(text, &t);
	assert_string_equal(s.kernel, d.kernel);
	assert_string_equal(t.kernel, d.kernel);
	free(steal_ptr(s.kernel));
	free(steal_ptr(t.kernel));
	free(steal_ptr(d.kernel));
	assert_memory_equal(&s, &d, sizeof(d));
	assert_memory_equal(&t, &d, sizeof(d));
}

static void test_manual(void **state)
{
	_cleanup_free_ char *text = printed(settings_print_manual);

	assert_non_null(strstr(text, "*journal_fold_bytes*\n\tThe journal"));
	assert_non_null(strstr(text, "Takes a number from 1 to 64. Default: 2.\n"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_missing_file_means_defaults),
		cmocka_unit_test(test_every_form),
		cmocka_unit_test(test_numbers_that_do_not_fit),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_syntax),
		cmocka_unit_test(test_all_problems_at_once),
		cmocka_unit_test(test_files_that_are_none),
		cmocka_unit_test(test_sample),
		cmocka_unit_test(test_manual),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}
