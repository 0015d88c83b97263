/* SPDX-License-Identifier: Apache-2.0 */
/* Jobs and model objects on the bus, and the signals about them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/bus-pair.h"

#define NQN "nqn.2026-11.org.example:s1"
#define SUBSYSTEM "/org/nvmetctl1/obj/subsystems/nqn_2e2026_2d11_2eorg_2eexample_3as1"
#define PORT "/org/nvmetctl1/obj/ports/_31"
#define JOB "/org/nvmetctl1/job/1"

static struct object *add(struct pair *p, const char *path)
{
	struct object *o;

	assert_true(tree_add(p->manager.wanted, path, &o) >= 0);
	return o;
}

static void set(struct object *o, const char *attr, const char *value)
{
	const struct attr_row *row = attr_find(o->kind, attr);
	_cleanup_strv_ char **list = NULL;

	assert_non_null(row);
	if (!attr_is_list(row)) {
		assert_true(object_set(o, row, value) >= 0);
		return;
	}
	assert_true(strv_append(&list, value) >= 0);
	assert_true(object_set_list(o, row, list) >= 0);
}

/* The variant's content, as text "type value…". */
static char *value_text(sd_bus_message *reply)
{
	_cleanup_strbuf_ struct strbuf b = { 0 };
	const char *type, *s;
	uint64_t t;
	int64_t x;
	uint32_t u;
	int k;

	assert_true(sd_bus_message_peek_type(reply, NULL, &type) > 0);
	strbuf_addf(&b, "%s", type);
	assert_true(sd_bus_message_enter_container(reply, 'v', type) > 0);
	if (streq(type, "s") && sd_bus_message_read(reply, "s", &s) > 0)
		strbuf_addf(&b, " %s", s);
	else if (streq(type, "b") && sd_bus_message_read(reply, "b", &k) > 0)
		strbuf_addf(&b, " %d", k);
	else if (streq(type, "t") && sd_bus_message_read(reply, "t", &t) > 0)
		strbuf_addf(&b, " %llu", (unsigned long long)t);
	else if (streq(type, "x") && sd_bus_message_read(reply, "x", &x) > 0)
		strbuf_addf(&b, " %lld", (long long)x);
	else if (streq(type, "u") && sd_bus_message_read(reply, "u", &u) > 0)
		strbuf_addf(&b, " %u", u);
	else if (streq(type, "as")) {
		assert_true(sd_bus_message_enter_container(reply, 'a', "s") > 0);
		while (sd_bus_message_read(reply, "s", &s) > 0)
			strbuf_addf(&b, " %s", s);
	}
	return strbuf_steal(&b);
}

static char *property(struct pair *p, const char *path, const char *interface, const char *name)
{
	sd_bus_message *m = pair_method(p, path, "org.freedesktop.DBus.Properties", "Get"), *reply;
	char *text;

	assert_true(sd_bus_message_append(m, "ss", interface, name) >= 0);
	reply = pair_call(p, m);
	text = sd_bus_message_is_method_error(reply, NULL) ? strdup(pair_error(reply)) : value_text(reply);
	sd_bus_message_unref(reply);
	return text;
}

static void assert_property(struct pair *p, const char *path, const char *interface, const char *name, const char *expected)
{
	_cleanup_free_ char *text = property(p, path, interface, name);

	assert_string_equal(text, expected);
}

/* "PATH [Object ]KIND" lines of what the object manager lists. */
static char *managed(struct pair *p)
{
	sd_bus_message *reply = pair_call(p, pair_method(p, BUS_ROOT, "org.freedesktop.DBus.ObjectManager",
							 "GetManagedObjects"));
	_cleanup_strbuf_ struct strbuf b = { 0 };
	const char *path, *interface;

	assert_string_equal(pair_error(reply), "");
	assert_true(sd_bus_message_enter_container(reply, 'a', "{oa{sa{sv}}}") > 0);
	while (sd_bus_message_enter_container(reply, 'e', "oa{sa{sv}}") > 0) {
		const char *kind = "";
		bool common = false;

		assert_true(sd_bus_message_read(reply, "o", &path) > 0);
		strbuf_add(&b, path);
		assert_true(sd_bus_message_enter_container(reply, 'a', "{sa{sv}}") > 0);
		while (sd_bus_message_enter_container(reply, 'e', "sa{sv}") > 0) {
			assert_true(sd_bus_message_read(reply, "s", &interface) > 0);
			if (streq(interface, BUS_OBJECT_INTERFACE))
				common = true;
			else if (strncmp(interface, "org.nvmetctl1.", 14) == 0)
				kind = interface + 14;
			assert_true(sd_bus_message_skip(reply, "a{sv}") > 0);
			assert_true(sd_bus_message_exit_container(reply) > 0);
		}
		assert_true(sd_bus_message_exit_container(reply) > 0);
		assert_true(sd_bus_message_exit_container(reply) > 0);
		strbuf_addf(&b, "%s %s\n", common ? " Object" : "", kind);
	}
	sd_bus_message_unref(reply);
	return strbuf_steal(&b);
}

/* ---- objects ---- */

static void test_properties(void **state)
{
	struct pair *p = *state;
	struct object *o;

	o = add(p, "subsystems/" NQN);
	set(o, "serial", "abc");
	set(o, "allowed_hosts", "nqn.2014-08.org.nvmexpress:uuid:1");
	o = add(p, "ports/1");
	set(o, "trtype", "tcp");
	o = add(p, "backends/img0");
	set(o, "size", "10737418240");
	o = add(p, "hosts/nqn.2026-11.org.example:h");
	set(o, "dhchap_key", "file:host1.key");

	assert_property(p, SUBSYSTEM, BUS_OBJECT_INTERFACE, "Path", "s subsystems/" NQN);
	assert_property(p, SUBSYSTEM, BUS_OBJECT_INTERFACE, "Name", "s " NQN);
	assert_property(p, SUBSYSTEM, BUS_OBJECT_INTERFACE, "State", "s up");
	assert_property(p, SUBSYSTEM, BUS_OBJECT_INTERFACE, "Reason", "s ");
	assert_property(p, SUBSYSTEM, BUS_OBJECT_INTERFACE, "SetAttributes", "as allowed_hosts serial");
	assert_property(p, SUBSYSTEM, "org.nvmetctl1.Subsystem", "Serial", "s abc");
	assert_property(p, SUBSYSTEM, "org.nvmetctl1.Subsystem", "AllowedHosts", "as nqn.2014-08.org.nvmexpress:uuid:1");
	/* Absent: the default, and the empty value where there is none. */
	assert_property(p, SUBSYSTEM, "org.nvmetctl1.Subsystem", "Model", "s Linux");
	assert_property(p, SUBSYSTEM, "org.nvmetctl1.Subsystem", "AllowAnyHost", "b 0");
	assert_property(p, SUBSYSTEM, "org.nvmetctl1.Subsystem", "QidMax", "t 128");
	assert_property(p, SUBSYSTEM, "org.nvmetctl1.Subsystem", "Firmware", "s ");
	assert_property(p, PORT, "org.nvmetctl1.Port", "InlineDataSize", "x -1");
	assert_property(p, PORT, "org.nvmetctl1.Port", "Subsystems", "as");
	assert_property(p, "/org/nvmetctl1/obj/backends/img0", "org.nvmetctl1.Backend", "Size", "t 10737418240");
	assert_property(p, "/org/nvmetctl1/obj/hosts/nqn_2e2026_2d11_2eorg_2eexample_3ah", "org.nvmetctl1.Host", "DhchapKey",
			"s file:host1.key");
}

/* Whatever got into the model, a secret is not shown. */
static void test_no_secret(void **state)
{
	struct pair *p = *state;

	set(add(p, "hosts/nqn.2026-11.org.example:h"), "dhchap_key", "DHHC-1:00:c2VjcmV0:");
	assert_property(p, "/org/nvmetctl1/obj/hosts/nqn_2e2026_2d11_2eorg_2eexample_3ah", "org.nvmetctl1.Host", "DhchapKey",
			"s ");
}

static void test_state(void **state)
{
	struct pair *p = *state;

	add(p, "ports/1");
	p->manager.state = "failed";
	p->manager.reason = "192.0.2.1 is not an address of this machine";
	assert_property(p, PORT, BUS_OBJECT_INTERFACE, "State", "s failed");
	assert_property(p, PORT, BUS_OBJECT_INTERFACE, "Reason", "s 192.0.2.1 is not an address of this machine");
}

static void test_absent(void **state)
{
	static const char *const paths[] = { PORT, "/org/nvmetctl1/obj", "/org/nvmetctl1/obj/ports", "/org/nvmetctl1/obj/ports/_3",
					     "/org/nvmetctl1/obj/ports/_31/x", "/org/nvmetctl1/obj/prots/_31",
					     "/org/nvmetctl1/obj/ports_2f2", "/org/nvmetctl1/obj/_70orts/_32" };
	struct pair *p = *state;

	add(p, "ports/2");

	for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
		_cleanup_free_ char *text = property(p, paths[i], BUS_OBJECT_INTERFACE, "Path");

		assert_true(strncmp(text, "org.freedesktop.DBus.Error.Unknown", 34) == 0);
	}
}

static void test_managed_objects(void **state)
{
	struct pair *p = *state;
	_cleanup_free_ char *none = managed(p), *some = NULL;

	assert_string_equal(none, "");
	add(p, "nvmet");
	add(p, "ports/1");
	add(p, "ports/1/ana_groups/2");
	add(p, "subsystems/" NQN);
	add(p, "subsystems/" NQN "/namespaces/1");
	some = managed(p);
	assert_non_null(strstr(some, "/org/nvmetctl1/obj/nvmet Object Nvmet\n"));
	assert_non_null(strstr(some, PORT " Object Port\n"));
	assert_non_null(strstr(some, PORT "/ana_5fgroups/_32 Object AnaGroup\n"));
	assert_non_null(strstr(some, SUBSYSTEM " Object Subsystem\n"));
	assert_non_null(strstr(some, SUBSYSTEM "/namespaces/_31 Object Namespace\n"));
}

/* Whoever sends a message that dbus-daemon finds too large loses the connection. */
static void test_too_many_managed(void **state)
{
	struct pair *p = *state;
	sd_bus_message *reply;

	for (size_t i = 0; i < 17000; i++) {
		char path[64];

		snprintf(path, sizeof(path), "backends/b%zu", i);
		add(p, path);
	}
	reply = pair_call(p, pair_method(p, BUS_ROOT, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects"));
	assert_string_equal(pair_error(reply), "org.nvmetctl1.Error.TooLarge: 17000 objects are more than fits into a message; "
					       "ask by DumpFd or ShowFd");
	sd_bus_message_unref(reply);
	reply = pair_call(p, pair_method(p, BUS_ROOT, "org.freedesktop.DBus.Introspectable", "Introspect"));
	assert_string_equal(pair_error(reply), "");
	sd_bus_message_unref(reply);
	assert_property(p, "/org/nvmetctl1/obj/backends/b16999", BUS_OBJECT_INTERFACE, "Name", "s b16999");
}

/* ---- commits ---- */

/* Makes the changes from what is wanted now to b, and tells. */
static void commit(struct pair *p, struct tree *b)
{
	_cleanup_changes_ struct changes c = { 0 };

	assert_true(changes_diff(p->manager.wanted, b, false, &c) >= 0);
	assert_true(changes_apply(p->manager.wanted, &c, NULL) >= 0);
	p->manager.generation++;
	p->manager.observer.committed(p->manager.observer.userdata, p->manager.generation, &c);
	pair_settle(p, 0);
}

static void test_commit_signals(void **state)
{
	_cleanup_(tree_freep) struct tree *b = NULL;
	struct pair *p = *state;
	struct object *o;

	set(add(p, "ports/1"), "trtype", "tcp");
	set(add(p, "ports/2"), "trtype", "tcp");
	b = tree_copy(p->manager.wanted);
	set(tree_find(b, "ports/1"), "pi_enable", "1");
	object_remove(tree_find(b, "ports/2"));
	assert_true(tree_add(b, "ports/3", &o) >= 0);
	set(o, "trtype", "loop");
	commit(p, b);
	assert_int_equal(pair_count(p, PORT " PropertiesChanged"), 2);	/* the port's, and SetAttributes */
	assert_int_equal(pair_count(p, BUS_ROOT " InterfacesAdded"), 1);
	assert_int_equal(pair_count(p, BUS_ROOT " InterfacesRemoved"), 1);
	assert_int_equal(pair_count(p, BUS_ROOT " Committed"), 1);
	assert_int_equal(pair_count(p, BUS_ROOT " PropertiesChanged"), 1);	/* Generation */
	pair_forget_signals(p);

	set(tree_find(b, "ports/1"), "pi_enable", "0");
	commit(p, b);
	assert_int_equal(pair_count(p, PORT " PropertiesChanged"), 1);
	assert_int_equal(pair_count(p, BUS_ROOT " Committed"), 1);
}

static int on_committed(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	char *text = userdata;
	uint64_t generation;
	_cleanup_strv_ char **paths = NULL;
	_cleanup_free_ char *joined = NULL;
	int many;

	assert_true(sd_bus_message_read(m, "t", &generation) > 0);
	assert_true(sd_bus_message_read_strv(m, &paths) >= 0);
	assert_true(sd_bus_message_read(m, "b", &many) > 0);
	joined = strv_join(paths, ",");
	snprintf(text, 200, "%llu [%s] %d", (unsigned long long)generation, joined, many);
	return 0;
}

static void test_committed(void **state)
{
	_cleanup_(tree_freep) struct tree *b = tree_new();
	struct pair *p = *state;
	char text[200] = "", path[32];
	struct object *o;

	assert_true(sd_bus_match_signal(p->client, NULL, NULL, BUS_ROOT, BUS_MANAGER_INTERFACE, "Committed", on_committed,
					text) >= 0);
	assert_true(tree_add(b, "ports/1", &o) >= 0);
	commit(p, b);
	assert_string_equal(text, "8 [ports/1] 0");
	pair_forget_signals(p);
	for (size_t i = 0; i < 201; i++) {
		snprintf(path, sizeof(path), "backends/b%zu", i);
		assert_true(tree_add(b, path, &o) >= 0);
	}
	commit(p, b);
	assert_string_equal(text, "9 [] 1");
	assert_int_equal(pair_count(p, BUS_ROOT " InterfacesAdded"), 0);
}

static void test_status_is_rationed(void **state)
{
	struct pair *p = *state;

	for (size_t i = 0; i < 1000; i++)
		p->manager.observer.status_changed(p->manager.observer.userdata);
	pair_settle(p, 300);
	assert_int_equal(pair_count(p, BUS_ROOT " StatusChanged"), 2);	/* at once, and for all the others */
}

/* ---- jobs ---- */

static struct stub_job *new_job(struct pair *p)
{
	sd_bus_message *m = pair_method(p, BUS_ROOT, BUS_MANAGER_INTERFACE, "Change");

	assert_true(sd_bus_message_append(m, "a(ssa(sss))a{sv}", 1, "set", "ports/1", 0, 1, "wait", "b", 0) >= 0);
	sd_bus_message_unref(pair_call(p, m));
	return stub_last(&p->manager);
}

static void test_job_properties(void **state)
{
	struct pair *p = *state;
	struct stub_job *j = new_job(p);
	_cleanup_free_ char *caller = property(p, JOB, BUS_JOB_INTERFACE, "Caller");

	assert_true(strncmp(caller, "s uid 0, test-dbus-objec[", 25) == 0);
	assert_property(p, JOB, BUS_JOB_INTERFACE, "Id", "t 1");
	assert_property(p, JOB, BUS_JOB_INTERFACE, "Act", "s change");
	assert_property(p, JOB, BUS_JOB_INTERFACE, "State", "s running");
	assert_property(p, JOB, BUS_JOB_INTERFACE, "Outcome", "s ");
	assert_property(p, JOB, BUS_JOB_INTERFACE, "Report", "s ");
	assert_property(p, BUS_ROOT, BUS_MANAGER_INTERFACE, "RunningJobs", "u 1");
	stub_progress(&p->manager, j, 3, 5);
	assert_property(p, JOB, BUS_JOB_INTERFACE, "StepsDone", "t 3");
	assert_property(p, JOB, BUS_JOB_INTERFACE, "StepsTotal", "t 5");
	assert_property(p, JOB, BUS_JOB_INTERFACE, "Step", "s subsystems/x: step 3");
	stub_end(&p->manager, j, JOB_DONE, OUTCOME_DONE, "{\"outcome\":\"done\"}");
	assert_property(p, JOB, BUS_JOB_INTERFACE, "State", "s done");
	assert_property(p, JOB, BUS_JOB_INTERFACE, "Outcome", "s done");
	assert_property(p, JOB, BUS_JOB_INTERFACE, "Ended", "t 2");
	assert_property(p, JOB, BUS_JOB_INTERFACE, "Report", "s {\"outcome\":\"done\"}");
	assert_property(p, BUS_ROOT, BUS_MANAGER_INTERFACE, "RunningJobs", "u 0");
}

/* New, progress, end, in this order; ended ones still answer but are not listed. */
static void test_job_signals(void **state)
{
	static const char *const expected[] = { BUS_ROOT " InterfacesAdded", BUS_ROOT " JobNew", JOB " PropertiesChanged",
						BUS_ROOT " InterfacesRemoved", BUS_ROOT " JobRemoved", NULL };
	struct pair *p = *state;
	struct stub_job *j = new_job(p);
	_cleanup_free_ char *listed = managed(p), *later = NULL;

	assert_string_equal(listed, JOB " Job\n");
	stub_end(&p->manager, j, JOB_DONE, OUTCOME_DONE, "{}");
	pair_settle(p, 0);
	assert_true(strv_equal(p->signals, (char *const *)expected));
	later = managed(p);
	assert_string_equal(later, "");
}

static void test_progress_is_rationed(void **state)
{
	struct pair *p = *state;
	struct stub_job *j = new_job(p);
	uint64_t begin, now;
	size_t n = 0;

	pair_forget_signals(p);
	sd_event_now(p->event, CLOCK_MONOTONIC, &begin);
	do {
		stub_progress(&p->manager, j, n++, 100000);
		sd_event_run(p->event, 1000);
		sd_event_now(p->event, CLOCK_MONOTONIC, &now);
	} while (now < begin + 500000);
	pair_settle(p, 200);
	assert_true(n > 50);
	assert_in_range(pair_count(p, JOB " PropertiesChanged"), 2, 6);
	/* What was told last is what holds. */
	pair_forget_signals(p);
	stub_progress(&p->manager, j, 7, 100000);
	stub_progress(&p->manager, j, 8, 100000);
	pair_settle(p, 200);
	assert_int_equal(pair_count(p, JOB " PropertiesChanged"), 2);
}

static sd_bus_message *cancel_job(struct pair *p, uint64_t id)
{
	sd_bus_message *m = pair_method(p, BUS_ROOT, BUS_MANAGER_INTERFACE, "CancelJob");

	assert_true(sd_bus_message_append(m, "t", id) >= 0);
	return pair_call(p, m);
}

static void test_cancel(void **state)
{
	struct pair *p = *state;
	struct stub_job *j = new_job(p);
	sd_bus_message *reply = pair_call(p, pair_method(p, JOB, BUS_JOB_INTERFACE, "Cancel"));

	assert_string_equal(pair_error(reply), "");
	sd_bus_message_unref(reply);
	assert_int_equal(p->manager.cancelled, 1);
	reply = pair_call(p, pair_method(p, JOB, BUS_JOB_INTERFACE, "ReportFd"));
	assert_string_equal(pair_error(reply), "org.nvmetctl1.Error.NotFound: job 1 has not ended yet");
	sd_bus_message_unref(reply);
	stub_end(&p->manager, j, JOB_FAILED, OUTCOME_FAILED, "{}");
	reply = pair_call(p, pair_method(p, JOB, BUS_JOB_INTERFACE, "Cancel"));
	assert_string_equal(pair_error(reply), "org.nvmetctl1.Error.Ended: job 1 has ended already");
	sd_bus_message_unref(reply);
	j = new_job(p);
	sd_bus_message_unref(cancel_job(p, j->job.id));
	assert_int_equal(p->manager.cancelled, 2);
	reply = cancel_job(p, 99);
	assert_string_equal(pair_error(reply), "org.nvmetctl1.Error.NotFound: there is no job 99");
	sd_bus_message_unref(reply);
}

/* A bus that takes nothing any more must not make the daemon grow. */
static void test_stuck_bus(void **state)
{
	_cleanup_(tree_freep) struct tree *b = tree_new();
	struct pair *p = *state;
	uint64_t n;

	sd_bus_detach_event(p->client);
	for (size_t i = 0; i < 30000; i++) {
		_cleanup_changes_ struct changes c = { 0 };
		char path[32];
		struct object *o;

		snprintf(path, sizeof(path), "backends/b%zu", i % 2);
		assert_true(tree_add(b, path, &o) >= 0);
		assert_true(changes_diff(p->manager.wanted, b, false, &c) >= 0);
		assert_true(changes_apply(p->manager.wanted, &c, NULL) >= 0);
		p->manager.observer.committed(p->manager.observer.userdata, 8, &c);
		object_remove(tree_find(b, path));
	}
	assert_true(sd_bus_get_n_queued_write(p->server, &n) >= 0);
	assert_in_range(n, 1000, 65536 + 16);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, pair_setup, pair_teardown)

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_properties),
		TEST(test_no_secret),
		TEST(test_state),
		TEST(test_absent),
		TEST(test_managed_objects),
		TEST(test_too_many_managed),
		TEST(test_commit_signals),
		TEST(test_committed),
		TEST(test_status_is_rationed),
		TEST(test_job_properties),
		TEST(test_job_signals),
		TEST(test_progress_is_rationed),
		TEST(test_cancel),
		TEST(test_stuck_bus),
	};

	if (pair_become_root() != 0)
		return 77;
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
