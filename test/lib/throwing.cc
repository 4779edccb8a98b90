/*
 * Exceptions that leave callbacks, as a program in C++ has them. Against a database without
 * workers, with an actor type "thrown". Compiled by test/t/106_guards.pl.
 */
#include <stdexcept>

#include <unistd.h>

#include <dgen.h>

#include "check.h"

static dgen_worker *worker;
static int throws; /* so many times */

static void
stop(void *)
{
	dgen_worker_stop(worker);
}

static int
handle(dgen_turn *turn, const char *, size_t, void *)
{
	dgen_turn_set_int64(turn, "n", dgen_turn_get_int64(turn, "n", 0) + 1);
	if (throws-- > 0)
		throw std::runtime_error("turn");
	return dgen_turn_after_commit(turn, stop, nullptr, nullptr);
}

static int
open_worker(const char *conninfo)
{
	dgen_actor_type thrown = {};
	dgen_worker_options options = DGEN_WORKER_OPTIONS_INIT;
	int code = dgen_worker_open(&worker, conninfo, &options);

	thrown.size = sizeof(thrown);
	thrown.name = "thrown";
	thrown.handle_cast = handle;
	return code == 0 ? dgen_worker_register(worker, &thrown) : code;
}

/* True if run was left by an exception. */
static bool
run_throws(int *code)
{
	try
	{
		*code = dgen_worker_run(worker);
		return false;
	}
	catch (const std::runtime_error &)
	{
		return true;
	}
}

static void
send(const char *conninfo, const char *key)
{
	dgen_client *client;

	check_int(dgen_client_open(&client, conninfo, nullptr), 0, "a client");
	check_int(dgen_client_cast(client, "thrown", key, "1", 1, nullptr, nullptr), 0, "sends");
	dgen_client_close(client);
}

static void
worker_goes_on(const char *conninfo)
{
	int code = -1;

	send(conninfo, "again");
	check_int(open_worker(conninfo), 0, "a worker");
	throws = 1;
	check(run_throws(&code), "an exception leaves a turn, and run");
	check(!dgen_worker_is_attached(worker), "the session has ended");
	check(!run_throws(&code) && code == 0, "run goes on, and the message is handled");
	dgen_worker_close(worker);

	send(conninfo, "closed");
	check_int(open_worker(conninfo), 0, "another worker");
	throws = 1;
	check(run_throws(&code), "an exception leaves a turn, and run");
	dgen_worker_close(worker);
	check_int(open_worker(conninfo), 0, "and one after it was closed");
	check(!run_throws(&code) && code == 0, "handles the message");
	dgen_worker_close(worker);
}

static int answers[3];

static void
answer(dgen_client *, int code, const char *, size_t, void *user)
{
	*static_cast<int *>(user) = code == 0 ? 1 : code;
	if (throws-- > 0)
		throw std::runtime_error("answer");
}

static void
client_goes_on(const char *conninfo)
{
	dgen_client *client;
	bool thrown = false;

	check_int(dgen_client_open(&client, conninfo, nullptr), 0, "a client");
	throws = 1;
	for (int &a : answers)
		dgen_client_start_cast(client, "thrown", "client", "1", 1, nullptr, answer, &a);
	try
	{
		dgen_client_finish(client, 10000);
	}
	catch (const std::runtime_error &)
	{
		thrown = true;
	}
	check(thrown, "an exception leaves a callback, and finish");
	check_int(dgen_client_finish(client, 10000), 0, "finish goes on");
	check_int((long long) dgen_client_under_way(client), 0, "nothing is under way");
	check_int(answers[0], 1, "the first has its answer");
	check(answers[1] == 1 || answers[1] == DGEN_EUNKNOWN, "the others have one, or a doubt");
	check_int(dgen_client_cast(client, "thrown", "client", "1", 1, nullptr, nullptr), 0,
			  "the client can be used further");
	dgen_client_close(client);
}

int
main(int, char **argv)
{
	alarm(120); /* none of this may wait */
	client_goes_on(argv[1]);
	worker_goes_on(argv[1]);
	return 0;
}
