/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transactions to be met by bad luck: from a configuration with every kind of object, or from nothing, by edits to another one. Each kernel
 * call of each of them is to fail once.
 */
#include "tests/fault/scenarios.h"

#include <stddef.h>

/* Where nothing is said, the daemon makes up serials and uuids; the driver keeps what it made. */
static const char nvme[] =
	"{ \"version\": 1,"
	"  \"nvmet\": { \"discovery_nqn\": \"nqn.2026-11.org.example:discovery\" },"
	"  \"backends\": {"
	"    \"disk1\": { \"type\": \"block\", \"device\": \"/dev/vdb\" },"
	"    \"disk2\": { \"type\": \"block\", \"device\": \"/dev/vdc\" },"
	"    \"file1\": { \"type\": \"file\", \"path\": \"/srv/file1\", \"size\": \"64MiB\", \"create\": true },"
	"    \"passed\": { \"type\": \"nvme-passthru\", \"device\": \"/dev/nvme0\" } },"
	"  \"hosts\": {"
	"    \"nqn.2026-11.org.example:h1\": {},"
	"    \"nqn.2026-11.org.example:h2\": { \"dhchap_key\": { \"file\": \"h2.key\" }, \"dhchap_hash\": \"hmac(sha384)\" } },"
	"  \"subsystems\": {"
	"    \"nqn.2026-11.org.example:s1\": {"
	"      \"model\": \"Example\", \"cntlid_max\": 1000,"
	"      \"allowed_hosts\": [ \"nqn.2026-11.org.example:h1\", \"nqn.2026-11.org.example:h2\" ],"
	"      \"namespaces\": { \"1\": { \"backend\": \"disk1\", \"ana_grpid\": 2 }, \"2\": { \"backend\": \"file1\" } } },"
	"    \"nqn.2026-11.org.example:s2\": {"
	"      \"allow_any_host\": true, \"namespaces\": { \"1\": { \"backend\": \"disk2\" } } },"
	"    \"nqn.2026-11.org.example:s3\": {"
	"      \"backend\": \"passed\","
	"      \"allowed_hosts\": [ \"nqn.2026-11.org.example:h1\" ] } },"
	"  \"ports\": {"
	"    \"1\": { \"trtype\": \"tcp\", \"traddr\": \"192.0.2.1\", \"trsvcid\": \"4420\","
	"      \"subsystems\": [ \"nqn.2026-11.org.example:s1\", \"nqn.2026-11.org.example:s2\" ],"
	"      \"referrals\": { \"r1\": { \"trtype\": \"tcp\", \"traddr\": \"192.0.2.9\", \"trsvcid\": \"4420\" } },"
	"      \"ana_groups\": { \"2\": { \"ana_state\": \"non-optimized\" } } },"
	"    \"2\": { \"trtype\": \"tcp\", \"traddr\": \"192.0.2.1\", \"trsvcid\": \"4421\","
	"      \"subsystems\": [ \"nqn.2026-11.org.example:s3\" ] },"
	"    \"3\": { \"trtype\": \"loop\", \"subsystems\": [ \"nqn.2026-11.org.example:s2\" ] } } }";

#define S1 "subsystems/nqn.2026-11.org.example:s1"
#define S2 "subsystems/nqn.2026-11.org.example:s2"
#define S3 "subsystems/nqn.2026-11.org.example:s3"
#define S4 "subsystems/nqn.2026-11.org.example:s4"
#define H1 "hosts/nqn.2026-11.org.example:h1"
#define H2 "hosts/nqn.2026-11.org.example:h2"
#define H3 "hosts/nqn.2026-11.org.example:h3"
#define NQN(x) "nqn.2026-11.org.example:" x

/* What SCSI has, with backends of every type that needs no device, each way out, and what NVMe hosts reach by a bridge. */
static const char scsi[] =
	"{ \"version\": 1,"
	"  \"lu_groups\": { \"lu1\": {} },"
	"  \"backends\": {"
	"    \"disk1\": { \"type\": \"block\", \"device\": \"/dev/vdb\" },"
	"    \"disk2\": { \"type\": \"block\", \"device\": \"/dev/vdc\", \"lu_group\": \"lu1\","
	"      \"alua_groups\": { \"g1\": { \"access_state\": \"non-optimized\" } } },"
	"    \"disk3\": { \"type\": \"block\", \"device\": \"/dev/vdd\" },"
	"    \"file1\": { \"type\": \"file\", \"path\": \"/srv/file1\", \"size\": \"64MiB\", \"create\": true, \"vendor_id\": \"EXAMPLE\","
	"      \"access_state\": \"non-optimized\" },"
	"    \"ram1\": { \"type\": \"ramdisk\", \"size\": \"16MiB\" } },"
	"  \"subsystems\": {"
	"    \"nqn.2026-11.org.example:s1\": {"
	"      \"allow_any_host\": true,"
	"      \"namespaces\": { \"1\": { \"backend\": \"ram1\" }, \"2\": { \"backend\": \"file1\" }, \"3\": { \"backend\": \"disk3\" } } } },"
	"  \"ports\": { \"1\": { \"trtype\": \"tcp\", \"traddr\": \"192.0.2.1\", \"subsystems\": [ \"nqn.2026-11.org.example:s1\" ] } },"
	"  \"targets\": {"
	"    \"iscsi\": {"
	"      \"discovery_userid\": \"joe\", \"discovery_password\": { \"file\": \"h2.key\" }, \"enforce_discovery_auth\": true,"
	"      \"iqn.2026-11.org.example:t1\": { \"tpgs\": { \"1\": {"
	"        \"portals\": { \"192.0.2.1:3260\": {} }, \"MaxConnections\": 4,"
	"        \"luns\": { \"0\": { \"backend\": \"ram1\" }, \"1\": { \"backend\": \"disk2\", \"alua_group\": \"g1\" } },"
	"        \"acls\": { \"iqn.2026-11.org.example:c1\": {"
	"          \"userid\": \"joe\", \"password\": { \"file\": \"h2.key\" },"
	"          \"mapped_luns\": { \"0\": { \"lun\": 0 }, \"5\": { \"lun\": 1, \"write_protect\": true } } } } } } },"
	"      \"iqn.2026-11.org.example:t2\": { \"tpgs\": { \"1\": {"
	"        \"authentication\": false, \"generate_node_acls\": true, \"demo_mode_write_protect\": false,"
	"        \"portals\": { \"192.0.2.1:3261\": {} }, \"luns\": { \"0\": { \"backend\": \"file1\" } } } } } },"
	"    \"vhost\": { \"naa.5001405000000001\": { \"tpgs\": { \"1\": { \"luns\": { \"0\": { \"backend\": \"disk1\" } } } } } },"
	"    \"loopback\": { \"naa.5001405000000002\": { \"tpgs\": { \"1\": { \"luns\": { \"0\": { \"backend\": \"disk1\" } } } } } } } }";

#define T1 "targets/iscsi/iqn.2026-11.org.example:t1"
#define T2 "targets/iscsi/iqn.2026-11.org.example:t2"
#define T3 "targets/iscsi/iqn.2026-11.org.example:t3"
#define C1 T1 "/tpgs/1/acls/iqn.2026-11.org.example:c1"

const struct scenario scenarios[] = {
	{ "make", nvme, true, NULL, "/srv/file1" },
	{ "clear", nvme, false, NULL },
	{ "attributes", nvme, false,
	  "set nvmet discovery_nqn=" NQN("other") "\n"
	  "set " H2 " dhchap_hash=hmac(sha256) dhchap_dhgroup=ffdhe2048\n"
	  "set " S1 " cntlid_min=5 cntlid_max=500 qid_max=16\n"
	  "set " S1 "/namespaces/1 ana_grpid=1\n"
	  "set ports/1/ana_groups/2 ana_state=inaccessible\n"
	  "set ports/1/referrals/r1 traddr=192.0.2.10\n"
	  "set backends/disk2 buffered_io=true\n" },
	{ "secrets", nvme, false,
	  "set " H2 " dhchap_key=file:other.key dhchap_ctrl_key=file:h2.key\n"
	  "set " H1 " dhchap_key=file:h2.key\n" },
	{ "identity", nvme, false, "set " S1 " model=Other serial=SN1 ieee_oui=0x525400\n" },
	{ "address", nvme, false, "set ports/1 trsvcid=4430\n" },
	{ "transport", nvme, false, "set ports/3 trtype=tcp adrfam=ipv4 traddr=192.0.2.2 trsvcid=4420\n" },
	{ "swapped addresses", nvme, false, "set ports/1 trsvcid=4421\nset ports/2 trsvcid=4420\n" },
	{ "all addresses", nvme, false,
	  "set ports/1 trsvcid=4425\ncreate ports/9 trtype=tcp traddr=0.0.0.0 trsvcid=4420 subsystems=" NQN("s2") "\n" },
	{ "rename", nvme, false,
	  "set ports/1 subsystems-=" NQN("s2") "\nset ports/3 subsystems-=" NQN("s2") "\n"
	  "delete " S2 "/namespaces/1\ndelete " S2 "\n"
	  "create " S4 " allow_any_host=true\ncreate " S4 "/namespaces/1 backend=disk2\n"
	  "set ports/1 subsystems+=" NQN("s4") "\nset ports/3 subsystems+=" NQN("s4") "\n" },
	{ "moved namespace", nvme, false, "delete " S1 "/namespaces/2\ncreate " S2 "/namespaces/7 backend=file1\n" },
	{ "swapped devices", nvme, false, "set " S1 "/namespaces/1 backend=disk2\nset " S2 "/namespaces/1 backend=disk1\n" },
	{ "growing", nvme, false, "set backends/file1 size=128MiB\n", "/srv/file1" },
	{ "new file", nvme, false,
	  "create backends/file2 type=file path=/srv/file2 size=8MiB create=true\n"
	  "create " S2 "/namespaces/2 backend=file2\n", "/srv/file2" },
	{ "hosts", nvme, false,
	  "create " H3 "\nset " S1 " allowed_hosts-=" NQN("h2") "\nset " S1 " allowed_hosts+=" NQN("h3") "\n"
	  "set " S3 " allowed_hosts=" NQN("h3") "\ndelete " H2 "\n" },
	{ "any host", nvme, false, "set " S1 " allowed_hosts= allow_any_host=true\nset " S2 " allow_any_host=false allowed_hosts=" NQN("h1") "\n" },
	{ "access states", nvme, false,
	  "create ports/1/ana_groups/3 ana_state=optimized\nset " S1 "/namespaces/1 ana_grpid=3\ndelete ports/1/ana_groups/2\n"
	  "create ports/1/ana_groups/1 ana_state=non-optimized\n" },
	{ "referrals", nvme, false,
	  "create ports/2/referrals/r2 trtype=tcp traddr=192.0.2.1 trsvcid=4420\ndelete ports/1/referrals/r1\n" },
	{ "passthru", nvme, false,
	  "create backends/passed2 type=nvme-passthru device=/dev/nvme1\n"
	  "set " S3 " backend=passed2 passthru_admin_timeout=30\n"
	  "create " S4 " allow_any_host=true backend=passed\n" },
	{ "namespaces and passthru change places", nvme, false,
	  "set " S3 " backend=\ndelete " S2 "/namespaces/1\nset " S2 " backend=passed\ncreate " S3 "/namespaces/1 backend=disk2\n" },
	{ "make all of SCSI", scsi, true, NULL, "/srv/file1" },
	{ "clear all of SCSI", scsi, false, NULL },
	{ "attributes of SCSI", scsi, false,
	  "set backends/file1 emulate_caw=false\n"
	  "set backends/disk2/alua_groups/g1 access_state=standby preferred=true\n"
	  "set " T1 "/tpgs/1 MaxConnections=2 login_timeout=20\nset " C1 " userid=jim nopin_timeout=20\n"
	  "set " C1 "/mapped_luns/0 write_protect=true\nset targets/iscsi enforce_discovery_auth=false\n" },
	{ "an access state", scsi, false,
	  "set backends/ram1 access_state=standby\nset backends/file1 access_state=unavailable\n"
	  "create backends/ram1/alua_groups/near access_state=optimized ports=1\nset backends/disk3 access_state=offline\n" },
	{ "no access state", scsi, false, "set backends/file1 access_state=\nset ports/1 subsystems=\n" },
	{ "secrets of SCSI", scsi, false, "set " C1 " password=file:other.key\nset targets/iscsi discovery_password=file:other.key\n" },
	{ "a LUN more and less", scsi, false,
	  "create " T2 "/tpgs/1/luns/7 backend=disk1\ndelete " C1 "/mapped_luns/0\ndelete " T1 "/tpgs/1/luns/0\n" },
	{ "another LUN", scsi, false, "set " T1 "/tpgs/1/luns/0 backend=disk1\nset " C1 "/mapped_luns/5 lun=0\nset " C1 "/mapped_luns/0 lun=1\n" },
	{ "direct to shared", scsi, false,
	  "create " T2 "/tpgs/1/luns/1 backend=disk3\ncreate " T3 "\ncreate " T3 "/tpgs/1 enable=false\n" },
	{ "shared to direct", scsi, false, "set backends/file1 vendor_id=\ndelete " T2 "/tpgs/1/luns/0\n" },
	{ "growing of a shared file", scsi, false, "set backends/file1 size=128MiB\n", "/srv/file1" },
	{ "another portal", scsi, false,
	  "delete " T1 "/tpgs/1/portals/192.0.2.1:3260\ncreate " T1 "/tpgs/1/portals/192.0.2.2:3260\nset " T2 "/tpgs/1 enable=false\n" },
};

const size_t n_scenarios = sizeof(scenarios) / sizeof(*scenarios);
