/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The attributes of SCSI targets of every fabric; nvmet-rows.c says how to add one, "only" which fabrics have it.
 *
 * Kernel facts: drivers/target/target_core_fabric_configfs.c, drivers/target/iscsi/iscsi_target_configfs.c and those of the other fabrics.
 * RFC 7143 is behind the parameters of iSCSI, whose names are its keys.
 */
#include "model/rows.h"

#define END { .name = NULL }
#define NEXUS (ONLY_LOOPBACK | ONLY_VHOST | ONLY_XEN)
#define ENABLED (ONLY_ISCSI | ONLY_SRPT | ONLY_QLA2XXX | ONLY_SBP)
#define ISCSI .only = ONLY_ISCSI
#define PARAM(key, value, text)                                                                                                     \
	{ key, ATTR_STRING, .min = 1, .max = 255, .file = "param/" key, ISCSI, .source = ATTR_CONSTANT, .dflt = value, .doc = text }
#define NUMBER(key, low, high, value, text)                                                                                         \
	{ key, ATTR_INT, .min = low, .max = high, .file = "param/" key, ISCSI, .source = ATTR_CONSTANT, .dflt = value, .doc = text }
#define YES_NO(key, value, text)                                                                                                    \
	{ key, ATTR_WORD, .words = yes_no, .file = "param/" key, ISCSI, .source = ATTR_CONSTANT, .dflt = value, .doc = text }
/* Raw: a newline would become part of it. */
#define CHAP(prefix, folder, whose)                                                                                                 \
	{ prefix "userid", ATTR_TOKEN, .min = 1, .max = 255, .file = folder "userid", .codec = &codec_null, ISCSI,                  \
	  .source = ATTR_OPTIONAL, .flags = ATTR_NO_NEWLINE, .doc = "CHAP name that the initiator gives" whose "." },               \
	{ prefix "password", ATTR_SECRET, .file = folder "password", .codec = &codec_secret, ISCSI, .source = ATTR_OPTIONAL,        \
	  .flags = ATTR_NO_NEWLINE, .doc = "CHAP secret that the initiator must know" whose "." },                                  \
	{ prefix "userid_mutual", ATTR_TOKEN, .min = 1, .max = 255, .file = folder "userid_mutual", .codec = &codec_null, ISCSI,    \
	  .source = ATTR_OPTIONAL, .flags = ATTR_NO_NEWLINE, .doc = "CHAP name that the target gives" whose "." },                  \
	{ prefix "password_mutual", ATTR_SECRET, .file = folder "password_mutual", .codec = &codec_secret, ISCSI,                   \
	  .source = ATTR_OPTIONAL, .flags = ATTR_NO_NEWLINE, .doc = "CHAP secret that the target proves to know" whose "." }

static const char *const yes_no[] = { "Yes", "No", NULL };
static const char *const transport_states[] = { "online", "offline", NULL };

const struct attr_row rows_target_core[] = {
	{ "dbroot", ATTR_PATH, .min = 2, .max = 4000, .file = "dbroot", .source = ATTR_CAPTURED,
	  .doc = "Folder in which the kernel keeps registrations and ALUA states; only while there is no storage object." },
	END
};

const struct attr_row rows_fabric[] = {
	CHAP("discovery_", "discovery_auth/", " at discovery"),
	{ "enforce_discovery_auth", ATTR_BOOL, .file = "discovery_auth/enforce_discovery_auth", ISCSI, .source = ATTR_CONSTANT, .dflt = "0",
	  .doc = "Discovery needs authentication." },
	{ "cpus_allowed_list", ATTR_TOKEN, .min = 1, .max = 255, .file = "cpus_allowed_list", ISCSI, .source = ATTR_CAPTURED, .doc = "Processors on which connections are served, as 0-3,8." },
	{ "rdma_cm_port", ATTR_INT, .min = 0, .max = 65535, .file = "discovery_auth/rdma_cm_port", .only = ONLY_SRPT, .source = ATTR_CONSTANT,
	  .dflt = "0", .doc = "Port of the RDMA connection manager; 0: none." },
	END
};

const struct attr_row rows_target[] = {
	{ "cmd_completion_affinity", ATTR_INT, .min = -2, .max = 65535, .file = "param/cmd_completion_affinity", .source = ATTR_CONSTANT, .dflt = "-1",
	  .doc = "Processor that completes commands; -1: the one that submitted it, -2: whichever." },
	END
};

const struct attr_row rows_tpg[] = {
	{ "rtpi", ATTR_INT, .min = 1, .max = 65535, .file = "rtpi", .codec = &codec_rtpi, .since = "6.4", .feature = "a relative port id of one's own",
	  .source = ATTR_GENERATED, .moment = ATTR_STOPPED, .effect = EFFECT_DISCONNECT, .only = ENABLED | ONLY_FC,
	  .doc = "Relative target port identifier (SPC-6 5.17); the lowest free one of the machine when left out." },
	{ "authentication", ATTR_BOOL, .file = "attrib/authentication", ISCSI, .source = ATTR_CONSTANT, .dflt = "1",
	  .doc = "Initiators must authenticate themselves (CHAP)." },
	{ "generate_node_acls", ATTR_BOOL, .file = "attrib/generate_node_acls", .only = ONLY_ISCSI | ONLY_QLA2XXX, .unlike = ONLY_QLA2XXX,
	  .source = ATTR_CONSTANT, .dflt = "0", .doc = "Demo mode: let in whom no ACL names." },
	{ "cache_dynamic_acls", ATTR_BOOL, .file = "attrib/cache_dynamic_acls", .only = ONLY_ISCSI | ONLY_QLA2XXX, .source = ATTR_CAPTURED,
	  .doc = "Keep what demo mode made until the target goes; demo mode sets it." },
	{ "demo_mode_write_protect", ATTR_BOOL, .file = "attrib/demo_mode_write_protect", .only = ONLY_ISCSI | ONLY_QLA2XXX,
	  .source = ATTR_CONSTANT, .dflt = "1", .doc = "What demo mode lets in may only read." },
	{ "prod_mode_write_protect", ATTR_BOOL, .file = "attrib/prod_mode_write_protect", .only = ONLY_ISCSI | ONLY_QLA2XXX,
	  .source = ATTR_CONSTANT, .dflt = "0", .doc = "LUNs are mapped to ACLs write protected unless said otherwise." },
	{ "demo_mode_discovery", ATTR_BOOL, .file = "attrib/demo_mode_discovery", ISCSI, .source = ATTR_CONSTANT, .dflt = "1",
	  .doc = "Tell of the target at discovery also to those whom no ACL names." },
	{ "demo_mode_login_only", ATTR_BOOL, .file = "attrib/demo_mode_login_only", .only = ONLY_QLA2XXX, .source = ATTR_CONSTANT, .dflt = "1",
	  .doc = "Demo mode lets in without LUNs." },
	{ "tpg_enabled_sendtargets", ATTR_BOOL, .file = "attrib/tpg_enabled_sendtargets", ISCSI, .source = ATTR_CONSTANT, .dflt = "1",
	  .doc = "Tell of the portal group at discovery only while it is enabled." },
	{ "login_keys_workaround", ATTR_BOOL, .file = "attrib/login_keys_workaround", ISCSI, .source = ATTR_CONSTANT, .dflt = "1",
	  .doc = "Answer keys at login that some initiators wait for." },
	{ "t10_pi", ATTR_BOOL, .file = "attrib/t10_pi", ISCSI, .source = ATTR_CONSTANT, .dflt = "0", .doc = "Offer protection information (iSER)." },
	{ "fabric_prot_type", ATTR_INT, .min = 0, .max = 3, .file = "attrib/fabric_prot_type",
	  .only = ONLY_ISCSI | ONLY_LOOPBACK | ONLY_VHOST | ONLY_QLA2XXX, .source = ATTR_CONSTANT, .dflt = "0", .doc = "Protection information type that the fabric adds." },
	{ "login_timeout", ATTR_INT, .min = 5, .max = 30, .file = "attrib/login_timeout", ISCSI, .source = ATTR_CONSTANT, .dflt = "15",
	  .doc = "Seconds that a login may take." },
	{ "default_cmdsn_depth", ATTR_INT, .min = 1, .max = 512, .file = "attrib/default_cmdsn_depth", ISCSI, .source = ATTR_CONSTANT,
	  .dflt = "64", .doc = "Commands that an initiator may have under way, unless its ACL says otherwise." },
	{ "default_erl", ATTR_INT, .min = 0, .max = 2, .file = "attrib/default_erl", ISCSI, .source = ATTR_CONSTANT, .dflt = "0",
	  .doc = "Error recovery level." },
	{ "srp_max_rdma_size", ATTR_INT, .min = 1, .max = UINT32_MAX, .file = "attrib/srp_max_rdma_size", .only = ONLY_SRPT,
	  .source = ATTR_CAPTURED, .doc = "Most bytes of one RDMA transfer." },
	{ "srp_max_rsp_size", ATTR_INT, .min = 1, .max = UINT32_MAX, .file = "attrib/srp_max_rsp_size", .only = ONLY_SRPT,
	  .source = ATTR_CAPTURED, .doc = "Most bytes of a response." },
	{ "srp_sq_size", ATTR_INT, .min = 1, .max = UINT32_MAX, .file = "attrib/srp_sq_size", .only = ONLY_SRPT, .source = ATTR_CAPTURED,
	  .doc = "Entries of the send queue." },
	{ "use_srq", ATTR_BOOL, .file = "attrib/use_srq", .only = ONLY_SRPT, .source = ATTR_CAPTURED, .doc = "Use a shared receive queue." },
	{ "mgt_orb_timeout", ATTR_INT, .min = 1, .max = 127, .file = "attrib/mgt_orb_timeout", .only = ONLY_SBP, .source = ATTR_CONSTANT,
	  .dflt = "15", .doc = "Seconds for a management request." },
	{ "max_reconnect_timeout", ATTR_INT, .min = 1, .max = 32767, .file = "attrib/max_reconnect_timeout", .only = ONLY_SBP,
	  .source = ATTR_CONSTANT, .dflt = "5", .doc = "Seconds within which a login may be taken up again." },
	{ "max_logins_per_lun", ATTR_INT, .min = 1, .max = 127, .file = "attrib/max_logins_per_lun", .only = ONLY_SBP, .source = ATTR_CONSTANT,
	  .dflt = "1", .doc = "Logins to a LUN at a time." },
	CHAP("", "auth/", ""),
	{ "AuthMethod", ATTR_STRING, .min = 1, .max = 255, .file = "param/AuthMethod", ISCSI, .source = ATTR_CAPTURED,
	  .doc = "Authentication methods; follows authentication." },
	PARAM("HeaderDigest", "CRC32C,None", "Header digests."),
	PARAM("DataDigest", "CRC32C,None", "Data digests."),
	PARAM("TargetAlias", "LIO Target", "A name for people."),
	NUMBER("MaxConnections", 1, 65535, "1", "Connections of a session."),
	YES_NO("InitialR2T", "Yes", "The initiator waits for R2T."),
	YES_NO("ImmediateData", "Yes", "Data may come with the command."),
	NUMBER("MaxRecvDataSegmentLength", 512, 16777215, "8192", "Most data of one PDU to the target."),
	NUMBER("MaxXmitDataSegmentLength", 512, 16777215, "262144", "Most data of one PDU from the target."),
	NUMBER("MaxBurstLength", 512, 16777215, "262144", "Most data of a burst."),
	NUMBER("FirstBurstLength", 512, 16777215, "65536", "Most unsolicited data."),
	NUMBER("DefaultTime2Wait", 0, 3600, "2", "Seconds before reconnecting."),
	NUMBER("DefaultTime2Retain", 0, 3600, "20", "Seconds within which tasks can be taken up again."),
	NUMBER("MaxOutstandingR2T", 1, 65535, "1", "R2Ts of a task at a time."),
	YES_NO("DataPDUInOrder", "Yes", "Data PDUs come in order."),
	YES_NO("DataSequenceInOrder", "Yes", "Data sequences come in order."),
	NUMBER("ErrorRecoveryLevel", 0, 2, "0", "Error recovery level."),
	YES_NO("IFMarker", "No", "Markers to the initiator, which nobody has."),
	YES_NO("OFMarker", "No", "Markers to the target, which nobody has."),
	PARAM("IFMarkInt", "Reject", "Interval of markers to the initiator."),
	PARAM("OFMarkInt", "Reject", "Interval of markers to the target."),
	{ "alias", ATTR_TOKEN, .min = 1, .max = 255, .file = "param/alias", .only = ONLY_XEN, .source = ATTR_CAPTURED, .doc = "A name for people." },
	{ "nexus", ATTR_TOKEN, .min = 1, .max = 223, .file = "nexus", .source = ATTR_GENERATED, .moment = ATTR_NEVER, .only = NEXUS,
	  .doc = "The initiator's name; that of the target when left out." },
	{ "transport_status", ATTR_WORD, .words = transport_states, .file = "transport_status", .source = ATTR_CONSTANT, .dflt = "online",
	  .effect = EFFECT_VANISH, .only = ONLY_LOOPBACK, .doc = "Whether the disks of the portal group can be reached." },
	{ "directory_id", ATTR_TOKEN, .min = 6, .max = 8, .file = "directory_id", .only = ONLY_SBP, .source = ATTR_CONSTANT,
	  .dflt = "implicit", .moment = ATTR_STOPPED, .effect = EFFECT_IDENTITY,
	  .doc = "SBP-2 directory identifier, six hexadecimal digits in lower case; or implicit." },
	{ "enable", ATTR_BOOL, .file = "enable", .source = ATTR_CONSTANT, .dflt = "1", .effect = EFFECT_DISCONNECT, .only = ENABLED,
	  .flags = ATTR_AT_END,
	  .doc = "Let initiators log in." },
	END
};

const struct attr_row rows_lun[] = {
	{ "backend", ATTR_REF, .ref = KIND_BACKEND, .source = ATTR_REQUIRED, .effect = EFFECT_IDENTITY, .flags = ATTR_LINK,
	  .doc = "What is behind it." },
	{ "alua_group", ATTR_TOKEN, .min = 1, .max = 64, .file = "alua_tg_pt_gp", .codec = &codec_tg_pt_gp, .source = ATTR_OPTIONAL,
	  .doc = "The backend's ALUA group that it belongs to on this portal group." },
	{ "alua_tg_pt_offline", ATTR_BOOL, .file = "alua_tg_pt_offline", .source = ATTR_CONSTANT, .dflt = "0", .effect = EFFECT_VANISH,
	  .doc = "The LUN's port is offline, whatever the ALUA group's state (secondary access state)." },
	{ "alua_tg_pt_status", ATTR_INT, .min = 0, .max = 2, .file = "alua_tg_pt_status", .source = ATTR_CAPTURED,
	  .doc = "What brought the secondary access state about: 0 nothing, 1 the initiator, 2 the target." },
	{ "alua_tg_pt_write_md", ATTR_BOOL, .file = "alua_tg_pt_write_md", .source = ATTR_CONSTANT, .dflt = "0",
	  .doc = "Keep the secondary access state in a file below dbroot." },
	{ "link", ATTR_STRING, .min = 1, .max = 255, .source = ATTR_DERIVED, .flags = ATTR_NO_MODEL, .doc = "The link's name in the kernel." },
	END
};

const struct attr_row rows_portal[] = {
	{ "iser", ATTR_BOOL, .file = "iser", ISCSI, .source = ATTR_CONSTANT, .dflt = "0", .moment = ATTR_NEVER,
	  .doc = "Serve iSCSI extensions for RDMA." },
	{ "cxgbit", ATTR_BOOL, .file = "cxgbit", ISCSI, .source = ATTR_CONSTANT, .dflt = "0", .moment = ATTR_NEVER,
	  .doc = "Serve by a Chelsio adapter." },
	END
};

const struct attr_row rows_acl[] = {
	CHAP("", "auth/", ""),
	{ "authentication", ATTR_INT, .min = -1, .max = 1, .file = "attrib/authentication", ISCSI, .source = ATTR_CONSTANT, .dflt = "-1",
	  .doc = "Whether it must authenticate itself; -1: as the portal group says." },
	{ "dataout_timeout", ATTR_INT, .min = 2, .max = 60, .file = "attrib/dataout_timeout", ISCSI, .source = ATTR_CONSTANT, .dflt = "3",
	  .doc = "Seconds to wait for data." },
	{ "dataout_timeout_retries", ATTR_INT, .min = 1, .max = 15, .file = "attrib/dataout_timeout_retries", ISCSI, .source = ATTR_CONSTANT,
	  .dflt = "5", .doc = "How often to wait for data." },
	{ "default_erl", ATTR_INT, .min = 0, .max = 2, .file = "attrib/default_erl", ISCSI, .source = ATTR_CONSTANT, .dflt = "0",
	  .doc = "Error recovery level." },
	{ "nopin_timeout", ATTR_INT, .min = 0, .max = 60, .file = "attrib/nopin_timeout", ISCSI, .source = ATTR_CONSTANT, .dflt = "15",
	  .doc = "Seconds between pings; 0: none." },
	{ "nopin_response_timeout", ATTR_INT, .min = 3, .max = 60, .file = "attrib/nopin_response_timeout", ISCSI, .source = ATTR_CONSTANT,
	  .dflt = "30", .doc = "Seconds to wait for the answer to a ping." },
	{ "random_datain_pdu_offsets", ATTR_BOOL, .file = "attrib/random_datain_pdu_offsets", ISCSI, .source = ATTR_CONSTANT, .dflt = "0",
	  .doc = "For tests of initiators." },
	{ "random_datain_seq_offsets", ATTR_BOOL, .file = "attrib/random_datain_seq_offsets", ISCSI, .source = ATTR_CONSTANT, .dflt = "0",
	  .doc = "For tests of initiators." },
	{ "random_r2t_offsets", ATTR_BOOL, .file = "attrib/random_r2t_offsets", ISCSI, .source = ATTR_CONSTANT, .dflt = "0",
	  .doc = "For tests of initiators." },
	{ "cmdsn_depth", ATTR_INT, .min = 1, .max = 512, .file = "cmdsn_depth", ISCSI, .source = ATTR_CAPTURED, .effect = EFFECT_DISCONNECT,
	  .doc = "Commands that it may have under way; as the portal group says when left out. A change ends its sessions." },
	{ "node_name", ATTR_TOKEN, .min = 23, .max = 23, .file = "node_name", .codec = &codec_wwn, .only = ONLY_FC, .source = ATTR_CAPTURED,
	  .doc = "World wide name of the initiator's node." },
	{ "port_name", ATTR_TOKEN, .min = 23, .max = 23, .file = "port_name", .codec = &codec_wwn, .only = ONLY_FC, .source = ATTR_CAPTURED,
	  .doc = "World wide name of the initiator's port." },
	{ "tag", ATTR_TOKEN, .min = 1, .max = 63, .file = "tag", .codec = &codec_null, .source = ATTR_OPTIONAL,
	  .only = ONLY_ISCSI | ONLY_FC, .flags = ATTR_NO_NEWLINE, .doc = "A word of one's own." },
	END
};

const struct attr_row rows_mapped_lun[] = {
	{ "lun", ATTR_INT, .min = 0, .max = 65535, .source = ATTR_REQUIRED, .effect = EFFECT_IDENTITY, .flags = ATTR_LINK,
	  .doc = "The LUN of the portal group." },
	{ "write_protect", ATTR_BOOL, .file = "write_protect", .source = ATTR_CONSTANT, .dflt = "0",
	  .doc = "The initiator may only read." },
	{ "link", ATTR_STRING, .min = 1, .max = 255, .source = ATTR_DERIVED, .flags = ATTR_NO_MODEL, .doc = "The link's name in the kernel." },
	END
};
