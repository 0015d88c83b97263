/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tcmu-handler [--silent] CONFIG: serves the user backends whose dev_config is CONFIG, those that there are and those that come, until it is
 * ended: a plain disk in memory. With --silent it takes note of their commands and answers none. It speaks no netlink, so that the kernel,
 * which would remember that for good, does not wait for anybody's answer when backends are made and removed.
 *
 * The ring is described in linux/target_core_user.h. What the kernel does by itself for such backends (reservations, REPORT LUNS) never
 * comes here.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <inttypes.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/text.h"

/* fcntl.h and linux/uio.h both define it. */
#define iovec ring_piece
#include <linux/target_core_user.h>
#undef iovec

#define MAX_DISKS 64

enum {	/* operation codes */
	TEST_UNIT_READY = 0x00,
	REQUEST_SENSE = 0x03,
	READ_6 = 0x08,
	WRITE_6 = 0x0a,
	INQUIRY = 0x12,
	MODE_SENSE_6 = 0x1a,
	START_STOP_UNIT = 0x1b,
	READ_CAPACITY_10 = 0x25,
	READ_10 = 0x28,
	WRITE_10 = 0x2a,
	WRITE_AND_VERIFY_10 = 0x2e,
	VERIFY_10 = 0x2f,
	SYNCHRONIZE_CACHE_10 = 0x35,
	MODE_SENSE_10 = 0x5a,
	READ_16 = 0x88,
	WRITE_16 = 0x8a,
	WRITE_AND_VERIFY_16 = 0x8e,
	VERIFY_16 = 0x8f,
	SYNCHRONIZE_CACHE_16 = 0x91,
	SERVICE_ACTION_IN_16 = 0x9e,
	READ_12 = 0xa8,
	WRITE_12 = 0xaa,
	WRITE_AND_VERIFY_12 = 0xae,
	VERIFY_12 = 0xaf,
};
enum { READ_CAPACITY_16 = 0x10 };
enum { GOOD = 0, CHECK_CONDITION = 2 };
enum { NO_SENSE = 0, ILLEGAL_REQUEST = 5, MISCOMPARE = 14 };
enum { INVALID_OPCODE = 0x2000, LBA_OUT_OF_RANGE = 0x2100, INVALID_FIELD = 0x2400, MISCOMPARE_DURING_VERIFY = 0x1d00 };

struct disk {
	int fd;			/* -1: unused */
	unsigned minor;
	void *map;
	size_t map_size;
	char serial[64];
	uint64_t size;
	uint32_t block;
	uint8_t *data;
};

/* A command with its buffer, which lies in pieces in the ring's data area. */
struct command {
	struct disk *disk;
	const uint8_t *cdb;
	const struct ring_piece *iov;
	size_t n_iov;
	uint8_t sense[18];
};

static void die(const char *what)
{
	fprintf(stderr, "tcmu-handler: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* ---- answers ---- */

static int fail(struct command *c, uint8_t key, uint16_t asc)
{
	c->sense[0] = 0x70;
	c->sense[2] = key;
	c->sense[7] = sizeof(c->sense) - 8;
	c->sense[12] = asc >> 8;
	c->sense[13] = asc & 0xff;
	return CHECK_CONDITION;
}

/* Moves bytes between the command's buffer, from its byte at on, and data; fewer where the buffer ends. */
static void transfer(struct command *c, size_t at, void *data, size_t len, bool to_buffer)
{
	for (size_t i = 0; i < c->n_iov && len; i++) {
		uint8_t *piece = (uint8_t *)c->disk->map + (uintptr_t)c->iov[i].iov_base;
		size_t n = c->iov[i].iov_len;

		if (at >= n) {
			at -= n;
			continue;
		}
		n = n - at < len ? n - at : len;
		if (to_buffer)
			memcpy(piece + at, data, n);
		else
			memcpy(data, piece + at, n);
		at = 0;
		data = (uint8_t *)data + n;
		len -= n;
	}
}

static int answer(struct command *c, void *data, size_t len, size_t allocated)
{
	transfer(c, 0, data, len < allocated ? len : allocated, true);
	return GOOD;
}

static uint64_t big_endian(const uint8_t *p, unsigned n)
{
	uint64_t v = 0;

	while (n--)
		v = v << 8 | *p++;
	return v;
}

static void put_big_endian(uint8_t *p, uint64_t v, unsigned n)
{
	while (n--) {
		p[n] = v & 0xff;
		v >>= 8;
	}
}

/* NAA 6, the OUI of LIO and the serial's hexadecimal digits: as the kernel names the disks that it serves itself. */
static size_t naa_designator(const struct disk *d, uint8_t *p)
{
	unsigned digit = 7;
	uint8_t *id = p + 4;

	memcpy(p, (uint8_t[]){ 1, 3, 0, 16, 0x60, 0x01, 0x40, 0x50 }, 8);
	memset(p + 8, 0, 12);
	for (const char *s = d->serial; *s && digit < 32; s++) {
		const char *all = "0123456789abcdef", *at = strchr(all, *s | 0x20);

		if (!at)
			continue;
		id[digit / 2] |= (at - all) << (digit % 2 ? 0 : 4);
		digit++;
	}
	return 20;
}

static int inquiry(struct command *c)
{
	uint8_t page[96] = "\0\0\6\2\0\0\0\2LIO-ORG nvmetctl-handler0001", *body = page + 4;
	size_t n = 32;

	if (c->cdb[1] & 1) {
		memset(page, 0, sizeof(page));
		page[1] = c->cdb[2];
		switch (c->cdb[2]) {
		case 0x00:
			memcpy(body, "\x00\x80\x83", n = 3);
			break;
		case 0x80:
			memcpy(body, c->disk->serial, n = strlen(c->disk->serial));
			break;
		case 0x83:
			n = naa_designator(c->disk, body);
			break;
		default:
			return fail(c, ILLEGAL_REQUEST, INVALID_FIELD);
		}
		page[3] = n;
	} else if (c->cdb[2]) {
		return fail(c, ILLEGAL_REQUEST, INVALID_FIELD);
	} else {
		page[4] = n - 1;
	}
	return answer(c, page, 4 + n, big_endian(c->cdb + 3, 2));
}

/* A header and the pages caching (no write cache) and control. */
static int mode_sense(struct command *c)
{
	bool ten = c->cdb[0] == MODE_SENSE_10;
	uint8_t reply[64] = { 0 }, page = c->cdb[2] & 0x3f;
	size_t header = ten ? 8 : 4, n = header;

	if (page != 0x3f && page != 0x08 && page != 0x0a)
		return fail(c, ILLEGAL_REQUEST, INVALID_FIELD);
	if (page != 0x0a) {
		memcpy(reply + n, "\x08\x12", 2);
		n += 20;
	}
	if (page != 0x08) {
		memcpy(reply + n, "\x0a\x0a", 2);
		n += 12;
	}
	if (ten)
		put_big_endian(reply, n - 2, 2);
	else
		reply[0] = n - 1;
	return answer(c, reply, n, ten ? big_endian(c->cdb + 7, 2) : c->cdb[4]);
}

static int read_capacity(struct command *c)
{
	bool sixteen = c->cdb[0] == SERVICE_ACTION_IN_16;
	uint64_t last = c->disk->size / c->disk->block - 1;
	uint8_t reply[32] = { 0 };

	if (sixteen && (c->cdb[1] & 0x1f) != READ_CAPACITY_16)
		return fail(c, ILLEGAL_REQUEST, INVALID_FIELD);
	put_big_endian(reply, sixteen || last < UINT32_MAX ? last : UINT32_MAX, sixteen ? 8 : 4);
	put_big_endian(reply + (sixteen ? 8 : 4), c->disk->block, 4);
	return answer(c, reply, sixteen ? 32 : 8, sixteen ? big_endian(c->cdb + 10, 4) : 8);
}

/* Where commands of 6, 10, 12 and 16 bytes name the blocks that they are about. */
static void extent(const uint8_t *cdb, uint64_t *ret_block, uint64_t *ret_n)
{
	switch (cdb[0] >> 5) {
	case 0:
		*ret_block = big_endian(cdb + 1, 3) & 0x1fffff;
		*ret_n = cdb[4] ? cdb[4] : 256;
		break;
	case 4:
		*ret_block = big_endian(cdb + 2, 8);
		*ret_n = big_endian(cdb + 10, 4);
		break;
	default:
		*ret_block = big_endian(cdb + 2, 4);
		*ret_n = cdb[0] >> 5 == 5 ? big_endian(cdb + 6, 4) : big_endian(cdb + 7, 2);
	}
}

enum deed { DEED_READ, DEED_WRITE, DEED_COMPARE, DEED_NOTHING };

static int blocks(struct command *c, enum deed deed)
{
	struct disk *d = c->disk;
	_cleanup_free_ uint8_t *sent = NULL;
	uint64_t block, n;
	uint8_t *data;

	extent(c->cdb, &block, &n);
	if (n > d->size / d->block || block > d->size / d->block - n)
		return fail(c, ILLEGAL_REQUEST, LBA_OUT_OF_RANGE);
	data = d->data + block * d->block;
	n *= d->block;
	if (deed == DEED_READ || deed == DEED_WRITE)
		transfer(c, 0, data, n, deed == DEED_READ);
	if (deed != DEED_COMPARE)
		return GOOD;
	sent = malloc(n + 1);
	if (!sent)
		die("memory");
	transfer(c, 0, sent, n, false);
	return memcmp(sent, data, n) ? fail(c, MISCOMPARE, MISCOMPARE_DURING_VERIFY) : GOOD;
}

static int run(struct command *c)
{
	switch (c->cdb[0]) {
	case TEST_UNIT_READY:
	case START_STOP_UNIT:
		return GOOD;
	case REQUEST_SENSE:
		fail(c, NO_SENSE, 0);
		return answer(c, c->sense, sizeof(c->sense), c->cdb[4]);
	case INQUIRY:
		return inquiry(c);
	case MODE_SENSE_6:
	case MODE_SENSE_10:
		return mode_sense(c);
	case READ_CAPACITY_10:
	case SERVICE_ACTION_IN_16:
		return read_capacity(c);
	case READ_6:
	case READ_10:
	case READ_12:
	case READ_16:
		return blocks(c, DEED_READ);
	case WRITE_6:
	case WRITE_10:
	case WRITE_12:
	case WRITE_16:
	case WRITE_AND_VERIFY_10:
	case WRITE_AND_VERIFY_12:
	case WRITE_AND_VERIFY_16:
		return blocks(c, DEED_WRITE);
	case VERIFY_10:
	case VERIFY_12:
	case VERIFY_16:
		if (c->cdb[1] >> 1 & 1)
			return blocks(c, DEED_COMPARE);
		return blocks(c, DEED_NOTHING);
	case SYNCHRONIZE_CACHE_10:
	case SYNCHRONIZE_CACHE_16:
		return blocks(c, DEED_NOTHING);
	default:
		return fail(c, ILLEGAL_REQUEST, INVALID_OPCODE);
	}
}

/* ---- the ring ---- */

static void serve_entry(struct disk *d, struct tcmu_cmd_entry *e)
{
	struct command c = { .disk = d, .cdb = (uint8_t *)d->map + e->req.cdb_off, .n_iov = e->req.iov_cnt,
			     .iov = (const void *)((uint8_t *)e + offsetof(struct tcmu_cmd_entry, req.iov)) };
	int status = run(&c);

	/* The answer lies where the request lay. */
	memset(&e->rsp, 0, sizeof(e->rsp));
	e->rsp.scsi_status = status;
	if (status != GOOD)
		memcpy(e->rsp.sense_buffer, c.sense, sizeof(c.sense));
}

static void serve(struct disk *d)
{
	struct tcmu_mailbox *box = d->map;
	uint32_t tail = box->cmd_tail;

	while (tail != __atomic_load_n(&box->cmd_head, __ATOMIC_ACQUIRE)) {
		struct tcmu_cmd_entry *e = (void *)((uint8_t *)d->map + box->cmdr_off + tail);

		if (tcmu_hdr_get_op(e->hdr.len_op) == TCMU_OP_CMD)
			serve_entry(d, e);
		tail = (tail + tcmu_hdr_get_len(e->hdr.len_op)) % box->cmdr_size;
		__atomic_store_n(&box->cmd_tail, tail, __ATOMIC_RELEASE);
	}
	if (write(d->fd, &(uint32_t){ 0 }, sizeof(uint32_t)) < 0 && errno != EIO)
		die("write to the ring's device");
}

/* ---- disks ---- */

static FILE *open_file(const char *folder, const char *file)
{
	_cleanup_free_ char *path = strf("%s/%s", folder, file);

	return path ? fopen(path, "re") : NULL;
}

/* 0: there is no number. */
static uint64_t number_in(const char *folder, const char *file)
{
	_cleanup_fclose_ FILE *f = open_file(folder, file);
	char text[32];

	return f && fgets(text, sizeof(text), f) ? strtoull(text, NULL, 0) : 0;
}

static void read_serial(const char *storage, char serial[static 64])
{
	_cleanup_fclose_ FILE *f = open_file(storage, "wwn/vpd_unit_serial");

	if (!f || fscanf(f, "T10 VPD Unit Serial Number: %63s", serial) != 1)
		serial[0] = 0;
}

static int open_disk(struct disk *d, unsigned minor, const char *hba, const char *name)
{
	_cleanup_free_ char *storage = strf("/sys/kernel/config/target/core/user_%s/%s", hba, name);
	_cleanup_free_ char *uio = strf("/sys/class/uio/uio%u", minor), *dev = strf("/dev/uio%u", minor);

	if (!storage || !uio || !dev)
		die("memory");
	*d = (struct disk){ .fd = -1, .minor = minor, .size = number_in(storage, "attrib/dev_size"),
			    .block = number_in(storage, "attrib/hw_block_size"), .map_size = number_in(uio, "maps/map0/size") };
	if (!d->size || !d->block || !d->map_size)
		return -1;
	read_serial(storage, d->serial);
	d->fd = open(dev, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (d->fd < 0)
		return -1;
	d->map = mmap(NULL, d->map_size, PROT_READ | PROT_WRITE, MAP_SHARED, d->fd, 0);
	d->data = calloc(1, d->size);
	if (d->map == MAP_FAILED || !d->data)
		die(name);
	return 0;
}

static void close_disk(struct disk *d)
{
	munmap(d->map, d->map_size);
	free(d->data);
	close(d->fd);
	d->fd = -1;
}

static struct disk *unused_or_open(struct disk *disks, unsigned minor)
{
	struct disk *unused = NULL;

	for (size_t i = 0; i < MAX_DISKS; i++) {
		if (disks[i].fd >= 0 && disks[i].minor == minor)
			return &disks[i];
		if (disks[i].fd < 0)
			unused = &disks[i];
	}
	return unused;
}

/* Opens those of the configuration that are not open: their uio device has the name tcm-user/HBA/NAME/CONFIG. */
static void find_disks(struct disk *disks, const char *config, bool silent)
{
	glob_t found = { 0 };

	if (glob("/sys/class/uio/uio*", 0, NULL, &found))
		return;
	for (size_t i = 0; i < found.gl_pathc; i++) {
		char hba[16], name[128], its_config[256];
		_cleanup_fclose_ FILE *f = open_file(found.gl_pathv[i], "name");
		unsigned minor = strtoul(strrchr(found.gl_pathv[i], 'o') + 1, NULL, 10);
		struct disk *d = unused_or_open(disks, minor);

		if (!f || fscanf(f, "tcm-user/%15[^/]/%127[^/]/%255[^\n]", hba, name, its_config) != 3 || !streq(its_config, config))
			continue;
		if (!d)
			die("too many disks");
		if (d->fd < 0 && open_disk(d, minor, hba, name) == 0 && !silent)
			serve(d);
	}
	globfree(&found);
}

static int listen_to_uevents(void)
{
	struct sockaddr_nl all = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_KOBJECT_UEVENT);

	if (fd < 0 || bind(fd, (struct sockaddr *)&all, sizeof(all)) < 0)
		die("uevents");
	return fd;
}

int main(int argc, char **argv)
{
	bool silent = argc == 3 && streq(argv[1], "--silent");
	struct disk disks[MAX_DISKS];
	int uevents = listen_to_uevents();
	char event[4096];

	if (argc != 2 + silent) {
		fprintf(stderr, "Usage: tcmu-handler [--silent] CONFIG\n");
		return 2;
	}
	for (size_t i = 0; i < MAX_DISKS; i++)
		disks[i].fd = -1;
	for (;;) {
		struct pollfd fds[MAX_DISKS + 1] = { { .fd = uevents, .events = POLLIN } };

		find_disks(disks, argv[argc - 1], silent);
		for (size_t i = 0; i < MAX_DISKS; i++)
			fds[i + 1] = (struct pollfd){ .fd = disks[i].fd, .events = POLLIN };
		if (poll(fds, MAX_DISKS + 1, -1) < 0)
			die("poll");
		while (recv(uevents, event, sizeof(event), 0) > 0 || errno == ENOBUFS)
			;
		for (size_t i = 0; i < MAX_DISKS; i++) {
			uint32_t count;

			if (disks[i].fd < 0 || !fds[i + 1].revents)
				continue;
			/* EIO: the backend has gone. */
			if (read(disks[i].fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
				close_disk(&disks[i]);
			else if (!silent)
				serve(&disks[i]);
		}
	}
}
