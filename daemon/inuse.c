/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is connected to a port: TCP connections by inet_diag, loop controllers by sysfs. RDMA and Fibre Channel do not show their connections in
 * a way that all kernels share, so they answer "unknown", which counts as in use.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/tcp.h>

#include <netlink/addr.h>
#include <netlink/cache.h>
#include <netlink/idiag/idiagnl.h>
#include <netlink/idiag/msg.h>
#include <netlink/netlink.h>

#include "base/text.h"
#include "daemon/worker.h"

struct listener {
	unsigned char addr[16];
	bool any;
	int family;
	int port;
};

static const unsigned char mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

/* Compared as IPv6, so that a connection over IPv4 to a listener on :: is seen. */
static void to_v6(const struct nl_addr *a, unsigned char ret[16])
{
	const unsigned char *p = nl_addr_get_binary_addr(a);

	memset(ret, 0, 16);
	if (nl_addr_get_len(a) == 4) {
		memcpy(ret, mapped, 12);
		memcpy(ret + 12, p, 4);
	} else if (nl_addr_get_len(a) == 16) {
		memcpy(ret, p, 16);
	}
}

static bool is_at(const struct listener *l, struct idiagnl_msg *msg)
{
	unsigned char local[16];

	if (idiagnl_msg_get_sport(msg) != l->port)
		return false;
	if (l->any)
		return true;
	to_v6(idiagnl_msg_get_src(msg), local);
	return memcmp(local, l->addr, 16) == 0;
}

static int add_connections(const struct listener *l, int family, struct strbuf *b)
{
	struct nl_sock *sk = nl_socket_alloc();
	struct nl_cache *cache = NULL;
	int r = sk ? 0 : -NLE_NOMEM;

	if (r == 0)
		r = nl_connect(sk, NETLINK_INET_DIAG);
	if (r == 0)
		r = idiagnl_msg_alloc_cache(sk, family, 1 << TCP_ESTABLISHED, &cache);
	for (struct nl_object *o = r == 0 ? nl_cache_get_first(cache) : NULL; o; o = nl_cache_get_next(o)) {
		struct idiagnl_msg *msg = (struct idiagnl_msg *)o;
		char peer[64], local[64];

		if (is_at(l, msg))
			strbuf_addf(b, "%s-%s:%d\n", nl_addr2str(idiagnl_msg_get_src(msg), local, sizeof(local)),
				    nl_addr2str(idiagnl_msg_get_dst(msg), peer, sizeof(peer)), idiagnl_msg_get_dport(msg));
	}
	if (cache)
		nl_cache_free(cache);
	if (sk)
		nl_socket_free(sk);
	return r;
}

static int parse_listener(const char *traddr, const char *trsvcid, struct listener *l)
{
	_cleanup_free_ char *plain = strndup(traddr, strcspn(traddr, "%"));
	uint64_t port;

	*l = (struct listener){ 0 };
	if (!plain || text_to_u64(trsvcid, &port) < 0 || port > 65535)
		return -EINVAL;
	l->port = (int)port;
	if (inet_pton(AF_INET6, plain, l->addr) == 1) {
		l->any = streq(plain, "::");
		return 0;
	}
	memcpy(l->addr, mapped, 12);
	if (inet_pton(AF_INET, plain, l->addr + 12) != 1)
		return -EINVAL;
	l->any = streq(plain, "0.0.0.0");
	return 0;
}

static int list_tcp(const char *traddr, const char *trsvcid, struct strbuf *b, char **message)
{
	struct listener l;
	int r = parse_listener(traddr, trsvcid, &l);

	/* An address that the kernel would not listen on has no connections. */
	if (r < 0)
		return 0;
	r = add_connections(&l, AF_INET, b);
	if (r == 0)
		r = add_connections(&l, AF_INET6, b);
	if (r == 0)
		return 0;
	*message = strf("connections cannot be listed: %s", nl_geterror(r));
	return -EIO;
}

static char *read_line(const char *folder, const char *name)
{
	_cleanup_free_ char *path = strf("/sys/class/nvme/%s/%s", folder, name);
	_cleanup_fclose_ FILE *f = path ? fopen(path, "re") : NULL;
	char line[512];

	if (!f || !fgets(line, sizeof(line), f))
		return NULL;
	line[strcspn(line, "\n")] = 0;
	return strdup(line);
}

static void list_loop(struct strbuf *b)
{
	DIR *dir = opendir("/sys/class/nvme");
	struct dirent *e;

	while (dir && (e = readdir(dir))) {
		_cleanup_free_ char *transport = *e->d_name == '.' ? NULL : read_line(e->d_name, "transport");
		_cleanup_free_ char *nqn = NULL;

		if (!transport || !streq(transport, "loop"))
			continue;
		nqn = read_line(e->d_name, "subsysnqn");
		if (nqn)
			strbuf_addf(b, "loop %s\n", nqn);
	}
	if (dir)
		closedir(dir);
}

int in_use_list(const char *value, char **ret, char **message)
{
	char trtype[16], adrfam[16], traddr[256], trsvcid[32];
	struct strbuf b = { 0 };
	int r = 0;

	if (sscanf(value, "%15s %15s %255s %31s", trtype, adrfam, traddr, trsvcid) != 4)
		return -EINVAL;
	if (streq(trtype, "tcp"))
		r = list_tcp(traddr, trsvcid, &b, message);
	else if (streq(trtype, "loop"))
		list_loop(&b);
	else
		strbuf_add(&b, "unknown\n");
	if (r < 0) {
		strbuf_done(&b);
		return r;
	}
	*ret = strbuf_steal(&b);
	return *ret ? 0 : -ENOMEM;
}
