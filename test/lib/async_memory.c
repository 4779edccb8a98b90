/*
 * A client with several operations under way whose memory runs out: each allocation
 * fails once, and each operation that was started gets its callback once, whatever it says.
 */
#include <poll.h>

#include "dgen.h"

#include "base/memory.h"
#include "client/client.h"

#include "check.h"
#include "failing.h"

static const char *conninfo;
static PGconn *beside;
static long started;
static long called;
static long answered;
static long wrong;

static void
note(dgen_client *client, int code, const char *reply, size_t length, void *user)
{
	bool *done = user;

	(void) length;
	wrong += *done || (code == 0) != (dgen_client_error(client)[0] == '\0');
	*done = true;
	called++;
	answered += reply != NULL;
}

static void
start(dgen_client *client, bool *done)
{
	const char *fail = "{\"fail\": true}";
	dgen_send_options options = DGEN_SEND_OPTIONS_INIT;

	options.headers = "{\"a\": 1}";
	options.idempotency_key = "k";
	started +=
		dgen_client_start_call(client, "counter", "m", NULL, 0, NULL, 20000, note, &done[0]) == 0;
	started += dgen_client_start_call(client, "counter", "m", fail, DGEN_STRLEN, NULL, 20000, note,
									  &done[1]) == 0;
	started +=
		dgen_client_start_cast(client, "counter", "m", NULL, 0, &options, note, &done[2]) == 0;
	started += dgen_client_start_cast(client, "nosuch", "m", NULL, 0, NULL, note, &done[3]) == 0;
	started +=
		dgen_client_start_call(client, "silent", "m", NULL, 0, NULL, 20, note, &done[4]) == 0;
}

static bool
finish(dgen_client *client)
{
	bool done[5] = {false};
	int code;

	start(client, done);
	do
		code = dgen_client_finish(client, 20000);
	while (code != DGEN_ETIMEOUT && dgen_client_under_way(client) > 0);
	return code != DGEN_ETIMEOUT;
}

/* True while an allocation failed: later ones are to be tried. */
static bool
fail_at(long n)
{
	char named[1024];
	dgen_client *client;
	const char *state;

	snprintf(named, sizeof(named), "%s application_name=async_memory", conninfo);
	dgen__memory_fail_after(n, false);
	if (dgen_client_open(&client, named, NULL) == 0)
	{
		wrong += !finish(client);
		PQclear(PQexec(beside, "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
							   "WHERE application_name = 'async_memory'"));
		wrong += !finish(client);
		(void) dgen_client_state(client, "counter", "m", &state, NULL);
	}
	dgen_client_close(client);
	return has_failed(n);
}

int
main(int argc, char **argv)
{
	long n = 0;

	conninfo = argc > 1 ? argv[1] : "";
	beside = PQconnectdb(conninfo);
	while (n < 5000 && fail_at(n))
		n++;
	check(n > 50 && n < 5000, "each allocation has failed once");
	check_int(called, started, "whatever was started is called back");
	check_int(wrong, 0, "once, and told why");
	check(answered > n, "most calls are answered all the same");
	printf("# %ld allocations, %ld operations, %ld answered\n", n, started, answered);
	PQfinish(beside);
	return 0;
}
