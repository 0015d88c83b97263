/* SPDX-License-Identifier: Apache-2.0 */
/* What a worker does and refuses to do in the target tree of LIO, on a tiny kernel. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/text.h"
#include "kernel/scsi-disk.h"
#include "tests/unit/worker-help.h"

#define STORAGE "target/core/iblock_7/vol0"
#define TPGT "target/loopback/naa.3123456789abcdef/tpgt_1"
#define DEVICE_PATH "nvmet/subsystems/s/namespaces/1/device_path"

/* ---- disks ---- */

static void test_only_disks_of_loopback_targets_are_looked_for(void **state)
{
	static const char *const bad[] = { "", "target/loopback", "target/loopback/naa.3", "target/loopback/naa.3/tpgt_1/lun", "target/iscsi/iqn.x/tpgt_1",
					   "target/loopback/../tpgt_1", "target/loopback/naa.3/x", "/sys/kernel/config/target/loopback/naa.3/tpgt_1" };
	static const enum op_verb verbs[] = { OP_FIND_DISK, OP_WAIT_DISK, OP_RESCAN_DISK };

	for (size_t v = 0; v < ARRAY_SIZE(verbs); v++) {
		for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
			refuse(*state, verbs[v], bad[i], "0");
		refuse(*state, verbs[v], TPGT, NULL);
		refuse(*state, verbs[v], TPGT, "-1");
		refuse(*state, verbs[v], TPGT, "x");
		refuse(*state, verbs[v], TPGT, "16384");
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		refuse(*state, OP_WRITE_DISK, DEVICE_PATH, bad[i]);
	refuse(*state, OP_WRITE_DISK, "nvmet/subsystems/s/namespaces/1/enable", TPGT);
	refuse(*state, OP_WRITE_DISK, "target/core/iblock_0/x/device_path", TPGT);
}

static void test_a_disk_is_found_or_there_is_none(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(run(f, OP_FIND_DISK, 0, TPGT, "0"), ENOENT);
	assert_says(f, "the disk of " TPGT " cannot be found: there is none");
	assert_int_equal(run(f, OP_FIND_DISK, OP_MAY_BE_ABSENT, TPGT, "0"), 0);
	assert_null(f->data);
	assert_int_equal(run(f, OP_RESCAN_DISK, 0, TPGT, "0"), ENOENT);
	f->kernel.disk = "/dev/sdc";
	assert_int_equal(run(f, OP_FIND_DISK, 0, TPGT, "3"), 0);
	assert_string_equal(f->data, "/dev/sdc");
	strbuf_done(&f->kernel.calls);
	assert_int_equal(run(f, OP_RESCAN_DISK, 0, TPGT, "3"), 0);
	assert_calls(f, "rescan " TPGT " 3\n");
}

static void test_a_disk_that_cannot_come_is_not_waited_for(void **state)
{
	struct fixture *f = *state;

	f->kernel.disk = "/dev/sdc";
	tiny_put(&f->kernel, KFS_ATTR, TPGT "/nexus", "naa.3123456789abcdef\n")->error = ENODEV;
	assert_int_equal(run(f, OP_WAIT_DISK, 0, TPGT, "0"), ENODEV);
	assert_says(f, "has no nexus");
	tiny_find(&f->kernel, TPGT "/nexus")->error = 0;
	assert_int_equal(run(f, OP_WAIT_DISK, 0, TPGT, "0"), 0);
	assert_string_equal(f->data, "/dev/sdc");
	f->kernel.disk = NULL;
	assert_int_equal(run(f, OP_WAIT_DISK, 0, TPGT, "0"), ENXIO);
	assert_says(f, "did not answer");
}

static void test_a_namespace_gets_the_disk_that_is_there_now(void **state)
{
	struct fixture *f = *state;

	tiny_put(&f->kernel, KFS_ATTR, DEVICE_PATH, "(null)\n");
	assert_int_equal(run(f, OP_WRITE_DISK, 0, DEVICE_PATH, TPGT), ENOENT);
	assert_string_equal(tiny_find(&f->kernel, DEVICE_PATH)->value, "(null)\n");
	f->kernel.disk = "/dev/sdaa";
	assert_int_equal(run(f, OP_WRITE_DISK, 0, DEVICE_PATH, TPGT), 0);
	assert_string_equal(tiny_find(&f->kernel, DEVICE_PATH)->value, "/dev/sdaa\n");
}

/* An orphan that waits for a disk that never comes ends with its daemon. */
static void test_waiting_for_a_disk_ends_with_who_asked(void **state)
{
	int pair[2];
	char *disk = NULL;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	close(pair[1]);
	assert_int_equal(scsi_disk_wait("9999:0:1", 0, pair[0], &disk), -ECANCELED);
	close(pair[0]);
	assert_null(disk);
}

static void test_what_is_no_scsi_device_has_no_address(void **state)
{
	unsigned address[4];

	assert_int_equal(scsi_hctl("/dev/null", address), -ENODEV);
	assert_int_equal(scsi_hctl("/dev", address), -ENODEV);
	assert_int_equal(scsi_hctl("/dev/nothing-here", address), -ENOENT);
	assert_int_equal(scsi_disk_rescan("9999:0:1", 0), -ENOENT);
}

/* ---- storage objects ---- */

static void test_the_address_of_a_scsi_device_is_written_behind_its_path(void **state)
{
	struct fixture *f = *state;

	refuse(f, OP_WRITE_HCTL, "target/core/pscsi_0", "/dev/sda");
	refuse(f, OP_WRITE_HCTL, "target/core/alua/lu_gps", "/dev/sda");
	refuse(f, OP_WRITE_HCTL, "target/core/pscsi_0/x", "sda");
	refuse(f, OP_WRITE_HCTL, "target/core/pscsi_0/x", "/dev/../etc");
	tiny_put(&f->kernel, KFS_ATTR, "target/core/pscsi_0/x/udev_path", "");
	tiny_put(&f->kernel, KFS_ATTR, "target/core/pscsi_0/x/control", "");
	assert_int_equal(run(f, OP_WRITE_HCTL, 0, "target/core/pscsi_0/x", "/dev/sg1"), 0);
	assert_string_equal(tiny_find(&f->kernel, "target/core/pscsi_0/x/udev_path")->value, "/dev/sg1\n");
	assert_string_equal(tiny_find(&f->kernel, "target/core/pscsi_0/x/control")->value,
			    "scsi_host_id=3,scsi_channel_id=0,scsi_target_id=1,scsi_lun_id=2\n");
	f->kernel.file_error = ENODEV;
	assert_int_equal(run(f, OP_WRITE_HCTL, 0, "target/core/pscsi_0/x", "/dev/vda"), ENODEV);
	assert_says(f, "/dev/vda is not a SCSI device");
}

/* What tells of a ramdisk's size while it is in use tells of memory that is not there. */
static void test_what_an_enabled_storage_object_is_made_of_stays(void **state)
{
	static const char *const refused[] = { "rd_pages=8192", "rd_nullio=1", "fd_dev_size=1024,fd_buffered_io=1", "fd_dev_name=/x\nfd_dev_size=1",
					       "fd_dev_size=1,,rd_pages=1", "udev_path=/dev/sdb", "readonly=1", "dev_size=1", "x", "fd_dev_size=" };
	struct fixture *f = *state;

	tiny_put(&f->kernel, KFS_ATTR, STORAGE "/control", "");
	tiny_put(&f->kernel, KFS_ATTR, STORAGE "/enable", "0\n");
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		assert_int_equal(run(f, OP_WRITE, OP_NEWLINE, STORAGE "/control", refused[i]), 0);
	free(tiny_find(&f->kernel, STORAGE "/enable")->value);
	tiny_find(&f->kernel, STORAGE "/enable")->value = strdup("1\n");
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		if (run(f, OP_WRITE, OP_NEWLINE, STORAGE "/control", refused[i]) != EBUSY)
			fail_msg("\"%s\" was not refused", refused[i]);
	assert_int_equal(run(f, OP_WRITE, OP_NEWLINE, STORAGE "/control", "fd_dev_size=1073741824"), 0);
	tiny_find(&f->kernel, STORAGE "/enable")->error = EIO;
	assert_int_equal(run(f, OP_WRITE, OP_NEWLINE, STORAGE "/control", "fd_dev_size=1073741824"), EIO);
}

/* ---- dbroot, registrations ---- */

static void test_the_folders_of_dbroot_are_made_or_left_as_they_are(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(run(f, OP_MAKE_DBROOT, 0, "", NULL), 0);
	assert_calls(f, "dbroot mkdir \ndbroot mkdir pr\ndbroot mkdir alua\n");
	f->kernel.file_error = EEXIST;
	assert_int_equal(run(f, OP_MAKE_DBROOT, 0, "", NULL), 0);
	f->kernel.file_error = EROFS;
	assert_int_equal(run(f, OP_MAKE_DBROOT, 0, "", NULL), EROFS);
	assert_says(f, "the folder of dbroot, without which no initiator could register, cannot be made: Read-only");
}

static const char two[] =
	"PR_REG_START: 0\ninitiator_fabric=iSCSI\ninitiator_node=iqn.a:1\nsa_res_key=16\nres_holder=1\nres_type=03\nres_scope=00\nres_all_tg_pt=0\n"
	"mapped_lun=0\ntarget_fabric=iSCSI\ntarget_node=iqn.t\ntpgt=1\nport_rtpi=1\ntarget_lun=0\nPR_REG_END: 0\n"
	"PR_REG_START: 1\ninitiator_fabric=iSCSI\ninitiator_node=iqn.a:2\nsa_res_key=17\nres_holder=0\nres_all_tg_pt=0\n"
	"mapped_lun=0\ntarget_fabric=iSCSI\ntarget_node=iqn.t\ntpgt=1\nport_rtpi=1\ntarget_lun=0\nPR_REG_END: 1\n";
#define ONE(node, key, held) "initiator_fabric=iSCSI,initiator_node=" node ",sa_res_key=" key "," held "res_all_tg_pt=0,mapped_lun=0," \
	"target_fabric=iSCSI,target_node=iqn.t,tpgt=1,port_rtpi=1,target_lun=0\n"

static void test_serials_are_names_of_files(void **state)
{
	static const char *const bad[] = { "", "a/b", "/etc/shadow", "../x", "a\nb", "a\xc3\xa4" };

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		refuse(*state, OP_RESTORE_REGISTRATIONS, STORAGE, bad[i]);
		if (!strchr(bad[i], '\n'))
			refuse(*state, OP_CHECK_REGISTRATIONS, STORAGE, bad[i]);
	}
	refuse(*state, OP_RESTORE_REGISTRATIONS, STORAGE, NULL);
	refuse(*state, OP_RESTORE_REGISTRATIONS, "target/core/iblock_7", "x");
	refuse(*state, OP_RESTORE_REGISTRATIONS, STORAGE "/pr", "x");
}

static void test_each_registration_is_written_by_itself(void **state)
{
	struct fixture *f = *state;

	tiny_put(&f->kernel, KFS_ATTR, STORAGE "/pr/res_aptpl_metadata", "");
	f->kernel.dbroot_file = two;
	assert_int_equal(run(f, OP_RESTORE_REGISTRATIONS, 0, STORAGE, "serial-1"), 0);
	assert_string_equal(f->data, "2");
	assert_calls(f, "dbroot read pr/aptpl_serial-1\n"
		     "write " STORAGE "/pr/res_aptpl_metadata 195 " ONE("iqn.a:1", "16", "res_holder=1,res_type=3,res_scope=0,") "\n"
		     "write " STORAGE "/pr/res_aptpl_metadata 172 " ONE("iqn.a:2", "17", "res_holder=0,") "\n");
	f->kernel.write_error = EINVAL;
	assert_int_equal(run(f, OP_RESTORE_REGISTRATIONS, 0, STORAGE, "serial-1"), EINVAL);
	assert_says(f, "the registration of iqn.a:1 cannot be restored");
}

static void test_without_a_file_nothing_is_restored(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(run(f, OP_RESTORE_REGISTRATIONS, 0, STORAGE, "s"), 0);
	assert_string_equal(f->data, "0");
	assert_int_equal(run(f, OP_CHECK_REGISTRATIONS, 0, STORAGE, "s"), 0);
	f->kernel.dbroot_file = "No Registrations or Reservations";
	assert_int_equal(run(f, OP_RESTORE_REGISTRATIONS, 0, STORAGE, "s"), 0);
	assert_string_equal(f->data, "0");
}

static void test_a_damaged_file_restores_nothing(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *cut = strndup(two, sizeof(two) - 20);

	tiny_put(&f->kernel, KFS_ATTR, STORAGE "/pr/res_aptpl_metadata", "");
	f->kernel.dbroot_file = cut;
	assert_int_equal(run(f, OP_RESTORE_REGISTRATIONS, 0, STORAGE, "s"), EINVAL);
	assert_says(f, "pr/aptpl_s:27: ");
	assert_calls(f, "dbroot read pr/aptpl_s\n");
}

static void set_value(struct tiny_entry *e, const char *value)
{
	free(e->value);
	e->value = strdup(value);
}

#define REGISTRATION(node, key) "iSCSI Node: " node " Key: 0x00000000000000" key " PRgen: 0x00000000\n"

/* Both registrations of the file are restored, and the first of them, with the reservation, is in force. */
static struct tiny_entry *restore_two(struct fixture *f, const char *serial)
{
	struct tiny_kfs *k = &f->kernel;

	tiny_put(k, KFS_ATTR, STORAGE "/pr/res_aptpl_metadata", "");
	tiny_put(k, KFS_ATTR, STORAGE "/pr/res_holder", "SPC-3 Reservation: iSCSI Initiator: iqn.a:1\n");
	k->dbroot_file = two;
	assert_int_equal(run(f, OP_RESTORE_REGISTRATIONS, 0, STORAGE, serial), 0);
	return tiny_put(k, KFS_ATTR, STORAGE "/pr/res_pr_registered_i_pts", REGISTRATION("iqn.a:1", "10"));
}

static void test_registrations_that_are_not_in_force_are_told(void **state)
{
	struct fixture *f = *state;
	struct tiny_entry *list = restore_two(f, "s");

	assert_int_equal(run(f, OP_CHECK_REGISTRATIONS, 0, STORAGE, "s"), EUNATCH);
	assert_says(f, "the registration of iSCSI iqn.a:2 with key 0x11 is not in force");
	set_value(list, REGISTRATION("iqn.a:2", "11") REGISTRATION("iqn.a:1", "10"));
	assert_int_equal(run(f, OP_CHECK_REGISTRATIONS, 0, STORAGE, "s"), 0);
	/* What hosts do from then on is their own business, and what an ACL takes along when it goes. */
	set_value(list, "None\n");
	assert_int_equal(run(f, OP_CHECK_REGISTRATIONS, 0, STORAGE, "s"), 0);
}

static void test_a_later_storage_object_without_registrations_waits_for_none(void **state)
{
	struct fixture *f = *state;

	set_value(restore_two(f, "s"), "None\n");
	assert_int_equal(run(f, OP_CHECK_REGISTRATIONS, 0, STORAGE, "s"), EUNATCH);
	/* Another's are another's. */
	assert_int_equal(run(f, OP_CHECK_REGISTRATIONS, 0, STORAGE, "other"), 0);
	f->kernel.dbroot_file = NULL;
	assert_int_equal(run(f, OP_RESTORE_REGISTRATIONS, 0, STORAGE, "s"), 0);
	assert_int_equal(run(f, OP_CHECK_REGISTRATIONS, 0, STORAGE, "s"), 0);
}

/* "iqn.a:2" registered once, and has no ACL any more. */
static void test_who_is_not_let_in_any_more_is_not_waited_for(void **state)
{
	static const char tpg[] = "s\ntargets/iscsi/iqn.t/tpgs/1\ntargets/iscsi/iqn.t/tpgs/1/acls/iqn.a:1/mapped_luns/0";
	static const char mapped[] = "s\ntargets/iscsi/iqn.t/tpgs/1\ntargets/iscsi/iqn.t/tpgs/1/acls/iqn.a:2/mapped_luns/0";
	static const char folder[] = "target/iscsi/iqn.t/tpgt_1/acls/iqn.a:2/lun_0";
	struct fixture *f = *state;

	restore_two(f, "s");
	/* As long as nothing is known of his target, it may still come. */
	assert_int_equal(run(f, OP_CHECK_REGISTRATIONS, 0, STORAGE, "s"), EUNATCH);
	assert_int_equal(run(f, OP_CHECK_REGISTRATIONS, 0, STORAGE, "s\ntargets/iscsi/iqn.t/tpgs/11"), EUNATCH);
	/* He is meant to be let in. */
	assert_int_equal(run(f, OP_CHECK_REGISTRATIONS, 0, STORAGE, mapped), EUNATCH);
	/* He still is. */
	tiny_put(&f->kernel, KFS_DIR, folder, NULL);
	assert_int_equal(run(f, OP_CHECK_REGISTRATIONS, 0, STORAGE, tpg), EUNATCH);
	tiny_find(&f->kernel, folder)->error = ENOENT;
	assert_int_equal(run(f, OP_CHECK_REGISTRATIONS, 0, STORAGE, tpg), 0);
	/* Then it was seen once. */
	assert_int_equal(run(f, OP_CHECK_REGISTRATIONS, 0, STORAGE, mapped), 0);
}

/* ---- scanning ---- */

static void test_the_target_tree_is_scanned_without_counters_and_buttons(void **state)
{
	struct fixture *f = *state;
	struct tiny_kfs *k = &f->kernel;

	tiny_put(k, KFS_DIR, "target", NULL);
	tiny_put(k, KFS_DIR, "target/x", NULL);
	tiny_put(k, KFS_DIR, "target/x/statistics", NULL);
	tiny_put(k, KFS_DIR, "target/x/fabric_statistics", NULL);
	tiny_put(k, KFS_DIR, "target/x/action", NULL);
	tiny_put(k, KFS_ATTR, "target/x/nexus", "")->error = ENODEV;
	tiny_put(k, KFS_ATTR, "target/x/odd", "")->error = ESRCH;
	tiny_put(k, KFS_ATTR, "target/x/plain", "1\n");
	assert_int_equal(run(f, OP_SCAN, OP_RECURSIVE, "target", NULL), 0);
	assert_string_equal(f->data, "d \nd x\nx x/nexus\nx x/odd\nf x/plain 2\n1\n\n");
	assert_calls(f, "list target\nlist target/x\nread target/x/nexus\nread target/x/odd\nread target/x/plain\n");
	/* But what says that nothing was asked is no answer. */
	tiny_find(k, "target/x/plain")->error = EMFILE;
	assert_int_equal(run(f, OP_SCAN, OP_RECURSIVE, "target", NULL), EMFILE);
}

/* ---- secrets ---- */

static void put_secret(const char *text)
{
	_cleanup_free_ char *path = strf("%s/secrets/joe", config_dir);

	put_file(path, text, 0600);
}

#define PASSWORD "target/iscsi/iqn.t/tpgt_1/acls/iqn.a/auth/password"

static void test_a_secret_of_chap_is_written_bare_and_cleared_by_the_kernels_word(void **state)
{
	struct fixture *f = *state;
	char longest[257] = "";

	tiny_put(&f->kernel, KFS_ATTR, PASSWORD, "\n");
	put_secret("topsecret\n");
	assert_int_equal(run(f, OP_WRITE_SECRET, 0, PASSWORD, "file:joe"), 0);
	assert_calls(f, "hide " PASSWORD "\nwrite " PASSWORD " 9 topsecret\n");
	assert_int_equal(run(f, OP_WRITE_SECRET, 0, PASSWORD, ""), 0);
	assert_calls(f, "hide " PASSWORD "\nwrite " PASSWORD " 4 NULL\n");
	/* It would say that there is none. */
	put_secret("NULLtopsecret\n");
	assert_int_equal(run(f, OP_WRITE_SECRET, 0, PASSWORD, "file:joe"), EINVAL);
	assert_says(f, "file:joe begins with NULL");
	assert_null(strstr(f->message, "topsecret"));
	memset(longest, 'x', 256);
	put_secret(longest);
	assert_int_equal(run(f, OP_WRITE_SECRET, 0, PASSWORD, "file:joe"), E2BIG);
	longest[255] = 0;
	put_secret(longest);
	assert_int_equal(run(f, OP_WRITE_SECRET, 0, PASSWORD, "file:joe"), 0);
	f->kernel.write_error = EINVAL;
	assert_int_equal(run(f, OP_WRITE_SECRET, 0, PASSWORD, "file:joe"), EINVAL);
	assert_null(strstr(f->message, "DHHC"));
}

static void test_the_kernels_word_for_no_secret_is_not_kept_as_one(void **state)
{
	struct fixture *f = *state;

	tiny_put(&f->kernel, KFS_ATTR, PASSWORD, "NULL\n");
	assert_int_equal(run(f, OP_KEEP_SECRET, 0, "kept", PASSWORD), ENOENT);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_only_disks_of_loopback_targets_are_looked_for),
		TEST(test_a_disk_is_found_or_there_is_none),
		TEST(test_a_disk_that_cannot_come_is_not_waited_for),
		TEST(test_a_namespace_gets_the_disk_that_is_there_now),
		TEST(test_waiting_for_a_disk_ends_with_who_asked),
		TEST(test_what_is_no_scsi_device_has_no_address),
		TEST(test_the_address_of_a_scsi_device_is_written_behind_its_path),
		TEST(test_what_an_enabled_storage_object_is_made_of_stays),
		TEST(test_the_folders_of_dbroot_are_made_or_left_as_they_are),
		TEST(test_serials_are_names_of_files),
		TEST(test_each_registration_is_written_by_itself),
		TEST(test_without_a_file_nothing_is_restored),
		TEST(test_a_damaged_file_restores_nothing),
		TEST(test_registrations_that_are_not_in_force_are_told),
		TEST(test_a_later_storage_object_without_registrations_waits_for_none),
		TEST(test_who_is_not_let_in_any_more_is_not_waited_for),
		TEST(test_the_target_tree_is_scanned_without_counters_and_buttons),
		TEST(test_a_secret_of_chap_is_written_bare_and_cleared_by_the_kernels_word),
		TEST(test_the_kernels_word_for_no_secret_is_not_kept_as_one),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, make_folders, remove_folders);
}
