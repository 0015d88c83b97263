/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fabrics, and what their targets and initiators are called. The names are those that the kernel takes (for qla2xxx, srpt, fc and sbp: the one
 * that a port of the machine has), and no other spelling of them: two would be two folders of one port.
 *
 * Kernel facts: drivers/target/loopback/tcm_loop.c, drivers/vhost/scsi.c, drivers/xen/xen-scsiback.c, drivers/scsi/qla2xxx/tcm_qla2xxx.c,
 * drivers/target/tcm_fc/tfc_conf.c, drivers/infiniband/ulp/srpt/ib_srpt.c, drivers/target/sbp/sbp_target.c.
 */
#include "model/fabric.h"

#include "base/text.h"
#include "model/names.h"

#define HEX "0123456789abcdef"

static bool is_hex(const char *s, size_t n)
{
	return strlen(s) == n && strspn(s, HEX) == n;
}

/* Groups of hexadecimal digits with a colon between. */
static bool is_grouped(const char *s, size_t groups, size_t digits)
{
	for (size_t i = 0; i < groups; i++, s += digits + 1)
		if (strspn(s, HEX) != digits || s[digits] != (i + 1 < groups ? ':' : 0))
			return false;
	return true;
}

static bool has_prefix(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

static bool is_emulated_name(const char *s)
{
	if (has_prefix(s, "naa."))
		return is_hex(s + 4, 16) || is_hex(s + 4, 32);
	return has_prefix(s, "iqn.") ? name_is_iscsi(s) : has_prefix(s, "fc.") && s[3];
}

static bool is_wwpn(const char *s)
{
	return is_grouped(s, 8, 2);
}

static bool is_srp_name(const char *s)
{
	return is_grouped(s, 4, 4) || is_grouped(s, 8, 4) || (has_prefix(s, "0x") && is_hex(s + 2, 32));
}

static bool is_guid(const char *s)
{
	return is_hex(s, 16);
}

#define ISCSI_FORM "iqn.YYYY-MM.REVERSE.DOMAIN:NAME, eui. with 16 or naa. with 16 or 32 hexadecimal digits, in lower case"
#define EMULATED_FORM "naa. with 16 or 32 hexadecimal digits, iqn.… or fc.…, in lower case"
#define WWPN_FORM "the port's WWPN, xx:xx:xx:xx:xx:xx:xx:xx"
#define SRP_FORM "the port's GUID, xxxx:xxxx:xxxx:xxxx, or GID, 0x and 32 hexadecimal digits"

const struct fabric fabrics[] = {
	{ "iscsi", ONLY_ISCSI, "iscsi_target_mod", name_is_iscsi, ISCSI_FORM, 0, 65535, .portals = true, .acls = true },
	{ "loopback", ONLY_LOOPBACK, "tcm_loop", is_emulated_name, EMULATED_FORM, 0, 31 },
	{ "vhost", ONLY_VHOST, "vhost_scsi", is_emulated_name, EMULATED_FORM, 0, 255 },
	{ "qla2xxx", ONLY_QLA2XXX, "tcm_qla2xxx", is_wwpn, WWPN_FORM, 1, 1, .acls = true },
	{ "srpt", ONLY_SRPT, "ib_srpt", is_srp_name, SRP_FORM, 0, 65535, .acls = true },
	{ "fc", ONLY_FC, "tcm_fc", is_wwpn, WWPN_FORM, 1, 1, .acls = true },
	{ "sbp", ONLY_SBP, "sbp_target", is_guid, "a GUID, 16 hexadecimal digits", 0, 65535, .one_group = true, .needs_lun = true, .acls = true },
	{ "xen-pvscsi", ONLY_XEN, "xen-scsiback", is_emulated_name, EMULATED_FORM, 0, 65535 },
	{ .name = NULL }
};

const struct fabric *fabric_find(const char *name)
{
	fabric_foreach(f)
		if (streq_ptr(f->name, name))
			return f;
	return NULL;
}
