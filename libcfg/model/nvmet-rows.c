/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The attributes of the NVMe target. To support a new one, add a row to its kind: name as in the
 * kernel without "attr_", "addr_" or "param_", the kernel's file, what it takes, where an absent value comes from, when the kernel
 * takes a write, and what hosts notice. A text that reads back otherwise than it was written needs a codec (codec.c). Nothing else
 * has to be touched: documents, validation, diff, D-Bus, help and the manual follow.
 *
 * Kernel facts: drivers/nvme/target/configfs.c.
 */
#include "model/rows.h"

#define AUTH .since = "6.0", .option = "NVME_TARGET_AUTH", .feature = "in-band authentication"
#define PASSTHRU .option = "NVME_TARGET_PASSTHRU", .feature = "NVMe passthrough"
#define INTEGRITY .option = "BLK_DEV_INTEGRITY", .feature = "protection information"
#define END { .name = NULL }

static const char *const hashes[] = { "hmac(sha256)", "hmac(sha384)", "hmac(sha512)", NULL };
static const char *const groups[] = { "null", "ffdhe2048", "ffdhe3072", "ffdhe4096", "ffdhe6144", "ffdhe8192", NULL };
static const char *const trtypes[] = { "tcp", "rdma", "fc", "loop", "pci", NULL };
static const char *const adrfams[] = { "ipv4", "ipv6", "ib", "fc", "loop", "pci", NULL };
static const char *const treqs[] = { "not specified", "required", "not required", NULL };
static const char *const tsases[] = { "none", "tls1.3", "connected", NULL };
static const char *const ana_states[] = { "optimized", "non-optimized", "inaccessible", "persistent-loss", "change", NULL };

const struct attr_row rows_nvmet[] = {
	{ "discovery_nqn", ATTR_NQN, .file = "discovery_nqn", .since = "6.10",
	  .feature = "a discovery NQN of its own", .source = ATTR_CONSTANT,
	  .dflt = "nqn.2014-08.org.nvmexpress.discovery", .flags = ATTR_NO_NEWLINE,
	  .doc = "The unique NQN of the discovery subsystem; the well-known one goes on working beside it." },
	END
};

const struct attr_row rows_host[] = {
	{ "dhchap_key", ATTR_SECRET, .file = "dhchap_key", .codec = &codec_secret, AUTH, .source = ATTR_OPTIONAL,
	  .flags = ATTR_NO_NEWLINE,
	  .doc = "Secret that the host must know (DHHC-1 form). Used at the host's next connect." },
	{ "dhchap_ctrl_key", ATTR_SECRET, .file = "dhchap_ctrl_key", .codec = &codec_secret, AUTH,
	  .source = ATTR_OPTIONAL, .flags = ATTR_NO_NEWLINE,
	  .doc = "Secret that the controller proves to the host, for authentication in both directions." },
	{ "dhchap_hash", ATTR_WORD, .words = hashes, .file = "dhchap_hash", .codec = &codec_algorithm, AUTH,
	  .source = ATTR_CONSTANT, .dflt = "hmac(sha256)", .doc = "Hash function of the authentication." },
	{ "dhchap_dhgroup", ATTR_WORD, .words = groups, .file = "dhchap_dhgroup", .codec = &codec_algorithm, AUTH,
	  .source = ATTR_CONSTANT, .dflt = "null", .doc = "Diffie-Hellman group of the authentication." },
	END
};

const struct attr_row rows_subsystem[] = {
	{ "allow_any_host", ATTR_BOOL, .file = "attr_allow_any_host", .source = ATTR_CONSTANT, .dflt = "0",
	  .doc = "Let every host connect, unauthenticated; excludes allowed_hosts." },
	{ "allowed_hosts", ATTR_REFS, .ref = KIND_HOST, .file = "allowed_hosts", .source = ATTR_OPTIONAL,
	  .doc = "Hosts that may connect." },
	{ "version", ATTR_VERSION, .file = "attr_version", .codec = &codec_version, .source = ATTR_CAPTURED,
	  .moment = ATTR_FRESH, .effect = EFFECT_DISCONNECT,
	  .doc = "NVMe version that controllers report; left to the kernel when not given." },
	{ "serial", ATTR_STRING, .min = 1, .max = 20, .file = "attr_serial", .codec = &codec_padded,
	  .source = ATTR_GENERATED, .moment = ATTR_FRESH, .effect = EFFECT_IDENTITY,
	  .doc = "Serial number of the controllers." },
	{ "model", ATTR_STRING, .min = 1, .max = 40, .file = "attr_model", .source = ATTR_CONSTANT, .dflt = "Linux",
	  .moment = ATTR_FRESH, .effect = EFFECT_IDENTITY, .doc = "Model number of the controllers." },
	{ "firmware", ATTR_STRING, .min = 1, .max = 8, .file = "attr_firmware", .since = "6.2",
	  .feature = "a firmware revision of one's own", .source = ATTR_CAPTURED, .moment = ATTR_FRESH,
	  .effect = EFFECT_DISCONNECT, .doc = "Firmware revision; the kernel's release when not given." },
	{ "ieee_oui", ATTR_HEX, .min = 0, .max = 0xffffff, .file = "attr_ieee_oui", .codec = &codec_hex,
	  .since = "6.2", .feature = "an IEEE OUI of one's own", .source = ATTR_CONSTANT, .dflt = "0x000000",
	  .moment = ATTR_FRESH, .effect = EFFECT_DISCONNECT, .doc = "IEEE OUI of the vendor." },
	{ "vendor_id", ATTR_HEX, .min = 0, .max = 0xffff, .file = "attr_vendor_id", .codec = &codec_hex,
	  .since = "6.14", .feature = "a PCI vendor id of one's own", .source = ATTR_CONSTANT, .dflt = "0x0",
	  .doc = "PCI vendor id that controllers report." },
	{ "subsys_vendor_id", ATTR_HEX, .min = 0, .max = 0xffff, .file = "attr_subsys_vendor_id", .codec = &codec_hex,
	  .since = "6.14", .feature = "a PCI vendor id of one's own", .source = ATTR_CONSTANT, .dflt = "0x0",
	  .doc = "PCI subsystem vendor id that controllers report." },
	{ "cntlid_min", ATTR_INT, .min = 1, .max = 65519, .file = "attr_cntlid_min", .source = ATTR_CONSTANT,
	  .dflt = "1", .doc = "Lowest controller id that new connections get." },
	{ "cntlid_max", ATTR_INT, .min = 1, .max = 65519, .file = "attr_cntlid_max", .source = ATTR_CONSTANT,
	  .dflt = "65519", .doc = "Highest controller id that new connections get." },
	{ "qid_max", ATTR_INT, .min = 1, .max = 128, .file = "attr_qid_max", .since = "6.1",
	  .feature = "a limit on queues", .source = ATTR_CONSTANT, .dflt = "128", .effect = EFFECT_DISCONNECT,
	  .flags = ATTR_SAME_DISTURBS, .doc = "I/O queues a controller may have. Writing it drops every host." },
	{ "pi_enable", ATTR_BOOL, .file = "attr_pi_enable", INTEGRITY, .source = ATTR_CONSTANT, .dflt = "0",
	  .doc = "Offer protection information; needs pi_enable on the port too. For new connections." },
	{ "backend", ATTR_REF, .ref = KIND_BACKEND, .source = ATTR_OPTIONAL, .effect = EFFECT_IDENTITY,
	  .doc = "Name of a backend of type nvme-passthru, to whose controller all commands are passed. Excludes namespaces and version." },
	{ "passthru_path", ATTR_PATH, .min = 2, .max = 4000, .file = "passthru/device_path", .codec = &codec_path,
	  PASSTHRU, .source = ATTR_DERIVED, .effect = EFFECT_IDENTITY,
	  .doc = "The controller that the kernel opens: the backend's device." },
	{ "passthru_admin_timeout", ATTR_INT, .min = 0, .max = 0xffffffff, .file = "passthru/admin_timeout", PASSTHRU,
	  .source = ATTR_CONSTANT, .dflt = "0", .doc = "Seconds that a passed admin command may take; 0: the kernel's default." },
	{ "passthru_io_timeout", ATTR_INT, .min = 0, .max = 0xffffffff, .file = "passthru/io_timeout", PASSTHRU,
	  .source = ATTR_CONSTANT, .dflt = "0", .doc = "Seconds that a passed I/O command may take; 0: the kernel's default." },
	{ "passthru_clear_ids", ATTR_INT, .min = 0, .max = 0xffffffff, .file = "passthru/clear_ids", PASSTHRU,
	  .source = ATTR_CONSTANT, .dflt = "0", .doc = "Hide the identifiers of the passed namespaces." },
	{ "passthru_enable", ATTR_BOOL, .file = "passthru/enable", PASSTHRU, .source = ATTR_DERIVED, .dflt = "0",
	  .effect = EFFECT_VANISH, .flags = ATTR_AT_END, .doc = "Whether it passes commands on: when it has a backend." },
	END
};

const struct attr_row rows_namespace[] = {
	{ "backend", ATTR_REF, .ref = KIND_BACKEND, .source = ATTR_REQUIRED, .effect = EFFECT_IDENTITY,
	  .doc = "Name of the backend that stores the blocks." },
	{ "device_path", ATTR_PATH, .min = 1, .max = 4000, .file = "device_path", .codec = &codec_path,
	  .source = ATTR_DERIVED, .moment = ATTR_DISABLED, .effect = EFFECT_IDENTITY, .flags = ATTR_AT_END,
	  .doc = "What the kernel opens: the backend's device or file." },
	{ "buffered_io", ATTR_BOOL, .file = "buffered_io", .source = ATTR_DERIVED, .dflt = "0",
	  .moment = ATTR_DISABLED, .effect = EFFECT_IDENTITY, .doc = "As the backend's." },
	{ "device_uuid", ATTR_UUID, .file = "device_uuid", .codec = &codec_lower, .source = ATTR_DERIVED,
	  .moment = ATTR_DISABLED, .effect = EFFECT_IDENTITY, .doc = "The backend's uuid." },
	{ "device_nguid", ATTR_NGUID, .file = "device_nguid", .codec = &codec_nguid, .source = ATTR_DERIVED,
	  .dflt = "00000000-0000-0000-0000-000000000000",
	  .moment = ATTR_DISABLED, .effect = EFFECT_IDENTITY, .doc = "The backend's nguid." },
	{ "ana_grpid", ATTR_INT, .min = 1, .max = 127, .file = "ana_grpid", .source = ATTR_CONSTANT, .dflt = "1",
	  .effect = EFFECT_VANISH,
	  .doc = "ANA group: its state on each port is the port's ana_groups/ID." },
	{ "p2pmem", ATTR_TOKEN, .min = 1, .max = 64, .file = "p2pmem", .option = "PCI_P2PDMA",
	  .feature = "peer-to-peer memory", .source = ATTR_CONSTANT, .dflt = "0", .moment = ATTR_DISABLED,
	  .effect = EFFECT_VANISH, .doc = "Use PCI peer-to-peer memory: 0, 1 or a PCI address." },
	{ "resv_enable", ATTR_BOOL, .file = "resv_enable", .since = "6.13", .feature = "support for NVMe reservations",
	  .source = ATTR_CONSTANT, .dflt = "0", .moment = ATTR_DISABLED, .effect = EFFECT_VANISH, .flags = ATTR_AT_END,
	  .doc = "Offer NVMe reservations. They live in the kernel's memory and end when the namespace is disabled." },
	{ "enable", ATTR_BOOL, .file = "enable", .source = ATTR_CONSTANT, .dflt = "1", .effect = EFFECT_VANISH, .flags = ATTR_AT_END,
	  .doc = "Show the namespace to hosts." },
	{ "revalidate_size", ATTR_BOOL, .file = "revalidate_size", .source = ATTR_DERIVED,
	  .flags = ATTR_WRITE_ONLY | ATTR_TRIGGER | ATTR_NO_MODEL, .doc = "Tell hosts about a changed size." },
	END
};

const struct attr_row rows_port[] = {
	{ "trtype", ATTR_WORD, .words = trtypes, .file = "addr_trtype", .source = ATTR_REQUIRED,
	  .moment = ATTR_UNLINKED, .effect = EFFECT_DISCONNECT, .doc = "Transport type." },
	{ "adrfam", ATTR_WORD, .words = adrfams, .file = "addr_adrfam", .source = ATTR_GENERATED,
	  .moment = ATTR_UNLINKED, .effect = EFFECT_DISCONNECT,
	  .doc = "Address family; told from the address when left out." },
	{ "traddr", ATTR_TOKEN, .min = 1, .max = 255, .file = "addr_traddr", .source = ATTR_OPTIONAL,
	  .moment = ATTR_UNLINKED, .effect = EFFECT_DISCONNECT,
	  .doc = "Transport address: IP address without brackets, or nn-0x…:pn-0x… for Fibre Channel." },
	{ "trsvcid", ATTR_TOKEN, .min = 1, .max = 31, .file = "addr_trsvcid", .source = ATTR_GENERATED,
	  .moment = ATTR_UNLINKED, .effect = EFFECT_DISCONNECT,
	  .doc = "Transport service: the port number for tcp and rdma, 4420 when left out." },
	{ "tsas", ATTR_WORD, .words = tsases, .file = "addr_tsas", .since = "6.7", .option = "NVME_TARGET_TCP_TLS",
	  .feature = "TLS", .source = ATTR_CAPTURED, .dflt = "none", .moment = ATTR_UNLINKED, .effect = EFFECT_DISCONNECT,
	  .doc = "Security of a tcp port: none or tls1.3; of an rdma port always connected." },
	{ "treq", ATTR_WORD, .words = treqs, .file = "addr_treq", .source = ATTR_CAPTURED, .dflt = "not specified", .moment = ATTR_UNLINKED,
	  .effect = EFFECT_DISCONNECT,
	  .doc = "Whether hosts must use a secure channel; with TLS required unless not required." },
	{ "inline_data_size", ATTR_INT, .min = -1, .max = INT32_MAX, .file = "param_inline_data_size",
	  .source = ATTR_CONSTANT, .dflt = "-1", .moment = ATTR_UNLINKED, .effect = EFFECT_DISCONNECT,
	  .flags = ATTR_SETTLES, .doc = "Bytes of data a command may carry; -1: the transport chooses." },
	{ "max_queue_size", ATTR_INT, .min = -1, .max = 1024, .file = "param_max_queue_size", .since = "6.9",
	  .feature = "a limit on queue size", .source = ATTR_CONSTANT, .dflt = "-1", .moment = ATTR_UNLINKED,
	  .effect = EFFECT_DISCONNECT, .flags = ATTR_SETTLES,
	  .doc = "Entries of a queue, 16 to 1024; -1: the transport chooses." },
	{ "mdts", ATTR_INT, .min = 0, .max = 255, .file = "param_mdts", .since = "7.0",
	  .feature = "a maximum data transfer size", .source = ATTR_CONSTANT, .dflt = "0", .moment = ATTR_UNLINKED,
	  .effect = EFFECT_DISCONNECT, .flags = ATTR_SETTLES, .doc = "Maximum data transfer size as a power of two; 0: no limit." },
	{ "pi_enable", ATTR_BOOL, .file = "param_pi_enable", INTEGRITY, .source = ATTR_CONSTANT, .dflt = "0",
	  .moment = ATTR_UNLINKED, .effect = EFFECT_DISCONNECT, .doc = "Offer protection information (rdma only)." },
	{ "subsystems", ATTR_REFS, .ref = KIND_SUBSYSTEM, .file = "subsystems", .source = ATTR_OPTIONAL,
	  .doc = "Subsystems that the port serves. The first one opens the port." },
	END
};

const struct attr_row rows_referral[] = {
	{ "trtype", ATTR_WORD, .words = trtypes, .file = "addr_trtype", .source = ATTR_REQUIRED,
	  .moment = ATTR_DISABLED, .doc = "Transport type of the other port." },
	{ "adrfam", ATTR_WORD, .words = adrfams, .file = "addr_adrfam", .source = ATTR_GENERATED,
	  .moment = ATTR_DISABLED, .doc = "Address family; told from the address when left out." },
	{ "traddr", ATTR_TOKEN, .min = 1, .max = 255, .file = "addr_traddr", .source = ATTR_REQUIRED,
	  .moment = ATTR_DISABLED, .doc = "Transport address of the other port." },
	{ "trsvcid", ATTR_TOKEN, .min = 1, .max = 31, .file = "addr_trsvcid", .source = ATTR_GENERATED,
	  .moment = ATTR_DISABLED, .doc = "Transport service of the other port, 4420 when left out." },
	{ "treq", ATTR_WORD, .words = treqs, .file = "addr_treq", .source = ATTR_CONSTANT, .dflt = "not specified",
	  .moment = ATTR_DISABLED, .doc = "Whether hosts must use a secure channel there." },
	{ "portid", ATTR_INT, .min = 0, .max = 65535, .file = "addr_portid", .source = ATTR_CONSTANT, .dflt = "0",
	  .moment = ATTR_DISABLED, .doc = "Id of the port on the other target." },
	{ "enable", ATTR_BOOL, .file = "enable", .source = ATTR_CONSTANT, .dflt = "1",
	  .doc = "Tell hosts about it in the discovery log." },
	END
};

const struct attr_row rows_ana_group[] = {
	{ "ana_state", ATTR_WORD, .words = ana_states, .file = "ana_state", .source = ATTR_CONSTANT, .dflt = "optimized",
	  .effect = EFFECT_VANISH,
	  .doc = "State of the group's namespaces on this port. A group that a port does not list is inaccessible there, but "
		 "for group 1, which every port has and which is optimized unless listed otherwise." },
	END
};
