/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All that the daemon would make up by chance is said here, so that the same transactions in the same order lead to the same state. There
 * are few names, so that what is drawn meets.
 */
#include "tests/fault/draw.h"

#include "tests/fault/world.h"

#define NQN "nqn.2026-11.org.example:"
#define IQN "iqn.2026-11.org.example:"
#define UUID "d4fae0-7dec-11d0-a765-00a0c91e6bf6"

/*
 * $s subsystem, $h host, $d backend of a disk, $r ramdisk, $b either, $p port, $n nsid, $g group, $t target, $l LUN, $c initiator,
 * $m mapped LUN, $v one of two numbers, $w yes or no; $S, $P, $N and $V are another draw of the same. $x is the subsystem's serial number,
 * $D the disk's device, $U its uuid, $R the ramdisk's.
 */
static const char *const edits[] = {
	/* subsystems and namespaces */
	"create subsystems/$s serial=$x allow_any_host=$w",
	"create subsystems/$s serial=$x\ncreate subsystems/$s/namespaces/$n backend=$b",
	"delete subsystems/$s",
	"set subsystems/$s cntlid_max=2$v",
	"set subsystems/$s cntlid_min=1$v",
	"set subsystems/$s cntlid_min=1$v cntlid_max=1$V",
	"set subsystems/$s serial=SN-$v",
	"create subsystems/$s/namespaces/$n backend=$b",
	"create subsystems/$s/namespaces/$n backend=$b",
	"delete subsystems/$s/namespaces/$n",
	"set subsystems/$s/namespaces/$n backend=$b",
	"set subsystems/$s/namespaces/$n ana_grpid=$g",
	"delete subsystems/$s/namespaces/$n\ncreate subsystems/$S/namespaces/$N backend=$b",
	/* hosts */
	"create hosts/$h",
	"delete hosts/$h",
	"set subsystems/$s allowed_hosts+=$h",
	"set subsystems/$s allowed_hosts+=$h",
	"set subsystems/$s allowed_hosts-=$h",
	"set subsystems/$s allowed_hosts=$h",
	"set subsystems/$s allowed_hosts=",
	"set subsystems/$s allow_any_host=$w",
	"set subsystems/$s allow_any_host=true allowed_hosts=",
	"set subsystems/$s allow_any_host=false allowed_hosts+=$h",
	"create hosts/$h\nset subsystems/$s allowed_hosts+=$h",
	"set subsystems/$s allowed_hosts-=$h\ndelete hosts/$h",
	/* ports */
	"create ports/$p trtype=tcp traddr=192.0.2.1 trsvcid=442$p",
	"create ports/$p trtype=tcp traddr=192.0.2.1 trsvcid=442$P subsystems=$s",
	"delete ports/$p",
	"set ports/$p trsvcid=442$P",
	"set ports/$p traddr=192.0.2.$v",
	"set ports/$p subsystems+=$s",
	"set ports/$p subsystems+=$s",
	"set ports/$p subsystems-=$s",
	"set ports/$p subsystems=$s",
	"set ports/$p subsystems=$s,$S",
	"set ports/$p subsystems=",
	"set ports/$p subsystems+=$s\nset ports/$P subsystems-=$s",
	"create ports/$p/ana_groups/$g ana_state=inaccessible",
	"set ports/$p/ana_groups/$g ana_state=non-optimized",
	"delete ports/$p/ana_groups/$g",
	"create ports/$p/referrals/r$v trtype=tcp traddr=192.0.2.9 trsvcid=4420",
	"delete ports/$p/referrals/r$v",
	/* backends */
	"create backends/$d type=block device=$D uuid=$U",
	"create backends/$r type=ramdisk size=1MiB uuid=$R",
	"delete backends/$b",
	"set backends/$d buffered_io=$w",
	"set backends/$b data_path=shared",
	"set backends/$b data_path=auto",
	"set backends/$b access_state=standby ana_grpid=$g",
	"set backends/$b access_state=standby",
	"set backends/$b access_state=",
	"create backends/$b/alua_groups/g$v access_state=non-optimized",
	"create backends/$b/alua_groups/g$v",
	"set backends/$b/alua_groups/g$v access_state=standby",
	"delete backends/$b/alua_groups/g$v",
	"create lu_groups/lu$v",
	"delete lu_groups/lu$v",
	"set backends/$b lu_group=lu$v",
	"set backends/$b lu_group=",
	/* export and unexport */
	"create backends/$d type=block device=$D uuid=$U\ncreate subsystems/$s serial=$x allow_any_host=true\n"
	"create subsystems/$s/namespaces/$n backend=$d\nset ports/$p subsystems+=$s",
	"set ports/$p subsystems-=$s\ndelete subsystems/$s/namespaces/$n\ndelete subsystems/$s",
	"create ports/$p trtype=tcp traddr=192.0.2.1 trsvcid=442$p\ncreate subsystems/$s serial=$x allow_any_host=true\n"
	"create subsystems/$s/namespaces/$n backend=$b\nset ports/$p subsystems+=$s",
	/* SCSI */
	"create targets/iscsi/$t\ncreate targets/iscsi/$t/tpgs/1 authentication=false",
	"create targets/iscsi/$t\ncreate targets/iscsi/$t/tpgs/1 enable=$w\ncreate targets/iscsi/$t/tpgs/1/luns/$l backend=$b",
	"delete targets/iscsi/$t",
	"delete targets/iscsi/$t/tpgs/1",
	"create targets/iscsi/$t/tpgs/1",
	"set targets/iscsi/$t/tpgs/1 login_timeout=2$v",
	"set targets/iscsi/$t/tpgs/1 enable=$w",
	"create targets/iscsi/$t/tpgs/1/luns/$l backend=$b",
	"create targets/iscsi/$t/tpgs/1/luns/$l backend=$b alua_group=g$v",
	"set targets/iscsi/$t/tpgs/1/luns/$l backend=$b",
	"set targets/iscsi/$t/tpgs/1/luns/$l alua_group=g$v",
	"set targets/iscsi/$t/tpgs/1/luns/$l alua_group=",
	"delete targets/iscsi/$t/tpgs/1/luns/$l",
	"create targets/iscsi/$t/tpgs/1/acls/$c",
	"create targets/iscsi/$t/tpgs/1/acls/$c\ncreate targets/iscsi/$t/tpgs/1/acls/$c/mapped_luns/$m lun=$l",
	"delete targets/iscsi/$t/tpgs/1/acls/$c",
	"create targets/iscsi/$t/tpgs/1/acls/$c/mapped_luns/$m lun=$l",
	"set targets/iscsi/$t/tpgs/1/acls/$c/mapped_luns/$m lun=$l write_protect=$w",
	"delete targets/iscsi/$t/tpgs/1/acls/$c/mapped_luns/$m",
	"create targets/iscsi/$t/tpgs/1/portals/192.0.2.1:326$v",
	"delete targets/iscsi/$t/tpgs/1/portals/192.0.2.1:326$v",
	/* what is wrong, or what the kernel does not take */
	"set subsystems/$s nonsense=1",
	"create subsystems/$s/namespaces/$n backend=nothing",
	"set ports/$p subsystems+=" NQN "nobody",
	"create backends/bad type=block device=/dev/none\ncreate subsystems/$s/namespaces/9 backend=bad",
	"set ports/$p traddr=198.51.100.1",
	"create subsystems/$s/namespaces/9 backend=$b\ncreate ports/7 trtype=tcp traddr=198.51.100.1 trsvcid=4420 subsystems=$s",
};

static const char *const documents[] = {
	"{ \"version\": 1, \"hosts\": { \"$h\": {} } }",
	"{ \"version\": 1, \"subsystems\": { \"$s\": { \"serial\": \"$x\", \"cntlid_max\": 2$v } } }",
	"{ \"version\": 1, \"backends\": { \"$r\": { \"type\": \"ramdisk\", \"size\": \"1MiB\", \"uuid\": \"$R\" } },"
	"  \"subsystems\": { \"$s\": { \"serial\": \"$x\", \"namespaces\": { \"$n\": { \"backend\": \"$r\" } } } } }",
	"{ \"version\": 1, \"hosts\": { \"$h\": {} }, \"subsystems\": { \"$s\": { \"serial\": \"$x\", \"allowed_hosts\": [ \"$h\" ] } },"
	"  \"ports\": { \"$p\": { \"trtype\": \"tcp\", \"traddr\": \"192.0.2.1\", \"trsvcid\": \"442$p\", \"subsystems\": [ \"$s\" ] } } }",
	"{ \"version\": 1, \"backends\": { \"$d\": { \"type\": \"block\", \"device\": \"$D\", \"uuid\": \"$U\" } },"
	"  \"targets\": { \"iscsi\": { \"$t\": { \"tpgs\": { \"1\": { \"luns\": { \"$l\": { \"backend\": \"$d\" } } } } } } } }",
};

#define DISK(n, device) "\"d" n "\": { \"type\": \"block\", \"device\": \"" device "\", \"uuid\": \"d" n UUID "\" }"
#define RAM(n) "\"r" n "\": { \"type\": \"ramdisk\", \"size\": \"1MiB\", \"uuid\": \"e" n UUID "\" }"

const char *const draw_bases[] = {
	"{ \"version\": 1 }",
	"{ \"version\": 1, \"backends\": { " DISK("1", "/dev/vdb") ", " DISK("2", "/dev/vdc") " },"
	"  \"hosts\": { \"" NQN "h1\": {} },"
	"  \"subsystems\": {"
	"    \"" NQN "s1\": { \"serial\": \"SN-s1\", \"allowed_hosts\": [ \"" NQN "h1\" ], \"namespaces\": { \"1\": { \"backend\": \"d1\" } } },"
	"    \"" NQN "s2\": { \"serial\": \"SN-s2\", \"allow_any_host\": true } },"
	"  \"ports\": { \"1\": { \"trtype\": \"tcp\", \"traddr\": \"192.0.2.1\", \"trsvcid\": \"4421\", \"subsystems\": [ \"" NQN "s1\" ],"
	"    \"ana_groups\": { \"2\": { \"ana_state\": \"non-optimized\" } } } } }",
	"{ \"version\": 1, \"backends\": { " DISK("1", "/dev/vdb") ", " DISK("2", "/dev/vdc") ", " RAM("1") " },"
	"  \"subsystems\": {"
	"    \"" NQN "s1\": { \"serial\": \"SN-s1\", \"namespaces\": { \"1\": { \"backend\": \"d1\" }, \"2\": { \"backend\": \"r1\" } } } },"
	"  \"ports\": { \"1\": { \"trtype\": \"tcp\", \"traddr\": \"192.0.2.1\", \"trsvcid\": \"4421\", \"subsystems\": [ \"" NQN "s1\" ] },"
	"    \"2\": { \"trtype\": \"tcp\", \"traddr\": \"192.0.2.1\", \"trsvcid\": \"4422\", \"subsystems\": [ \"" NQN "s1\" ] } },"
	"  \"targets\": { \"iscsi\": { \"" IQN "t1\": { \"tpgs\": { \"1\": { \"authentication\": false,"
	"    \"portals\": { \"192.0.2.1:3261\": {} }, \"luns\": { \"0\": { \"backend\": \"r1\" }, \"1\": { \"backend\": \"d2\" } },"
	"    \"acls\": { \"" IQN "c1\": { \"mapped_luns\": { \"0\": { \"lun\": 0 } } } } } } } } } }",
};
const size_t n_draw_bases = sizeof(draw_bases) / sizeof(*draw_bases);

/* splitmix64 */
uint64_t draw(uint64_t *random, uint64_t below)
{
	uint64_t z = *random += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return (z ^ z >> 31) % below;
}

/* What a letter stands for in one transaction; index: which of the few. */
static void add_letter(struct strbuf *b, char letter, unsigned index)
{
	unsigned n = index + 1;

	switch (letter) {
	case 's':
	case 'h':
		strbuf_addf(b, NQN "%c%u", letter, n);
		break;
	case 't':
	case 'c':
		strbuf_addf(b, IQN "%c%u", letter, n);
		break;
	case 'x':
		strbuf_addf(b, "SN-s%u", n);
		break;
	case 'd':
	case 'r':
		strbuf_addf(b, "%c%u", letter, n);
		break;
	case 'b':
		strbuf_add(b, index < 2 ? (index ? "d2" : "d1") : "r1");
		break;
	case 'D':
		strbuf_addf(b, "/dev/vd%c", 'b' + (char)index);
		break;
	case 'U':
		strbuf_addf(b, "d%u" UUID, n);
		break;
	case 'R':
		strbuf_addf(b, "e%u" UUID, n);
		break;
	case 'w':
		strbuf_add(b, index ? "true" : "false");
		break;
	case 'l':
	case 'm':
		strbuf_addf(b, "%u", index);
		break;
	case 'g':
		strbuf_addf(b, "%u", n + 1);
		break;
	default:
		strbuf_addf(b, "%u", n);
	}
}

static unsigned how_many(char letter)
{
	switch (letter) {
	case 's':
	case 'b':
		return 3;
	case 'r':
		return 1;
	default:
		return 2;
	}
}

static char *fill(uint64_t *random, const char *form)
{
	struct strbuf b = { 0 };
	unsigned drawn[128];

	for (unsigned char c = 'a'; c <= 'z'; c++)
		drawn[c] = (unsigned)draw(random, how_many((char)c));
	for (unsigned char c = 'A'; c <= 'Z'; c++)
		drawn[c] = (unsigned)draw(random, how_many((char)(c - 'A' + 'a')));
	for (const char *at = form; *at; at++) {
		char letter = *at == '$' ? *++at : 0;

		if (!letter)
			strbuf_add_mem(&b, at, 1);
		else if (strchr("DU", letter))
			add_letter(&b, letter, drawn['d']);
		else if (letter == 'R')
			add_letter(&b, letter, drawn['r']);
		else if (letter == 'x')
			add_letter(&b, letter, drawn['s']);
		else
			add_letter(&b, (char)(letter | 0x20), drawn[(unsigned char)letter]);
	}
	if (!b.s)
		fail("out of memory");
	return b.s;
}

void draw_ask(uint64_t *random, struct ask *ret)
{
	uint64_t kind = draw(random, 24);

	*ret = (struct ask){ .dry_run = draw(random, 24) == 0 };
	if (kind == 0) {
		ret->what = ASK_CLEAR;
	} else if (kind == 1) {
		ret->what = ASK_APPLY;
		ret->text = strdup(draw_bases[draw(random, n_draw_bases)]);
	} else if (kind <= 4) {
		ret->what = draw(random, 6) ? ASK_MERGE : ASK_APPLY;
		ret->text = fill(random, documents[draw(random, ARRAY_SIZE(documents))]);
	} else if (kind == 5) {
		ret->what = ASK_RECONCILE;
	} else {
		ret->what = ASK_CHANGE;
		ret->recursive = draw(random, 6) == 0;
		ret->text = fill(random, edits[draw(random, ARRAY_SIZE(edits))]);
	}
}

void ask_done(struct ask *a)
{
	free(a->text);
	*a = (struct ask){ 0 };
}
