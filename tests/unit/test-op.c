/* SPDX-License-Identifier: Apache-2.0 */
/* Operations as text, and scan text there and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "plan/op.h"

static void test_every_verb_has_words(void **state)
{
	for (int v = 0; v < OP_VERB_MAX; v++)
		assert_true(*op_verb_to_str(v));
	assert_string_equal(op_verb_to_str(OP_VERB_MAX), "unknown operation");
}

static void assert_text(enum op_verb verb, const char *path, const char *value, const char *text)
{
	struct op op = { .verb = verb, .path = (char *)path, .value = (char *)value };
	_cleanup_free_ char *got = op_text(&op);

	assert_string_equal(got, text);
}

static void test_text(void **state)
{
	assert_text(OP_MKDIR, "nvmet/subsystems/x", NULL, "mkdir nvmet/subsystems/x");
	assert_text(OP_WRITE, "nvmet/hosts/h/dhchap_hash", "hmac(sha256)", "write nvmet/hosts/h/dhchap_hash = hmac(sha256)");
	assert_text(OP_LINK, "nvmet/ports/1/subsystems/s", "nvmet/subsystems/s", "link nvmet/ports/1/subsystems/s -> nvmet/subsystems/s");
	assert_text(OP_WRITE_SECRET, "nvmet/hosts/h/dhchap_key", "file:k", "write nvmet/hosts/h/dhchap_key = (secret of file:k)");
	assert_text(OP_WRITE_SECRET, "nvmet/hosts/h/dhchap_key", "", "clear nvmet/hosts/h/dhchap_key");
	assert_text(OP_WRITE_DISK, "nvmet/subsystems/s/namespaces/1/device_path", "target/loopback/naa.3123456789abcdef/tpgt_1",
		    "write nvmet/subsystems/s/namespaces/1/device_path = disk of target/loopback/naa.3123456789abcdef/tpgt_1");
	assert_text(OP_WAIT_DISK, "target/loopback/naa.3123456789abcdef/tpgt_1", "0",
		    "wait for disk of target/loopback/naa.3123456789abcdef/tpgt_1/lun/lun_0");
	assert_text(OP_WRITE_HCTL, "target/core/pscsi_7/d", "/dev/sda", "write target/core/pscsi_7/d/udev_path = /dev/sda, and its SCSI address");
	assert_text(OP_MAKE_DBROOT, "", NULL, "make folders of dbroot");
	assert_text(OP_RESTORE_REGISTRATIONS, "target/core/iblock_7/d", "5d1f0c8e",
		    "restore registrations of target/core/iblock_7/d from aptpl_5d1f0c8e");
	assert_text(OP_CHECK_REGISTRATIONS, "target/core/iblock_7/d", "5d1f0c8e\ntargets/iscsi/iqn.t/tpgs/1",
		    "check registrations of target/core/iblock_7/d from aptpl_5d1f0c8e");
	assert_text(OP_CREATE_FILE, "/srv/x", "4096", "create file /srv/x to 4096 bytes");
}

/* What is stored is a secret; what goes into files is long. */
static void test_text_keeps_values_of_files(void **state)
{
	static const enum op_verb verbs[] = { OP_STORE_SECRET, OP_FILE_REPLACE, OP_FILE_APPEND };

	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++) {
		struct op op = { .verb = verbs[i], .path = (char *)"name", .value = (char *)"DHHC-1:00:xyz:" };
		_cleanup_free_ char *text = op_text(&op);

		assert_null(strstr(text, "DHHC"));
	}
}

static void test_list_copies(void **state)
{
	_cleanup_oplist_ struct oplist l = { 0 };
	char path[] = "nvmet/a", value[] = "1";

	for (int i = 0; i < 100; i++)
		assert_int_equal(oplist_add(&l, OP_WRITE, OP_NEWLINE, path, value, NULL, "attr"), 0);
	path[0] = value[0] = 'X';
	assert_int_equal(l.n, 100);
	assert_string_equal(l.items[99].path, "nvmet/a");
	assert_string_equal(l.items[99].value, "1");
	assert_null(l.items[99].object);
	assert_string_equal(l.items[99].attr, "attr");
}

static const struct {
	char type;
	const char *path, *value;
} entries[] = {
	{ 'd', "", NULL },
	{ 'f', "attr_model", "Linux\n" },
	{ 'f', "empty", "" },
	{ 'f', "lines", "one\ntwo\nd x\n" },
	{ 'x', "trigger", NULL },
	{ 's', "dhchap_key", "set" },
	{ 's', "dhchap_ctrl_key", "unset" },
	{ 'd', "a name with  blanks", NULL },
	{ 'd', "odd\n\t\\\001\177name", NULL },
	{ 'l', "allowed hosts/h 1", "nvmet/hosts/h 1" },
	{ 'l', "x\\040y", "nvmet/hosts/\xc3\xa9" },
};

static void test_scan_round_trip(void **state)
{
	_cleanup_strbuf_ struct strbuf b = { 0 };
	struct scan_entry e;
	char *at;

	for (size_t i = 0; i < ARRAY_SIZE(entries); i++)
		scan_add(&b, entries[i].type, entries[i].path, entries[i].value);
	assert_false(b.failed);
	at = b.s;
	for (size_t i = 0; i < ARRAY_SIZE(entries); i++) {
		assert_int_equal(scan_next(&at, &e), 1);
		assert_int_equal(e.type, entries[i].type);
		assert_string_equal(e.path, entries[i].path);
		if (entries[i].value)
			assert_string_equal(e.value, entries[i].value);
		else
			assert_null(e.value);
	}
	assert_int_equal(scan_next(&at, &e), 0);
}

static void test_scan_text(void **state)
{
	_cleanup_strbuf_ struct strbuf b = { 0 };

	scan_add(&b, 'd', "", NULL);
	scan_add(&b, 'f', "a b", "1\n");
	scan_add(&b, 'l', "l", "nvmet/hosts/h");
	assert_string_equal(b.s, "d \nf a\\040b 2\n1\n\nl l nvmet/hosts/h\n");
}

static void test_scan_damaged(void **state)
{
	static const char *const texts[] = {
		"q x\n", "d", "d x", "dx\n", "d a b\n", "f a\n", "f a 3\nab\n", "f a 2\nabc\n", "f a -1\n\n", "f a x\n\n", "f a 1 \na\n",
		"f a 18446744073709551615\n\n", "f a 18446744073709551614\nx\n", "f a 9223372036854775807\n\n",
		"s a\n", "s a maybe\n", "l a\n", "l a b c\n", "d a\\04\n", "d a\\000\n", "d a\\777\n", "d a\\x\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		_cleanup_free_ char *copy = strdup(texts[i]);
		char *at = copy;
		struct scan_entry e;

		if (scan_next(&at, &e) != -EINVAL)
			fail_msg("taken: %s", texts[i]);
	}
}

/* Cut anywhere, and with any byte replaced: nothing outside of the text is touched (the sanitizers see to that), and the walk ends. */
static void test_scan_survives(void **state)
{
	_cleanup_strbuf_ struct strbuf b = { 0 };
	unsigned seed = 1;

	for (size_t i = 0; i < ARRAY_SIZE(entries); i++)
		scan_add(&b, entries[i].type, entries[i].path, entries[i].value);
	for (size_t round = 0; round < 20000; round++) {
		_cleanup_free_ char *copy = strndup(b.s, round < b.len ? round : b.len);
		char *at = copy;
		struct scan_entry e;
		size_t steps = 0;

		if (round >= b.len)
			copy[(size_t)rand_r(&seed) % b.len] = (char)rand_r(&seed);
		while (scan_next(&at, &e) > 0)
			assert_true(++steps <= b.len);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_verb_has_words),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_text_keeps_values_of_files),
		cmocka_unit_test(test_list_copies),
		cmocka_unit_test(test_scan_round_trip),
		cmocka_unit_test(test_scan_text),
		cmocka_unit_test(test_scan_damaged),
		cmocka_unit_test(test_scan_survives),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
