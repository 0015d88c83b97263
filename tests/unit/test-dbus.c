/* SPDX-License-Identifier: Apache-2.0 */
/* Calls of the manager's bus object: arguments, limits, answers. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "dbus/errors.h"
#include "tests/unit/bus-pair.h"

#define SEALS (F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW)
#define REPORT "{\"job\":1,\"outcome\":\"done\"}"
#define INVALID "org.nvmetctl1.Error.Invalid: "

static sd_bus_message *method(struct pair *p, const char *member)
{
	return pair_method(p, BUS_ROOT, BUS_MANAGER_INTERFACE, member);
}

static sd_bus_message *call(struct pair *p, const char *member, const char *types, ...)
{
	sd_bus_message *m = method(p, member);
	va_list ap;

	va_start(ap, types);
	assert_true(!*types || sd_bus_message_appendv(m, types, ap) >= 0);
	va_end(ap);
	return pair_call(p, m);
}

static void assert_error(sd_bus_message *reply, const char *expected)
{
	assert_string_equal(pair_error(reply), expected);
	sd_bus_message_unref(reply);
}

static void assert_text(sd_bus_message *reply, const char *expected)
{
	const char *text;

	assert_string_equal(pair_error(reply), "");
	assert_true(sd_bus_message_read(reply, "s", &text) > 0);
	assert_string_equal(text, expected);
	sd_bus_message_unref(reply);
}

/* Sends, and lets the request arrive at the manager. */
static struct stub_job *request(struct pair *p, sd_bus_message *m, sd_bus_message **slot)
{
	size_t before = p->manager.n_jobs;

	pair_send(p, m, slot);
	pair_settle(p, 0);
	assert_int_equal(p->manager.n_jobs, before + 1);
	return stub_last(&p->manager);
}

/* ---- jobs and answers ---- */

static void test_reply_at_the_end(void **state)
{
	struct pair *p = *state;
	sd_bus_message *reply, *m = method(p, "Apply");
	struct stub_job *j;

	assert_true(sd_bus_message_append(m, "sa{sv}", "{\"version\":1}", 0) >= 0);
	j = request(p, m, &reply);
	assert_null(reply);
	assert_int_equal(j->request.act, ACT_APPLY);
	assert_non_null(j->request.document.tree);
	assert_false(j->request.dry_run);
	assert_true(strncmp(j->request.caller, "uid 0, test-dbus", 16) == 0);
	stub_end(&p->manager, j, JOB_DONE, OUTCOME_DONE, REPORT);
	pair_settle(p, 0);
	assert_non_null(reply);
	assert_text(reply, REPORT);
}

/* However a job ends, it is an answer and no error. */
static void test_failed_job_is_no_error(void **state)
{
	struct pair *p = *state;
	sd_bus_message *reply, *m = method(p, "Clear");
	struct stub_job *j;

	assert_true(sd_bus_message_append(m, "a{sv}", 0) >= 0);
	j = request(p, m, &reply);
	stub_end(&p->manager, j, JOB_FAILED, OUTCOME_FAILED, "{\"outcome\":\"failed\"}");
	pair_settle(p, 0);
	assert_text(reply, "{\"outcome\":\"failed\"}");
}

static void test_no_job_is_an_error(void **state)
{
	struct pair *p = *state;

	p->manager.refuse = ESHUTDOWN;
	assert_error(call(p, "Clear", "a{sv}", 0), "org.nvmetctl1.Error.ShuttingDown: the stub refuses");
	p->manager.refuse = EAGAIN;
	assert_error(call(p, "Clear", "a{sv}", 1, "wait", "b", 0), "org.nvmetctl1.Error.LimitsExceeded: the stub refuses");
}

static void test_no_wait(void **state)
{
	struct pair *p = *state;

	assert_text(call(p, "Clear", "a{sv}", 1, "wait", "b", 0), "{\"job\":1,\"path\":\"/org/nvmetctl1/job/1\"}");
	assert_null(stub_last(&p->manager)->done);
	stub_end(&p->manager, stub_last(&p->manager), JOB_DONE, OUTCOME_DONE, REPORT);
	pair_settle(p, 0);
}

/* A caller that leaves does not end its job; nobody is answered. */
static void test_caller_leaves(void **state)
{
	struct pair *p = *state;
	sd_bus_message *reply, *m = method(p, "Clear");
	struct stub_job *j;

	assert_true(sd_bus_message_append(m, "a{sv}", 0) >= 0);
	j = request(p, m, &reply);
	sd_bus_close(p->client);
	assert_int_equal(p->manager.cancelled, 0);
	stub_end(&p->manager, j, JOB_DONE, OUTCOME_DONE, REPORT);
	sd_bus_message_unref(reply);
}

static void test_long_report(void **state)
{
	struct pair *p = *state;
	sd_bus_message *reply, *m = method(p, "Clear");
	size_t len = BUS_STRING_MAX + 10;
	_cleanup_free_ char *report = malloc(len + 100), *read_back = malloc(len + 100);
	struct stub_job *j;
	int fd;

	assert_true(sd_bus_message_append(m, "a{sv}", 0) >= 0);
	j = request(p, m, &reply);
	strcpy(report, "{\"outcome\":\"done\",\"plan\":\"");
	memset(report + strlen(report), 'x', len + 1);
	strcpy(report + 25 + len, "\"}");
	stub_end(&p->manager, j, JOB_DONE, OUTCOME_DONE, report);
	pair_settle(p, 0);
	assert_text(reply, "{\"outcome\":\"done\",\"truncated\":true}");

	reply = pair_call(p, pair_method(p, BUS_JOB_PREFIX "/1", BUS_JOB_INTERFACE, "ReportFd"));
	assert_true(sd_bus_message_read(reply, "h", &fd) > 0);
	assert_int_equal(fcntl(fd, F_GET_SEALS) & SEALS, SEALS);
	assert_int_equal(read(fd, read_back, len + 100), strlen(report));
	assert_memory_equal(read_back, report, strlen(report));
	sd_bus_message_unref(reply);
}

static void test_pending_is_bounded(void **state)
{
	struct pair *p = *state;
	sd_bus_message *replies[65];

	for (size_t i = 0; i < ARRAY_SIZE(replies); i++) {
		sd_bus_message *m = method(p, "Clear");

		assert_true(sd_bus_message_append(m, "a{sv}", 0) >= 0);
		pair_send(p, m, &replies[i]);
	}
	pair_settle(p, 0);
	assert_int_equal(p->manager.n_jobs, 64);
	assert_non_null(replies[64]);
	assert_error(replies[64], "org.nvmetctl1.Error.LimitsExceeded: 64 requests of this client are waiting already "
				 "(queue_per_client)");
	for (size_t i = 0; i < 64; i++) {
		assert_null(replies[i]);
		stub_end(&p->manager, p->manager.jobs[i], JOB_DONE, OUTCOME_DONE, REPORT);
	}
	pair_settle(p, 0);
	for (size_t i = 0; i < 64; i++)
		assert_text(replies[i], REPORT);
	assert_text(call(p, "Clear", "a{sv}", 1, "wait", "b", 0), "{\"job\":65,\"path\":\"/org/nvmetctl1/job/65\"}");
}

/* ---- options ---- */

static void test_options(void **state)
{
	struct pair *p = *state;
	sd_bus_message *reply, *m = method(p, "Change");
	struct stub_job *j;

	assert_true(sd_bus_message_append(m, "a(ssa(sss))a{sv}", 2, "delete", "ports/1", 0, "set", "ports/2", 0, 8, "dry_run",
					  "b", 1, "disrupt", "b", 1, "destroy", "as", 2, "ports/1", "subsystems", "revoke", "b",
					  1, "recursive", "b", 1, "generation", "t", (uint64_t)5, "plan", "s",
					  "0123456789abcdef", "wait", "b", 1) >= 0);
	j = request(p, m, &reply);
	assert_true(j->request.dry_run);
	assert_true(j->request.disrupt.all);
	assert_null(j->request.disrupt.paths);
	assert_false(j->request.destroy.all);
	assert_string_equal(j->request.destroy.paths[0], "ports/1");
	assert_string_equal(j->request.destroy.paths[1], "subsystems");
	assert_null(j->request.destroy.paths[2]);
	assert_true(j->request.revoke);
	assert_true(j->request.edits.items[0].recursive);
	assert_false(j->request.edits.items[1].recursive);
	assert_int_equal(j->request.generation, 5);
	assert_string_equal(j->request.plan_hash, "0123456789abcdef");
	stub_end(&p->manager, j, JOB_DONE, OUTCOME_DONE, REPORT);
	pair_settle(p, 0);
	sd_bus_message_unref(reply);
}

static void test_bad_options(void **state)
{
	struct pair *p = *state;

	assert_error(call(p, "Clear", "a{sv}", 1, "dryrun", "b", 1), INVALID "there is no option \"dryrun\"");
	assert_error(call(p, "Clear", "a{sv}", 1, "merge", "b", 1), INVALID "option merge is not for Clear");
	assert_error(call(p, "Clear", "a{sv}", 1, "dry_run", "s", "yes"), INVALID "option dry_run is of type b, not s");
	assert_error(call(p, "Clear", "a{sv}", 1, "disrupt", "u", 1), INVALID "option disrupt is of type b or as, not u");
	assert_error(call(p, "Clear", "a{sv}", 2, "plan", "s", "a", "plan", "s", "a"), INVALID "option plan is given twice");
	assert_error(call(p, "Diff", "sa{sv}", "{}", 1, "dry_run", "b", 0), INVALID "option dry_run is not for Diff");
	assert_int_equal(p->manager.n_jobs, 0);
}

static void test_bad_consent_path(void **state)
{
	struct pair *p = *state;
	sd_bus_message *reply = call(p, "Clear", "a{sv}", 1, "disrupt", "as", 1, "prots/1");

	assert_non_null(strstr(pair_error(reply), INVALID));
	assert_non_null(strstr(pair_error(reply), "option disrupt: "));
	sd_bus_message_unref(reply);
}

static void test_diff_is_a_dry_run(void **state)
{
	struct pair *p = *state;
	sd_bus_message *reply, *m = method(p, "Diff");
	struct stub_job *j;

	assert_true(sd_bus_message_append(m, "sa{sv}", "{\"version\":1}", 0) >= 0);
	j = request(p, m, &reply);
	assert_int_equal(j->request.act, ACT_APPLY);
	assert_true(j->request.dry_run);
	sd_bus_message_unref(reply);
}

/* ---- documents ---- */

static void test_bad_document(void **state)
{
	struct pair *p = *state;
	sd_bus_message *reply;

	reply = call(p, "Apply", "sa{sv}", "{\"version\":1,\n \"prots\":{}, \"hots\":{}}", 1, "name", "s", "my.json");
	assert_true(strncmp(pair_error(reply), INVALID "my.json:2:", strlen(INVALID "my.json:2:")) == 0);
	/* Both problems, a line each. */
	assert_non_null(strstr(pair_error(reply), ": prots: "));
	assert_non_null(strstr(strstr(pair_error(reply), "\nmy.json:2:"), ": hots: "));
	sd_bus_message_unref(reply);
	reply = call(p, "Apply", "sa{sv}", "nonsense", 0);
	assert_true(strncmp(pair_error(reply), INVALID "document:1:1: ", strlen(INVALID "document:1:1: ")) == 0);
	sd_bus_message_unref(reply);
	assert_int_equal(p->manager.n_jobs, 0);
}

static uint64_t generation_of(struct pair *p, const char *member, bool option)
{
	sd_bus_message *reply, *m = method(p, member);
	const char *text = "{\"version\":1,\"generation\":3}";
	struct stub_job *j;

	assert_true(option ? sd_bus_message_append(m, "sa{sv}", text, 1, "generation", "t", (uint64_t)0) >= 0 :
			     sd_bus_message_append(m, "sa{sv}", text, 0) >= 0);
	j = request(p, m, &reply);
	stub_end(&p->manager, j, JOB_DONE, OUTCOME_DONE, REPORT);
	pair_settle(p, 0);
	sd_bus_message_unref(reply);
	return j->request.generation;
}

static void test_document_generation(void **state)
{
	struct pair *p = *state;

	assert_int_equal(generation_of(p, "Apply", false), 3);
	assert_int_equal(generation_of(p, "Apply", true), 0);
	assert_int_equal(generation_of(p, "Restore", false), 0);
}

static void test_restore_own_state(void **state)
{
	struct pair *p = *state;
	sd_bus_message *reply, *m = method(p, "Restore");
	struct stub_job *j;

	assert_true(sd_bus_message_append(m, "sa{sv}", "", 0) >= 0);
	j = request(p, m, &reply);
	assert_int_equal(j->request.act, ACT_RESTORE);
	assert_null(j->request.document.tree);
	sd_bus_message_unref(reply);
}

static int memfd_with(const char *text, size_t len, int seals)
{
	int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, len), len);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

static void test_sealed_memfd(void **state)
{
	struct pair *p = *state;
	sd_bus_message *reply, *m = method(p, "ApplyFd");
	int fd = memfd_with("{\"version\":1}", 13, SEALS);
	struct stub_job *j;

	/* Wherever the caller's offset is (at the end here), the whole is read. */
	assert_true(sd_bus_message_append(m, "ha{sv}", fd, 0) >= 0);
	close(fd);
	j = request(p, m, &reply);
	assert_non_null(j->request.document.tree);
	sd_bus_message_unref(reply);
}

static void assert_fd_error(struct pair *p, int fd, const char *expected)
{
	assert_true(fd >= 0);
	assert_error(call(p, "ApplyFd", "ha{sv}", fd, 0), expected);
	assert_int_equal(p->manager.n_jobs, 0);
	close(fd);
}

static void test_other_descriptors(void **state)
{
	static const char text[] = INVALID "the descriptor is not a memfd sealed against writing, growing and shrinking";
	struct pair *p = *state;
	char name[] = "/tmp/test-dbus.XXXXXX";
	int pipes[2], fd;

	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	assert_fd_error(p, pipes[0], text);
	close(pipes[1]);
	assert_fd_error(p, open("/dev/null", O_RDONLY | O_CLOEXEC), text);
	assert_fd_error(p, open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC), text);
	fd = mkstemp(name);
	unlink(name);
	assert_int_equal(write(fd, "{\"version\":1}", 13), 13);
	assert_fd_error(p, fd, text);
	assert_fd_error(p, memfd_with("{\"version\":1}", 13, F_SEAL_SHRINK | F_SEAL_GROW), text);
	assert_fd_error(p, memfd_with("{\"version\":1}", 13, F_SEAL_WRITE | F_SEAL_GROW), text);
	assert_fd_error(p, memfd_with("{\"version\":1}", 13, F_SEAL_WRITE | F_SEAL_SHRINK), text);
}

static void test_size_limits(void **state)
{
	struct pair *p = *state;
	_cleanup_free_ char *big = malloc(2001);

	p->settings.max_document_bytes = 1000;
	memset(big, ' ', 2000);
	big[2000] = 0;
	assert_fd_error(p, memfd_with(big, 2000, SEALS),
			"org.nvmetctl1.Error.TooLarge: the document has 2000 bytes, more than the 1000 that are allowed "
			"(max_document_bytes)");
	assert_error(call(p, "Apply", "sa{sv}", big, 0),
		     "org.nvmetctl1.Error.TooLarge: the document has 2000 bytes; a string may have 1000, a memfd 1000");
	assert_int_equal(p->manager.n_jobs, 0);
}

/* A memfd may hold what a string cannot: that must not end the document early. */
static void test_nul_in_memfd(void **state)
{
	struct pair *p = *state;
	int fd = memfd_with("{\"version\":1}\0{}", 16, SEALS);
	sd_bus_message *reply = call(p, "ApplyFd", "ha{sv}", fd, 0);

	assert_true(strncmp(pair_error(reply), INVALID "document:1:14: ", strlen(INVALID "document:1:14: ")) == 0);
	sd_bus_message_unref(reply);
	close(fd);
}

/* ---- edits ---- */

static void test_edits(void **state)
{
	struct pair *p = *state;
	sd_bus_message *reply, *m = method(p, "Change");
	const struct edit *e;
	struct stub_job *j;

	assert_true(sd_bus_message_append(m, "a(ssa(sss))a{sv}", 2, "create", "ports/1", 2, "trtype", "=", "tcp",
					  "subsystems", "+=", "a,b", "set", "ports/2", 1, "subsystems", "-=", "c", 0) >= 0);
	j = request(p, m, &reply);
	assert_int_equal(j->request.edits.n, 2);
	e = j->request.edits.items;
	assert_int_equal(e[0].verb, EDIT_CREATE);
	assert_string_equal(e[0].path, "ports/1");
	assert_int_equal(e[0].n_attrs, 2);
	assert_string_equal(e[0].attrs[0].name, "trtype");
	assert_int_equal(e[0].attrs[0].op, EDIT_ASSIGN);
	assert_string_equal(e[0].attrs[0].value, "tcp");
	assert_int_equal(e[0].attrs[1].op, EDIT_ADD);
	assert_string_equal(e[0].place, "edit 1");
	assert_int_equal(e[1].verb, EDIT_SET);
	assert_int_equal(e[1].attrs[0].op, EDIT_SUB);
	assert_string_equal(e[1].place, "edit 2");
	sd_bus_message_unref(reply);
}

static void test_bad_edits(void **state)
{
	struct pair *p = *state;
	_cleanup_free_ char *longest = malloc((1u << 20) + 2);

	assert_error(call(p, "Change", "a(ssa(sss))a{sv}", 0, 0), INVALID "there are no edits");
	assert_error(call(p, "Change", "a(ssa(sss))a{sv}", 2, "set", "ports/1", 0, "drop", "ports/1", 0, 0),
		     INVALID "edit 2: the verb is \"create\", \"set\" or \"delete\", not \"drop\"");
	assert_error(call(p, "Change", "a(ssa(sss))a{sv}", 1, "set", "ports/1", 1, "trtype", ":=", "tcp", 0),
		     INVALID "edit 1: ports/1: trtype: the operator is \"=\", \"+=\" or \"-=\", not \":=\"");
	assert_error(call(p, "Change", "a(ssa(sss))a{sv}", 1, "delete", "ports/1", 1, "trtype", "=", "tcp", 0),
		     INVALID "edit 1: ports/1: deleting takes no attributes");
	memset(longest, 'x', (1u << 20) + 1);
	longest[(1u << 20) + 1] = 0;
	assert_error(call(p, "Change", "a(ssa(sss))a{sv}", 1, "set", "ports/1", 1, "trtype", "=", longest, 0),
		     "org.nvmetctl1.Error.TooLarge: edit 1: ports/1: trtype: the value is longer than 1048576 bytes");
	assert_int_equal(p->manager.n_jobs, 0);
}

static void test_too_many_edits(void **state)
{
	struct pair *p = *state;
	sd_bus_message *m = method(p, "Change");

	assert_true(sd_bus_message_open_container(m, 'a', "(ssa(sss))") >= 0);
	for (size_t i = 0; i < 65537; i++)
		assert_true(sd_bus_message_append(m, "(ssa(sss))", "set", "ports/1", 0) >= 0);
	assert_true(sd_bus_message_close_container(m) >= 0 && sd_bus_message_append(m, "a{sv}", 0) >= 0);
	assert_error(pair_call(p, m), "org.nvmetctl1.Error.TooLarge: there are more than 65536 edits");
}

static void test_paths_and_number(void **state)
{
	struct pair *p = *state;
	sd_bus_message *replies[3], *m = method(p, "Reconcile");
	struct stub_job *j;

	assert_true(sd_bus_message_append(m, "asa{sv}", 2, "ports/1", "nvmet", 0) >= 0);
	j = request(p, m, &replies[0]);
	assert_int_equal(j->request.act, ACT_RECONCILE);
	assert_string_equal(j->request.paths[1], "nvmet");
	m = method(p, "Adopt");
	assert_true(sd_bus_message_append(m, "asa{sv}", 0, 0) >= 0);
	j = request(p, m, &replies[1]);
	assert_int_equal(j->request.act, ACT_ADOPT);
	assert_null(j->request.paths);
	m = method(p, "Rollback");
	assert_true(sd_bus_message_append(m, "ta{sv}", (uint64_t)42, 0) >= 0);
	j = request(p, m, &replies[2]);
	assert_int_equal(j->request.act, ACT_ROLLBACK);
	assert_int_equal(j->request.number, 42);
}

/* ---- looking ---- */

static void test_dump_and_show(void **state)
{
	struct pair *p = *state;
	sd_bus_message *reply;
	const char *text;
	char buffer[4096];
	struct object *o;
	int fd;
	ssize_t n;

	assert_true(tree_add(p->manager.wanted, "ports/1", &o) >= 0);
	assert_true(object_set(o, attr_find(KIND_PORT, "trtype"), "tcp") >= 0);
	reply = call(p, "Dump", "sb", "", 0);
	assert_true(sd_bus_message_read(reply, "s", &text) > 0);
	assert_non_null(strstr(text, "\"generation\": 7"));
	assert_non_null(strstr(text, "\"trtype\": \"tcp\""));
	assert_null(strstr(text, "pi_enable"));
	n = (ssize_t)strlen(text);
	sd_bus_message_unref(reply);

	reply = call(p, "DumpFd", "sb", "", 0);
	assert_true(sd_bus_message_read(reply, "h", &fd) > 0);
	assert_int_equal(fcntl(fd, F_GET_SEALS) & SEALS, SEALS);
	assert_int_equal(read(fd, buffer, sizeof(buffer)), n);
	sd_bus_message_unref(reply);

	reply = call(p, "Dump", "sb", "ports/1", 1);
	assert_true(sd_bus_message_read(reply, "s", &text) > 0);
	assert_non_null(strstr(text, "pi_enable"));
	sd_bus_message_unref(reply);
	assert_error(call(p, "Dump", "sb", "ports/2", 0), "org.nvmetctl1.Error.NotFound: ports/2: there is no such object");
	assert_error(call(p, "Show", "sb", "ports/2", 0), "org.nvmetctl1.Error.NotFound: ports/2: there is no such object");
	reply = call(p, "Show", "sb", "ports/1", 0);
	assert_true(sd_bus_message_read(reply, "s", &text) > 0);
	assert_non_null(strstr(text, "ports/1"));
	sd_bus_message_unref(reply);
}

static void test_lists(void **state)
{
	struct pair *p = *state;

	assert_text(call(p, "Status", ""), "{\"generation\":7}");
	assert_text(call(p, "History", ""), "[]");
	sd_bus_message_unref(call(p, "Clear", "a{sv}", 1, "wait", "b", 0));
	assert_text(call(p, "Jobs", ""), "[{\"job\":1}]");
	assert_error(call(p, "Capabilities", ""),
		     "org.nvmetctl1.Error.Failed: the kernel's features cannot be read: Input/output error");
}

/* Whoever asks while the kernel is being read gets the next reading, all of them the same one. */
static void test_verify_is_shared(void **state)
{
	_cleanup_json_ struct json_object *status = json_tokener_parse("{\"a\":1}");
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;
	struct pair *p = *state;
	sd_bus_message *replies[4];

	for (size_t i = 0; i < ARRAY_SIZE(replies); i++) {
		pair_send(p, method(p, "Verify"), &replies[i]);
		pair_settle(p, 0);
	}
	assert_int_equal(p->manager.verifies, 1);
	p->manager.verify_done(p->manager.verify_userdata, status, NULL);
	pair_settle(p, 0);
	assert_text(replies[0], "{\"a\":1}");
	assert_null(replies[1]);
	assert_int_equal(p->manager.verifies, 2);
	cfg_error_set(&err, EIO, "no kernel");
	p->manager.verify_done(p->manager.verify_userdata, NULL, &err);
	pair_settle(p, 0);
	for (size_t i = 1; i < ARRAY_SIZE(replies); i++)
		assert_error(replies[i], "org.nvmetctl1.Error.Failed: no kernel");
	assert_int_equal(p->manager.verifies, 2);
}

static void test_save(void **state)
{
	struct pair *p = *state;
	sd_bus_message *reply, *m = method(p, "Save");
	uint64_t generation;

	assert_true(sd_bus_message_append(m, "s", "before the move") >= 0);
	pair_send(p, m, &reply);
	pair_settle(p, 0);
	assert_string_equal(p->manager.save_label, "before the move");
	p->manager.save_done(p->manager.save_userdata, 12, NULL);
	pair_settle(p, 0);
	assert_true(sd_bus_message_read(reply, "t", &generation) > 0);
	assert_int_equal(generation, 12);
	sd_bus_message_unref(reply);
	assert_error(call(p, "Save", "s", "two\nlines"),
		     INVALID "the label has at most 128 characters, all of them printable ASCII");
}

/* ---- the table of errors ---- */

static void test_error_table(void **state)
{
	assert_string_equal(bus_error_name(EINVAL), "org.nvmetctl1.Error.Invalid");
	assert_string_equal(bus_error_name(EXDEV), "org.nvmetctl1.Error.Failed");
	assert_int_equal(bus_error_exit_status("org.nvmetctl1.Error.Invalid"), 3);
	assert_int_equal(bus_error_exit_status("org.nvmetctl1.Error.Conflict"), 7);
	assert_int_equal(bus_error_exit_status("org.nvmetctl1.Error.ConsentMissing"), 6);
	assert_int_equal(bus_error_exit_status("org.nvmetctl1.Error.AccessDenied"), 6);
	assert_int_equal(bus_error_exit_status("org.freedesktop.DBus.Error.ServiceUnknown"), 6);
	assert_int_equal(bus_error_exit_status("org.example.Unheard"), 1);
	assert_int_equal(bus_outcome_exit_status("done"), 0);
	assert_int_equal(bus_outcome_exit_status("failed"), 1);
	assert_int_equal(bus_outcome_exit_status("invalid"), 3);
	assert_int_equal(bus_outcome_exit_status("owed"), 4);
	assert_int_equal(bus_outcome_exit_status("partly"), 5);
	assert_int_equal(bus_outcome_exit_status("refused"), 6);
	assert_int_equal(bus_outcome_exit_status("conflict"), 7);
	assert_int_equal(bus_outcome_exit_status("?"), 1);
}

static void assert_clean(const char *text, const char *expected)
{
	_cleanup_free_ char *copy = strdup(text);

	bus_text_clean(copy);
	assert_string_equal(copy, expected);
}

static void test_text_clean(void **state)
{
	assert_clean("", "");
	assert_clean("a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80z", "a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80z");
	assert_clean("a\xffz", "a?z");
	assert_clean("a\xc3", "a?");
	assert_clean("\xed\xa0\x80", "???");		/* a surrogate */
	assert_clean("\xef\xbf\xbf" "b", "???b");	/* U+FFFF */
	assert_clean("\xef\xb7\x90", "???");		/* U+FDD0 */
	assert_clean("\xef\xbf\xbd", "\xef\xbf\xbd");	/* U+FFFD */
	assert_clean("\xf0\x9f\xbf\xbe", "????");		/* U+1FFFE */
	assert_clean("\xf0\x9f\xbe\xbe", "\xf0\x9f\xbe\xbe");
}

/* An error text may quote what no D-Bus string can hold; the caller gets its answer all the same. */
static void test_answer_with_noncharacter(void **state)
{
	struct pair *p = *state;
	int fd = memfd_with("{\"version\":1,\"\\uffff\":1}", 24, SEALS);
	sd_bus_message *reply = call(p, "ApplyFd", "ha{sv}", fd, 0);

	assert_true(strncmp(pair_error(reply), INVALID "document:1:", strlen(INVALID "document:1:")) == 0);
	sd_bus_message_unref(reply);
	close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, pair_setup, pair_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_reply_at_the_end),
		TEST(test_failed_job_is_no_error),
		TEST(test_no_job_is_an_error),
		TEST(test_no_wait),
		TEST(test_caller_leaves),
		TEST(test_long_report),
		TEST(test_pending_is_bounded),
		TEST(test_options),
		TEST(test_bad_options),
		TEST(test_bad_consent_path),
		TEST(test_diff_is_a_dry_run),
		TEST(test_bad_document),
		TEST(test_document_generation),
		TEST(test_restore_own_state),
		TEST(test_sealed_memfd),
		TEST(test_other_descriptors),
		TEST(test_size_limits),
		TEST(test_nul_in_memfd),
		TEST(test_edits),
		TEST(test_bad_edits),
		TEST(test_too_many_edits),
		TEST(test_paths_and_number),
		TEST(test_dump_and_show),
		TEST(test_lists),
		TEST(test_verify_is_shared),
		TEST(test_save),
		TEST(test_answer_with_noncharacter),
		cmocka_unit_test(test_text_clean),
		cmocka_unit_test(test_error_table),
	};

	if (pair_become_root() != 0)
		return 77;
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
