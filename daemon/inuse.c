/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who is connected to a port: TCP connections by sock_diag(7), loop controllers by sysfs. RDMA and Fibre Channel do not show their connections in a
 * way that all kernels share, so they answer "unknown", which counts as in use.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/tcp.h>

#include <netlink/msg.h>
#include <netlink/netlink.h>

#include "base/text.h"
#include "daemon/worker.h"

/* What a port listens at, as IPv6, so that a connection over IPv4 to a listener on "::" is seen. */
struct listener {
	unsigned char addr[16];
	bool any4, any6;
	uint16_t port;		/* in network order */
	struct strbuf cookies;
};

static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };

static void to_v6(int family, const uint32_t addr[4], unsigned char ret[16])
{
	if (family == AF_INET6) {
		memcpy(ret, addr, 16);
	} else {
		memcpy(ret, mapped, 12);
		memcpy(ret + 12, addr, 4);
	}
}

static bool is_at(const struct listener *l, const unsigned char local[16])
{
	return l->any6 || (l->any4 && memcmp(local, mapped, 12) == 0) || memcmp(local, l->addr, 16) == 0;
}

/* One connection. Its cookie is the kernel's, which no other one gets later. */
static int on_connection(struct nl_msg *msg, void *userdata)
{
	const struct nlmsghdr *head = nlmsg_hdr(msg);
	const struct inet_diag_msg *m = nlmsg_data(head);
	struct listener *l = userdata;
	unsigned char local[16];

	if (nlmsg_datalen(head) < (int)sizeof(*m) || m->id.idiag_sport != l->port || m->idiag_state != TCP_ESTABLISHED)
		return NL_OK;
	to_v6(m->idiag_family, m->id.idiag_src, local);
	if (is_at(l, local))
		strbuf_addf(&l->cookies, "%08x%08x\n", m->id.idiag_cookie[1], m->id.idiag_cookie[0]);
	return NL_OK;
}

static int ask(struct nl_sock *sk, int family, struct listener *l)
{
	struct inet_diag_req_v2 req = {
		.sdiag_family = (unsigned char)family,
		.sdiag_protocol = IPPROTO_TCP,
		.idiag_states = 1 << TCP_ESTABLISHED,
		.id.idiag_sport = l->port,
	};
	int r = nl_send_simple(sk, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &req, sizeof(req));

	return r < 0 ? r : nl_recvmsgs_default(sk);
}

static int list_connections(struct listener *l)
{
	struct nl_sock *sk = nl_socket_alloc();
	int r = sk ? 0 : -NLE_NOMEM;

	if (r >= 0)
		r = nl_connect(sk, NETLINK_SOCK_DIAG);
	if (r >= 0)
		r = nl_socket_modify_cb(sk, NL_CB_VALID, NL_CB_CUSTOM, on_connection, l);
	if (r >= 0)
		r = ask(sk, AF_INET, l);
	if (r >= 0)
		r = ask(sk, AF_INET6, l);
	nl_socket_free(sk);
	return r;
}

/* A scope ("fe80::1%eth0") is left out: the same address at another interface counts as well, which errs on the safe side. */
static int parse_listener(const char *traddr, const char *trsvcid, struct listener *l)
{
	_cleanup_free_ char *plain = strndup(traddr, strcspn(traddr, "%"));
	uint64_t port;

	if (!plain || text_to_u64(trsvcid, &port) < 0 || port > 65535)
		return -EINVAL;
	l->port = htons((uint16_t)port);
	if (inet_pton(AF_INET6, plain, l->addr) == 1) {
		l->any6 = memcmp(l->addr, (const unsigned char[16]){ 0 }, 16) == 0;
		return 0;
	}
	memcpy(l->addr, mapped, 12);
	if (inet_pton(AF_INET, plain, l->addr + 12) != 1)
		return -EINVAL;
	l->any4 = memcmp(l->addr + 12, (const unsigned char[4]){ 0 }, 4) == 0;
	return 0;
}

static int list_tcp(const char *traddr, const char *trsvcid, struct strbuf *ret, char **message)
{
	struct listener l = { 0 };
	int r;

	/* An address that the kernel would not listen on has no connections. */
	if (parse_listener(traddr, trsvcid, &l) < 0)
		return 0;
	r = list_connections(&l);
	*ret = l.cookies;
	if (r >= 0)
		return 0;
	*message = strf("the kernel does not list TCP connections: %s", nl_geterror(r));
	return -EIO;
}

static char *read_line(const char *controller, const char *name)
{
	_cleanup_free_ char *path = strf("/sys/class/nvme/%s/%s", controller, name);
	_cleanup_fclose_ FILE *f = path ? fopen(path, "re") : NULL;
	char line[512];

	if (!f || !fgets(line, sizeof(line), f))
		return NULL;
	line[strcspn(line, "\n")] = 0;
	return strdup(line);
}

static int list_loop(struct strbuf *ret, char **message)
{
	DIR *dir = opendir("/sys/class/nvme");
	struct dirent *e;

	if (!dir && errno == ENOENT)
		return 0;
	if (!dir) {
		*message = strf("/sys/class/nvme cannot be read: %s", strerror(errno));
		return -EIO;
	}
	while ((e = readdir(dir))) {
		_cleanup_free_ char *transport = *e->d_name == '.' ? NULL : read_line(e->d_name, "transport");
		_cleanup_free_ char *nqn = NULL;

		if (!transport || !streq(transport, "loop"))
			continue;
		nqn = read_line(e->d_name, "subsysnqn");
		if (nqn)
			strbuf_addf(ret, "loop %s\n", nqn);
	}
	closedir(dir);
	return 0;
}

int in_use_list(const char *value, char **ret, char **message)
{
	char trtype[16], adrfam[16], traddr[257], trsvcid[33];
	struct strbuf b = { 0 };
	int r = 0;

	if (sscanf(value, "%15s %15s %256s %32s", trtype, adrfam, traddr, trsvcid) != 4) {
		*message = strf("\"%.300s\" is no address of a port", value);
		return -EINVAL;
	}
	if (streq(trtype, "tcp"))
		r = list_tcp(traddr, trsvcid, &b, message);
	else if (streq(trtype, "loop"))
		r = list_loop(&b, message);
	else
		strbuf_add(&b, "unknown\n");
	if (r < 0) {
		strbuf_done(&b);
		return r;
	}
	*ret = strbuf_steal(&b);
	return *ret ? 0 : -ENOMEM;
}
