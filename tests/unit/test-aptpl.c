/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's file of registrations: what is read from it, what is refused, and what counts as in force. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "base/text.h"
#include "kernel/aptpl.h"

#define START(n) "PR_REG_START: " #n "\n"
#define END(n) "PR_REG_END: " #n "\n"
#define HOST "initiator_fabric=iSCSI\ninitiator_node=iqn.2026-11.org.example:c1\ninitiator_sid=00023d000001\nsa_res_key=2748\n"
#define TARGET "target_fabric=iSCSI\ntarget_node=iqn.2026-11.org.example:t\ntpgt=1\nport_rtpi=1\ntarget_lun=0\n"
/* Both as Linux 6.12 writes them; so are the lists below. */
#define HOLDER START(0) HOST "res_holder=1\nres_type=08\nres_scope=00\nres_all_tg_pt=0\nmapped_lun=0\n" TARGET END(0)
#define LOOPBACK START(1) "initiator_fabric=loopback\ninitiator_node=naa.35d1f0c8eaaaabbb\nsa_res_key=3567\nres_holder=0\nres_all_tg_pt=0\n" \
	"mapped_lun=0\ntarget_fabric=loopback\ntarget_node=naa.35d1f0c8eaaaabbb\ntpgt=1\nport_rtpi=0\ntarget_lun=0\n" END(1)

static int parse(const char *text, struct aptpl *ret, struct cfg_error *err)
{
	return aptpl_parse(text, strlen(text), "pr/aptpl_x", ret, err);
}

static void test_numbers_are_written_so_that_the_kernel_reads_them(void **state)
{
	_cleanup_(aptpl_done) struct aptpl a = { 0 };

	assert_int_equal(parse(HOLDER LOOPBACK, &a, NULL), 0);
	assert_int_equal(a.n, 2);
	assert_string_equal(a.items[0].target, "iqn.2026-11.org.example:t");
	assert_int_equal(a.items[0].tpgt, 1);
	assert_int_equal(a.items[0].mapped_lun, 0);
	assert_string_equal(a.items[0].restore, "initiator_fabric=iSCSI,initiator_node=iqn.2026-11.org.example:c1,initiator_sid=00023d000001,"
			    "sa_res_key=2748,res_holder=1,res_type=8,res_scope=0,res_all_tg_pt=0,mapped_lun=0,target_fabric=iSCSI,"
			    "target_node=iqn.2026-11.org.example:t,tpgt=1,port_rtpi=1,target_lun=0");
	assert_string_equal(a.items[1].restore, "initiator_fabric=loopback,initiator_node=naa.35d1f0c8eaaaabbb,sa_res_key=3567,res_holder=0,"
			    "res_all_tg_pt=0,mapped_lun=0,target_fabric=loopback,target_node=naa.35d1f0c8eaaaabbb,tpgt=1,port_rtpi=0,"
			    "target_lun=0");
}

static void test_the_end_of_the_kernels_file_is_a_nul(void **state)
{
	_cleanup_(aptpl_done) struct aptpl a = { 0 };
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;

	assert_int_equal(aptpl_parse(HOLDER, sizeof(HOLDER), "pr/aptpl_x", &a, NULL), 0);
	assert_int_equal(a.n, 1);
	assert_int_equal(aptpl_parse("PR_REG\0\0\0", 9, "pr/aptpl_x", &a, &err), -EINVAL);
	assert_string_equal(err.msg, "pr/aptpl_x: holds a NUL");
}

static void test_no_registrations_is_nothing(void **state)
{
	static const char none[] = "No Registrations or Reservations";
	struct aptpl a = { .n = 7 };

	assert_int_equal(aptpl_parse(none, sizeof(none), "pr/aptpl_x", &a, NULL), 0);
	assert_int_equal(a.n, 0);
	assert_int_equal(parse("No Registrations or Reservations\n", &a, NULL), 0);
}

static void refuse(const char *text, const char *words)
{
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;
	struct aptpl a = { 0 };

	if (parse(text, &a, &err) != -EINVAL)
		fail_msg("taken: %s", text);
	assert_string_equal(err.msg, words);
	assert_int_equal(a.n, 0);
}

static void test_damage_is_told_with_file_and_line(void **state)
{
	refuse("", "pr/aptpl_x: is empty, as a crash leaves it");
	refuse(START(0) HOST, "pr/aptpl_x:5: the file ends within a registration");
	refuse(HOLDER START(0) HOST, "pr/aptpl_x:17: \"PR_REG_START: 1\" was expected");
	refuse(HOLDER "rubbish\n", "pr/aptpl_x:17: \"PR_REG_START: 1\" was expected");
	refuse(START(0) "rubbish\n", "pr/aptpl_x:2: \"rubbish\" is no line of a registration");
	refuse(START(0) "rub=bish\n", "pr/aptpl_x:2: \"rub\" is not known of a registration");
	refuse(START(0) HOST "tpgt=1\ntpgt=1\n", "pr/aptpl_x:7: tpgt stands there twice");
	refuse(START(0) "sa_res_key=0x12\n", "pr/aptpl_x:2: sa_res_key is no number");
	refuse(START(0) "sa_res_key=18446744073709551616\n", "pr/aptpl_x:2: sa_res_key is no number");
	refuse(START(0) "initiator_node=\n", "pr/aptpl_x:2: initiator_node is empty");
	refuse(START(0) "initiator_node=iqn.a,b\n", "pr/aptpl_x:2: initiator_node has a comma, with which the kernel cannot take it");
	refuse(START(0) END(0), "pr/aptpl_x:2: initiator_fabric is missing");
	refuse(START(0) HOST "res_holder=0\nres_all_tg_pt=0\nmapped_lun=0\n" END(0), "pr/aptpl_x:9: target_fabric is missing");
	refuse(START(0) HOST "res_holder=1\nres_all_tg_pt=0\nmapped_lun=0\n" TARGET END(0),
	       "pr/aptpl_x:14: the holder's res_type or res_scope is missing");
	refuse(START(0) HOST "res_holder=2\nres_all_tg_pt=0\nmapped_lun=0\n" TARGET END(0),
	       "pr/aptpl_x:14: res_holder and res_all_tg_pt are 0 or 1");
}

/* Cut anywhere: refused, or fewer registrations that were whole; and nothing is lost or touched that is not there (the sanitizers see to that). */
static void test_a_file_that_is_cut_is_never_half_restored(void **state)
{
	static const char text[] = HOLDER LOOPBACK;

	for (size_t n = 0; n < sizeof(text) - 1; n++) {
		_cleanup_(aptpl_done) struct aptpl a = { 0 };
		int r = aptpl_parse(text, n, "x", &a, NULL);

		/* What may be missing without harm is the end of the last line. */
		if (n == strlen(HOLDER) || n == strlen(HOLDER) - 1)
			assert_true(r == 0 && a.n == 1);
		else if (n == sizeof(text) - 2)
			assert_true(r == 0 && a.n == 2);
		else
			assert_int_equal(r, -EINVAL);
	}
}

static const char registered[] = "SPC-3 PR Registrations:\n"
	"iSCSI Node: iqn.2026-11.org.example:c1,i,0x00023d000001 Key: 0x0000000000000abc PRgen: 0x00000000\n"
	"loopback Node: naa.35d1f0c8eaaaabbb Key: 0x0000000000000def PRgen: 0x00000001\n";
static const char holder[] = "SPC-3 Reservation: iSCSI Initiator: iqn.2026-11.org.example:c1,i,0x00023d000001\n";
static const char nobody[] = "No SPC-3 Reservation holder\n";

static int check(const char *file, const char *list, const char *held, struct cfg_error *err)
{
	_cleanup_(aptpl_done) struct aptpl a = { 0 };
	int r = 0;

	assert_int_equal(parse(file, &a, NULL), 0);
	for (size_t i = 0; r == 0 && i < a.n; i++)
		r = aptpl_check(&a.items[i], list, held, err);
	return r;
}

static void test_what_is_in_force(void **state)
{
	_cleanup_error_ struct cfg_error a = CFG_ERROR_NULL, b = CFG_ERROR_NULL, c = CFG_ERROR_NULL;

	assert_int_equal(check(HOLDER LOOPBACK, registered, holder, NULL), 0);
	assert_int_equal(check(HOLDER LOOPBACK, "SPC-3 PR Registrations:\nNone\n", nobody, &a), -EUNATCH);
	assert_string_equal(a.msg, "the registration of iSCSI iqn.2026-11.org.example:c1,i,0x00023d000001 with key 0xabc is not in force");
	/* Another session of the same initiator, and another key, are others. */
	assert_int_equal(check(START(0) "initiator_fabric=loopback\ninitiator_node=naa.35d1f0c8eaaaabbb\nsa_res_key=1\nres_holder=0\n"
			       "res_all_tg_pt=0\nmapped_lun=0\n" TARGET END(0), registered, holder, &b), -EUNATCH);
	assert_int_equal(check(HOLDER, registered, nobody, &c), -EUNATCH);
	assert_string_equal(c.msg, "the reservation of iSCSI iqn.2026-11.org.example:c1,i,0x00023d000001 is not in force");
}

#define EXCLUSIVE START(0) HOST "res_holder=1\nres_type=03\nres_scope=00\nres_all_tg_pt=0\nmapped_lun=0\n" TARGET END(0)
#define OTHER_HOLDER "SPC-3 Reservation: iSCSI Initiator: iqn.2026-11.org.example:c2\n"

static void test_of_all_registrants_any_may_be_named_as_holder(void **state)
{
	assert_int_equal(check(HOLDER, registered, OTHER_HOLDER, NULL), 0);
	assert_int_equal(check(EXCLUSIVE, registered, holder, NULL), 0);
	assert_int_equal(check(EXCLUSIVE, registered, OTHER_HOLDER, NULL), -EUNATCH);
}

/* The kernel lists a page. */
static void test_what_does_not_fit_into_the_list_is_not_missed(void **state)
{
	_cleanup_strbuf_ struct strbuf list = { 0 };

	strbuf_add(&list, "SPC-3 PR Registrations:\n");
	for (int i = 0; list.len < 4000; i++)
		strbuf_addf(&list, "iSCSI Node: iqn.2026-11.org.example:other%d,i,0x00023d000001 Key: 0x0000000000000abc PRgen: 0x00000000\n", i);
	assert_int_equal(check(HOLDER, list.s, holder, NULL), 0);
	assert_int_equal(check(HOLDER, list.s, nobody, NULL), -EUNATCH);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers_are_written_so_that_the_kernel_reads_them),
		cmocka_unit_test(test_the_end_of_the_kernels_file_is_a_nul),
		cmocka_unit_test(test_no_registrations_is_nothing),
		cmocka_unit_test(test_damage_is_told_with_file_and_line),
		cmocka_unit_test(test_a_file_that_is_cut_is_never_half_restored),
		cmocka_unit_test(test_what_is_in_force),
		cmocka_unit_test(test_of_all_registrants_any_may_be_named_as_holder),
		cmocka_unit_test(test_what_does_not_fit_into_the_list_is_not_missed),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
