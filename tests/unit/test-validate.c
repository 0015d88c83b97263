/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Validation. What each rule says is in tests/samples/bad, which test-document compares; here stands what must not be refused, and that
 * a change is judged by what it touches as the whole would be.
 */
#include "tests/unit/model-help.h"

#include <errno.h>
#include <time.h>

#define S1 "nqn.2026-11.org.example:s1"
#define S2 "nqn.2026-11.org.example:s2"
#define H1 "nqn.2026-11.org.example:h1"
#define T1 "targets/iscsi/iqn.2026-11.org.example:t1"
#define T2 "targets/iscsi/iqn.2026-11.org.example:t2"
#define L1 "targets/loopback/naa.5000000000000001"
#define I1 "iqn.2026-11.org.example:i1"
#define DOC(members) "{ \"version\": 1, " members " }"

/* ---- right ones ---- */

static const char *const right[] = {
	DOC("\"nvmet\": {}"),
	/* One address, different services or transports. */
	DOC("\"ports\": { \"1\": { \"trtype\": \"tcp\", \"traddr\": \"192.0.2.1\" },"
	    " \"2\": { \"trtype\": \"tcp\", \"traddr\": \"192.0.2.1\", \"trsvcid\": \"4421\" },"
	    " \"3\": { \"trtype\": \"rdma\", \"traddr\": \"192.0.2.1\" },"
	    " \"4\": { \"trtype\": \"tcp\", \"traddr\": \"192.0.2.2\" } }"),
	/* 0.0.0.0 leaves IPv6 alone. */
	DOC("\"ports\": { \"1\": { \"trtype\": \"tcp\", \"traddr\": \"0.0.0.0\" },"
	    " \"2\": { \"trtype\": \"tcp\", \"traddr\": \"2001:db8::1\" } }"),
	/* One link-local address on two links. */
	DOC("\"ports\": { \"1\": { \"trtype\": \"tcp\", \"traddr\": \"fe80::1%eth0\" },"
	    " \"2\": { \"trtype\": \"tcp\", \"traddr\": \"fe80::1%eth1\" } }"),
	/* The loop transport has no address; what stands there is nothing to it. */
	DOC("\"ports\": { \"1\": { \"trtype\": \"loop\" }, \"2\": { \"trtype\": \"loop\", \"traddr\": \"x\" },"
	    " \"3\": { \"trtype\": \"loop\", \"traddr\": \"x\" }, \"4\": { \"trtype\": \"pci\" } }"),
	/* A referral may point anywhere, also to this machine's own ports. */
	DOC("\"ports\": { \"1\": { \"trtype\": \"tcp\", \"traddr\": \"192.0.2.1\","
	    " \"referrals\": { \"a\": { \"trtype\": \"tcp\", \"traddr\": \"192.0.2.1\" },"
	    "                  \"b\": { \"trtype\": \"tcp\", \"traddr\": \"fe80::1\" } } } }"),
	/* Keys beside allow_any_host are of no use there, and of use to another subsystem. */
	DOC("\"hosts\": { \"" H1 "\": { \"dhchap_key\": { \"file\": \"k\" } } },"
	    " \"subsystems\": { \"" S1 "\": { \"allow_any_host\": true } }"),
	DOC("\"subsystems\": { \"" S1 "\": { \"cntlid_min\": 7, \"cntlid_max\": 7 } }"),
	/* TLS with and without saying so twice. */
	DOC("\"ports\": { \"1\": { \"trtype\": \"tcp\", \"traddr\": \"192.0.2.1\", \"tsas\": \"tls1.3\" },"
	    " \"2\": { \"trtype\": \"tcp\", \"traddr\": \"192.0.2.2\", \"tsas\": \"tls1.3\", \"treq\": \"not required\" },"
	    " \"3\": { \"trtype\": \"rdma\", \"traddr\": \"192.0.2.3\", \"tsas\": \"connected\" } }"),
	DOC("\"ports\": { \"1\": { \"trtype\": \"loop\", \"max_queue_size\": -1 },"
	    " \"2\": { \"trtype\": \"loop\", \"max_queue_size\": 16 } }"),
	DOC("\"backends\": { \"a\": { \"type\": \"file\", \"path\": \"/srv/a\", \"size\": \"1GiB\" },"
	    " \"b\": { \"type\": \"block\", \"device\": \"/dev/vdb\" } },"
	    " \"subsystems\": { \"" S1 "\": { \"namespaces\": { \"1\": { \"backend\": \"a\" },"
	    "                   \"2\": { \"backend\": \"b\", \"p2pmem\": \"0000:3b:00.0\" } } } }"),
	DOC("\"nvmet\": { \"discovery_nqn\": \"nqn.2026-11.org.example:s10\" }, \"subsystems\": { \"" S1 "\": {} }"),
	/* A shared backend stands behind any number of LUNs, and one namespace. */
	DOC("\"backends\": { \"a\": { \"type\": \"ramdisk\", \"size\": \"1MiB\" } },"
	    " \"subsystems\": { \"" S1 "\": { \"namespaces\": { \"1\": { \"backend\": \"a\" } } } },"
	    " \"targets\": { \"loopback\": { \"naa.5000000000000001\": { \"tpgs\": { \"1\": { \"luns\": {"
	    "   \"0\": { \"backend\": \"a\" }, \"1\": { \"backend\": \"a\" } } } } } } }"),
	/* Targets share a portal; 0.0.0.0 leaves IPv6 alone; a portal and a port of one number on two addresses. */
	DOC("\"ports\": { \"1\": { \"trtype\": \"tcp\", \"traddr\": \"192.0.2.1\", \"trsvcid\": \"3260\" } },"
	    " \"targets\": { \"iscsi\": {"
	    "   \"iqn.2026-11.org.example:t1\": { \"tpgs\": { \"1\": { \"portals\": { \"192.0.2.2:3260\": {}, \"[2001:db8::1]:3260\": {} } } } },"
	    "   \"iqn.2026-11.org.example:t2\": { \"tpgs\": { \"1\": { \"portals\": { \"192.0.2.2:3260\": {}, \"[2001:db8::1]:3260\": {} } } } },"
	    "   \"iqn.2026-11.org.example:t3\": { \"tpgs\": { \"1\": { \"portals\": { \"0.0.0.0:3261\": {}, \"[2001:db8::1]:3261\": {} } } } } } }"),
	/* Who need not authenticate needs no CHAP; names of every form. */
	DOC("\"targets\": { \"iscsi\": { \"eui.02004567a425678d\": { \"tpgs\": { \"0\": { \"authentication\": false,"
	    "   \"generate_node_acls\": true, \"acls\": { \"naa.52004567ba64678d\": {} } },"
	    "   \"1\": { \"acls\": { \"" I1 "\": { \"authentication\": 0 } } } } } },"
	    " \"srpt\": { \"0002:c903:00ab:cdef\": { \"tpgs\": { \"1\": { \"acls\": { \"0xfe8000000000000000020c90300abcde\": {} } } } } },"
	    " \"fc\": { \"21:00:00:24:ff:31:4c:48\": {} }, \"sbp\": { \"0123456789abcdef\": {} },"
	    " \"vhost\": { \"naa.60014055d1f0c8eaaaabbbbcccc01234\": { \"tpgs\": { \"255\": {} } } } }"),
	/* An ALUA state that is supported and that the target may set. */
	DOC("\"backends\": { \"a\": { \"type\": \"file\", \"path\": \"/srv/a\", \"alua_groups\": { \"x\": {"
	    "   \"alua_access_type\": \"implicit\", \"access_state\": \"standby\" } } } }"),
};

static void test_right(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(right); i++)
		tree_free(tree_from_valid_text(right[i]));
}

/* ---- 1024 namespaces ---- */

static void test_namespaces_have_an_end(void **state)
{
	struct strbuf b = { 0 };
	_cleanup_free_ char *text = NULL, *problems = NULL;

	strbuf_add(&b, "{ \"version\": 1, \"backends\": {");
	for (int i = 1; i <= 1025; i++)
		strbuf_addf(&b, "%s\"b%d\": { \"type\": \"block\", \"device\": \"/dev/x%d\" }", i > 1 ? "," : "", i, i);
	strbuf_add(&b, "}, \"subsystems\": { \"" S1 "\": { \"namespaces\": {");
	for (int i = 1; i <= 1025; i++)
		strbuf_addf(&b, "%s\"%d\": { \"backend\": \"b%d\" }", i > 1 ? "," : "", i, i);
	strbuf_add(&b, "} } } }");
	text = strbuf_steal(&b);
	problems = problems_of("doc", text, strlen(text));
	assert_non_null(strstr(problems, "subsystems/" S1 ": has 1025 namespaces; 1024 are the most\n"));
	assert_int_equal(strchr(problems, '\n') - problems, strlen(problems) - 1);
}

/* ---- changes ---- */

static const char base[] =
	DOC("\"nvmet\": { \"discovery_nqn\": \"nqn.2026-11.org.example:discovery\" },"
	    " \"backends\": { \"a\": { \"type\": \"block\", \"device\": \"/dev/vdb\" },"
	    "   \"b\": { \"type\": \"file\", \"path\": \"/srv/b\", \"size\": \"1GiB\" },"
	    "   \"c\": { \"type\": \"block\", \"device\": \"/dev/vdc\" } },"
	    " \"hosts\": { \"" H1 "\": {} },"
	    " \"subsystems\": { \"" S1 "\": { \"allowed_hosts\": [ \"" H1 "\" ],"
	    "     \"namespaces\": { \"1\": { \"backend\": \"a\", \"p2pmem\": \"1\" }, \"2\": { \"backend\": \"b\" } } },"
	    "   \"" S2 "\": {} },"
	    " \"ports\": { \"1\": { \"trtype\": \"tcp\", \"traddr\": \"192.0.2.1\", \"subsystems\": [ \"" S1 "\" ] } }");

static void set(struct tree *t, const char *path, const char *attr, const char *value)
{
	struct object *o = tree_find(t, path);

	if (!o)
		assert_int_equal(tree_add(t, path, &o), 0);
	if (attr_is_list(attr_find(o->kind, attr))) {
		char *list[] = { (char *)value, NULL };

		assert_int_equal(object_set_list(o, attr_find(o->kind, attr), list), 0);
	} else {
		assert_int_equal(object_set(o, attr_find(o->kind, attr), value), 0);
	}
}

static const struct change_case {
	const char *path, *attr, *value;	/* attr NULL: removed */
	const char *expected;			/* what is said, one line; "": nothing */
} changes[] = {
	{ "backends/a", "buffered_io", "0", "" },
	{ "backends/a", "device", "/dev/vdd", "" },
	{ "backends/a", "device", "/dev/vdc", "backends/a: device: /dev/vdc is that of backends/c too" },
	{ "backends/c", "device", "/srv/b", "backends/c: device: /srv/b is that of backends/b too" },
	{ "backends/a", "nguid", "11111111-1111-4111-8111-111111111111", "backends/a: nguid: is" },
	{ "backends/a", "uuid", "11111111-1111-4111-8111-111111111111", "backends/a: uuid: is" },
	/* What stands on a backend is judged again when it changes. */
	{ "backends/a", "buffered_io", "1",
	  "subsystems/" S1 "/namespaces/1: p2pmem: needs a block device without buffered_io; backends/a is none" },
	{ "backends/b", "buffered_io", "1", "" },
	{ "backends/b", "size", "2147483648", "" },
	{ "backends/b", "size", "1073741824", "" },
	{ "backends/b", "size", NULL, "" },
	{ "backends/b", "size", "536870912", "backends/b: size: must not be less than the 1GiB that it is: a file is never shrunk" },
	{ "backends/a", NULL, NULL, "subsystems/" S1 "/namespaces/1: backend: names the backend a, which does not exist" },
	{ "backends/c", NULL, NULL, "" },
	{ "hosts/" H1, NULL, NULL, "subsystems/" S1 ": allowed_hosts: names the host " H1 ", which does not exist" },
	{ "hosts/" H1, "dhchap_ctrl_key", "file:c", "hosts/" H1 ": dhchap_ctrl_key: needs dhchap_key" },
	{ "subsystems/" S1, "allow_any_host", "1", "subsystems/" S1 ": allow_any_host: excludes allowed_hosts" },
	{ "subsystems/" S2, "allow_any_host", "1", "" },
	{ "subsystems/" S2, NULL, NULL, "" },
	{ "subsystems/" S2, "cntlid_min", "65519", "" },
	{ "subsystems/" S2 "/namespaces/1", "backend", "c", "" },
	{ "subsystems/" S2 "/namespaces/1", "backend", "x",
	  "subsystems/" S2 "/namespaces/1: backend: names the backend x, which does not exist" },
	{ "subsystems/" S2 "/namespaces/1", "enable", "0", "subsystems/" S2 "/namespaces/1: backend: is missing" },
	{ "subsystems/" S2 "/namespaces/1", "backend", "a",
	  "backends/a: is exported twice, by subsystems/" S1 "/namespaces/1 and subsystems/" S2
	  "/namespaces/1; a device can stand behind one namespace" },
	/* The new child makes its parent's choice impossible. */
	{ "subsystems/nqn.2026-11.org.example:discovery2", "model", "x",
	  "subsystems/nqn.2026-11.org.example:discovery2: begins with the discovery NQN" },
	{ "nvmet", "discovery_nqn", "nqn.2026-11.org.example:s",
	  "nvmet: discovery_nqn: is a beginning of subsystems/" S1 ", which the kernel refuses" },
	{ "nvmet", NULL, NULL, "" },
	{ "ports/1", "traddr", "2001:db8::1", "ports/1: traddr: 2001:db8::1 is no IPv4 address" },
	{ "ports/1", "subsystems", S2, "" },
	{ "ports/1", "subsystems", "nqn.2026-11.org.example:x",
	  "ports/1: subsystems: names the subsystem nqn.2026-11.org.example:x, which does not exist" },
	{ "ports/1", NULL, NULL, "" },
	{ "ports/2", "trtype", "tcp", "ports/2: traddr: is missing" },
	{ "ports/1/ana_groups/2", "ana_state", "change", "" },
};

static void check_changes(const char *from, const struct change_case *changes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		_cleanup_(tree_freep) struct tree *a = tree_from_valid_text(from), *b = tree_copy(a);
		_cleanup_changes_ struct changes c = { 0 };
		_cleanup_errors_ struct cfg_errors errs = { 0 };
		_cleanup_free_ char *said = NULL;
		int r;

		if (changes[i].attr)
			set(b, changes[i].path, changes[i].attr, changes[i].value);
		else
			object_remove(tree_find(b, changes[i].path));
		assert_int_equal(changes_diff(a, b, false, &c), 0);
		/* A removal alone: without what is below it, which has a removal of its own. */
		assert_int_equal(changes_apply(a, &c, NULL), 0);
		r = validate_changes(a, &c, &errs);
		assert_int_equal(r, errs.total ? -EINVAL : 0);
		said = errors_to_text(&errs);
		if (*changes[i].expected ? strncmp(said, changes[i].expected, strlen(changes[i].expected)) != 0 || errs.total != 1 : *said)
			fail_msg("%s %s=%s says\n%snot\n%s", changes[i].path, changes[i].attr, changes[i].value, said, changes[i].expected);
	}
}

static const char scsi_base[] =
	DOC("\"lu_groups\": { \"g\": {} },"
	    " \"backends\": { \"a\": { \"type\": \"block\", \"device\": \"/dev/vdb\" },"
	    "   \"b\": { \"type\": \"ramdisk\", \"size\": \"1MiB\", \"alua_groups\": { \"near\": {} } },"
	    "   \"c\": { \"type\": \"file\", \"path\": \"/srv/c\", \"buffered_io\": true } },"
	    " \"subsystems\": { \"" S1 "\": { \"namespaces\": { \"1\": { \"backend\": \"a\", \"resv_enable\": true },"
	    "   \"2\": { \"backend\": \"b\" } } } },"
	    " \"ports\": { \"1\": { \"trtype\": \"tcp\", \"traddr\": \"192.0.2.1\", \"subsystems\": [ \"" S1 "\" ] } },"
	    " \"targets\": { \"iscsi\": {"
	    "   \"iqn.2026-11.org.example:t1\": { \"tpgs\": { \"1\": {"
	    "     \"luns\": { \"0\": { \"backend\": \"b\", \"alua_group\": \"near\" }, \"1\": { \"backend\": \"c\" } },"
	    "     \"portals\": { \"192.0.2.1:3260\": {} },"
	    "     \"acls\": { \"" I1 "\": { \"userid\": \"i\", \"password\": { \"file\": \"i\" },"
	    "       \"mapped_luns\": { \"0\": { \"lun\": 0 }, \"1\": { \"lun\": 1 } } },"
	    "       \"iqn.2026-11.org.example:i2\": { \"authentication\": 0 } } } } },"
	    "   \"iqn.2026-11.org.example:t2\": { \"tpgs\": { \"1\": { \"authentication\": false,"
	    "     \"acls\": { \"" I1 "\": {} } } } } },"
	    "   \"loopback\": { \"naa.5000000000000001\": { \"tpgs\": { \"1\": {} } } } }");

static const struct change_case scsi_changes[] = {
	{ "backends/a", "emulate_caw", "0",
	  "subsystems/" S1 "/namespaces/1: resv_enable: cannot be with backends/a, which is shared (emulate_caw is set)" },
	{ L1 "/tpgs/1/luns/0", "backend", "a",
	  "subsystems/" S1 "/namespaces/1: resv_enable: cannot be with backends/a, which is shared (" L1 "/tpgs/1/luns/0 exports it)" },
	{ L1 "/tpgs/1/luns/0", "backend", "b", "" },
	{ "backends/a/alua_groups/x", "preferred", "1", "" },
	{ "backends/b/alua_groups/near", NULL, NULL,
	  T1 "/tpgs/1/luns/0: alua_group: names the ALUA group near, which backends/b does not have" },
	{ "backends/b", "data_path", "direct", "backends/b: data_path: cannot be direct: its type is ramdisk, which takes the SCSI target" },
	{ "backends/c", "data_path", "direct",
	  "backends/c: data_path: cannot be direct: " T1 "/tpgs/1/luns/1 exports it, which takes the SCSI target" },
	{ "backends/a", "data_path", "direct", "" },
	{ T1 "/tpgs/1/luns/1", NULL, NULL, T1 "/tpgs/1/acls/" I1 "/mapped_luns/1: lun: names LUN 1, which the portal group does not have" },
	{ T1 "/tpgs/1/acls/" I1 "/mapped_luns/1", NULL, NULL, "" },
	{ T1 "/tpgs/1/acls/" I1 "/mapped_luns/2", "lun", "0",
	  T1 "/tpgs/1/acls/" I1 "/mapped_luns/2: lun: 0 is that of mapped_luns/0 too; an initiator sees a LUN once" },
	{ T2 "/tpgs/1", "authentication", "1",
	  T2 "/tpgs/1/acls/" I1 ": userid: is missing, and the portal group asks for authentication" },
	{ T1 "/tpgs/1", "generate_node_acls", "1", T1 "/tpgs/1: authentication: locks everybody out" },
	{ T1 "/tpgs/1/acls/iqn.2026-11.org.example:i2", "authentication", "1",
	  T1 "/tpgs/1/acls/iqn.2026-11.org.example:i2: userid: is missing, and authentication=1 asks" },
	{ T2 "/tpgs/1/portals/192.0.2.1:3260", "iser", "0", "" },
	{ T2 "/tpgs/1/portals/0.0.0.0:3260", "iser", "0",
	  T2 "/tpgs/1/portals/0.0.0.0:3260: clashes with " T1 "/tpgs/1/portals/192.0.2.1:3260" },
	{ T2 "/tpgs/1/portals/[::]:3260", "iser", "0",
	  T2 "/tpgs/1/portals/[::]:3260: clashes with " T1 "/tpgs/1/portals/192.0.2.1:3260" },
	{ T2 "/tpgs/1/portals/192.0.2.1:4420", "iser", "0",
	  T2 "/tpgs/1/portals/192.0.2.1:4420: clashes with the address of ports/1 (192.0.2.1)" },
	{ "ports/1", "trsvcid", "3260", "ports/1: traddr: 192.0.2.1 clashes with " T1 "/tpgs/1/portals/192.0.2.1:3260" },
	{ L1 "/tpgs/1", "nexus", "naa.5000000000000009", L1 "/tpgs/1: nexus: is naa.5000000000000001 and stays so" },
	{ "lu_groups/g", NULL, NULL, "" },
	{ "backends/b", "size", "1052672", "" },
	{ "target", "dbroot", "/srv/target", "" },
};

static void test_changes(void **state)
{
	check_changes(base, changes, ARRAY_SIZE(changes));
	check_changes(scsi_base, scsi_changes, ARRAY_SIZE(scsi_changes));
}

static void test_what_is_fixed(void **state)
{
	_cleanup_(tree_freep) struct tree *a = tree_from_valid_text(base), *b = tree_copy(a);
	_cleanup_changes_ struct changes c = { 0 };
	_cleanup_errors_ struct cfg_errors errs = { 0 };

	set(b, "backends/c", "type", "file");
	set(b, "backends/c", "device", NULL);
	set(b, "backends/c", "path", "/srv/c");
	assert_int_equal(changes_diff(a, b, false, &c), 0);
	assert_int_equal(changes_apply(a, &c, NULL), 0);
	assert_int_equal(validate_changes(a, &c, &errs), -EINVAL);
	assert_string_equal(errs.items[0].attr, "type");
	assert_string_equal(errs.items[0].msg,
			    "is block and stays so; delete the backend, or make another one under another name");
	/* And where it would stand in the kernel goes by the type. */
	assert_int_equal(errs.total, 2);
	assert_string_equal(errs.items[1].attr, "storage_object");
}

/* A kernel takes names and values that no document may hold; such a tree could be written and never be read again. */
static void test_what_could_not_be_read_back(void **state)
{
	static const struct {
		const char *path, *attr, *value, *expected;
	} strange[] = {
		{ "subsystems/testnqn", "model", "x", "subsystems/testnqn: \"testnqn\" is no NQN" },
		{ "ports/01", "trtype", "loop", "ports/01: \"01\" is no port id: write 1" },
		{ "ports/1", "trtype", "quic", "ports/1: trtype: must be one of" },
		{ "subsystems/" S1, "model", "a\tb", "subsystems/" S1 ": model: must be printable ASCII" },
		{ "subsystems/" S1, "ieee_oui", "0x1", "subsystems/" S1 ": ieee_oui: is 0x1, which should be 0x000001" },
		{ "hosts/" H1, "dhchap_key", "set", "hosts/" H1 ": dhchap_key: must be file:NAME" },
		{ "hosts/" H1, "dhchap_key", "inline:0", NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(strange); i++) {
		_cleanup_(tree_freep) struct tree *t = tree_new();
		_cleanup_errors_ struct cfg_errors errs = { 0 };
		_cleanup_free_ char *said = NULL;
		int r;

		set(t, strange[i].path, strange[i].attr, strange[i].value);
		r = validate_tree(t, &errs);
		said = errors_to_text(&errs);
		assert_int_equal(r, strange[i].expected ? -EINVAL : 0);
		if (strange[i].expected && strncmp(said, strange[i].expected, strlen(strange[i].expected)) != 0)
			fail_msg("%s %s=%s says %s", strange[i].path, strange[i].attr, strange[i].value, said);
	}
}

/* A namespace in a subsystem that passes commands through. */
static void test_a_child_may_be_what_is_wrong(void **state)
{
	static const char passing[] = DOC("\"backends\": { \"a\": { \"type\": \"block\", \"device\": \"/dev/vdb\" },"
					  " \"n\": { \"type\": \"nvme-passthru\", \"device\": \"/dev/nvme0\" } },"
					  " \"subsystems\": { \"" S1 "\": { \"backend\": \"n\" } }");
	_cleanup_(tree_freep) struct tree *a = tree_from_valid_text(passing), *b = tree_copy(a);
	_cleanup_changes_ struct changes c = { 0 };
	_cleanup_errors_ struct cfg_errors errs = { 0 };

	set(b, "subsystems/" S1 "/namespaces/1", "backend", "a");
	assert_int_equal(changes_diff(a, b, false, &c), 0);
	assert_int_equal(changes_apply(a, &c, NULL), 0);
	assert_int_equal(validate_changes(a, &c, &errs), -EINVAL);
	assert_int_equal(errs.total, 1);
	assert_string_equal(errs.items[0].attr, "backend");
}

/* Of a valid tree and any change: what the change's validation refuses the whole's does too, and it misses nothing. What is
 * fixed or must not shrink only a change can break, so those are left out. */
static bool needs_both(const struct cfg_error *e)
{
	return strstr(e->msg, "stays so") || strstr(e->msg, "never shrunk");
}

struct random_set {
	const char *path, *attr, *values[5];
};

static const struct scenario {
	const char *base;
	struct random_set sets[30];
	const char *removals[12];
} scenarios[] = {
	{ base, {
		{ "backends/a", "device", { "/dev/vdb", "/dev/vdc", "/dev/vdd", NULL } },
		{ "backends/c", "device", { "/dev/vdb", "/dev/vdc", "/srv/b", "/dev/nvme0" } },
		{ "backends/c", "buffered_io", { "0", "1", NULL } },
		{ "backends/a", "buffered_io", { "0", "1", NULL } },
		{ "backends/d", "type", { "block", "file" } },
		{ "backends/d", "device", { "/dev/vdb", "/dev/vde", NULL } },
		{ "hosts/" H1, "dhchap_key", { "file:a", NULL } },
		{ "hosts/" H1, "dhchap_ctrl_key", { "file:b", NULL } },
		{ "subsystems/" S1, "allow_any_host", { "0", "1", NULL } },
		{ "subsystems/" S2, "allowed_hosts", { H1, "nqn.2026-11.org.example:h2" } },
		{ "subsystems/" S1, "backend", { "a", "n", NULL } },
		{ "subsystems/" S2, "backend", { "n", NULL } },
		{ "subsystems/" S2, "version", { "1.4", NULL } },
		{ "backends/n", "type", { "nvme-passthru" } },
		{ "backends/n", "device", { "/dev/nvme0", "/dev/vdb" } },
		{ "subsystems/" S1, "cntlid_min", { "1", "2000", NULL } },
		{ "subsystems/" S1, "cntlid_max", { "1000", NULL } },
		{ "subsystems/" S1 "/namespaces/1", "backend", { "a", "b", "c", "d" } },
		{ "subsystems/" S1 "/namespaces/1", "p2pmem", { "0", "1", NULL } },
		{ "subsystems/" S2 "/namespaces/7", "backend", { "a", "b", "c", "d" } },
		{ "nvmet", "discovery_nqn", { "nqn.2026-11.org.example:d", "nqn.2026-11.org.example:s1", NULL } },
		{ "ports/1", "traddr", { "192.0.2.1", "192.0.2.2", "0.0.0.0", "192.0.2.x" } },
		{ "ports/2", "trtype", { "tcp", "rdma", "loop" } },
		{ "ports/2", "traddr", { "192.0.2.1", "192.0.2.2", "::" } },
		{ "ports/2", "trsvcid", { "4420", "4421" } },
		{ "ports/2", "subsystems", { S1, S2 } },
		{ "ports/1", "tsas", { "none", "tls1.3", "connected", NULL } },
		{ "ports/1", "treq", { "required", "not specified", NULL } },
	}, { "backends/a", "backends/c", "hosts/" H1, "subsystems/" S1, "subsystems/" S2, "subsystems/" S1 "/namespaces/1", "ports/1", "nvmet",
	     "backends/d" } },
	{ scsi_base, {
		{ "backends/a", "data_path", { "auto", "direct", "shared", NULL } },
		{ "backends/a", "emulate_caw", { "0", "1", NULL } },
		{ "backends/a", "device", { "/dev/vdb", "/dev/a,b" } },
		{ "backends/a", "buffered_io", { "0", "1", NULL } },
		{ "backends/c", "data_path", { "auto", "direct" } },
		{ "backends/c", "lu_group", { "g", "h", NULL } },
		{ "backends/b", "block_size", { "512", "513", NULL } },
		{ "backends/b/alua_groups/near", "access_state", { "standby", "offline", NULL } },
		{ "backends/b/alua_groups/near", "alua_support_standby", { "0", "1" } },
		{ "backends/a/alua_groups/far", "preferred", { "0", "1" } },
		{ "subsystems/" S1 "/namespaces/1", "resv_enable", { "0", "1" } },
		{ "subsystems/" S1 "/namespaces/2", "backend", { "a", "b", "c" } },
		{ "ports/1", "trsvcid", { "4420", "3260", "3261" } },
		{ "ports/1", "traddr", { "192.0.2.1", "0.0.0.0" } },
		{ T1 "/tpgs/1", "authentication", { "0", "1" } },
		{ T1 "/tpgs/1", "generate_node_acls", { "0", "1" } },
		{ T1 "/tpgs/1", "userid", { "t", NULL } },
		{ T2 "/tpgs/1", "authentication", { "0", "1" } },
		{ T1 "/tpgs/1/luns/0", "alua_group", { "near", "far", NULL } },
		{ T1 "/tpgs/1/luns/0", "backend", { "a", "b", "c" } },
		{ L1 "/tpgs/1/luns/0", "backend", { "a", "b", "c" } },
		{ T1 "/tpgs/1/acls/" I1, "authentication", { "-1", "0", "1" } },
		{ T1 "/tpgs/1/acls/" I1, "userid", { "i", NULL } },
		{ T1 "/tpgs/1/acls/" I1, "password_mutual", { "file:m", NULL } },
		{ T1 "/tpgs/1/acls/" I1 "/mapped_luns/2", "lun", { "0", "1", "2" } },
		{ T2 "/tpgs/1/portals/192.0.2.1:3260", "iser", { "0" } },
		{ T2 "/tpgs/1/portals/0.0.0.0:3260", "iser", { "0" } },
		{ T2 "/tpgs/1/portals/192.0.2.1:4420", "iser", { "0" } },
		{ T1 "/tpgs/2", "authentication", { "0" } },
		{ T1 "/tpgs/2/portals/192.0.2.1:3260", "iser", { "0" } },
	}, { "backends/b", "backends/b/alua_groups/near", "lu_groups/g", T1 "/tpgs/1/luns/0", T1 "/tpgs/1/luns/1", T1 "/tpgs/1/acls/" I1,
	     T1 "/tpgs/1/acls/" I1 "/mapped_luns/1", T1 "/tpgs/1/portals/192.0.2.1:3260", T1, "subsystems/" S1 "/namespaces/2", "ports/1" } },
};

static size_t count_texts(const char *const *texts, size_t max)
{
	size_t n = 0;

	while (n < max && texts[n])
		n++;
	return n;
}

static void random_valid_change(struct random *r, const struct scenario *s, struct tree *t)
{
	const struct random_set *set_one;
	_cleanup_free_ char *parent = NULL;
	struct object *o;
	size_t n = 0;

	if (random_below(r, 5) == 0) {
		o = tree_find(t, s->removals[random_below(r, (uint32_t)count_texts(s->removals, ARRAY_SIZE(s->removals)))]);
		if (o)
			object_remove(o);
		return;
	}
	while (n < ARRAY_SIZE(s->sets) && s->sets[n].path)
		n++;
	set_one = &s->sets[random_below(r, (uint32_t)n)];
	parent = path_parent(set_one->path);
	if (!tree_find(t, parent))
		return;
	/* One more than there are values: absent. */
	n = count_texts(set_one->values, ARRAY_SIZE(set_one->values));
	n = random_below(r, (uint32_t)(n < ARRAY_SIZE(set_one->values) ? n + 1 : n));
	set(t, set_one->path, set_one->attr, set_one->values[n]);
}

static bool said_too(const struct cfg_error *e, const struct cfg_errors *by)
{
	for (size_t i = 0; i < by->n; i++)
		if (streq_ptr(e->object, by->items[i].object) && streq_ptr(e->attr, by->items[i].attr))
			return true;
	return false;
}

static void judge(const struct scenario *s)
{
	size_t valid = 0, invalid = 0;

	for (uint64_t seed = 1000; seed < 3000; seed++) {
		struct random r = { seed };
		_cleanup_(tree_freep) struct tree *a = tree_from_valid_text(s->base), *b = tree_copy(a);
		_cleanup_changes_ struct changes c = { 0 };
		_cleanup_errors_ struct cfg_errors part = { 0 }, whole = { 0 };
		bool fixed = false;

		for (unsigned i = 0; i <= random_below(&r, 4); i++)
			random_valid_change(&r, s, b);
		assert_int_equal(tree_generate(b), 0);
		assert_int_equal(changes_diff(a, b, false, &c), 0);
		assert_int_equal(changes_apply(a, &c, NULL), 0);
		validate_changes(a, &c, &part);
		validate_tree(a, &whole);
		for (size_t i = 0; i < part.n; i++) {
			fixed |= needs_both(&part.items[i]);
			if (!needs_both(&part.items[i]) && !said_too(&part.items[i], &whole))
				fail_msg("seed %d: %s %s is refused in the change alone", (int)seed, part.items[i].object, part.items[i].msg);
		}
		/* The whole may say one thing of both objects that are in each other's way, the change of the one that changed. */
		if (whole.total && !part.total) {
			_cleanup_free_ char *text = errors_to_text(&whole);

			fail_msg("seed %d: the change is taken, the whole is not:\n%s", (int)seed, text);
		}
		if (!fixed)
			*(whole.total ? &invalid : &valid) += 1;
	}
	assert_true(valid > 100);
	assert_true(invalid > 100);
}

static void test_changes_are_judged_as_the_whole(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(scenarios); i++)
		judge(&scenarios[i]);
}

/* ---- cost ---- */

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static struct tree *large_tree(unsigned n)
{
	struct tree *t = tree_new();

	for (unsigned i = 0; i < n; i++) {
		_cleanup_free_ char *b = strf("backends/b%u", i), *d = strf("/dev/x%u", i);
		_cleanup_free_ char *s = strf("subsystems/nqn.2026-11.org.example:x%u", i), *ns = strf("%s/namespaces/1", s);
		_cleanup_free_ char *p = strf("ports/%u", i), *addr = strf("10.%u.%u.1", i / 256, i % 256);

		set(t, b, "type", "block");
		set(t, b, "device", d);
		set(t, s, "allow_any_host", "1");
		set(t, ns, "backend", b + strlen("backends/"));
		set(t, p, "trtype", "tcp");
		set(t, p, "traddr", addr);
		set(t, p, "trsvcid", i % 2 ? "4420" : "4421");
	}
	assert_int_equal(tree_generate(t), 0);
	return t;
}

/* CPU time of one edit, applied, validated and taken back, as the daemon does it. */
static double cost(struct tree *t, unsigned times)
{
	struct edit_attr attr = { .name = (char *)"model", .value = (char *)"x" };
	struct edit edit = { .verb = EDIT_SET, .path = (char *)"subsystems/nqn.2026-11.org.example:x7", .attrs = &attr, .n_attrs = 1 };
	struct edits edits = { &edit, 1 };
	double begin = seconds();

	for (unsigned i = 0; i < times; i++) {
		_cleanup_changes_ struct changes c = { 0 };
		_cleanup_errors_ struct cfg_errors errs = { 0 };

		assert_int_equal(edits_to_changes(t, &edits, &c, &errs), 0);
		assert_int_equal(changes_apply(t, &c, NULL), 0);
		assert_int_equal(validate_changes(t, &c, &errs), 0);
		assert_int_equal(changes_revert(t, &c), 0);
	}
	return seconds() - begin;
}

/* A change costs what it touches: with a hundred times as many objects beside it not ten times as much (measured: the same). */
static void test_cost_of_a_change(void **state)
{
	_cleanup_(tree_freep) struct tree *small = large_tree(50), *large = large_tree(5000);
	double a, b;

	cost(large, 100);
	a = cost(small, 2000);
	b = cost(large, 2000);
	if (b > 10 * a)
		fail_msg("%.3f s with 200 objects, %.3f s with 20000", a, b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_right),
		cmocka_unit_test(test_namespaces_have_an_end),
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_what_is_fixed),
		cmocka_unit_test(test_what_could_not_be_read_back),
		cmocka_unit_test(test_a_child_may_be_what_is_wrong),
		cmocka_unit_test(test_changes_are_judged_as_the_whole),
		cmocka_unit_test(test_cost_of_a_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
