/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The attributes of backends, which belong to the backend whoever exports it; nvmet-rows.c says how to add one. What has a kernel file is the
 * storage object's in the SCSI target, below target/core: set to anything but its default it makes the backend a shared one (backend.h).
 *
 * Kernel facts: drivers/target/target_core_configfs.c. Rows are in an order in which the kernel takes them: enable overwrites most of what
 * stands below attrib, and needs the unit serial to have been written before.
 */
#include "model/rows.h"

#define END { .name = NULL }
#define SBC (ONLY_BLOCK | ONLY_FILE | ONLY_RAMDISK)
#define EMULATED (SBC | ONLY_USER)
#define STORED (EMULATED | ONLY_SCSI)	/* all but what is passed to an NVMe controller, which has all this of its own */
#define USER_KEY .moment = ATTR_NEVER, .flags = ATTR_CONTROL, .only = ONLY_USER

static const char *const types[] = { "block", "file", "ramdisk", "scsi", "user", "nvme-passthru", NULL };
static const char *const ways[] = { "auto", "direct", "shared", NULL };
static const char *const access_states[] = { "optimized", "non-optimized", "standby", "unavailable", "offline", "transitioning", NULL };
static const char *const alua_states[] = { "optimized", "non-optimized", "standby", "unavailable", "lba-dependent", "offline",
					   "transitioning", NULL };
static const char *const alua_types[] = { "none", "implicit", "explicit", "both", NULL };
static const char *const alua_statuses[] = { "none", "explicit", "implicit", NULL };

const struct attr_row rows_backend[] = {
	{ "type", ATTR_WORD, .words = types, .source = ATTR_REQUIRED, .moment = ATTR_NEVER,
	  .doc = "What stores the blocks: a block device, a regular file, the machine's memory, a SCSI device that commands are passed to, a "
		 "program of the user (tcmu), or an NVMe controller that a subsystem passes commands to." },
	{ "device", ATTR_PATH, .min = 2, .max = 4000, .source = ATTR_OPTIONAL, .effect = EFFECT_IDENTITY, .only = ONLY_BLOCK | ONLY_SCSI | ONLY_NVME,
	  .doc = "Path of the device (type block, scsi, nvme-passthru: /dev/nvmeN). A link below /dev/disk survives a change of device names." },
	{ "path", ATTR_PATH, .min = 2, .max = 4000, .source = ATTR_OPTIONAL, .effect = EFFECT_IDENTITY, .only = ONLY_FILE,
	  .doc = "Path of the regular file (type file)." },
	{ "size", ATTR_SIZE, .min = 512, .max = INT64_MAX, .source = ATTR_OPTIONAL, .only = ONLY_FILE | ONLY_RAMDISK | ONLY_USER,
	  .doc = "Size (type file, ramdisk, user). A missing file needs it to be made; a larger size than before grows the file. An existing "
		 "file is never shrunk." },
	{ "create", ATTR_BOOL, .source = ATTR_CONSTANT, .dflt = "0", .only = ONLY_FILE,
	  .doc = "Make the file, with size, when it is missing (type file); but not at the daemon's start, when its file system may not be "
		 "mounted yet." },
	{ "buffered_io", ATTR_BOOL, .source = ATTR_CONSTANT, .dflt = "0", .effect = EFFECT_IDENTITY, .only = ONLY_BLOCK | ONLY_FILE,
	  .doc = "Go through the page cache. For a block device this changes the block size that NVMe hosts see to 4096." },
	{ "nullio", ATTR_BOOL, .source = ATTR_CONSTANT, .dflt = "0", .moment = ATTR_NEVER, .only = ONLY_RAMDISK,
	  .doc = "Store nothing: for measuring (type ramdisk)." },
	{ "dev_config", ATTR_STRING, .min = 1, .max = 255, .source = ATTR_OPTIONAL, .moment = ATTR_NEVER, .only = ONLY_USER,
	  .doc = "What the program that serves the device is told, as handler/its configuration (type user)." },
	{ "hw_block_size", ATTR_INT, .min = 1, .max = UINT32_MAX, .file = "attrib/hw_block_size", .source = ATTR_CAPTURED, USER_KEY,
	  .doc = "Logical block length in bytes of what the program serves (type user)." },
	{ "hw_max_sectors", ATTR_INT, .min = 1, .max = UINT32_MAX, .file = "attrib/hw_max_sectors", .source = ATTR_CAPTURED, USER_KEY,
	  .doc = "Most blocks of one command to the program (type user)." },
	{ "max_data_area_mb", ATTR_INT, .min = 1, .max = INT32_MAX, .file = "attrib/max_data_area_mb", .source = ATTR_CAPTURED, USER_KEY,
	  .doc = "Most memory, in MiB, for data on its way to the program (type user)." },
	{ "data_pages_per_blk", ATTR_INT, .min = 1, .max = INT32_MAX, .file = "attrib/data_pages_per_blk", .source = ATTR_CAPTURED,
	  USER_KEY,
	  .doc = "Pages of a block of the data area that is shared with the program (type user)." },
	{ "cmd_ring_size_mb", ATTR_INT, .min = 1, .max = 8, .file = "attrib/cmd_ring_size_mb", .source = ATTR_CAPTURED,
	  USER_KEY,
	  .doc = "Size, in MiB, of the ring by which the program is given commands (type user)." },
	{ "nl_reply_supported", ATTR_INT, .min = -1, .max = 1, .file = "attrib/nl_reply_supported", .source = ATTR_CONSTANT, .dflt = "-1",
	  USER_KEY,
	  .doc = "Whether making and removing it waits until the program has answered, for ever if it does not: -1 never, 1 always, 0 as the "
		 "last program that spoke to the kernel wanted it (type user)." },
	{ "data_path", ATTR_WORD, .words = ways, .source = ATTR_CONSTANT, .dflt = "auto", .effect = EFFECT_VANISH,
	  .only = STORED,
	  .doc = "How NVMe hosts reach it: direct, by nvmet itself; shared, by the SCSI target, as everything that SCSI exports too or that "
		 "only the SCSI target can do; auto takes direct when it can." },
	{ "access_state", ATTR_WORD, .words = access_states, .source = ATTR_OPTIONAL, .effect = EFFECT_VANISH, .only = EMULATED,
	  .doc = "Asymmetric access state, as ALUA of LUNs and as ANA of namespaces, at every target port that is in none of the backend's "
		 "alua_groups. Left out: nothing is said of it, and each namespace has the ANA group that its ana_grpid names." },
	{ "ana_grpid", ATTR_INT, .min = 2, .max = 127, .source = ATTR_GENERATED, .only = EMULATED,
	  .doc = "Number of the ANA group by which access_state reaches NVMe hosts; the lowest free one when left out." },
	{ "uuid", ATTR_UUID, .source = ATTR_GENERATED, .moment = ATTR_NEVER, .effect = EFFECT_IDENTITY, .only = STORED,
	  .doc = "Identity of the disk: namespaces on it show this UUID." },
	{ "nguid", ATTR_NGUID, .source = ATTR_GENERATED, .moment = ATTR_NEVER, .effect = EFFECT_IDENTITY, .only = STORED,
	  .doc = "Identity of the disk as namespace globally unique identifier; made from the uuid when left out, none if all "
		 "zeros." },
	{ "storage_object", ATTR_STRING, .min = 3, .max = 127, .source = ATTR_GENERATED, .moment = ATTR_NEVER, .only = STORED,
	  .doc = "Where it stands below target/core when it is in the SCSI target, as iblock_1/vol0." },
	{ "vpd_unit_serial", ATTR_TOKEN, .min = 1, .max = 253, .file = "wwn/vpd_unit_serial", .codec = &codec_unit_serial,
	  .source = ATTR_GENERATED, .moment = ATTR_NEVER, .effect = EFFECT_IDENTITY, .only = STORED,
	  .doc = "Unit serial number (VPD page 80h), from which the NAA identifier is made; as the uuid when left out." },
	{ "enable", ATTR_BOOL, .file = "enable", .source = ATTR_DERIVED, .flags = ATTR_NO_MODEL, .only = STORED,
	  .doc = "Whether it is configured." },
	{ "vendor_id", ATTR_STRING, .min = 1, .max = 8, .file = "wwn/vendor_id", .source = ATTR_CONSTANT, .dflt = "LIO-ORG",
	  .moment = ATTR_UNEXPORTED, .effect = EFFECT_IDENTITY, .only = EMULATED, .doc = "T10 vendor identification." },
	{ "product_id", ATTR_STRING, .min = 1, .max = 16, .file = "wwn/product_id", .source = ATTR_CAPTURED,
	  .moment = ATTR_UNEXPORTED, .effect = EFFECT_IDENTITY, .only = EMULATED, .doc = "Product identification." },
	{ "revision", ATTR_STRING, .min = 1, .max = 4, .file = "wwn/revision", .source = ATTR_CAPTURED,
	  .moment = ATTR_UNEXPORTED, .effect = EFFECT_IDENTITY, .only = EMULATED, .doc = "Product revision level." },
	{ "company_id", ATTR_HEX, .min = 0, .max = 0xffffff, .file = "wwn/company_id", .codec = &codec_hex, .source = ATTR_CONSTANT,
	  .dflt = "0x001405", .moment = ATTR_UNEXPORTED, .effect = EFFECT_IDENTITY, .only = EMULATED,
	  .doc = "IEEE company identifier in the NAA identifier." },
	{ "pd_text_id_info", ATTR_STRING, .min = 1, .max = 255, .file = "wwn/pd_text_id_info", .since = "7.0",
	  .feature = "an identifying text of devices", .source = ATTR_OPTIONAL, .moment = ATTR_UNEXPORTED, .only = EMULATED,
	  .doc = "Peripheral device text identifying information (REPORT IDENTIFYING INFORMATION)." },
	{ "block_size", ATTR_INT, .min = 512, .max = 4096, .file = "attrib/block_size", .source = ATTR_CAPTURED,
	  .moment = ATTR_UNEXPORTED, .effect = EFFECT_IDENTITY, .only = SBC, .doc = "Logical block length in bytes." },
	{ "emulate_write_cache", ATTR_BOOL, .file = "attrib/emulate_write_cache", .source = ATTR_CAPTURED, .only = EMULATED,
	  .doc = "Report a volatile write cache. Of a block device the kernel tells what the disk has." },
	{ "emulate_tpu", ATTR_BOOL, .file = "attrib/emulate_tpu", .source = ATTR_CONSTANT, .dflt = "0", .only = SBC,
	  .doc = "Thin provisioning: take UNMAP. The device must be able to discard." },
	{ "emulate_tpws", ATTR_BOOL, .file = "attrib/emulate_tpws", .source = ATTR_CONSTANT, .dflt = "0", .only = SBC,
	  .doc = "Thin provisioning: take WRITE SAME with UNMAP." },
	{ "unmap_zeroes_data", ATTR_BOOL, .file = "attrib/unmap_zeroes_data", .source = ATTR_CONSTANT, .dflt = "0",
	  .moment = ATTR_UNEXPORTED, .only = SBC, .doc = "Unmapped blocks read as zeros (LBPRZ)." },
	{ "max_unmap_lba_count", ATTR_INT, .min = 0, .max = UINT32_MAX, .file = "attrib/max_unmap_lba_count", .source = ATTR_CAPTURED,
	  .only = SBC, .doc = "Most blocks that one UNMAP takes." },
	{ "max_unmap_block_desc_count", ATTR_INT, .min = 0, .max = UINT32_MAX, .file = "attrib/max_unmap_block_desc_count",
	  .source = ATTR_CAPTURED, .only = SBC, .doc = "Most ranges that one UNMAP takes." },
	{ "unmap_granularity", ATTR_INT, .min = 0, .max = UINT32_MAX, .file = "attrib/unmap_granularity", .source = ATTR_CAPTURED,
	  .only = SBC, .doc = "Optimal unmap granularity in blocks." },
	{ "unmap_granularity_alignment", ATTR_INT, .min = 0, .max = UINT32_MAX, .file = "attrib/unmap_granularity_alignment",
	  .source = ATTR_CAPTURED, .only = SBC, .doc = "First block to which the unmap granularity applies." },
	{ "max_write_same_len", ATTR_INT, .min = 0, .max = UINT32_MAX, .file = "attrib/max_write_same_len", .source = ATTR_CAPTURED,
	  .only = SBC, .doc = "Most blocks that one WRITE SAME takes." },
	{ "optimal_sectors", ATTR_INT, .min = 1, .max = UINT32_MAX, .file = "attrib/optimal_sectors", .source = ATTR_CAPTURED,
	  .moment = ATTR_UNEXPORTED, .only = SBC, .doc = "Optimal transfer length in blocks." },
	{ "queue_depth", ATTR_INT, .min = 1, .max = UINT32_MAX, .file = "attrib/queue_depth", .source = ATTR_CAPTURED,
	  .moment = ATTR_UNEXPORTED, .only = SBC, .doc = "Commands that the device takes at a time." },
	{ "is_nonrot", ATTR_BOOL, .file = "attrib/is_nonrot", .source = ATTR_CAPTURED, .only = SBC, .doc = "Not a rotating medium." },
	{ "emulate_model_alias", ATTR_BOOL, .file = "attrib/emulate_model_alias", .source = ATTR_CONSTANT, .dflt = "0",
	  .moment = ATTR_UNEXPORTED, .effect = EFFECT_IDENTITY, .only = SBC, .doc = "The backend's name is the product identification." },
	{ "emulate_ua_intlck_ctrl", ATTR_INT, .min = 0, .max = 2, .file = "attrib/emulate_ua_intlck_ctrl", .source = ATTR_CONSTANT,
	  .dflt = "0", .moment = ATTR_UNEXPORTED, .only = SBC, .doc = "Unit attention interlocks control." },
	{ "emulate_tas", ATTR_BOOL, .file = "attrib/emulate_tas", .source = ATTR_CONSTANT, .dflt = "1", .moment = ATTR_UNEXPORTED,
	  .only = SBC, .doc = "Report TASK ABORTED to other initiators." },
	{ "emulate_fua_write", ATTR_BOOL, .file = "attrib/emulate_fua_write", .source = ATTR_CONSTANT, .dflt = "1", .only = SBC,
	  .doc = "Honour FUA of writes." },
	{ "emulate_caw", ATTR_BOOL, .file = "attrib/emulate_caw", .source = ATTR_CONSTANT, .dflt = "1", .only = SBC,
	  .doc = "Take COMPARE AND WRITE." },
	{ "emulate_3pc", ATTR_BOOL, .file = "attrib/emulate_3pc", .source = ATTR_CONSTANT, .dflt = "1", .only = SBC,
	  .doc = "Take third-party copies (EXTENDED COPY)." },
	{ "emulate_pr", ATTR_BOOL, .file = "attrib/emulate_pr", .source = ATTR_CONSTANT, .dflt = "1", .only = STORED,
	  .doc = "Take reservations." },
	{ "emulate_rsoc", ATTR_BOOL, .file = "attrib/emulate_rsoc", .since = "6.2", .feature = "a choice about REPORT SUPPORTED OPERATION CODES",
	  .source = ATTR_CONSTANT, .dflt = "1", .only = SBC, .doc = "Take REPORT SUPPORTED OPERATION CODES." },
	{ "emulate_rest_reord", ATTR_INT, .min = 0, .max = 0, .file = "attrib/emulate_rest_reord", .source = ATTR_CONSTANT, .dflt = "0",
	  .only = SBC, .doc = "Restricted reordering, which the kernel does not have." },
	{ "emulate_dpo", ATTR_BOOL, .file = "attrib/emulate_dpo", .source = ATTR_CONSTANT, .dflt = "1", .only = SBC,
	  .doc = "Without effect; the kernel takes it and forgets it." },
	{ "emulate_fua_read", ATTR_BOOL, .file = "attrib/emulate_fua_read", .source = ATTR_CONSTANT, .dflt = "1", .only = SBC,
	  .doc = "Without effect; the kernel takes it and forgets it." },
	{ "enforce_pr_isids", ATTR_BOOL, .file = "attrib/enforce_pr_isids", .source = ATTR_CONSTANT, .dflt = "1", .only = EMULATED,
	  .doc = "An iSCSI initiator's sessions are told apart in reservations." },
	{ "force_pr_aptpl", ATTR_BOOL, .file = "attrib/force_pr_aptpl", .source = ATTR_CONSTANT, .dflt = "0", .moment = ATTR_UNEXPORTED,
	  .only = EMULATED, .doc = "Registrations outlive a restart whether or not the initiator asks for it (APTPL)." },
	{ "pi_prot_type", ATTR_INT, .min = 0, .max = 3, .file = "attrib/pi_prot_type", .source = ATTR_CONSTANT, .dflt = "0",
	  .moment = ATTR_UNEXPORTED, .effect = EFFECT_IDENTITY, .only = SBC, .doc = "Protection information type." },
	{ "pi_prot_verify", ATTR_BOOL, .file = "attrib/pi_prot_verify", .source = ATTR_CAPTURED, .only = SBC,
	  .doc = "Verify protection information." },
	{ "pi_prot_format", ATTR_BOOL, .file = "attrib/pi_prot_format", .source = ATTR_DERIVED, .moment = ATTR_UNEXPORTED,
	  .effect = EFFECT_DATA, .flags = ATTR_TRIGGER | ATTR_NO_MODEL, .only = SBC, .doc = "Written to make the protection information anew." },
	{ "alua_support", ATTR_BOOL, .file = "attrib/alua_support", .source = ATTR_CAPTURED,
	  .only = ONLY_USER, .doc = "Emulate ALUA." },
	{ "pgr_support", ATTR_BOOL, .file = "attrib/pgr_support", .source = ATTR_CAPTURED, .only = ONLY_BLOCK | ONLY_USER,
	  .doc = "Emulate persistent reservations; off passes them to the device (block)." },
	{ "submit_type", ATTR_INT, .min = 0, .max = 2, .file = "attrib/submit_type", .since = "6.7", .feature = "a choice of how commands are submitted",
	  .source = ATTR_CONSTANT, .dflt = "0", .only = STORED, .doc = "0: as the fabric likes; 1: at once; 2: by a queue." },
	{ "complete_type", ATTR_INT, .min = 0, .max = 2, .file = "attrib/complete_type", .since = "7.0",
	  .feature = "a choice of how commands are completed", .source = ATTR_CONSTANT, .dflt = "0", .only = STORED,
	  .doc = "0: as the fabric likes; 1: at once; 2: by a queue." },
	{ "cmd_time_out", ATTR_INT, .min = 0, .max = INT32_MAX, .file = "attrib/cmd_time_out", .source = ATTR_CONSTANT, .dflt = "30",
	  .moment = ATTR_UNEXPORTED, .only = ONLY_USER, .doc = "Seconds that the program may take for a command; 0: any time." },
	{ "qfull_time_out", ATTR_INT, .min = -1, .max = INT32_MAX, .file = "attrib/qfull_time_out", .source = ATTR_CONSTANT, .dflt = "-1",
	  .only = ONLY_USER, .doc = "Seconds that a command may wait for room in the ring; -1: as cmd_time_out." },
	{ "tmr_notification", ATTR_BOOL, .file = "attrib/tmr_notification", .source = ATTR_CONSTANT, .dflt = "0", .only = ONLY_USER, .doc = "Tell the program of task management requests." },
	{ "lu_group", ATTR_REF, .ref = KIND_LU_GROUP, .file = "alua_lu_gp", .codec = &codec_lu_group, .source = ATTR_OPTIONAL,
	  .only = STORED,
	  .doc = "Logical unit group: ALUA states of its backends change together." },
	END
};

const struct attr_row rows_lu_group[] = {
	{ "lu_gp_id", ATTR_INT, .min = 1, .max = 65535, .file = "lu_gp_id", .source = ATTR_GENERATED, .moment = ATTR_NEVER,
	  .doc = "The group's number; the lowest free one when left out." },
	END
};

const struct attr_row rows_alua_group[] = {
	{ "tg_pt_gp_id", ATTR_INT, .min = 1, .max = 65535, .file = "tg_pt_gp_id", .source = ATTR_GENERATED, .moment = ATTR_NEVER,
	  .doc = "Target port group identifier; the lowest free one of the backend when left out." },
	{ "alua_access_type", ATTR_WORD, .words = alua_types, .file = "alua_access_type", .codec = &codec_alua_type,
	  .source = ATTR_CONSTANT, .dflt = "both", .doc = "Who changes the state: the target (implicit), initiators (explicit), both." },
	{ "alua_support_transitioning", ATTR_BOOL, .file = "alua_support_transitioning", .source = ATTR_CONSTANT, .dflt = "1",
	  .doc = "The state transitioning is supported." },
	{ "alua_support_offline", ATTR_BOOL, .file = "alua_support_offline", .source = ATTR_CONSTANT, .dflt = "1",
	  .doc = "The state offline is supported." },
	{ "alua_support_lba_dependent", ATTR_BOOL, .file = "alua_support_lba_dependent", .source = ATTR_CONSTANT, .dflt = "0",
	  .doc = "The state LBA dependent is supported." },
	{ "alua_support_unavailable", ATTR_BOOL, .file = "alua_support_unavailable", .source = ATTR_CONSTANT, .dflt = "1",
	  .doc = "The state unavailable is supported." },
	{ "alua_support_standby", ATTR_BOOL, .file = "alua_support_standby", .source = ATTR_CONSTANT, .dflt = "1",
	  .doc = "The state standby is supported." },
	{ "alua_support_active_optimized", ATTR_BOOL, .file = "alua_support_active_optimized", .source = ATTR_CONSTANT, .dflt = "1",
	  .doc = "The state active/optimized is supported." },
	{ "alua_support_active_nonoptimized", ATTR_BOOL, .file = "alua_support_active_nonoptimized", .source = ATTR_CONSTANT, .dflt = "1",
	  .doc = "The state active/non-optimized is supported." },
	{ "alua_write_metadata", ATTR_BOOL, .file = "alua_write_metadata", .source = ATTR_CONSTANT, .dflt = "0",
	  .doc = "Keep the state in a file below dbroot/alua/tpgs_SERIAL, a folder that the kernel does not make." },
	{ "nonop_delay_msecs", ATTR_INT, .min = 0, .max = 10000, .file = "nonop_delay_msecs", .source = ATTR_CONSTANT, .dflt = "100",
	  .doc = "Milliseconds that commands are held up in state active/non-optimized." },
	{ "trans_delay_msecs", ATTR_INT, .min = 0, .max = 30000, .file = "trans_delay_msecs", .source = ATTR_CONSTANT, .dflt = "0",
	  .doc = "Milliseconds that a transition takes." },
	{ "implicit_trans_secs", ATTR_INT, .min = 0, .max = 255, .file = "implicit_trans_secs", .source = ATTR_CONSTANT, .dflt = "0",
	  .doc = "Seconds that initiators shall allow for an implicit transition." },
	{ "preferred", ATTR_BOOL, .file = "preferred", .source = ATTR_CONSTANT, .dflt = "0", .doc = "The PREF bit: initiators shall prefer it." },
	{ "access_state", ATTR_WORD, .words = alua_states, .file = "alua_access_state", .codec = &codec_alua_state,
	  .source = ATTR_CONSTANT, .dflt = "optimized", .effect = EFFECT_VANISH,
	  .doc = "Asymmetric access state (SPC-6 5.16.2) of the LUNs that name the group, and of the backend's namespaces at its ports." },
	{ "ports", ATTR_REFS, .ref = KIND_PORT, .source = ATTR_OPTIONAL,
	  .doc = "NVMe ports that are in the group, as LUNs are by their alua_group; of a backend that has an access_state." },
	{ "alua_access_status", ATTR_WORD, .words = alua_statuses, .file = "alua_access_status", .codec = &codec_alua_status,
	  .source = ATTR_CAPTURED, .doc = "What brought the state about." },
	END
};

const struct attr_row rows_bridge[] = {
	{ "wwn", ATTR_TOKEN, .min = 1, .max = 255, .source = ATTR_DERIVED, .flags = ATTR_NO_MODEL, .doc = "Its name among the loopback targets." },
	{ "disk", ATTR_PATH, .min = 2, .max = 255, .source = ATTR_DERIVED, .flags = ATTR_NO_MODEL, .doc = "Its SCSI disk on this machine." },
	{ "storage", ATTR_STRING, .min = 3, .max = 127, .source = ATTR_DERIVED, .flags = ATTR_NO_MODEL | ATTR_LINK,
	  .doc = "The storage object that its LUN links to." },
	END
};
