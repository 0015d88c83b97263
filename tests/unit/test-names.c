/* SPDX-License-Identifier: Apache-2.0 */
/* What is taken for a name, a secret or an address, and what is not. */
#include "tests/unit/model-help.h"

#include <errno.h>

#include "model/address.h"
#include "model/names.h"
#include "model/secret.h"

#define A40 "0123456789012345678901234567890123456789"

/* ---- names ---- */

static const struct {
	enum kind kind;
	const char *name;
	const char *message;	/* NULL: taken as it is */
} names[] = {
	{ KIND_BACKEND, "vol0" },
	{ KIND_BACKEND, "a.B_c:d-9" },
	{ KIND_BACKEND, "0123456789012345678901234567890123456789012345678901234567890123" },
	{ KIND_BACKEND, "01234567890123456789012345678901234567890123456789012345678901234", "at most 64" },
	{ KIND_BACKEND, "", "at most 64" },
	{ KIND_BACKEND, ".", "dot" },
	{ KIND_BACKEND, "..", "dot" },
	{ KIND_BACKEND, ".hidden", "dot" },
	{ KIND_BACKEND, "a b", "letters" },
	{ KIND_BACKEND, "a\xc3\xa4", "letters" },
	{ KIND_HOST, "nqn.2014-08.org.nvmexpress:uuid:5f3c1b9e-0e57-4b6f-8c0a-9c2d5e6f7a81" },
	{ KIND_HOST, "nqn.2014-08.org.nvmexpress:uuid:5F3C1B9E-0E57-4B6F-8C0A-9C2D5E6F7A81" },
	{ KIND_HOST, "nqn.2014-08.org.nvmexpress:uuid:5f3c1b9e", "no UUID" },
	{ KIND_HOST, "nqn.2014-08.org.nvmexpress:uuid:", "no UUID" },
	{ KIND_SUBSYSTEM, "nqn.2026-11.org.example:s1" },
	{ KIND_SUBSYSTEM, "nqn.2026-11.org.example" },
	{ KIND_SUBSYSTEM, "nqn.2026-11.org.example:a,b;c%20" },
	{ KIND_SUBSYSTEM, "nqn.2026-11.org.example:\xc3\xa4\xe2\x82\xac" },
	/* Trap 14: the kernel cuts at 223 bytes. */
	{ KIND_SUBSYSTEM, "nqn.2026-11.org.example:" A40 A40 A40 A40 "012345678901234567890123456789012345678" },
	{ KIND_SUBSYSTEM, "nqn.2026-11.org.example:" A40 A40 A40 A40 A40, "224 bytes; 223" },
	{ KIND_SUBSYSTEM, "nqn.2014-08.org.nvmexpress.discovery", "discovery" },
	{ KIND_SUBSYSTEM, "", "no NQN" },
	{ KIND_SUBSYSTEM, "nqn.", "no NQN" },
	{ KIND_SUBSYSTEM, "nqn.2026-11", "no NQN" },
	{ KIND_SUBSYSTEM, "nqn.2026-11.", "no NQN" },
	{ KIND_SUBSYSTEM, "nqn.2026-11.:x", "no NQN" },
	{ KIND_SUBSYSTEM, "nqn.2026-11.org..example:x", "no NQN" },
	{ KIND_SUBSYSTEM, "nqn.2026-11.org.example:", "no NQN" },
	{ KIND_SUBSYSTEM, "nqn.2026-13.org.example:x", "no NQN" },
	{ KIND_SUBSYSTEM, "nqn.2026-00.org.example:x", "no NQN" },
	{ KIND_SUBSYSTEM, "nqn.26-11.org.example:x", "no NQN" },
	{ KIND_SUBSYSTEM, "nqn.2026-1.org.example:x", "no NQN" },
	{ KIND_SUBSYSTEM, "NQN.2026-11.org.example:x", "no NQN" },
	{ KIND_SUBSYSTEM, "iqn.2026-11.org.example:x", "no NQN" },
	{ KIND_SUBSYSTEM, "nqn.2026-11.org.example:a b", "blank" },
	{ KIND_SUBSYSTEM, "nqn.2026-11.org.example:a/b", "slash" },
	{ KIND_SUBSYSTEM, "nqn.2026-11.org.example:a\nb", "control" },
	{ KIND_SUBSYSTEM, "nqn.2026-11.org.example:a\x7f", "control" },
	{ KIND_SUBSYSTEM, "nqn.2026-11.org.example:a\xc2\x85", "control" },
	{ KIND_SUBSYSTEM, "nqn.2026-11.org.example:a\xc2\xa0", "blank" },
	{ KIND_SUBSYSTEM, "nqn.2026-11.org.example:\xff", "UTF-8" },
	{ KIND_SUBSYSTEM, "nqn.2026-11.org.example:\xc3", "UTF-8" },
	{ KIND_NAMESPACE, "1" },
	{ KIND_NAMESPACE, "4294967294" },
	/* Trap 12: 01 and 0x1 would be other folders for nsid 1. */
	{ KIND_NAMESPACE, "01", "write 1" },
	{ KIND_NAMESPACE, "0010", "write 10" },
	{ KIND_NAMESPACE, "0x1", "1 to 4294967294" },
	{ KIND_NAMESPACE, "0", "1 to 4294967294" },
	{ KIND_NAMESPACE, "00", "1 to 4294967294" },
	{ KIND_NAMESPACE, "4294967295", "1 to 4294967294" },
	{ KIND_NAMESPACE, "18446744073709551617", "1 to 4294967294" },
	{ KIND_NAMESPACE, "+1", "1 to 4294967294" },
	{ KIND_NAMESPACE, "1 ", "1 to 4294967294" },
	{ KIND_NAMESPACE, "", "1 to 4294967294" },
	{ KIND_PORT, "0" },
	{ KIND_PORT, "65535" },
	{ KIND_PORT, "65536", "0 to 65535" },
	{ KIND_PORT, "-1", "0 to 65535" },
	{ KIND_PORT, "00", "write 0" },
	{ KIND_PORT, "007", "write 7" },
	{ KIND_ANA_GROUP, "127" },
	{ KIND_ANA_GROUP, "128", "kernel takes 128 for 0" },
	{ KIND_ANA_GROUP, "0", "1 to 127" },
	{ KIND_REFERRAL, "node-b" },
	{ KIND_REFERRAL, "a/b", "letters" },
	{ KIND_FABRIC, "xen-pvscsi" },
	{ KIND_FABRIC, "ramdisk", "no fabric" },
	{ KIND_FABRIC, "", "no fabric" },
	{ KIND_TARGET, "iqn.2026-11.org.example:t" },
	{ KIND_TARGET, "21:00:00:24:ff:31:4c:48" },
	{ KIND_TARGET, "", "1 to 223" },
	{ KIND_TARGET, "a b", "blank" },
	{ KIND_TARGET, "a/b", "slash" },
	{ KIND_TARGET, "iqn.2026-11.org.example:" A40 A40 A40 A40 A40, "224 bytes; 1 to 223" },
	{ KIND_TPG, "0" },
	{ KIND_TPG, "65535" },
	{ KIND_TPG, "65536", "0 to 65535" },
	{ KIND_TPG, "tpgt_1", "0 to 65535" },
	/* Trap 12: lun_00 would be another folder for LUN 0. */
	{ KIND_LUN, "00", "write 0" },
	{ KIND_LUN, "255" },
	{ KIND_MAPPED_LUN, "01", "write 1" },
	{ KIND_PORTAL, "192.0.2.1:3260" },
	{ KIND_PORTAL, "[2001:db8::1]:3260" },
	{ KIND_PORTAL, "[fe80::1%eth0]:3260" },
	{ KIND_PORTAL, "192.0.2.1", "no portal" },
	{ KIND_PORTAL, "192.0.2.1:", "no portal" },
	{ KIND_PORTAL, "192.0.2.1:0", "no portal" },
	{ KIND_PORTAL, "192.0.2.1:65536", "no portal" },
	{ KIND_PORTAL, "2001:db8::1:3260", "no portal" },
	{ KIND_PORTAL, "[192.0.2.1]:3260", "no portal" },
	{ KIND_PORTAL, "storage.example.org:3260", "no portal" },
	{ KIND_PORTAL, "[2001:db8::1]3260", "no portal" },
};

static void test_names(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;
		_cleanup_free_ char *name = NULL;
		int r = name_parse(names[i].kind, names[i].name, &name, &err);

		if (!names[i].message) {
			if (r < 0)
				fail_msg("%s: %s", names[i].name, err.msg);
			assert_string_equal(name, names[i].name);
			continue;
		}
		assert_int_equal(r, -EINVAL);
		assert_null(name);
		if (!strstr(err.msg, names[i].message))
			fail_msg("\"%s\": \"%s\" does not say \"%s\"", names[i].name, err.msg, names[i].message);
	}
}

/* An IPv6 address has one name however it was typed. */
static void test_portals_in_one_form(void **state)
{
	_cleanup_free_ char *name = NULL;

	assert_int_equal(name_parse(KIND_PORTAL, "[2001:DB8:0:0::1]:3260", &name, NULL), 0);
	assert_string_equal(name, "[2001:db8::1]:3260");
}

static void test_iscsi_names(void **state)
{
	static const char *const good[] = { "iqn.2026-11.org.example:t1", "iqn.2026-11.org.example", "iqn.1993-08.org.debian:01:a1b2",
					    "eui.02004567a425678d", "naa.52004567ba64678d", "naa.62004567ba64678d0123456789abcdef" };
	static const char *const bad[] = { "", "iqn.", "iqn.2026-11", "iqn.2026-13.org.example:x", "IQN.2026-11.org.example:x",
					   "iqn.2026-11.org.example:X", "iqn.2026-11.org.example:", "eui.02004567a425678", "eui.0200456",
					   "naa.123", "naa.52004567ba64678g", "naa.52004567ba64678d0", "nqn.2026-11.org.example:x", "client" };

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		if (!name_is_iscsi(good[i]))
			fail_msg("%s is refused", good[i]);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (name_is_iscsi(bad[i]))
			fail_msg("%s is taken", bad[i]);
}

/* ---- secrets ---- */

/* The first two by nvme gen-dhchap-key with --hmac 0 and 1 of nvme-cli 2.4; the others in the same way for the longer ones. */
static const char *const secrets[] = {
	"DHHC-1:00:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:",
	"DHHC-1:01:vHzfM4rlow+5fvb1uv53nEbtM+1O3vGN7xSgC5Bqcl3Ry+LG:",
	"DHHC-1:02:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vcSEgBQ==:",
	"DHHC-1:03:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+P4zODhA=:",
};

static void test_secrets(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(secrets); i++) {
		_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;

		if (secret_check(secrets[i], &err) < 0)
			fail_msg("%s %s", secrets[i], err.msg);
	}
}

/* Any one character changed, left out or put in makes it none; and the message never tells it. */
static void test_mistyped_secrets(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(secrets); i++)
		for (size_t k = 0; k < strlen(secrets[i]); k++)
			for (int how = 0; how < 3; how++) {
				_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;
				_cleanup_free_ char *bad = NULL;
				const char *s = secrets[i];
				char other = s[k] == 'A' ? 'B' : 'A';

				bad = how == 0 ? strf("%.*s%c%s", (int)k, s, other, s + k + 1) :
				      how == 1 ? strf("%.*s%s", (int)k, s, s + k + 1) :
						 strf("%.*s%c%s", (int)k, s, other, s + k);
				if (secret_check(bad, &err) >= 0)
					fail_msg("%s is taken", bad);
				assert_null(strstr(err.msg, "CAwQFB"));
				assert_null(strstr(err.msg, "zfM4rl"));
			}
}

static void test_other_secrets(void **state)
{
	static const char *const bad[] = {
		"", "DHHC-1:", "DHHC-1:00:", "DHHC-1:00::", "DHHC-1:04:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:",
		/* One digit: the kernel takes it and reads the rest from the wrong place. */
		"DHHC-1:0:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:",
		"DHHC-1:00:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR",
		"DHHC-1:00:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:\n",
		"DHHC-1:00:====:",
		/* A right checksum over 16 bytes. */
		"DHHC-1:00:AAECAwQFBgcICQoLDA0OD4jizs4=:",
		/* SHA-512's key has 64 bytes, not 32. */
		"DHHC-1:03:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+KfiaR:",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (secret_check(bad[i], NULL) >= 0)
			fail_msg("%s is taken", bad[i]);
}

/* ---- addresses ---- */

static void test_addresses(void **state)
{
	static const char *const bad[] = { "",	       "example.org", "192.0.2",      "192.0.2.256", "192.0.2.1%eth0", "[::1]",
					   "192.0.2.01", "1.2.3.4.5",	"fe80::1%", "::g",	     "1:2:3:4:5:6:7",  "%eth0" };
	static const struct {
		const char *a, *b;
		bool clash;
	} pairs[] = {
		{ "192.0.2.1", "192.0.2.1", true },	   { "192.0.2.1", "192.0.2.2", false },
		{ "192.0.2.1", "0.0.0.0", true },	   { "192.0.2.1", "::", true },
		{ "0.0.0.0", "::", true },		   { "2001:db8::1", "::", true },
		{ "2001:db8::1", "0.0.0.0", false },	   { "2001:db8::1", "2001:DB8:0::1", true },
		{ "2001:db8::1", "2001:db8::2", false },  { "::", "0:0:0:0:0:0:0:0", true },
		{ "fe80::1%eth0", "fe80::1%eth1", false }, { "fe80::1%eth0", "fe80::1%eth0", true },
		{ "192.0.2.1", "2001:db8::1", false },
	};
	struct ip_address a, b;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (ip_parse(bad[i], &a))
			fail_msg("%s is taken", bad[i]);
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
		assert_true(ip_parse(pairs[i].a, &a) && ip_parse(pairs[i].b, &b));
		if (ip_clashes(&a, &b) != pairs[i].clash || ip_clashes(&b, &a) != pairs[i].clash)
			fail_msg("%s and %s", pairs[i].a, pairs[i].b);
	}
	assert_true(ip_parse("febf::1", &a) && ip_is_link_local(&a));
	assert_true(ip_parse("fec0::1", &a) && !ip_is_link_local(&a));
	assert_true(ip_parse("254.128.0.1", &a) && !ip_is_link_local(&a));
	assert_true(fc_address_ok("nn-0x1000000044001123:pn-0x2000000055001123"));
	assert_true(fc_address_ok("nn-1000000044001123:pn-2000000055001123"));
	assert_false(fc_address_ok("nn-0x1000000044001123:pn-2000000055001123"));
	assert_false(fc_address_ok("nn-0x1000000044001123"));
	assert_false(fc_address_ok("nn-0x1000000044001123:pn-0x20000000550011234"));
	assert_false(fc_address_ok("pn-0x1000000044001123:nn-0x2000000055001123"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_portals_in_one_form),
		cmocka_unit_test(test_iscsi_names),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_secrets),
		cmocka_unit_test(test_mistyped_secrets),
		cmocka_unit_test(test_other_secrets),
		cmocka_unit_test(test_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
