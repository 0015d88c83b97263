/* SPDX-License-Identifier: Apache-2.0 */
/* What a refusal of the kernel means: verb, file and errno into a sentence (kernel-abi 2.3, 2.4, 2.7, 2.8, 11). */
#include <errno.h>
#include <fnmatch.h>

#include "base/text.h"
#include "kernel/kernel-private.h"

struct meaning {
	enum op_verb verb;
	const char *pattern;	/* of the path, as fnmatch(3); NULL: any */
	int code;
	const char *sentence;
};

#define NS "nvmet/subsystems/*/namespaces/*"
#define PORT_LINK "nvmet/ports/*/subsystems/*"
#define STORAGE "target/core/*_*/*"
#define TPG "target/*/*/tpgt_*"

/* The first that fits counts; '*' goes on beyond '/': what is deeper in the tree comes first. */
static const struct meaning meanings[] = {
	{ OP_LINK, PORT_LINK, EADDRNOTAVAIL,
	  "the port's address is not an address of this machine, or is an IPv6 address that is still tentative" },
	{ OP_LINK, PORT_LINK, EADDRINUSE, "the port's address is in use already, by another port or program" },
	{ OP_LINK, PORT_LINK, EINVAL,
	  "the port cannot be opened: its transport's module cannot be loaded, or its address does not fit" },
	{ OP_LINK, PORT_LINK, EACCES, "the port number is a privileged one and nvmetd may not use it" },
	{ OP_LINK, PORT_LINK, ENODEV, "the address belongs to no RDMA device" },
	{ OP_LINK, PORT_LINK, ENXIO, "there is no Fibre Channel target port of that address" },
	{ OP_LINK, PORT_LINK, EALREADY, "another port has that Fibre Channel target port" },
	{ OP_LINK, PORT_LINK, EEXIST, "the port serves it already, under a link of another name" },
	{ OP_LINK, "nvmet/subsystems/*/allowed_hosts/*", EINVAL, "hosts cannot be listed while allow_any_host is set" },
	{ OP_LINK, "nvmet/subsystems/*/allowed_hosts/*", EEXIST, "the host is allowed already, under a link of another name" },
	{ OP_WRITE, NS "/enable", ENOENT, "the device or file does not exist" },
	{ OP_WRITE, NS "/enable", EACCES, "the device is read-only" },
	{ OP_WRITE, NS "/enable", EBUSY,
	  "another namespace of the subsystem has this NSID in the kernel, under another spelling" },
	{ OP_WRITE, NS "/enable", EMFILE, "the subsystem has 1024 enabled namespaces, the most that the kernel takes" },
	{ OP_WRITE, NS "/enable", EISDIR, "the path is that of a folder" },
	{ OP_WRITE, NS "/enable", EINVAL, "the kernel cannot open the device or file, or its file system has no direct I/O" },
	{ OP_WRITE, NS "/*", EBUSY, "the kernel does not take it while the namespace is enabled" },
	{ OP_MKDIR, NS, ENOMEM, "the NSID is taken, or the subsystem has as many namespaces as it can" },
	{ OP_WRITE, "nvmet/ports/*", EACCES, "the kernel does not take it while the port serves a subsystem" },
	{ OP_WRITE, "nvmet/ports/*/addr_tsas", EINVAL, "this kernel or transport does not have that kind of security" },
	{ OP_WRITE, "nvmet/subsystems/*/attr_allow_any_host", EINVAL, "hosts are still listed in allowed_hosts" },
	{ OP_WRITE, "nvmet/subsystems/*/attr_*", EINVAL,
	  "the kernel does not take it, or fixed it when the first host identified the subsystem" },
	{ OP_WRITE, "nvmet/discovery_nqn", EINVAL, "a subsystem's NQN begins with it" },

	{ OP_MKDIR, TPG "/np/*", EINVAL,
	  "the portal's address is in use already, by another portal or program, or the kernel cannot listen there: it does not say which" },
	{ OP_MKDIR, TPG "/np/*", ENOSYS, "only iSCSI targets have portals" },
	{ OP_MKDIR, TPG "/acls/*/lun_*", EINVAL, "the kernel does not take a mapped LUN of that number" },
	{ OP_MKDIR, TPG "/acls/*", EEXIST, "the kernel has an ACL of that name already, made by someone else" },
	{ OP_MKDIR, TPG "/acls/*", EINVAL, "the fabric does not take the initiator's name" },
	{ OP_MKDIR, TPG "/lun/lun_*", EINVAL, "the kernel does not take a LUN of that number" },
	{ OP_MKDIR, TPG, EINVAL, "the fabric does not take a portal group of that tag; the reason may be in the kernel's log" },
	{ OP_MKDIR, "target/loopback/*", EINVAL,
	  "the target's name must begin with naa., fc. or iqn., or the kernel cannot make a SCSI host for it" },
	{ OP_MKDIR, "target/vhost/*", EINVAL, "the target's name must begin with naa., fc. or iqn." },
	{ OP_MKDIR, "target/xen-pvscsi/*", EINVAL, "the target's name must begin with naa., fc. or iqn." },
	{ OP_MKDIR, "target/iscsi/*", EINVAL, "the kernel does not take the target's name" },
	{ OP_MKDIR, "target/core/alua/lu_gps/*", EINVAL, "the kernel does not take the group's name" },
	{ OP_MKDIR, STORAGE "/alua/*", EINVAL, "the kernel does not take an ALUA group of that name" },
	{ OP_MKDIR, STORAGE, EINTR, "the kernel was interrupted" },
	{ OP_MKDIR, STORAGE, EINVAL, "the kernel does not take the storage object's name" },
	{ OP_MKDIR, "target/core/*", EINVAL,
	  "this kernel has no storage objects of that kind: its module is missing or cannot be loaded" },
	{ OP_MKDIR, "target/*/*", EINVAL, "this machine has no target port of that name, or the fabric does not take it" },
	{ OP_MKDIR, "target/*", EINVAL, "this kernel has no such fabric: its module is missing or cannot be loaded" },
	{ OP_MKDIR, "target/*", ENOENT,
	  "the kernel's folder for it is missing: target_core_mod is not loaded, or its parent is gone" },

	{ OP_WRITE, "target/core/iblock_*/*/enable", EBUSY,
	  "the device is in use on this machine: mounted, part of a volume or another device, or open by who does not share it" },
	{ OP_WRITE, "target/core/iblock_*/*/enable", ENOTBLK, "the path is not that of a block device" },
	{ OP_WRITE, "target/core/iblock_*/*/enable", EINVAL, "the kernel has no path of a device, or cannot use the device" },
	{ OP_WRITE, "target/core/fileio_*/*/enable", EINVAL,
	  "the kernel has no path of a file, no size for it, or its file system has no direct I/O" },
	{ OP_WRITE, "target/core/rd_mcp_*/*/enable", ENOMEM, "there is not enough memory for a ramdisk of that size" },
	{ OP_WRITE, "target/core/rd_mcp_*/*/enable", EINVAL, "the kernel has no size for the ramdisk" },
	{ OP_WRITE, "target/core/pscsi_*/*/enable", ENODEV, "the SCSI device is not there, or is offline" },
	{ OP_WRITE, "target/core/pscsi_*/*/enable", EBUSY, "the SCSI device is in use on this machine" },
	{ OP_WRITE, "target/core/pscsi_*/*/enable", EINVAL, "the kernel has no address of a SCSI device" },
	{ OP_WRITE, "target/core/user_*/*/enable", EAGAIN,
	  "messages to handlers of user backends are blocked (block_netlink of target_core_user)" },
	{ OP_WRITE, "target/core/user_*/*/enable", EINTR,
	  "no handler answered, and the waiting was ended (reset_netlink of target_core_user)" },
	{ OP_WRITE, "target/core/user_*/*/enable", EINVAL,
	  "the kernel has no configuration or size for it, or the handler refused it" },
	{ OP_WRITE, STORAGE "/enable", EEXIST, "the storage object is enabled already, by someone else" },
	{ OP_WRITE, STORAGE "/enable", ENOENT, "the device or file does not exist" },
	{ OP_WRITE, STORAGE "/enable", EACCES, "the device or file is read-only" },
	{ OP_WRITE, STORAGE "/enable", EROFS, "the device or file is read-only" },
	{ OP_WRITE, STORAGE "/enable", EISDIR, "the path is that of a folder" },
	{ OP_WRITE, STORAGE "/enable", ENXIO, "there is no device behind the path" },
	{ OP_WRITE, STORAGE "/attrib/*", ESRCH, "no handler of user backends listens, and the kernel asks it first" },
	{ OP_WRITE, STORAGE "/attrib/*", ENODEV, "the storage object is not enabled" },
	{ OP_WRITE, STORAGE "/attrib/*", ENOSYS, "the backend's device, or its type, has no such feature" },
	{ OP_WRITE, STORAGE "/attrib/*", EINVAL,
	  "the kernel does not take this value, or takes none while the backend is exported" },
	{ OP_WRITE, STORAGE "/wwn/*", EOVERFLOW, "it is longer than the kernel keeps" },
	{ OP_WRITE, STORAGE "/wwn/*", EOPNOTSUPP, "the device has a unit serial of its own, which is not replaced" },
	{ OP_WRITE, STORAGE "/wwn/*", EINVAL, "the kernel does not take this text, or takes none while the backend is exported" },
	{ OP_WRITE, STORAGE "/alua/*/tg_pt_gp_id", EINVAL,
	  "another ALUA group of the backend has this id, or the group has one already" },
	{ OP_WRITE, STORAGE "/alua/*/alua_access_state", EINVAL,
	  "the group has no id, does not support this state, or may not be changed from this side (access type)" },
	{ OP_WRITE, STORAGE "/alua/*", ENODEV, "the storage object is not enabled" },
	{ OP_WRITE, STORAGE "/alua_lu_gp", ENODEV,
	  "the kernel has no LU group of that name; the default one cannot be named, it comes back when the group goes" },
	{ OP_WRITE, STORAGE "/udev_path", EEXIST, "the storage object is enabled already" },
	{ OP_WRITE, "target/core/alua/lu_gps/*/lu_gp_id", EINVAL, "another LU group has this id, or the group has one already" },
	{ OP_WRITE, "target/dbroot", EINVAL, "there are storage objects already, which keep their files below the present one" },
	{ OP_WRITE, "target/dbroot", ENOENT, "the folder does not exist" },
	{ OP_WRITE, "target/dbroot", ENOTDIR, "this is no folder" },
	{ OP_WRITE, TPG "/acls/*/lun_*/write_protect", EINVAL, "the kernel takes 0 or 1, of a LUN that is mapped" },
	{ OP_WRITE, TPG "/acls/*/cmdsn_depth", EINVAL, "the kernel takes 1 to 512" },
	{ OP_WRITE, TPG "/lun/*/alua_tg_pt_gp", ENODEV, "the backend has no such ALUA group, or the LUN none yet" },
	{ OP_WRITE, TPG "/np/*/iser", ENODEV, "the portal's address belongs to no RDMA device" },
	{ OP_WRITE, TPG "/np/*/iser", EADDRNOTAVAIL, "the portal's address belongs to no RDMA device" },
	{ OP_WRITE, TPG "/enable", EINVAL,
	  "the kernel cannot enable the portal group: another one has its relative port id, or its fabric's port is not there" },
	{ OP_WRITE, TPG "/enable", ENODEV, "the fabric's port is not there" },
	{ OP_WRITE, TPG "/rtpi", EINVAL, "the kernel takes 1 to 65535, and while the portal group is disabled" },
	{ OP_WRITE, TPG "/nexus", EINVAL, "the nexus must be of the same kind as the target's name (naa., fc., iqn.)" },
	{ OP_WRITE, TPG "/nexus", EEXIST, "the portal group has a nexus already, made by someone else" },
	{ OP_WRITE, TPG "/nexus", EPERM, "the portal group has LUNs still, which the nexus serves" },
	{ OP_WRITE, TPG "/nexus", EBUSY, "the portal group has LUNs still, or a virtual machine uses it" },
	{ OP_WRITE, TPG "/auth/*", EINVAL, "the kernel keeps at most 255 bytes" },
	{ OP_WRITE, TPG "/param/*", EINVAL, "the kernel does not take this value (RFC 7143)" },

	{ OP_LINK, TPG "/acls/*/lun_*/*", EINVAL, "the LUN is linked to nothing, or this one is mapped already" },
	{ OP_LINK, TPG "/acls/*/lun_*/*", EEXIST, "this one is mapped already" },
	{ OP_LINK, TPG "/lun/lun_*/*", ENODEV, "the backend's storage object is not enabled" },
	{ OP_LINK, TPG "/lun/lun_*/*", EEXIST, "the LUN is linked already, by someone else" },
	{ OP_LINK, TPG "/lun/lun_*/*", EINVAL, "the fabric does not take the LUN; the reason may be in the kernel's log" },
	{ OP_LINK, TPG "/*", EFAULT, "what it is to lead to is of another kind" },
	{ OP_LINK, "target/*", ENOENT, "what it is to lead to is not there" },

	{ OP_RMDIR, STORAGE "/alua/*", EBUSY, "something that nvmetctl did not make refers to the group" },
	{ OP_RMDIR, STORAGE, EBUSY, "a LUN that nvmetctl did not make uses the storage object" },
	{ OP_RMDIR, STORAGE, ENOTEMPTY, "ALUA groups that nvmetctl did not make live below it" },
	{ OP_RMDIR, "target/vhost/*/tpgt_*", EBUSY, "a virtual machine uses the portal group" },

	{ OP_MKDIR, NULL, EEXIST, "exists in the kernel already, made by someone else" },
	{ OP_MKDIR, "nvmet/*", ENOENT, "the kernel's folder for it is missing: nvmet is not loaded, or its parent is gone" },
	{ OP_RMDIR, NULL, ENOTEMPTY, "something that nvmetctl did not make lives below it" },
	{ OP_RMDIR, NULL, EBUSY, "something that nvmetctl did not make refers to it" },
	{ OP_WRITE, NULL, ENOENT, "this kernel has no such attribute" },
	{ OP_WRITE, NULL, EOPNOTSUPP, "this kernel lacks what that needs" },
	{ OP_WRITE, NULL, 524, "this kernel lacks what that needs" },	/* the kernel's own ENOTSUPP */
	{ OP_LOAD_MODULE, NULL, ENOENT, "this kernel has no such module" },
};

static const struct meaning *find_meaning(const struct op *op, int code)
{
	for (size_t i = 0; i < ARRAY_SIZE(meanings); i++) {
		const struct meaning *m = &meanings[i];

		if (m->verb == op->verb && m->code == code && (!m->pattern || fnmatch(m->pattern, op->path, 0) == 0))
			return m;
	}
	return NULL;
}

static const struct attr_row *row_of(const struct op *op)
{
	_cleanup_element_ struct element e = { 0 };

	if (!op->object || !op->attr || element_parse(op->object, &e) < 0)
		return NULL;
	return attr_find(e.kind, op->attr);
}

/* An attribute's file that is not there: the feature is missing, and the row knows what it needs. */
static int explain_feature(const struct op *op, const struct attr_row *row, struct cfg_error *err)
{
	_cleanup_free_ char *needs = attr_needs(row);

	return cfg_error_set_at(err, EOPNOTSUPP, op->object, op->attr, "%s is not in this kernel: it needs %s",
				row->feature ? row->feature : row->name, needs ? needs : "more");
}

/* The port of a link, as it is meant to be. */
static const struct object *port_of(const struct op *op, const struct tree *target, const struct tree *wanted)
{
	_cleanup_element_ struct element e = { 0 };
	const struct object *port;

	if (!op->object || element_parse(op->object, &e) < 0 || e.kind != KIND_PORT)
		return NULL;
	port = target ? tree_find(target, e.object) : NULL;
	return port || !wanted ? port : tree_find(wanted, e.object);
}

/* Another port that has the address, as far as we know of it; caller frees. */
static char *other_port(const struct object *port, const char *key, const struct tree *t)
{
	struct users u = t ? tree_key_owners(t, key) : (struct users) { 0 };

	for (size_t i = 0; i < u.n; i++)
		if (!streq(u.items[i]->name, port->name))
			return object_path(u.items[i]);
	return NULL;
}

/* What the sentence says of a port's address, without saying which. */
static int explain_address(const struct op *op, int code, const char *sentence, const struct object *port, const struct tree *target,
			   const struct tree *wanted, struct cfg_error *err)
{
	const char *traddr = object_get(port, "traddr"), *trsvcid = object_get(port, "trsvcid");
	_cleanup_strv_ char **keys = NULL;
	_cleanup_free_ char *other = NULL;

	if (code == EADDRINUSE && object_keys(port, &keys) >= 0 && keys && keys[0]) {
		other = other_port(port, keys[0], target);
		if (!other)
			other = other_port(port, keys[0], wanted);
	}
	return cfg_error_set_at(err, code, op->object, op->attr, "%s: %s%s%s%s%s", sentence, traddr ? traddr : "no address",
				trsvcid ? " service " : "", trsvcid ? trsvcid : "", other ? ", perhaps that of " : "",
				other ? other : "");
}

int kernel_explain(const struct op *op, int code, const struct tree *target, const struct tree *wanted, struct cfg_error *err)
{
	const struct attr_row *row = row_of(op);
	const struct object *port;
	const struct meaning *m;

	if (op->verb == OP_WRITE || op->verb == OP_WRITE_SECRET)
		if (code == ENOENT && row && (row->since || row->option))
			return explain_feature(op, row, err);
	m = find_meaning(op, code);
	if (!m)
		return cfg_error_set_at(err, code, op->object, op->attr, "the kernel refused to %s %s: %s", op_verb_to_str(op->verb),
					op->path, code == 524 ? "not supported" : strerror(code));
	port = code == EADDRNOTAVAIL || code == EADDRINUSE ? port_of(op, target, wanted) : NULL;
	if (port)
		return explain_address(op, code, m->sentence, port, target, wanted, err);
	return cfg_error_set_at(err, code, op->object, op->attr, "%s", m->sentence);
}
