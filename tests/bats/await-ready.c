/* SPDX-License-Identifier: Apache-2.0 */
/*
 * await-ready SOCKET: stands in for systemd as the other end of sd_notify(3). Says "listening" once the socket is there, and ends
 * with 0 when READY=1 has come. It does not wait for ever: 1 after a minute.
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MSEC 60000

static int receive(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char text[4096];
	ssize_t n;

	while (poll(&p, 1, MSEC) == 1) {
		n = recv(fd, text, sizeof(text) - 1, 0);
		if (n < 0)
			return 1;
		text[n] = 0;
		if (strncmp(text, "READY=1", 7) == 0 || strstr(text, "\nREADY=1"))
			return 0;
	}
	return 1;
}

int main(int argc, char **argv)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;

	if (argc != 2 || strlen(argv[1]) >= sizeof(address.sun_path))
		return 2;
	strcpy(address.sun_path, argv[1]);
	unlink(argv[1]);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		perror("await-ready");
		return 1;
	}
	puts("listening");
	fclose(stdout);
	return receive(fd);
}
