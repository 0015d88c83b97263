/* SPDX-License-Identifier: Apache-2.0 */
/* What a worker tells of the kernel's trees, of the machine, and of who is connected. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/text.h"
#include "tests/unit/worker-help.h"

/* ---- reading ---- */

static void test_scan(void **state)
{
	struct fixture *f = *state;
	struct tiny_kfs *k = &f->kernel;

	tiny_put(k, KFS_DIR, "nvmet/hosts", NULL);
	tiny_put(k, KFS_DIR, "nvmet/hosts/h 1", NULL);
	tiny_put(k, KFS_ATTR, "nvmet/hosts/h 1/dhchap_key", "DHHC-1:00:topsecret:\n");
	tiny_put(k, KFS_ATTR, "nvmet/hosts/h 1/dhchap_ctrl_key", "\n");
	tiny_put(k, KFS_ATTR, "nvmet/hosts/h 1/dhchap_hash", "hmac(sha256)\n");
	tiny_put(k, KFS_ATTR, "nvmet/hosts/trigger", NULL)->error = EACCES;
	tiny_put(k, KFS_LINK, "nvmet/hosts/link", "nvmet/subsystems/s");
	assert_int_equal(run(f, OP_SCAN, OP_RECURSIVE, "nvmet/hosts", NULL), 0);
	assert_string_equal(f->data, "d \nd h\\0401\ns h\\0401/dhchap_key set\ns h\\0401/dhchap_ctrl_key unset\n"
				     "f h\\0401/dhchap_hash 13\nhmac(sha256)\n\nx trigger\nl link nvmet/subsystems/s\n");
	assert_int_equal(run(f, OP_SCAN, 0, "nvmet/hosts", NULL), 0);
	assert_string_equal(f->data, "d \nx trigger\nl link nvmet/subsystems/s\n");
	assert_int_equal(run(f, OP_SCAN, 0, "nvmet/ports", NULL), ENOENT);
}

/* Of attributes only those that are asked for, whole names; of links all. */
static void test_scan_of_some(void **state)
{
	struct fixture *f = *state;
	struct tiny_kfs *k = &f->kernel;

	tiny_put(k, KFS_DIR, "nvmet/s", NULL);
	tiny_put(k, KFS_ATTR, "nvmet/s/enable", "1\n");
	tiny_put(k, KFS_ATTR, "nvmet/s/resv_enable", "0\n");
	tiny_put(k, KFS_ATTR, "nvmet/s/device_path", "/dev/x\n");
	tiny_put(k, KFS_LINK, "nvmet/s/link", "nvmet/hosts/h");
	assert_int_equal(run(f, OP_SCAN_SOME, 0, "nvmet/s", "device_path enable"), 0);
	assert_string_equal(f->data, "d \nf enable 2\n1\n\nf device_path 7\n/dev/x\n\nl link nvmet/hosts/h\n");
	assert_int_equal(run(f, OP_SCAN_SOME, 0, "nvmet/s", "resv"), 0);
	assert_string_equal(f->data, "d \nl link nvmet/hosts/h\n");
	strbuf_done(&k->calls);
	assert_int_equal(run(f, OP_SCAN_SOME, 0, "nvmet/s", ""), 0);
	assert_calls(f, "list nvmet/s\nreadlink nvmet/s/link\n");
}

/* One list a folder and one read an attribute: nothing else is paid for. */
static void test_scan_costs(void **state)
{
	struct fixture *f = *state;

	tiny_put(&f->kernel, KFS_DIR, "nvmet/ports", NULL);
	tiny_put(&f->kernel, KFS_DIR, "nvmet/ports/1", NULL);
	tiny_put(&f->kernel, KFS_ATTR, "nvmet/ports/1/addr_traddr", "::1\n");
	assert_int_equal(run(f, OP_SCAN, OP_RECURSIVE, "nvmet/ports", NULL), 0);
	assert_calls(f, "list nvmet/ports\nlist nvmet/ports/1\nread nvmet/ports/1/addr_traddr\n");
}

/* A folder that somebody holds is told of, and not looked into. */
static void test_scan_leaves_out(void **state)
{
	struct fixture *f = *state;

	tiny_put(&f->kernel, KFS_DIR, "nvmet/ports", NULL);
	tiny_put(&f->kernel, KFS_DIR, "nvmet/ports/1", NULL);
	tiny_put(&f->kernel, KFS_DIR, "nvmet/ports/10", NULL);
	tiny_put(&f->kernel, KFS_ATTR, "nvmet/ports/1/addr_traddr", "::1\n");
	assert_int_equal(run(f, OP_SCAN, OP_RECURSIVE, "nvmet/ports", "nvmet/hosts\nnvmet/ports/1"), 0);
	assert_string_equal(f->data, "d \nd 1\nd 10\n");
	assert_calls(f, "list nvmet/ports\nlist nvmet/ports/10\n");
	assert_int_equal(run(f, OP_SCAN, OP_RECURSIVE, "nvmet/ports", "/etc"), EINVAL);
}

static void go_away(struct tiny_kfs *k, const char *call)
{
	if (streq(call, "list nvmet/hosts/b"))
		tiny_find(k, "nvmet/hosts/b/attr")->error = ENOENT;
}

/* What goes while it is read was not there. */
static void test_scan_of_what_goes(void **state)
{
	struct fixture *f = *state;
	struct tiny_kfs *k = &f->kernel;

	tiny_put(k, KFS_DIR, "nvmet/hosts", NULL);
	tiny_put(k, KFS_DIR, "nvmet/hosts/a", NULL)->error = ENOENT;
	tiny_put(k, KFS_DIR, "nvmet/hosts/b", NULL);
	tiny_put(k, KFS_ATTR, "nvmet/hosts/b/attr", "1\n");
	tiny_put(k, KFS_ATTR, "nvmet/hosts/b/more", "2\n");
	tiny_put(k, KFS_DIR, "nvmet/hosts/c", NULL);
	k->before_call = go_away;
	assert_int_equal(run(f, OP_SCAN, OP_RECURSIVE, "nvmet/hosts", NULL), 0);
	/* Only the attribute went: the rest of the folder is told. */
	assert_string_equal(f->data, "d \nd b\nf b/more 2\n2\n\nd c\n");
}

static void vanish(struct tiny_kfs *k, const char *call)
{
	if (streq(call, "read nvmet/hosts/b/more")) {
		tiny_find(k, "nvmet/hosts/b")->error = ENOENT;
		tiny_find(k, "nvmet/hosts/b/last")->error = ENOENT;
	}
}

/* And never half of it. */
static void test_scan_folder_vanishes(void **state)
{
	struct fixture *f = *state;
	struct tiny_kfs *k = &f->kernel;

	tiny_put(k, KFS_DIR, "nvmet/hosts", NULL);
	tiny_put(k, KFS_DIR, "nvmet/hosts/b", NULL);
	tiny_put(k, KFS_ATTR, "nvmet/hosts/b/more", "2\n");
	tiny_put(k, KFS_ATTR, "nvmet/hosts/b/last", "3\n");
	tiny_put(k, KFS_DIR, "nvmet/hosts/c", NULL);
	k->before_call = vanish;
	assert_int_equal(run(f, OP_SCAN, OP_RECURSIVE, "nvmet/hosts", NULL), 0);
	assert_string_equal(f->data, "d \nd c\n");
}

/* An error that is not the attribute's own must not pass for an unreadable attribute. */
static void test_scan_without_memory(void **state)
{
	struct fixture *f = *state;

	tiny_put(&f->kernel, KFS_ATTR, "nvmet/a", "1\n")->error = EMFILE;
	assert_int_equal(run(f, OP_SCAN, 0, "nvmet", NULL), EMFILE);
}

static void test_readlink(void **state)
{
	struct fixture *f = *state;

	tiny_put(&f->kernel, KFS_LINK, "nvmet/l", "nvmet/hosts/h");
	assert_int_equal(run(f, OP_READLINK, 0, "nvmet/l", NULL), 0);
	assert_string_equal(f->data, "nvmet/hosts/h");
}

static void test_system(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(run(f, OP_SYSTEM, 0, "", NULL), 0);
	assert_int_equal(strncmp(f->data, "release 6.12.0-tiny\nconfigfs 1\nnvmet 1\ntarget 0\ncpus ", 53), 0);
	tiny_put(&f->kernel, KFS_DIR, "target", NULL);
	tiny_find(&f->kernel, "nvmet")->error = ENOENT;
	assert_int_equal(run(f, OP_SYSTEM, 0, "", NULL), 0);
	assert_non_null(strstr(f->data, "nvmet 0\ntarget 1\n"));
}

static void test_what_the_kernel_has(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(run(f, OP_HAS_MODULE, 0, "nvmet_tcp", NULL), 0);
	assert_string_equal(f->data, "yes");
	assert_int_equal(run(f, OP_HAS_MODULE, 0, "nvmet-fc", NULL), 0);
	assert_string_equal(f->data, "no");
	assert_int_equal(run(f, OP_HAS_MODULE, 0, "usb-storage", NULL), EINVAL);
	assert_int_equal(run(f, OP_HAS_OPTION, 0, "NVME_TARGET_AUTH", NULL), 0);
	assert_string_equal(f->data, "yes");
	assert_int_equal(run(f, OP_HAS_OPTION, 0, "PCI_P2PDMA", NULL), 0);
	assert_string_equal(f->data, "unknown");
	assert_int_equal(run(f, OP_HAS_OPTION, 0, "../etc/shadow", NULL), EINVAL);
	assert_int_equal(run(f, OP_HAS_ADDRESS, 0, "", "192.0.2.1"), 0);
	assert_string_equal(f->data, "yes");
	assert_int_equal(run(f, OP_HAS_ADDRESS, 0, "", "192.0.2.7"), 0);
	assert_string_equal(f->data, "no");
	assert_int_equal(run(f, OP_HAS_ADDRESS, 0, "", "example.org"), EINVAL);
}

static void test_configfs_is_looked_for(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *spec = strf("configfs:%s", top);

	f->settings.kernel = spec;
	assert_int_equal(run(f, OP_SYSTEM, 0, "", NULL), 0);
	assert_non_null(strstr(f->data, "configfs 0\n"));
}

static void test_wait_change(void **state)
{
	struct fixture *f = *state;
	_cleanup_free_ char *spec = strf("configfs:%s", top), *folder = strf("%s/nvmet", top), *file = strf("%s/a", folder);
	pid_t child;

	/* Not a kernel whose changes could be seen; nor may it seem as if there had been one. */
	assert_int_equal(run(f, OP_WAIT_CHANGE, 0, "nvmet", "nvmet"), EOPNOTSUPP);
	f->settings.kernel = spec;
	/* Absent: at once. */
	assert_int_equal(run(f, OP_WAIT_CHANGE, 0, "nvmet", "nvmet"), 0);
	assert_int_equal(mkdir(folder, 0700), 0);
	child = fork();
	if (child == 0) {
		usleep(50000);
		put_file(file, "x", 0600);
		_exit(0);
	}
	assert_int_equal(run(f, OP_WAIT_CHANGE, 0, "nvmet", "nvmet"), 0);
	assert_int_equal(access(file, F_OK), 0);
	assert_int_equal(waitpid(child, NULL, 0), child);
	unlink(file);
	rmdir(folder);
}

/* ---- who is connected ---- */

static int listen_at(int family, const struct sockaddr *addr, socklen_t len)
{
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), off = 0;

	assert_true(fd >= 0);
	if (family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	assert_int_equal(bind(fd, addr, len), 0);
	assert_int_equal(listen(fd, 8), 0);
	return fd;
}

static size_t lines(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += *s == '\n';
	return n;
}

static size_t connections(struct fixture *f, const char *adrfam, const char *addr, uint16_t port)
{
	_cleanup_free_ char *value = strf("tcp %s %s %u", adrfam, addr, port);

	if (run(f, OP_IN_USE, 0, "ports/1", value))
		fail_msg("%s: %s", value, f->message);
	return lines(f->data);
}

static int connect_to(uint16_t port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

static void test_in_use_tcp(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_in here = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(here);
	_cleanup_close_ int listener = listen_at(AF_INET, (struct sockaddr *)&here, sizeof(here));
	_cleanup_close_ int one = -1, two = -1, served = -1;
	_cleanup_free_ char *before = NULL;
	uint16_t port;

	assert_int_equal(getsockname(listener, (struct sockaddr *)&here, &len), 0);
	port = ntohs(here.sin_port);
	/* A listener is no connection; nor is the client's end, which has another local port. */
	assert_int_equal(connections(f, "ipv4", "127.0.0.1", port), 0);
	one = connect_to(port);
	assert_int_equal(connections(f, "ipv4", "127.0.0.1", port), 1);
	before = strdup(f->data);
	two = connect_to(port);
	assert_int_equal(connections(f, "ipv4", "127.0.0.1", port), 2);
	/* The first keeps its cookie. */
	assert_non_null(strstr(f->data, before));
	assert_int_equal(connections(f, "ipv4", "0.0.0.0", port), 2);
	assert_int_equal(connections(f, "ipv6", "::", port), 2);
	assert_int_equal(connections(f, "ipv4", "127.0.0.2", port), 0);
	assert_int_equal(connections(f, "ipv6", "::1", port), 0);
	assert_int_equal(connections(f, "ipv4", "127.0.0.1", (uint16_t)(port ^ 1)), 0);
	served = accept(listener, NULL, NULL);
	close(one);
	one = -1;
	assert_int_equal(connections(f, "ipv4", "127.0.0.1", port), 1);
}

static void test_in_use_mapped(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_in6 here = { .sin6_family = AF_INET6 };
	socklen_t len = sizeof(here);
	_cleanup_close_ int listener = -1, one = -1, probe = socket(AF_INET6, SOCK_STREAM, 0);
	uint16_t port;

	if (probe < 0)
		skip();
	listener = listen_at(AF_INET6, (struct sockaddr *)&here, sizeof(here));
	assert_int_equal(getsockname(listener, (struct sockaddr *)&here, &len), 0);
	port = ntohs(here.sin6_port);
	one = connect_to(port);
	/* Over IPv4 to a socket of IPv6: its address is a mapped one. */
	assert_int_equal(connections(f, "ipv6", "::", port), 1);
	assert_int_equal(connections(f, "ipv4", "0.0.0.0", port), 1);
	assert_int_equal(connections(f, "ipv4", "127.0.0.1", port), 1);
	assert_int_equal(connections(f, "ipv6", "::1", port), 0);
}

static void test_in_use_others(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(run(f, OP_IN_USE, 0, "ports/1", "rdma ipv4 192.0.2.1 4420"), 0);
	assert_string_equal(f->data, "unknown\n");
	assert_int_equal(run(f, OP_IN_USE, 0, "ports/1", "fc fc x y"), 0);
	assert_string_equal(f->data, "unknown\n");
	assert_int_equal(run(f, OP_IN_USE, 0, "ports/1", "loop - - -"), 0);
	assert_int_equal(run(f, OP_IN_USE, 0, "ports/1", "tcp ipv4 - -"), 0);
	assert_string_equal(f->data, "");
	assert_int_equal(run(f, OP_IN_USE, 0, "ports/1", "tcp"), EINVAL);
	assert_says(f, "no address of a port");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST(test_scan),
		TEST(test_scan_of_some),
		TEST(test_scan_costs),
		TEST(test_scan_leaves_out),
		TEST(test_scan_of_what_goes),
		TEST(test_scan_folder_vanishes),
		TEST(test_scan_without_memory),
		TEST(test_readlink),
		TEST(test_system),
		TEST(test_what_the_kernel_has),
		TEST(test_configfs_is_looked_for),
		TEST(test_wait_change),
		TEST(test_in_use_tcp),
		TEST(test_in_use_mapped),
		TEST(test_in_use_others),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, make_folders, remove_folders);
}
