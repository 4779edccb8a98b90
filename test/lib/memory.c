/*
 * A worker whose memory runs out: each allocation fails once, and it goes on or says so.
 */
#include <poll.h>

#include "dgen.h"

#include "base/memory.h"
#include "turn/in_turn.h"
#include "work/worker.h"

#include "check.h"
#include "failing.h"
#include "waits.h"

static const char *conninfo;
static int committed;

static void
note_commit(void *data)
{
	(void) data;
	committed++;
}

static int
handle(dgen_turn *turn, const char *message, size_t length, void *user)
{
	(void) message;
	(void) length;
	(void) user;
	dgen_turn_set_int64(turn, "n", dgen_turn_get_int64(turn, "n", 0) + 1);
	dgen_turn_cast(turn, "memory", "other", "1", DGEN_STRLEN, NULL);
	PQclear(PQexec(dgen_turn_connection(turn), "SELECT 1"));
	return dgen_turn_after_commit(turn, note_commit, NULL, NULL);
}

static int
take(dgen_turn *turn, const char *message, size_t length, void *user)
{
	return length == 1
			   ? dgen_turn_set_int64(turn, "taken", dgen_turn_get_int64(turn, "taken", 0) + 1)
			   : handle(turn, message, length, user);
}

static void
sql(const char *text)
{
	PGconn *connection = PQconnectdb(conninfo);

	PQclear(PQexec(connection, text));
	PQfinish(connection);
}

static long
count(const char *text)
{
	PGconn *connection = PQconnectdb(conninfo);
	PGresult *result = PQexec(connection, text);
	long n = PQntuples(result) == 1 ? strtol(PQgetvalue(result, 0, 0), NULL, 10) : -1;

	PQclear(result);
	PQfinish(connection);
	return n;
}

/* Until the message is handled, or the worker has given up. */
static bool
handle_one(dgen_worker *worker)
{
	int before = committed;

	while (dgen_worker_step(worker) == 1)
	{
		struct pollfd descriptor = {.fd = dgen_worker_fd(worker), .events = POLLIN};

		if (committed > before && check_waits(worker))
			return true;
		if (poll(&descriptor, 1,
				 dgen_worker_timeout(worker) < 0 ? 20000 : dgen_worker_timeout(worker)) == 0 &&
			dgen_worker_timeout(worker) < 0)
			return false;
	}
	return false;
}

/* True while an allocation failed: later ones are to be tried. */
static bool
fail_at(long n, bool *handled)
{
	dgen_actor_type type = {
		.size = sizeof(type), .name = "memory", .handle_cast = take, .initial_state = "{\"n\": 0}"};
	dgen_worker_options options = DGEN_WORKER_OPTIONS_INIT;
	dgen_worker *worker;
	int result;

	options.reconnect_min_ms = options.reconnect_max_ms = 1;
	dgen__memory_fail_after(n, false);
	result = dgen_worker_open(&worker, conninfo, &options);
	if (result == 0)
		result = dgen_worker_register(worker, &type);
	*handled = result == 0 && handle_one(worker);
	dgen_worker_close(worker);
	return has_failed(n);
}

int
main(int argc, char **argv)
{
	long attempts = 0;
	long handled = 0;
	bool ok = true;

	conninfo = argc > 1 ? argv[1] : "";
	sql("SELECT dgen.create_actor_type('memory', backoff => '1 ms', initial_state => '{\"n\": 0}')");
	for (long n = 0; ok && n < 5000; n++)
	{
		bool done;

		sql("SELECT dgen.cast('memory', 'one')");
		ok = fail_at(n, &done);
		attempts++;
		handled += done;
	}
	check(!ok && attempts > 50, "each allocation has failed once");
	check(handled > attempts / 2, "most failures are got over");
	check_int(count("SELECT count(*) FROM dgen.dead_letters WHERE actor_type = 'memory'"), 0,
			  "no message is lost");
	printf("# %ld allocations, %ld times the message was handled all the same\n", attempts,
		   handled);
	return 0;
}
