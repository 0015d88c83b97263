/* SPDX-License-Identifier: Apache-2.0 */
/* Rows: that each is complete, what it takes and refuses, and that what the kernel prints for a value is that value again. */
#include "tests/unit/model-help.h"

#include <errno.h>

#define each_kind(kind) for (enum kind kind = KIND_ROOT; kind < KIND_MAX; kind++)

static const struct attr_row *row_of(enum kind kind, const char *attr)
{
	const struct attr_row *row = attr_find(kind, attr);

	if (!row)
		fail_msg("a %s has no %s", kind_info(kind)->noun, attr);
	return row;
}

/* ---- the tables ---- */

static void test_kinds(void **state)
{
	each_kind(kind) {
		const struct kind_info *info = kind_info(kind);

		assert_int_equal(info->kind, kind);
		assert_non_null(info->collection);
		assert_non_null(info->noun);
		assert_null(info->rows[info->n_rows].name);
		if (kind == KIND_ROOT)
			continue;
		assert_non_null(info->doc);
		assert_true(info->parent < kind);
		assert_int_equal(info->direct ? kind_direct_child(info->parent) : kind_from_collection(info->parent, info->collection), kind);
		if (!info->singleton)
			assert_non_null(info->name_doc);
	}
	assert_int_equal(kind_from_collection(KIND_ROOT, "namespaces"), KIND_MAX);
	assert_int_equal(kind_from_collection(KIND_ROOT, ""), KIND_MAX);
	/* A port's list of the same name is no collection. */
	assert_int_equal(kind_from_collection(KIND_PORT, "subsystems"), KIND_MAX);
	assert_int_equal(kind_from_collection(KIND_SUBSYSTEM, "namespaces"), KIND_NAMESPACE);
}

static void check_row(enum kind kind, const struct attr_row *row)
{
	_cleanup_free_ char *takes = attr_describe(row), *value = NULL;
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;

	assert_true(strlen(row->doc) > 10);
	assert_int_equal(row->doc[strlen(row->doc) - 1], '.');
	assert_true(takes && *takes);
	assert_int_equal(strspn(row->name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"), strlen(row->name));
	assert_ptr_equal(attr_find(kind, row->name), row);
	assert_ptr_equal(kind_info(kind)->rows + attr_index(kind, row), row);
	if (row->file)
		assert_ptr_equal(attr_find_file(kind, row->file), row);
	/* A kernel that has not got it must be spoken of in words. */
	assert_int_equal(row->since || row->option, row->feature != NULL);
	if (row->type == ATTR_WORD)
		assert_true(row->words && row->words[0]);
	if (row->type == ATTR_REF || row->type == ATTR_REFS)
		assert_true(row->ref > KIND_ROOT && row->ref < KIND_MAX);
	if (row->source == ATTR_CONSTANT)
		assert_non_null(row->dflt);
	if (row->source == ATTR_DERIVED || row->flags & (ATTR_TRIGGER | ATTR_NO_MODEL))
		assert_false(attr_is_settable(row));
	if (!row->dflt)
		return;
	if (attr_parse(row, row->dflt, &value, &err) < 0)
		fail_msg("the default of a %s's %s: %s", kind_info(kind)->noun, row->name, err.msg);
	assert_string_equal(value, row->dflt);
}

static void test_rows(void **state)
{
	each_kind(kind)
		attr_foreach(row, kind)
			check_row(kind, row);
	assert_null(attr_find(KIND_HOST, "serial"));
	assert_null(attr_find(KIND_HOST, ""));
	assert_null(attr_find_file(KIND_SUBSYSTEM, "model"));
}

/* Every file that can be written in a kernel (what stands in 6.1, 6.12 and 7, and a link of its own for each that has one) has a row, and no row
 * is of a file that none has. Not here: what only tells, statistics, and base files of a storage object that are steps of making it (control,
 * udev_path, pr/res_aptpl_metadata), texts for people (alias) or a table of its own (lba_map). */
static void test_every_kernel_file(void **state)
{
	static const struct {
		enum kind kind;
		const char *files[64];
	} kernel[] = {
		{ KIND_NVMET, { "discovery_nqn" } },
		{ KIND_HOST, { "dhchap_key", "dhchap_ctrl_key", "dhchap_hash", "dhchap_dhgroup" } },
		{ KIND_SUBSYSTEM,
		  { "attr_allow_any_host", "attr_version", "attr_serial", "attr_model", "attr_firmware", "attr_ieee_oui",
		    "attr_cntlid_min", "attr_cntlid_max", "attr_qid_max", "attr_pi_enable", "attr_vendor_id",
		    "attr_subsys_vendor_id", "allowed_hosts", "passthru/device_path", "passthru/enable",
		    "passthru/admin_timeout", "passthru/io_timeout", "passthru/clear_ids" } },
		{ KIND_NAMESPACE,
		  { "device_path", "device_uuid", "device_nguid", "ana_grpid", "enable", "buffered_io", "revalidate_size",
		    "p2pmem", "resv_enable" } },
		{ KIND_PORT,
		  { "addr_trtype", "addr_adrfam", "addr_traddr", "addr_trsvcid", "addr_treq", "addr_tsas",
		    "param_inline_data_size", "param_max_queue_size", "param_pi_enable", "param_mdts", "subsystems" } },
		{ KIND_REFERRAL,
		  { "addr_trtype", "addr_adrfam", "addr_traddr", "addr_trsvcid", "addr_treq", "addr_portid", "enable" } },
		{ KIND_ANA_GROUP, { "ana_state" } },
		{ KIND_TARGET_CORE, { "dbroot" } },
		{ KIND_LU_GROUP, { "lu_gp_id" } },
		{ KIND_BACKEND,
		  { "enable", "alua_lu_gp", "wwn/vpd_unit_serial", "wwn/vendor_id", "wwn/product_id", "wwn/revision", "wwn/company_id",
		    "wwn/pd_text_id_info", "attrib/alua_support", "attrib/block_size", "attrib/cmd_ring_size_mb", "attrib/cmd_time_out",
		    "attrib/complete_type", "attrib/data_pages_per_blk", "attrib/emulate_3pc", "attrib/emulate_caw",
		    "attrib/emulate_dpo", "attrib/emulate_fua_read", "attrib/emulate_fua_write", "attrib/emulate_model_alias",
		    "attrib/emulate_pr", "attrib/emulate_rest_reord", "attrib/emulate_rsoc", "attrib/emulate_tas", "attrib/emulate_tpu",
		    "attrib/emulate_tpws", "attrib/emulate_ua_intlck_ctrl", "attrib/emulate_write_cache", "attrib/enforce_pr_isids",
		    "attrib/force_pr_aptpl", "attrib/hw_block_size", "attrib/hw_max_sectors", "attrib/is_nonrot",
		    "attrib/max_data_area_mb", "attrib/max_unmap_block_desc_count", "attrib/max_unmap_lba_count",
		    "attrib/max_write_same_len", "attrib/nl_reply_supported", "attrib/optimal_sectors", "attrib/pgr_support",
		    "attrib/pi_prot_format", "attrib/pi_prot_type", "attrib/pi_prot_verify", "attrib/qfull_time_out",
		    "attrib/queue_depth", "attrib/submit_type", "attrib/tmr_notification", "attrib/unmap_granularity",
		    "attrib/unmap_granularity_alignment", "attrib/unmap_zeroes_data" } },
		{ KIND_ALUA_GROUP,
		  { "alua_access_state", "alua_access_status", "alua_access_type", "alua_support_active_nonoptimized",
		    "alua_support_active_optimized", "alua_support_lba_dependent", "alua_support_offline", "alua_support_standby",
		    "alua_support_transitioning", "alua_support_unavailable", "alua_write_metadata", "implicit_trans_secs",
		    "nonop_delay_msecs", "preferred", "tg_pt_gp_id", "trans_delay_msecs" } },
		{ KIND_FABRIC,
		  { "cpus_allowed_list", "discovery_auth/enforce_discovery_auth", "discovery_auth/password",
		    "discovery_auth/password_mutual", "discovery_auth/rdma_cm_port", "discovery_auth/userid",
		    "discovery_auth/userid_mutual" } },
		{ KIND_TARGET, { "param/cmd_completion_affinity" } },
		{ KIND_TPG,
		  { "enable", "rtpi", "nexus", "transport_status", "directory_id", "attrib/authentication", "attrib/cache_dynamic_acls",
		    "attrib/default_cmdsn_depth", "attrib/default_erl", "attrib/demo_mode_discovery", "attrib/demo_mode_login_only",
		    "attrib/demo_mode_write_protect", "attrib/fabric_prot_type", "attrib/generate_node_acls",
		    "attrib/login_keys_workaround", "attrib/login_timeout", "attrib/max_logins_per_lun",
		    "attrib/max_reconnect_timeout", "attrib/mgt_orb_timeout", "attrib/prod_mode_write_protect",
		    "attrib/srp_max_rdma_size", "attrib/srp_max_rsp_size", "attrib/srp_sq_size", "attrib/t10_pi",
		    "attrib/tpg_enabled_sendtargets", "attrib/use_srq", "auth/password", "auth/password_mutual", "auth/userid",
		    "auth/userid_mutual", "param/AuthMethod", "param/DataDigest", "param/DataPDUInOrder", "param/DataSequenceInOrder",
		    "param/DefaultTime2Retain", "param/DefaultTime2Wait", "param/ErrorRecoveryLevel", "param/FirstBurstLength",
		    "param/HeaderDigest", "param/IFMarkInt", "param/IFMarker", "param/ImmediateData", "param/InitialR2T",
		    "param/MaxBurstLength", "param/MaxConnections", "param/MaxOutstandingR2T", "param/MaxRecvDataSegmentLength",
		    "param/MaxXmitDataSegmentLength", "param/OFMarkInt", "param/OFMarker", "param/TargetAlias", "param/alias" } },
		{ KIND_LUN, { "alua_tg_pt_gp", "alua_tg_pt_offline", "alua_tg_pt_status", "alua_tg_pt_write_md" } },
		{ KIND_PORTAL, { "cxgbit", "iser" } },
		{ KIND_ACL,
		  { "attrib/authentication", "attrib/dataout_timeout", "attrib/dataout_timeout_retries", "attrib/default_erl",
		    "attrib/nopin_response_timeout", "attrib/nopin_timeout", "attrib/random_datain_pdu_offsets",
		    "attrib/random_datain_seq_offsets", "attrib/random_r2t_offsets", "auth/password", "auth/password_mutual",
		    "auth/userid", "auth/userid_mutual", "cmdsn_depth", "node_name", "port_name", "tag" } },
		{ KIND_MAPPED_LUN, { "write_protect" } },
	};

	for (size_t i = 0; i < ARRAY_SIZE(kernel); i++) {
		size_t n = 0, rows = 0;

		for (; kernel[i].files[n]; n++) {
			const struct attr_row *row = attr_find_file(kernel[i].kind, kernel[i].files[n]);
			const char *name = strchr(kernel[i].files[n], '_');

			if (!row)
				fail_msg("no row of a %s is of %s", kind_info(kernel[i].kind)->noun, kernel[i].files[n]);
			/* Named as the kernel's file, less the part that every file of its kind has. */
			if (strncmp(row->file, "attr_", 5) == 0 || strncmp(row->file, "addr_", 5) == 0)
				assert_string_equal(row->name, name + 1);
		}
		assert_true(n < ARRAY_SIZE(kernel[i].files));
		attr_foreach(row, kernel[i].kind)
			rows += row->file != NULL;
		assert_int_equal(rows, n);
	}
}

/* Who has what, by the files that each has in a kernel. */
static void test_who_has_what(void **state)
{
	static const struct { const char *path, *attr; bool has; } cases[] = {
		{ "backends/block", "device", true }, { "backends/block", "path", false }, { "backends/block", "size", false },
		{ "backends/block", "block_size", true }, { "backends/block", "pgr_support", true }, { "backends/block", "cmd_time_out", false },
		{ "backends/file", "path", true }, { "backends/file", "create", true }, { "backends/file", "pgr_support", false },
		{ "backends/ramdisk", "nullio", true }, { "backends/ramdisk", "buffered_io", false }, { "backends/ramdisk", "size", true },
		{ "backends/scsi", "device", true }, { "backends/scsi", "emulate_pr", true }, { "backends/scsi", "block_size", false },
		{ "backends/scsi", "vendor_id", false }, { "backends/scsi", "submit_type", true }, { "backends/scsi", "enforce_pr_isids", false },
		{ "backends/user", "dev_config", true }, { "backends/user", "nl_reply_supported", true },
		{ "backends/user", "emulate_write_cache", true }, { "backends/user", "emulate_tpu", false },
		{ "backends/user", "enforce_pr_isids", true }, { "backends/user", "alua_support", true },
		{ "targets/iscsi/t/tpgs/1", "enable", true }, { "targets/iscsi/t/tpgs/1", "nexus", false },
		{ "targets/iscsi/t/tpgs/1", "MaxConnections", true }, { "targets/loopback/t/tpgs/1", "enable", false },
		{ "targets/loopback/t/tpgs/1", "nexus", true }, { "targets/loopback/t/tpgs/1", "fabric_prot_type", true },
		{ "targets/vhost/t/tpgs/1", "nexus", true }, { "targets/vhost/t/tpgs/1", "transport_status", false },
		{ "targets/sbp/t/tpgs/1", "directory_id", true }, { "targets/sbp/t/tpgs/1", "authentication", false },
		{ "targets/qla2xxx/t/tpgs/1", "demo_mode_login_only", true }, { "targets/fc/t/tpgs/1", "enable", false },
		{ "targets/srpt", "rdma_cm_port", true }, { "targets/iscsi", "rdma_cm_port", false },
		{ "targets/srpt", "discovery_userid", false }, { "targets/xen-pvscsi/t/tpgs/1", "alias", true },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_(tree_freep) struct tree *t = tree_new();
		_cleanup_free_ char *copy = strdup(cases[i].path), *fabric = NULL;
		struct object *o = NULL;

		/* Parents first. */
		if (strncmp(copy, "targets/", 8) == 0) {
			char *wwn = strchr(copy + 8, '/');

			fabric = wwn ? strndup(copy, (size_t)(wwn - copy)) : strdup(copy);
			assert_int_equal(tree_add(t, fabric, &o), 0);
			if (wwn)
				assert_int_equal(object_add(o, KIND_TARGET, "t", &o), 0);
			if (wwn)
				assert_int_equal(object_add(o, KIND_TPG, "1", &o), 0);
		} else {
			assert_int_equal(tree_add(t, copy, &o), 0);
			assert_int_equal(object_set(o, row_of(KIND_BACKEND, "type"), o->name), 0);
		}
		if (object_has_row(o, row_of(o->kind, cases[i].attr)) != cases[i].has)
			fail_msg("%s %s %s", cases[i].path, cases[i].has ? "has no" : "has", cases[i].attr);
	}
}

static void test_only_in_words(void **state)
{
	static const struct { unsigned only; const char *text; } cases[] = {
		{ 0, "" }, { ONLY_FILE, "type file" }, { ONLY_BLOCK | ONLY_SCSI, "type block or scsi" },
		{ ONLY_FILE | ONLY_RAMDISK | ONLY_USER, "type file, ramdisk or user" }, { ONLY_ISCSI, "fabric iscsi" },
		{ ONLY_LOOPBACK | ONLY_VHOST | ONLY_XEN, "fabric loopback, vhost or xen-pvscsi" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *text = attr_only_text(cases[i].only);

		assert_string_equal(text, cases[i].text);
	}
	assert_int_equal(attr_only_of("xen-pvscsi"), ONLY_XEN);
	assert_int_equal(attr_only_of("tape"), 0);
	assert_int_equal(attr_only_of(NULL), 0);
}

/* What harms hosts is said so. */
static void test_effects(void **state)
{
	for (enum effect e = EFFECT_NONE; e < EFFECT_MAX; e++)
		assert_true(effect_to_str(e) && *effect_to_str(e));
	/* Trap 18: the block size changes from 512 to 4096. */
	assert_int_equal(row_of(KIND_BACKEND, "buffered_io")->effect, EFFECT_IDENTITY);
	/* Trap 9: a write of the same value drops every controller. */
	assert_true(row_of(KIND_SUBSYSTEM, "qid_max")->flags & ATTR_SAME_DISTURBS);
	assert_int_equal(row_of(KIND_SUBSYSTEM, "qid_max")->effect, EFFECT_DISCONNECT);
	/* Trap 8: frozen after the first identify. */
	assert_int_equal(row_of(KIND_SUBSYSTEM, "serial")->moment, ATTR_FRESH);
	assert_int_equal(row_of(KIND_SUBSYSTEM, "serial")->effect, EFFECT_IDENTITY);
	/* Trap 16: identity is made once and stays. */
	assert_int_equal(row_of(KIND_BACKEND, "uuid")->source, ATTR_GENERATED);
	assert_int_equal(row_of(KIND_BACKEND, "uuid")->moment, ATTR_NEVER);
	assert_int_equal(row_of(KIND_PORT, "traddr")->moment, ATTR_UNLINKED);
	assert_int_equal(row_of(KIND_NAMESPACE, "enable")->effect, EFFECT_VANISH);
}

/* ---- typed values ---- */

#define A40 "0123456789012345678901234567890123456789"

static const struct {
	enum kind kind;
	const char *attr, *text, *canonical;
} taken[] = {
	{ KIND_BACKEND, "type", "block", "block" },
	{ KIND_BACKEND, "device", "/dev/vdb", "/dev/vdb" },
	{ KIND_BACKEND, "device", "//dev///disk/by-id/x y/", "/dev/disk/by-id/x y" },
	{ KIND_BACKEND, "device", "/dev/a..b/...", "/dev/a..b/..." },
	{ KIND_BACKEND, "size", "10GiB", "10737418240" },
	{ KIND_BACKEND, "size", "4K", "4096" },
	{ KIND_BACKEND, "size", "512", "512" },
	{ KIND_BACKEND, "size", "512B", "512" },
	{ KIND_BACKEND, "size", "8191PiB", "9222246136947933184" },
	{ KIND_BACKEND, "create", "yes", "1" },
	{ KIND_BACKEND, "create", "off", "0" },
	{ KIND_BACKEND, "create", "true", "1" },
	{ KIND_BACKEND, "uuid", "5F3C1B9E-0E57-4B6F-8C0A-9C2D5E6F7A81", "5f3c1b9e-0e57-4b6f-8c0a-9c2d5e6f7a81" },
	{ KIND_BACKEND, "nguid", "5F3C1B9E0E574B6F8C0A9C2D5E6F7A81", "5f3c1b9e-0e57-4b6f-8c0a-9c2d5e6f7a81" },
	{ KIND_BACKEND, "nguid", "5f:3c-1b9e0e574b6f8c0a9c2d5e6f7a81", "5f3c1b9e-0e57-4b6f-8c0a-9c2d5e6f7a81" },
	{ KIND_BACKEND, "nguid", "00000000000000000000000000000000", "00000000-0000-0000-0000-000000000000" },
	{ KIND_HOST, "dhchap_key", "file:host1.key", "file:host1.key" },
	{ KIND_HOST, "dhchap_key", "credential:h1", "credential:h1" },
	{ KIND_HOST, "dhchap_hash", "hmac(sha384)", "hmac(sha384)" },
	{ KIND_HOST, "dhchap_dhgroup", "ffdhe8192", "ffdhe8192" },
	{ KIND_SUBSYSTEM, "version", "1.3.0", "1.3" },
	{ KIND_SUBSYSTEM, "version", "2.0.1", "2.0.1" },
	{ KIND_SUBSYSTEM, "version", "65535.255.255", "65535.255.255" },
	{ KIND_SUBSYSTEM, "serial", "a b", "a b" },
	{ KIND_SUBSYSTEM, "serial", "01234567890123456789", "01234567890123456789" },
	{ KIND_SUBSYSTEM, "model", A40, A40 },
	{ KIND_SUBSYSTEM, "ieee_oui", "0x1", "0x000001" },
	{ KIND_SUBSYSTEM, "ieee_oui", "16777215", "0xffffff" },
	{ KIND_SUBSYSTEM, "vendor_id", "0x1B36", "0x1b36" },
	{ KIND_SUBSYSTEM, "vendor_id", "0x0000", "0x0" },
	{ KIND_SUBSYSTEM, "cntlid_max", "65519", "65519" },
	{ KIND_SUBSYSTEM, "passthru_io_timeout", "4294967295", "4294967295" },
	{ KIND_NAMESPACE, "ana_grpid", "127", "127" },
	{ KIND_NAMESPACE, "p2pmem", "0000:3b:00.0", "0000:3b:00.0" },
	{ KIND_NAMESPACE, "backend", "vol.0_a:b-c", "vol.0_a:b-c" },
	{ KIND_PORT, "inline_data_size", "-1", "-1" },
	{ KIND_PORT, "treq", "not required", "not required" },
	{ KIND_PORT, "traddr", "fe80::1%eth0", "fe80::1%eth0" },
	{ KIND_PORT, "subsystems", "nqn.2026-11.org.example:s1", "nqn.2026-11.org.example:s1" },
	{ KIND_REFERRAL, "portid", "0", "0" },
	{ KIND_NVMET, "discovery_nqn", "nqn.2026-11.org.example:discovery", "nqn.2026-11.org.example:discovery" },
};

static void test_taken(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(taken); i++) {
		_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;
		_cleanup_free_ char *value = NULL, *again = NULL;
		const struct attr_row *row = row_of(taken[i].kind, taken[i].attr);

		if (attr_parse(row, taken[i].text, &value, &err) < 0)
			fail_msg("%s=%s: %s", taken[i].attr, taken[i].text, err.msg);
		assert_string_equal(value, taken[i].canonical);
		/* What is canonical stays as it is. */
		assert_int_equal(attr_parse(row, value, &again, NULL), 0);
		assert_string_equal(again, value);
	}
}

static const struct {
	enum kind kind;
	const char *attr, *text, *message;	/* a part of it */
} refused[] = {
	{ KIND_BACKEND, "type", "tape", "one of: block, file" },
	{ KIND_BACKEND, "type", "", "one of" },
	{ KIND_BACKEND, "device", "dev/vdb", "absolute path" },
	{ KIND_BACKEND, "device", "/", "absolute path" },
	{ KIND_BACKEND, "device", "/dev/../etc/shadow", ".." },
	{ KIND_BACKEND, "device", "/dev/./x", "." },
	{ KIND_BACKEND, "device", "/dev/a\nb", "control" },
	{ KIND_BACKEND, "size", "1.5GiB", "size" },
	{ KIND_BACKEND, "size", "-1", "size" },
	{ KIND_BACKEND, "size", "511", "size" },
	{ KIND_BACKEND, "size", "8192PiB", "size" },
	{ KIND_BACKEND, "size", "10GB", "size" },
	{ KIND_BACKEND, "size", "10 GiB", "size" },
	{ KIND_BACKEND, "size", "0512", "size" },
	{ KIND_BACKEND, "create", "2", "true or false" },
	{ KIND_BACKEND, "create", "", "true or false" },
	{ KIND_BACKEND, "create", "True", "true or false" },
	{ KIND_BACKEND, "uuid", "5f3c1b9e0e574b6f8c0a9c2d5e6f7a81", "UUID" },
	{ KIND_BACKEND, "uuid", "5f3c1b9e-0e57-4b6f-8c0a-9c2d5e6f7a8", "UUID" },
	{ KIND_BACKEND, "uuid", "5f3c1b9e-0e57-4b6f-8c0a-9c2d5e6f7a8g", "UUID" },
	{ KIND_BACKEND, "uuid", "00000000-0000-0000-0000-000000000000", "zeros" },
	{ KIND_BACKEND, "nguid", "5f3c1b9e0e574b6f8c0a9c2d5e6f7a811", "32" },
	{ KIND_BACKEND, "nguid", "5f3c1b9e0e574b6f8c0a9c2d5e6f7a8", "32" },
	{ KIND_HOST, "dhchap_key", "host1.key", "file:NAME" },
	{ KIND_HOST, "dhchap_key", "file:", "file:NAME" },
	{ KIND_HOST, "dhchap_key", "file:../x", "file:NAME" },
	{ KIND_HOST, "dhchap_key", "file:a/b", "file:NAME" },
	{ KIND_HOST, "dhchap_key", "inline:0", "file:NAME" },
	{ KIND_HOST, "dhchap_key", "set", "file:NAME" },
	{ KIND_HOST, "dhchap_hash", "sha256", "hmac(sha256)" },
	{ KIND_HOST, "dhchap_hash", "hmac(sha256) ", "hmac(sha256)" },
	{ KIND_HOST, "dhchap_dhgroup", "none", "null" },
	{ KIND_SUBSYSTEM, "version", "1", "version" },
	{ KIND_SUBSYSTEM, "version", "1.", "version" },
	{ KIND_SUBSYSTEM, "version", "1.2.3.4", "version" },
	{ KIND_SUBSYSTEM, "version", "1.256", "version" },
	{ KIND_SUBSYSTEM, "version", "01.2", "version" },
	{ KIND_SUBSYSTEM, "version", "0.9", "version" },
	{ KIND_SUBSYSTEM, "serial", "", "1 to 20 bytes" },
	{ KIND_SUBSYSTEM, "serial", "012345678901234567890", "1 to 20 bytes" },
	{ KIND_SUBSYSTEM, "serial", " a", "blank" },
	{ KIND_SUBSYSTEM, "serial", "a ", "blank" },
	{ KIND_SUBSYSTEM, "serial", "\xc3\xa4", "ASCII" },
	{ KIND_SUBSYSTEM, "model", A40 "x", "1 to 40 bytes" },
	{ KIND_SUBSYSTEM, "ieee_oui", "0x1000000", "0xffffff" },
	{ KIND_SUBSYSTEM, "ieee_oui", "0x", "0xffffff" },
	{ KIND_SUBSYSTEM, "ieee_oui", "0xfffffffff", "0xffffff" },
	{ KIND_SUBSYSTEM, "ieee_oui", "00525400", "0xffffff" },
	{ KIND_SUBSYSTEM, "ieee_oui", "", "0xffffff" },
	/* Trap 13 and its kind: the kernel wraps numbers that are too large. */
	{ KIND_SUBSYSTEM, "cntlid_max", "65541", "1 to 65519" },
	{ KIND_SUBSYSTEM, "cntlid_min", "0", "1 to 65519" },
	{ KIND_SUBSYSTEM, "qid_max", "129", "1 to 128" },
	{ KIND_SUBSYSTEM, "qid_max", "010", "1 to 128" },
	{ KIND_SUBSYSTEM, "qid_max", "0x10", "1 to 128" },
	{ KIND_SUBSYSTEM, "qid_max", " 10", "1 to 128" },
	{ KIND_SUBSYSTEM, "qid_max", "10\n", "1 to 128" },
	{ KIND_SUBSYSTEM, "qid_max", "99999999999999999999", "1 to 128" },
	{ KIND_NAMESPACE, "ana_grpid", "128", "1 to 127" },
	{ KIND_NAMESPACE, "backend", "a b", "name" },
	{ KIND_NAMESPACE, "p2pmem", "a b", "without blanks" },
	{ KIND_PORT, "trtype", "TCP", "tcp" },
	{ KIND_PORT, "adrfam", "pcie", "ipv4" },
	{ KIND_PORT, "traddr", "192.0.2.1 ", "without blanks" },
	{ KIND_PORT, "trsvcid", A40, "1 to 31 bytes" },
	{ KIND_PORT, "mdts", "-1", "0 to 255" },
	{ KIND_PORT, "subsystems", "foo", "NQN" },
	{ KIND_NVMET, "discovery_nqn", "discovery", "NQN" },
};

static void test_refused(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
		_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;
		char *value = NULL;
		const struct attr_row *row = row_of(refused[i].kind, refused[i].attr);

		if (attr_parse(row, refused[i].text, &value, &err) >= 0)
			fail_msg("%s=%s is taken", refused[i].attr, refused[i].text);
		assert_null(value);
		assert_int_equal(err.code, EINVAL);
		assert_string_equal(err.attr, refused[i].attr);
		if (!strstr(err.msg, refused[i].message))
			fail_msg("%s=%s: \"%s\" does not say \"%s\"", refused[i].attr, refused[i].text, err.msg, refused[i].message);
	}
}

/* What may be the secret itself is not repeated. */
static void test_secret_is_not_repeated(void **state)
{
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;
	char *value = NULL;

	assert_int_equal(attr_parse(row_of(KIND_HOST, "dhchap_key"), "DHHC-1:00:c2VjcmV0:", &value, &err), -EINVAL);
	assert_null(strstr(err.msg, "c2Vj"));
}

/* ---- JSON ---- */

static const struct {
	enum kind kind;
	const char *attr, *json;
	const char *canonical;	/* NULL: refused with message */
	const char *message;
} in_json[] = {
	{ KIND_BACKEND, "create", "true", "1" },
	{ KIND_BACKEND, "create", "0", "0" },
	{ KIND_BACKEND, "create", "2", NULL, "true or false" },
	{ KIND_BACKEND, "create", "\"yes\"", NULL, "must be true or false, not a string" },
	{ KIND_BACKEND, "size", "\"1MiB\"", "1048576" },
	{ KIND_BACKEND, "size", "4096", "4096" },
	{ KIND_BACKEND, "size", "true", NULL, "not a boolean" },
	{ KIND_BACKEND, "size", "18446744073709551615", NULL, "size" },
	{ KIND_BACKEND, "type", "\"file\"", "file" },
	{ KIND_BACKEND, "type", "1", NULL, "must be a string, not a number" },
	{ KIND_SUBSYSTEM, "qid_max", "7", "7" },
	{ KIND_SUBSYSTEM, "qid_max", "\"7\"", NULL, "must be a number, not a string" },
	{ KIND_SUBSYSTEM, "qid_max", "-7", NULL, "1 to 128" },
	{ KIND_SUBSYSTEM, "ieee_oui", "\"0x525400\"", "0x525400" },
	{ KIND_SUBSYSTEM, "ieee_oui", "5", "0x000005" },
	{ KIND_SUBSYSTEM, "ieee_oui", "[5]", NULL, "not an array" },
	{ KIND_PORT, "trsvcid", "4420", NULL, "must be a string, not a number" },
	{ KIND_PORT, "trsvcid", "{}", NULL, "not an object" },
	{ KIND_HOST, "dhchap_key", "{\"file\": \"a\"}", "file:a" },
	{ KIND_HOST, "dhchap_key", "{\"credential\": \"a\"}", "credential:a" },
	{ KIND_HOST, "dhchap_key", "{\"file\": \"a\", \"credential\": \"b\"}", NULL, "{\"file\": NAME}" },
	{ KIND_HOST, "dhchap_key", "{\"file\": 1}", NULL, "{\"file\": NAME}" },
	{ KIND_HOST, "dhchap_key", "{\"inline\": \"0\"}", NULL, "{\"file\": NAME}" },
	{ KIND_HOST, "dhchap_key", "{\"file\": \"/etc/passwd\"}", NULL, "file:NAME" },
	{ KIND_HOST, "dhchap_key", "7", NULL, "{\"file\": NAME}" },
};

static void test_json(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(in_json); i++) {
		_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;
		_cleanup_json_ struct json_object *json = NULL;
		_cleanup_free_ char *value = NULL;
		int r;

		assert_int_equal(json_parse("x", in_json[i].json, strlen(in_json[i].json), &json, NULL), 0);
		r = attr_parse_json(row_of(in_json[i].kind, in_json[i].attr), json, &value, &err);
		if (in_json[i].canonical) {
			if (r < 0)
				fail_msg("%s: %s: %s", in_json[i].attr, in_json[i].json, err.msg);
			assert_string_equal(value, in_json[i].canonical);
			continue;
		}
		assert_int_equal(r, -EINVAL);
		assert_null(value);
		if (!strstr(err.msg, in_json[i].message))
			fail_msg("%s: %s: \"%s\" does not say \"%s\"", in_json[i].attr, in_json[i].json, err.msg,
				 in_json[i].message);
	}
}

/* Any value that a row takes survives being a document's, and being typed. */
static void check_value(const struct attr_row *row, const char *value)
{
	_cleanup_error_ struct cfg_error err = CFG_ERROR_NULL;
	_cleanup_json_ struct json_object *json = attr_to_json(row, value), *back = NULL;
	_cleanup_free_ char *text = json ? json_print_line(json) : NULL, *typed = NULL, *read = NULL;

	assert_non_null(text);
	if (attr_parse(row, value, &typed, &err) < 0)
		fail_msg("%s=%s: %s", row->name, value, err.msg);
	assert_string_equal(typed, value);
	assert_int_equal(json_parse("x", text, strlen(text), &back, NULL), 0);
	if (attr_parse_json(row, back, &read, &err) < 0)
		fail_msg("%s: %s: %s", row->name, text, err.msg);
	assert_string_equal(read, value);
}

static void test_random_values_in_json(void **state)
{
	struct random r = { 1 };

	each_kind(kind)
		attr_foreach(row, kind)
			for (int i = 0; i < 200; i++) {
				_cleanup_free_ char *value = random_value(&r, row);

				check_value(row, value);
			}
}

/* A kernel may say what no row knows; it is shown all the same. */
static void test_strange_values_are_shown(void **state)
{
	_cleanup_json_ struct json_object *n = attr_to_json(row_of(KIND_SUBSYSTEM, "qid_max"), "many");
	_cleanup_json_ struct json_object *w = attr_to_json(row_of(KIND_PORT, "trtype"), "quic");

	assert_string_equal(json_object_get_string(n), "many");
	assert_string_equal(json_object_get_string(w), "quic");
}

/* ---- the kernel's text ---- */

static const struct {
	enum kind kind;
	const char *attr, *kernel, *canonical;	/* NULL: unset */
} read_back[] = {
	/* Trap 15: what comes back is not what was written. */
	{ KIND_SUBSYSTEM, "serial", "a b                 \n", "a b" },
	{ KIND_SUBSYSTEM, "serial", "01234567890123456789\n", "01234567890123456789" },
	{ KIND_SUBSYSTEM, "version", "1.3\n", "1.3" },
	{ KIND_SUBSYSTEM, "version", "1.3.0\n", "1.3" },
	{ KIND_SUBSYSTEM, "version", "2.0.1\n", "2.0.1" },
	{ KIND_SUBSYSTEM, "ieee_oui", "0x525400\n", "0x525400" },
	{ KIND_SUBSYSTEM, "ieee_oui", "0x000001\n", "0x000001" },
	{ KIND_SUBSYSTEM, "vendor_id", "0x0\n", "0x0" },
	{ KIND_SUBSYSTEM, "vendor_id", "0x1b36\n", "0x1b36" },
	{ KIND_SUBSYSTEM, "model", "Linux\n", "Linux" },
	{ KIND_SUBSYSTEM, "allow_any_host", "0\n", "0" },
	{ KIND_SUBSYSTEM, "passthru_path", "(null)\n", NULL },
	{ KIND_ACL, "node_name", "20:00:00:24:ff:31:4c:4a\n", "20:00:00:24:ff:31:4c:4a" },
	{ KIND_ACL, "node_name", "20000024ff314c4a\n", "20:00:00:24:ff:31:4c:4a" },
	{ KIND_SUBSYSTEM, "passthru_path", "/dev/nvme0\n", "/dev/nvme0" },
	{ KIND_NAMESPACE, "device_path", "(null)\n", NULL },
	{ KIND_NAMESPACE, "device_path", "\n", NULL },
	{ KIND_NAMESPACE, "device_path", "/dev/vdb\n", "/dev/vdb" },
	{ KIND_NAMESPACE, "device_uuid", "5F3C1B9E-0E57-4B6F-8C0A-9C2D5E6F7A81\n", "5f3c1b9e-0e57-4b6f-8c0a-9c2d5e6f7a81" },
	{ KIND_NAMESPACE, "device_nguid", "5f3c1b9e-0e57-4b6f-8c0a-9c2d5e6f7a81\n", "5f3c1b9e-0e57-4b6f-8c0a-9c2d5e6f7a81" },
	{ KIND_NAMESPACE, "device_nguid", "00000000-0000-0000-0000-000000000000\n", NULL },
	{ KIND_NAMESPACE, "p2pmem", "0\n", "0" },
	{ KIND_HOST, "dhchap_hash", "none\n", NULL },
	{ KIND_HOST, "dhchap_dhgroup", "null\n", "null" },
	{ KIND_HOST, "dhchap_dhgroup", "none\n", NULL },
	/* A scan never tells more of a secret. */
	{ KIND_HOST, "dhchap_key", "unset", NULL },
	{ KIND_HOST, "dhchap_key", "\n", NULL },
	{ KIND_HOST, "dhchap_key", "set", "set" },
	{ KIND_HOST, "dhchap_key", "DHHC-1:00:c2VjcmV0:\n", "set" },
	{ KIND_PORT, "trtype", "\n", NULL },
	{ KIND_PORT, "trtype", "tcp\n", "tcp" },
	{ KIND_PORT, "traddr", "\n", NULL },
	{ KIND_PORT, "treq", "not specified\n", "not specified" },
	{ KIND_PORT, "inline_data_size", "-1\n", "-1" },
	{ KIND_PORT, "inline_data_size", "16384\n", "16384" },
	{ KIND_NVMET, "discovery_nqn", "nqn.2014-08.org.nvmexpress.discovery\n", "nqn.2014-08.org.nvmexpress.discovery" },
	/* As 6.12 prints them. */
	{ KIND_BACKEND, "vpd_unit_serial", "T10 VPD Unit Serial Number: 5d1f0c8e-aaaa-bbbb-cccc-0123456789ab\n",
	  "5d1f0c8e-aaaa-bbbb-cccc-0123456789ab" },
	{ KIND_BACKEND, "vpd_unit_serial", "T10 VPD Unit Serial Number: \n", NULL },
	{ KIND_BACKEND, "company_id", "0x001405\n", "0x001405" },
	{ KIND_BACKEND, "product_id", "RAMDISK-MCP\n", "RAMDISK-MCP" },
	{ KIND_BACKEND, "product_id", "\n", NULL },
	{ KIND_BACKEND, "lu_group", "LU Group Alias: g\nLU Group ID: 5\n", "g" },
	{ KIND_BACKEND, "lu_group", "LU Group Alias: default_lu_gp\nLU Group ID: 0\n", NULL },
	{ KIND_BACKEND, "lu_group", "", NULL },
	{ KIND_BACKEND, "optimal_sectors", "4294967288\n", "4294967288" },
	{ KIND_BACKEND, "nl_reply_supported", "-1\n", "-1" },
	{ KIND_LUN, "alua_group", "TG Port Alias: a\nTG Port Group ID: 7\nTG Port Primary Access State: Active/Optimized\n", "a" },
	{ KIND_LUN, "alua_group", "TG Port Alias: default_tg_pt_gp\nTG Port Group ID: 0\n", NULL },
	{ KIND_ALUA_GROUP, "access_state", "0\n", "optimized" },
	{ KIND_ALUA_GROUP, "access_state", "15\n", "transitioning" },
	{ KIND_ALUA_GROUP, "alua_access_status", "None\n", "none" },
	{ KIND_ALUA_GROUP, "alua_access_status", "Altered by Explicit STPG\n", "explicit" },
	{ KIND_ALUA_GROUP, "alua_access_status", "Altered by Implicit ALUA\n", "implicit" },
	{ KIND_ALUA_GROUP, "alua_access_type", "Implicit and Explicit\n", "both" },
	{ KIND_ALUA_GROUP, "alua_access_type", "None\n", "none" },
	{ KIND_TPG, "rtpi", "0x12c\n", "300" },
	{ KIND_TPG, "rtpi", "0x0\n", NULL },
	{ KIND_TPG, "HeaderDigest", "CRC32C,None\n", "CRC32C,None" },
	{ KIND_TPG, "directory_id", "implicit\n", "implicit" },
	{ KIND_ACL, "userid", "NULL\n", NULL },
	{ KIND_ACL, "userid", "\n", NULL },
	{ KIND_ACL, "userid", "joe\n", "joe" },
	{ KIND_ACL, "password", "set", "set" },
	{ KIND_ACL, "tag", "", NULL },
	{ KIND_ACL, "tag", "lab", "lab" },
};

/* What is written is not always the value. */
static void test_written(void **state)
{
	static const struct { enum kind kind; const char *attr, *value, *written; } cases[] = {
		{ KIND_ALUA_GROUP, "access_state", "standby", "2" }, { KIND_ALUA_GROUP, "access_state", "offline", "14" },
		{ KIND_ALUA_GROUP, "alua_access_type", "both", "3" }, { KIND_ALUA_GROUP, "alua_access_status", "implicit", "2" },
		{ KIND_LUN, "alua_group", "far", "far" }, { KIND_LUN, "alua_group", "", "default_tg_pt_gp" },
		{ KIND_ACL, "userid", "", "NULL" }, { KIND_ACL, "userid", "joe", "joe" }, { KIND_ACL, "tag", "", "NULL" },
		{ KIND_TPG, "rtpi", "300", "300" }, { KIND_BACKEND, "company_id", "0x525400", "0x525400" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		_cleanup_free_ char *written = NULL;

		assert_int_equal(attr_to_kernel(row_of(cases[i].kind, cases[i].attr), cases[i].value, &written), 0);
		assert_string_equal(written, cases[i].written);
	}
}

static void test_read_back(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(read_back); i++) {
		const struct attr_row *row = row_of(read_back[i].kind, read_back[i].attr);
		_cleanup_free_ char *value = NULL;

		assert_int_equal(attr_from_kernel(row, read_back[i].kernel, &value), 0);
		if (!streq_ptr(value, read_back[i].canonical))
			fail_msg("%s: \"%s\" reads as %s", row->name, read_back[i].kernel, value ? value : "unset");
	}
}

static void test_what_makes_no_sense(void **state)
{
	char *value = NULL;

	assert_int_equal(attr_from_kernel(row_of(KIND_SUBSYSTEM, "version"), "one.two\n", &value), -EINVAL);
	assert_int_equal(attr_from_kernel(row_of(KIND_SUBSYSTEM, "ieee_oui"), "0xzz\n", &value), -EINVAL);
	assert_int_equal(attr_from_kernel(row_of(KIND_NAMESPACE, "device_nguid"), "1234\n", &value), -EINVAL);
	assert_int_equal(attr_from_kernel(row_of(KIND_ALUA_GROUP, "access_state"), "7\n", &value), -EINVAL);
	assert_int_equal(attr_from_kernel(row_of(KIND_TPG, "rtpi"), "x\n", &value), -EINVAL);
	assert_null(value);
}

/* As the 6.12 kernel prints a value that was written; kernel-abi 2.13. Caller frees. */
static char *kernel_prints(const struct attr_row *row, const char *written)
{
	struct strbuf b = { 0 };

	if (streq_ptr(row->file, "attr_serial"))
		strbuf_addf(&b, "%-20s\n", written);
	else if (streq_ptr(row->file, "wwn/vpd_unit_serial"))
		strbuf_addf(&b, "T10 VPD Unit Serial Number: %s\n", written);
	else if (streq_ptr(row->file, "rtpi"))
		strbuf_addf(&b, "0x%x\n", (unsigned)atoi(written));
	else if (streq_ptr(row->file, "alua_lu_gp"))
		strbuf_addf(&b, "LU Group Alias: %s\nLU Group ID: 5\n", written);
	else if (streq_ptr(row->file, "alua_tg_pt_gp"))
		strbuf_addf(&b, "TG Port Alias: %s\nTG Port Group ID: 7\n", written);
	else
		strbuf_addf(&b, "%s\n", written);
	return strbuf_steal(&b);
}

static void test_kernel_round_trip(void **state)
{
	struct random r = { 2 };

	each_kind(kind)
		attr_foreach(row, kind)
			for (int i = 0; i < 200 && row->file && !attr_is_secret(row) && !attr_is_list(row); i++) {
				_cleanup_free_ char *value = random_value(&r, row), *written = NULL, *printed = NULL, *read = NULL;

				assert_int_equal(attr_to_kernel(row, value, &written), 0);
				printed = kernel_prints(row, written);
				assert_int_equal(attr_from_kernel(row, printed, &read), 0);
				assert_string_equal(read, value);
			}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_every_kernel_file),
		cmocka_unit_test(test_who_has_what),
		cmocka_unit_test(test_only_in_words),
		cmocka_unit_test(test_written),
		cmocka_unit_test(test_effects),
		cmocka_unit_test(test_taken),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_secret_is_not_repeated),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_random_values_in_json),
		cmocka_unit_test(test_strange_values_are_shown),
		cmocka_unit_test(test_read_back),
		cmocka_unit_test(test_what_makes_no_sense),
		cmocka_unit_test(test_kernel_round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
