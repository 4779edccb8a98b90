/*
 * Large messages and replies both ways, many under way: a worker and a client in one process,
 * each in an event loop of poll, so that what is not announced by its descriptor is missed.
 *
 *   large CONNINFO [CALLS]
 *
 * First many of all lengths, then one after the other of lengths at which libpq's buffer, whose
 * size is a power of two, is full before the last piece has been read.
 *
 * The actor answers with what it was sent, and keeps it: states are large as well.
 */
#include <poll.h>
#include <pthread.h>

#include "dgen.h"

#include "check.h"

#define PATIENCE 60000 /* ms for a call */
#define MOST 300000    /* bytes of a message */
#define UNDER_WAY 40

static int calls = 400;
static bool one_by_one;
static int started;
static int answered;
static int right;
static dgen_worker *worker;

/* ---- the worker ---- */

static int
echo(dgen_turn *turn, const char *message, size_t length, void *user)
{
	(void) user;
	dgen_turn_set(turn, "last", message, length);
	return dgen_turn_reply(turn, message, length);
}

static void
wait_for(int descriptor)
{
	struct pollfd polled = {.fd = descriptor, .events = POLLIN};

	(void) poll(&polled, 1, -1);
}

static void *
work(void *user)
{
	(void) user;
	while (dgen_worker_step(worker) == 1)
		wait_for(dgen_worker_fd(worker));
	return NULL;
}

/* ---- the client ---- */

/* Of all lengths, and of a content that tells where it is from. */
static size_t
make_message(char *text, int n)
{
	size_t length = one_by_one ? (size_t) ((n % 2 + 1) * 65536 - n / 2 * 128)
							   : 2 + (size_t) ((long long) n * 7919 % MOST);

	memset(text, 'a' + n % 26, length);
	text[0] = text[length - 1] = '"';
	text[length] = '\0';
	return length;
}

static void start_one(dgen_client *client);

static void
is_answered(dgen_client *client, int code, const char *reply, size_t length, void *user)
{
	static char expected[MOST + 3];
	size_t wanted = make_message(expected, (int) (intptr_t) user);

	answered++;
	if (code != 0)
		printf("# %s\n", dgen_client_error(client));
	right += code == 0 && length == wanted && memcmp(reply, expected, wanted) == 0;
	start_one(client);
}

static void
start_one(dgen_client *client)
{
	static char text[MOST + 3];
	char key[16];
	size_t length;

	if (started == calls)
		return;
	length = make_message(text, started);
	snprintf(key, sizeof(key), "k%d", started % 16);
	if (dgen_client_start_call(client, "echo", key, text, length, NULL, PATIENCE, is_answered,
							   (void *) (intptr_t) started) != 0)
		printf("not ok - start: %s\n", dgen_client_error(client));
	started++;
}

static void
run(dgen_client *client, int under_way)
{
	started = answered = right = 0;
	for (int i = 0; i < under_way; i++)
		start_one(client);
	while (dgen_client_step(client) == 1)
		wait_for(dgen_client_fd(client));
	check_int(answered, calls, "all calls come to an end");
	check_int(right, calls, "with what was sent");
}

int
main(int argc, char **argv)
{
	const dgen_actor_type type = {.size = sizeof(type), .name = "echo", .handle_call = echo};
	const char *conninfo = argv[1];
	dgen_client *client;
	pthread_t thread;

	if (argc > 2)
		calls = atoi(argv[2]);
	if (dgen_worker_open(&worker, conninfo, NULL) != 0 || dgen_worker_register(worker, &type) != 0)
		printf("not ok - worker: %s\n", dgen_worker_error(worker));
	(void) pthread_create(&thread, NULL, work, NULL);
	if (dgen_client_open(&client, conninfo, NULL) != 0)
		printf("not ok - client: %s\n", dgen_client_error(client));
	run(client, UNDER_WAY);
	one_by_one = true;
	run(client, 1);
	dgen_client_close(client);
	dgen_worker_stop(worker);
	(void) pthread_join(thread, NULL);
	dgen_worker_close(worker);
	return 0;
}
