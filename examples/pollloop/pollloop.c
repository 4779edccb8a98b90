/*
 * A service with a poll loop of its own, in which it also is a worker: clients connect
 * to a Unix socket, and are told what the actors of the type "topic" have to say. One
 * thread does both, so sockets and callbacks share data without locks.
 *
 *   client ── "watch KEY" ──> service ─── "KEY MESSAGE" for each one from then on
 *   client ── "turns" ──────> service ─── the number of turns so far
 *
 * A line goes out when its turn has committed: nobody hears of what did not happen.
 */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <dgen.h>

#define CLIENTS 64

struct client
{
	int socket;    /* -1: free */
	size_t length; /* of what has been read of a line */
	char line[1024];
	char topic[513]; /* that it watches; "": none */
};

static struct client clients[CLIENTS];
static dgen_worker *worker;
static long turns;

/* ---- clients ---- */

static void
drop(struct client *client)
{
	close(client->socket);
	client->socket = -1;
}

/* One that does not read, so that its socket is full, is dropped: it must not hold up the others. */
static void
say(struct client *client, const char *text, size_t length)
{
	if (send(client->socket, text, length, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t) length)
		drop(client);
}

static void
obey(struct client *client, const char *line)
{
	char answer[40];

	if (strncmp(line, "watch ", 6) == 0 && strlen(line + 6) < sizeof(client->topic))
	{
		strcpy(client->topic, line + 6);
		snprintf(answer, sizeof(answer), "watching\n");
	}
	else if (strcmp(line, "turns") == 0)
		snprintf(answer, sizeof(answer), "%ld\n", turns);
	else
		snprintf(answer, sizeof(answer), "watch KEY, or turns\n");
	say(client, answer, strlen(answer));
}

static void
hear(struct client *client)
{
	size_t room = sizeof(client->line) - client->length;
	ssize_t count = recv(client->socket, client->line + client->length, room, MSG_DONTWAIT);
	char *end;

	if (count < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (count <= 0)
	{
		drop(client);
		return;
	}
	client->length += (size_t) count;
	while (client->socket >= 0 && (end = memchr(client->line, '\n', client->length)) != NULL)
	{
		*end++ = '\0';
		obey(client, client->line);
		client->length -= (size_t) (end - client->line);
		memmove(client->line, end, client->length);
	}
	if (client->socket >= 0 && client->length == sizeof(client->line))
		drop(client); /* a line that is too long */
}

static void
welcome(int listener)
{
	int new_socket = accept(listener, NULL, NULL);

	for (int i = 0; new_socket >= 0 && i < CLIENTS; i++)
		if (clients[i].socket < 0)
		{
			clients[i] = (struct client){.socket = new_socket};
			return;
		}
	if (new_socket >= 0)
		close(new_socket); /* no place left */
}

/* ---- the actor type ---- */

struct news
{
	size_t topic_length;
	size_t length;
	char text[]; /* "KEY MESSAGE\n" */
};

/* After the commit. */
static void
publish(void *data)
{
	struct news *news = data;

	for (int i = 0; i < CLIENTS; i++)
		if (clients[i].socket >= 0 && strlen(clients[i].topic) == news->topic_length &&
			memcmp(clients[i].topic, news->text, news->topic_length) == 0)
			say(&clients[i], news->text, news->length);
	turns++;
}

static int
handle_cast(dgen_turn *turn, const char *message, size_t length, void *user)
{
	const char *key = dgen_turn_actor_key(turn);
	size_t size = strlen(key) + length + 3;
	struct news *news = malloc(sizeof(*news) + size);

	(void) user;
	if (news == NULL)
		return DGEN_ENOMEM;
	news->topic_length = strlen(key);
	news->length = (size_t) snprintf(news->text, size, "%s %s\n", key, message);
	dgen_turn_set(turn, "last", message, length);
	return dgen_turn_after_commit(turn, publish, free, news);
}

/* ---- the loop ---- */

static void
stop(int number)
{
	(void) number;
	dgen_worker_stop(worker);
}

static int
open_listener(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int listener;

	if (strlen(path) >= sizeof(address.sun_path))
	{
		errno = ENAMETOOLONG;
		return -1;
	}
	strcpy(address.sun_path, path);
	listener = socket(AF_UNIX, SOCK_STREAM, 0);
	if (listener < 0)
		return -1;
	unlink(path); /* left by a process that was killed */
	if (bind(listener, (struct sockaddr *) &address, sizeof(address)) == 0 &&
		listen(listener, 16) == 0 && fcntl(listener, F_SETFL, O_NONBLOCK) == 0)
		return listener;
	close(listener);
	return -1;
}

/* Returns 0 after dgen_worker_stop, or the worker's error. */
static int
serve(int listener)
{
	struct pollfd fds[CLIENTS + 2] = {{.fd = dgen_worker_fd(worker), .events = POLLIN},
									  {.fd = listener, .events = POLLIN}};
	int rc = 1;

	while (rc == 1)
	{
		for (int i = 0; i < CLIENTS; i++)
			fds[i + 2] = (struct pollfd){.fd = clients[i].socket, .events = POLLIN};
		if (poll(fds, CLIENTS + 2, dgen_worker_timeout(worker)) < 0 && errno != EINTR)
			return DGEN_EINVAL;
		for (int i = 0; i < CLIENTS; i++)
			if (clients[i].socket >= 0 && fds[i + 2].fd == clients[i].socket &&
				fds[i + 2].revents != 0)
				hear(&clients[i]);
		if (fds[1].revents != 0)
			welcome(listener);
		rc = dgen_worker_step(worker); /* costs nothing when there is nothing to do */
	}
	return rc;
}

int
main(int argc, char **argv)
{
	dgen_actor_type topic = {.size = sizeof(topic), .name = "topic", .handle_cast = handle_cast};
	int listener;
	int rc;

	if (argc != 2)
	{
		fprintf(stderr, "usage: pollloop SOCKET\n");
		return 2;
	}
	listener = open_listener(argv[1]);
	if (listener < 0)
	{
		fprintf(stderr, "pollloop: %s: %s\n", argv[1], strerror(errno));
		return 1;
	}
	for (int i = 0; i < CLIENTS; i++)
		clients[i].socket = -1;
	rc = dgen_worker_open(&worker, "", NULL);
	signal(SIGINT, stop);
	signal(SIGTERM, stop);
	if (rc == 0)
		rc = dgen_worker_register(worker, &topic);
	if (rc == 0)
		rc = serve(listener);
	if (rc != 0)
		fprintf(stderr, "pollloop: %s\n", dgen_worker_error(worker));
	dgen_worker_close(worker);
	unlink(argv[1]);
	return rc != 0;
}
