/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel's refusals are called. */
#include <errno.h>

#include "kernel/kernel.h"
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

	assert_int_equal(kernel_explain(op, code, a, b, &err), -code);
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

	assert_int_equal(kernel_explain(&op, ENOENT, NULL, NULL, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.msg, "is not in this kernel: it needs Linux 6."));
	assert_string_equal(err.attr, "resv_enable");
}

/* Which of several patterns counts, and that no refusal is told as that of what is above it. */
static void test_refusals_of_the_target_tree_are_told_by_what_they_are_about(void **state)
{
#define IQN "target/iscsi/iqn.2026-11.org.example:t"
	static const struct { enum op_verb verb; const char *path; int code; const char *words; } cases[] = {
		{ OP_MKDIR, "target/iscsi", EINVAL, "no such fabric" },
		{ OP_MKDIR, IQN, EINVAL, "does not take the target's name" },
		{ OP_MKDIR, "target/loopback/eui.1", EINVAL, "must begin with naa." },
		{ OP_MKDIR, "target/qla2xxx/21:00", EINVAL, "no target port of that name" },
		{ OP_MKDIR, IQN "/tpgt_1", EINVAL, "portal group of that tag" },
		{ OP_MKDIR, IQN "/tpgt_1/np/192.0.2.1:3260", EINVAL, "address is in use already" },
		{ OP_MKDIR, "target/loopback/naa.1/tpgt_1/np/192.0.2.1:3260", ENOSYS, "only iSCSI targets have portals" },
		{ OP_MKDIR, IQN "/tpgt_1/lun/lun_0", EINVAL, "a LUN of that number" },
		{ OP_MKDIR, IQN "/tpgt_1/acls/iqn.a", EINVAL, "initiator's name" },
		{ OP_MKDIR, IQN "/tpgt_1/acls/iqn.a", EEXIST, "an ACL of that name" },
		{ OP_MKDIR, IQN "/tpgt_1/acls/iqn.a/lun_0", EINVAL, "mapped LUN" },
		{ OP_MKDIR, "target/core/iblock_7", EINVAL, "no storage objects of that kind" },
		{ OP_MKDIR, "target/core/iblock_7/vol0", EINVAL, "storage object's name" },
		{ OP_MKDIR, "target/core/iblock_7/vol0/alua/g", EINVAL, "ALUA group of that name" },
		{ OP_MKDIR, "target/core/alua/lu_gps/g", EINVAL, "group's name" },
		{ OP_MKDIR, "target/core/iblock_7", ENOENT, "target_core_mod is not loaded" },
		{ OP_WRITE, "target/core/iblock_7/vol0/enable", EBUSY, "in use on this machine" },
		{ OP_WRITE, "target/core/fileio_7/f/enable", EINVAL, "no size for it" },
		{ OP_WRITE, "target/core/fileio_7/f/enable", EISDIR, "that of a folder" },
		{ OP_WRITE, "target/core/rd_mcp_7/r/enable", ENOMEM, "not enough memory" },
		{ OP_WRITE, "target/core/pscsi_7/p/enable", ENODEV, "SCSI device is not there" },
		{ OP_WRITE, "target/core/user_7/u/enable", EINTR, "no handler answered" },
		{ OP_WRITE, "target/core/user_7/u/enable", EEXIST, "enabled already" },
		{ OP_WRITE, "target/core/iblock_7/vol0/attrib/emulate_tpu", ENOSYS, "no such feature" },
		{ OP_WRITE, "target/core/iblock_7/vol0/attrib/block_size", EINVAL, "while the backend is exported" },
		{ OP_WRITE, "target/core/user_7/u/attrib/dev_size", ESRCH, "no handler" },
		{ OP_WRITE, "target/core/iblock_7/vol0/wwn/vendor_id", EOVERFLOW, "longer than the kernel keeps" },
		{ OP_WRITE, "target/core/iblock_7/vol0/alua/g/tg_pt_gp_id", EINVAL, "has this id" },
		{ OP_WRITE, "target/core/iblock_7/vol0/alua_lu_gp", ENODEV, "comes back when the group goes" },
		{ OP_WRITE, "target/dbroot", EINVAL, "storage objects already" },
		{ OP_WRITE, IQN "/tpgt_1/enable", EINVAL, "relative port id" },
		{ OP_WRITE, IQN "/tpgt_1/np/192.0.2.1:3260/iser", ENODEV, "no RDMA device" },
		{ OP_WRITE, IQN "/tpgt_1/param/MaxConnections", EINVAL, "RFC 7143" },
		{ OP_WRITE, IQN "/tpgt_1/acls/iqn.a/cmdsn_depth", EINVAL, "1 to 512" },
		{ OP_WRITE, "target/loopback/naa.1/tpgt_1/nexus", EPERM, "has LUNs still" },
		{ OP_LINK, IQN "/tpgt_1/lun/lun_0/storage", ENODEV, "is not enabled" },
		{ OP_LINK, IQN "/tpgt_1/acls/iqn.a/lun_0/lun", EINVAL, "linked to nothing" },
		{ OP_LINK, IQN "/tpgt_1/lun/lun_0/storage", EFAULT, "of another kind" },
		{ OP_RMDIR, "target/core/iblock_7/vol0", EBUSY, "a LUN that nvmetctl did not make" },
		{ OP_RMDIR, "target/vhost/naa.1/tpgt_1", EBUSY, "a virtual machine" },
		{ OP_RMDIR, IQN "/tpgt_1", ENOTEMPTY, "lives below it" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct op op = { .verb = cases[i].verb, .path = (char *)cases[i].path, .object = (char *)"backends/b" };
		_cleanup_error_ struct cfg_error err = { 0 };

		assert_int_equal(kernel_explain(&op, cases[i].code, NULL, NULL, &err), -cases[i].code);
		if (!strstr(err.msg, cases[i].words))
			fail_msg("%s %s: %s", op_verb_to_str(op.verb), op.path, err.msg);
	}
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
		cmocka_unit_test(test_refusals_of_the_target_tree_are_told_by_what_they_are_about),
		cmocka_unit_test(test_what_nobody_foresaw_has_call_path_and_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
