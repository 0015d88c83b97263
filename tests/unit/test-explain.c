/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel's refusals are called. */
#include <errno.h>

#include "kernel/nvmet.h"
#include "model-help.h"

#define PORT(id, address) "\"" id "\":{\"trtype\":\"tcp\",\"traddr\":\"" address "\",\"trsvcid\":\"4420\"}"
#define PORTS(ports) "{\"version\":1,\"ports\":{" ports "}}"

static struct op link_of_port(const char *id)
{
	static char path[64], object[64];

	snprintf(path, sizeof(path), "nvmet/ports/%s/subsystems/nqn.x", id);
	snprintf(object, sizeof(object), "ports/%s/subsystems/nqn.x", id);
	return (struct op) { .verb = OP_LINK, .path = path, .value = (char *)"nvmet/subsystems/nqn.x", .object = object };
}

static void assert_explained(const struct op *op, int code, const char *target, const char *wanted, const char *text)
{
	_cleanup_(tree_freep) struct tree *a = target ? tree_from_text(target) : NULL;
	_cleanup_(tree_freep) struct tree *b = wanted ? tree_from_text(wanted) : NULL;
	_cleanup_error_ struct cfg_error err = { 0 };

	assert_int_equal(nvmet_explain(op, code, a, b, &err), -code);
	assert_string_equal(err.msg, text);
	assert_string_equal(err.object, op->object);
}

static void test_an_absent_address_is_named(void **state)
{
	struct op op = link_of_port("3");

#define ABSENT "the port's address is not an address of this machine, or is an IPv6 address that is still tentative"
	assert_explained(&op, EADDRNOTAVAIL, PORTS(PORT("3", "192.0.2.9")), NULL, ABSENT ": 192.0.2.9 service 4420");
	assert_explained(&op, EADDRNOTAVAIL, PORTS(), PORTS(PORT("3", "192.0.2.9")), ABSENT ": 192.0.2.9 service 4420");
	assert_explained(&op, EADDRNOTAVAIL, NULL, NULL, ABSENT);
}

static void test_who_has_the_address_is_named(void **state)
{
	struct op op = link_of_port("3");

#define IN_USE "the port's address is in use already, by another port or program: 192.0.2.9 service 4420"
	assert_explained(&op, EADDRINUSE, PORTS(PORT("3", "192.0.2.9")), PORTS(PORT("3", "192.0.2.9")), IN_USE);
	assert_explained(&op, EADDRINUSE, PORTS(PORT("3", "192.0.2.9")), PORTS(PORT("1", "192.0.2.9")),
			 IN_USE ", perhaps that of ports/1");
	assert_explained(&op, EADDRINUSE, PORTS(PORT("3", "192.0.2.9") "," PORT("2", "192.0.2.9")), NULL,
			 IN_USE ", perhaps that of ports/2");
}

static void test_a_missing_attribute_is_a_missing_feature(void **state)
{
	struct op op = { .verb = OP_WRITE, .path = (char *)"nvmet/subsystems/nqn.x/namespaces/1/resv_enable", .value = (char *)"1",
			 .object = (char *)"subsystems/nqn.x/namespaces/1", .attr = (char *)"resv_enable" };
	_cleanup_error_ struct cfg_error err = { 0 };

	assert_int_equal(nvmet_explain(&op, ENOENT, NULL, NULL, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.msg, "is not in this kernel: it needs Linux 6."));
	assert_string_equal(err.attr, "resv_enable");
}

static void test_what_nobody_foresaw_has_call_path_and_reason(void **state)
{
	struct op op = { .verb = OP_MKDIR, .path = (char *)"nvmet/hosts/nqn.h", .object = (char *)"hosts/nqn.h" };

	assert_explained(&op, EIO, NULL, NULL, "the kernel refused to mkdir nvmet/hosts/nqn.h: Input/output error");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_absent_address_is_named),
		cmocka_unit_test(test_who_has_the_address_is_named),
		cmocka_unit_test(test_a_missing_attribute_is_a_missing_feature),
		cmocka_unit_test(test_what_nobody_foresaw_has_call_path_and_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
