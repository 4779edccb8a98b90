/*
 * What a callback may do with the handle that runs it, and a child with its parent's. Against
 * a database without workers; makes the actor type "guarded" itself.
 */
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dgen.h"

#include "client/client.h"
#include "turn/in_turn.h"
#include "work/worker.h"

#include "check.h"

static const char *conninfo;
static dgen_worker *worker;
static PGconn *beside;

/* What the callbacks do, and what came of it. */
static int (*in_turn)(dgen_turn *turn);
static void (*in_commit)(void);
static void (*in_log)(void);
static void (*in_attached)(void);
static int codes[4];
static int attached;

static long
number(const char *query)
{
	PGresult *result = PQexec(beside, query);
	long value = PQntuples(result) > 0 ? strtol(PQgetvalue(result, 0, 0), NULL, 10) : -1;

	if (PQresultStatus(result) != PGRES_TUPLES_OK)
		printf("# %s: %s", query, PQresultErrorMessage(result));
	PQclear(result);
	return value;
}

static long
handled(void)
{
	return number("SELECT COALESCE((dgen.state('guarded', 'k')->>'n')::int, 0)");
}

static void
committed(void *data)
{
	(void) data;
	if (in_commit != NULL)
		in_commit();
	else
		dgen_worker_stop(worker);
}

static int
handle(dgen_turn *turn, const char *message, size_t length, void *user)
{
	int (*act)(dgen_turn *) = in_turn;

	(void) message;
	(void) length;
	(void) user;
	in_turn = NULL;
	dgen_turn_set_int64(turn, "n", dgen_turn_get_int64(turn, "n", 0) + 1);
	if (act != NULL && act(turn) != 0)
		return DGEN_EFAILED;
	return dgen_turn_after_commit(turn, committed, NULL, NULL);
}

static const dgen_actor_type guarded = {
	.size = sizeof(guarded), .name = "guarded", .handle_cast = handle};

static void
note_log(dgen_log_level level, const char *text, void *user)
{
	(void) level;
	(void) text;
	(void) user;
	if (in_log != NULL)
		in_log();
}

static void
note_attached(dgen_worker *of, void *user)
{
	attached += of == worker && user == &attached;
	if (in_attached != NULL)
		in_attached();
}

/* What run returns; the message is sent before. */
static int
run_worker(void)
{
	dgen_worker_options options = DGEN_WORKER_OPTIONS_INIT;
	int code;

	options.log = note_log;
	options.attached = note_attached;
	options.attached_user = &attached;
	code = dgen_worker_open(&worker, conninfo, &options);
	if (code == 0)
		code = dgen_worker_register(worker, &guarded);
	(void) number("SELECT dgen.cast('guarded', 'k', '1') FROM (SELECT dgen.create_actor_type("
				  "'guarded', if_not_exists => true)) AS made");
	return code == 0 ? dgen_worker_run(worker) : code;
}

static void
begin(void)
{
	in_turn = NULL;
	in_commit = NULL;
	in_log = NULL;
	in_attached = NULL;
	attached = 0;
	(void) number(
		"SELECT dgen.delete_actor('guarded', 'k') WHERE dgen.actor_type_exists('guarded')");
	for (int i = 0; i < 4; i++)
		codes[i] = 0;
}

/* ---- calls of the worker in its callbacks ---- */

static int
call_all(dgen_turn *turn)
{
	dgen_actor_type other = guarded;

	(void) turn;
	other.name = "other";
	codes[0] = dgen_worker_step(worker);
	codes[1] = dgen_worker_run(worker);
	codes[2] = dgen_worker_register(worker, &other);
	codes[3] = dgen_worker_is_attached(worker);
	return 0;
}

static void
call_in_commit(void)
{
	codes[0] = dgen_worker_step(worker);
	codes[1] = dgen_worker_run(worker);
	dgen_worker_stop(worker);
}

static void
call_in_log(void)
{
	codes[0] = dgen_worker_step(worker);
	in_log = NULL;
}

static void
calls_are_refused(void)
{
	begin();
	in_turn = call_all;
	check_int(run_worker(), 0, "a worker whose turn calls it ends well");
	check_int(codes[0], DGEN_ESTATE, "step in a turn is refused");
	check_int(codes[1], DGEN_ESTATE, "run in a turn is refused");
	check_int(codes[2], DGEN_ESTATE, "register in a turn is refused");
	check_int(handled(), 1, "the turn is committed");
	check_int(attached, 1, "the callback for attaching was called once");
	check(!dgen_worker_is_attached(worker), "a worker that has ended is not attached");
	dgen_worker_close(worker);

	begin();
	in_commit = call_in_commit;
	check_int(run_worker(), 0, "a worker whose action calls it ends well");
	check_int(codes[0], DGEN_ESTATE, "step after a commit is refused");
	check_int(codes[1], DGEN_ESTATE, "run after a commit is refused");
	dgen_worker_close(worker);

	begin();
	in_log = call_in_log;
	check_int(run_worker(), 0, "a worker whose log calls it ends well");
	check_int(codes[0], DGEN_ESTATE, "step in the log is refused");
	check_int(handled(), 1, "and the message is handled");
	dgen_worker_close(worker);
}

/* ---- closing in a callback ---- */

static int
close_in_turn(dgen_turn *turn)
{
	(void) turn;
	dgen_worker_close(worker);
	return 0;
}

static void
close_in_commit(void)
{
	dgen_worker_close(worker);
}

static void
close_ends_the_session(void)
{
	begin();
	in_turn = close_in_turn;
	check_int(run_worker(), 0, "run returns after a turn has closed the worker");
	check_int(handled(), 0, "the turn is not committed");
	check_int(number("SELECT count(*) FROM dgen.messages"), 1, "its message is there");
	check_int(run_worker(), 0, "the next worker");
	check_int(handled(), 2, "handles it, and another one");
	dgen_worker_close(worker);

	begin();
	in_commit = close_in_commit;
	check_int(run_worker(), 0, "run returns after an action has closed the worker");
	check_int(handled(), 1, "the turn is committed");
}

/* ---- a fork ---- */

/* What the child does is in its exit status, 100 - the code. */
static int
status_of(pid_t child)
{
	int status = 0;

	(void) waitpid(child, &status, 0);
	return WIFEXITED(status) ? 100 - WEXITSTATUS(status) : -1000 - WTERMSIG(status);
}

static int
fork_in_turn(dgen_turn *turn)
{
	pid_t child = fork();

	if (child == 0)
	{
		int code = dgen_worker_step(worker);

		dgen_worker_stop(worker);
		if (dgen_turn_connection(turn) != NULL)
			code = 1;
		dgen_worker_close(worker);
		_exit(100 - code);
	}
	codes[0] = status_of(child);
	return 0;
}

static pid_t returns;

static int
return_in_child(dgen_turn *turn)
{
	(void) turn;
	returns = fork();
	if (returns > 0)
		codes[0] = status_of(returns);
	return 0;
}

static int
close_in_child(dgen_turn *turn)
{
	(void) turn;
	returns = fork();
	if (returns == 0)
		dgen_worker_close(worker);
	else
		codes[0] = status_of(returns);
	return 0;
}

static void
attached_in_child(void)
{
	(void) return_in_child(NULL);
}

static void
child_leaves_the_worker(void)
{
	int code;

	begin();
	in_turn = fork_in_turn;
	check_int(run_worker(), 0, "a worker whose turn forks ends well");
	check_int(codes[0], DGEN_ESTATE, "in the child step is refused, close frees");
	check_int(handled(), 1, "the turn is committed");
	check_int(attached, 1, "in the session that there was");
	dgen_worker_close(worker);

	begin();
	in_turn = return_in_child;
	code = run_worker();
	if (returns == 0)
		_exit(100 - code);
	check_int(code, 0, "a worker whose turn returns in a child, too, ends well");
	check_int(codes[0], DGEN_ESTATE, "run ends in the child");
	check_int(handled(), 1, "the turn is committed once");
	check_int(attached, 1, "in the session that there was");
	dgen_worker_close(worker);

	begin();
	in_turn = close_in_child;
	code = run_worker();
	if (returns == 0)
		_exit(100 - code);
	check_int(code, 0, "a worker that a child closes in a turn ends well");
	check_int(codes[0], 0, "so does run in the child");
	check_int(handled(), 1, "the turn is committed once");
	check_int(attached, 1, "in the session that there was");
	dgen_worker_close(worker);

	begin();
	in_attached = attached_in_child;
	code = run_worker();
	if (returns == 0)
		_exit(100 - code);
	check_int(code, 0, "a worker that a child leaves when it has attached ends well");
	check_int(codes[0], DGEN_ESTATE, "run ends in the child");
	check_int(handled(), 1, "the turn is committed once");
	check_int(attached, 1, "in the session that there was");
	dgen_worker_close(worker);
}

static void
count_answer(dgen_client *client, int code, const char *reply, size_t length, void *user)
{
	(void) client;
	(void) reply;
	(void) length;
	if (code == 0)
		++*(int *) user;
}

static void
child_leaves_the_client(void)
{
	dgen_client *client;
	pid_t child;
	int answers = 0;
	int session;

	begin();
	check_int(dgen_client_open(&client, conninfo, NULL), 0, "a client");
	(void) dgen_client_start_cast(client, "guarded", "c", "1", 1, NULL, count_answer, &answers);
	check_int(dgen_client_finish(client, -1), 0, "has sent");
	session = PQbackendPID(client->connection);
	(void) dgen_client_start_cast(client, "guarded", "c", "1", 1, NULL, count_answer, &answers);
	child = fork();
	if (child == 0)
	{
		int code = dgen_client_cast(client, "guarded", "c", "1", 1, NULL, NULL);

		if (dgen_client_finish(client, 0) != DGEN_ESTATE)
			code = 1;
		dgen_client_close(client);
		_exit(answers == 1 ? 100 - code : 0);
	}
	check_int(status_of(child), DGEN_ESTATE, "in the child it is refused, close calls nobody");
	check_int(dgen_client_finish(client, 10000), 0, "the parent goes on");
	check_int(answers, 2, "and has its answer");
	check_int(PQbackendPID(client->connection), session, "in the session that there was");
	dgen_client_close(client);
	(void) number("SELECT dgen.delete_actor('guarded', 'c')");
}

static void
fork_in_answer(dgen_client *client, int code, const char *reply, size_t length, void *user)
{
	(void) code;
	(void) reply;
	(void) length;
	(void) user;
	(void) dgen_client_start_cast(client, "guarded", "c", "1", 1, NULL, NULL, NULL);
	returns = fork();
	if (returns > 0)
		codes[0] = status_of(returns);
}

static void
close_in_answer(dgen_client *client, int code, const char *reply, size_t length, void *user)
{
	fork_in_answer(client, code, reply, length, user);
	if (returns == 0)
		dgen_client_close(client);
}

/* What waits to be sent is sent by the parent alone. */
static void
child_comes_back_to_the_client(dgen_client_callback callback, bool closes, const char *name)
{
	dgen_client *client;
	int code;

	begin();
	check_int(dgen_client_open(&client, conninfo, NULL), 0, name);
	(void) dgen_client_start_cast(client, "guarded", "c", "1", 1, NULL, callback, NULL);
	code = dgen_client_finish(client, 20000);
	if (returns == 0)
	{
		if (!closes)
			dgen_client_close(client);
		_exit(100 - code);
	}
	check_int(code, 0, "the parent goes on");
	check_int(codes[0], DGEN_ESTATE, "the child does not");
	check_int(number("SELECT count(*) FROM dgen.messages WHERE actor_key = 'c'"), 2,
			  "each message was sent once");
	dgen_client_close(client);
	(void) number("SELECT dgen.delete_actor('guarded', 'c')");
}

int
main(int argc, char **argv)
{
	(void) argc;
	conninfo = argv[1];
	beside = PQconnectdb(conninfo);
	alarm(120); /* none of this may wait */
	calls_are_refused();
	close_ends_the_session();
	child_leaves_the_worker();
	child_leaves_the_client();
	child_comes_back_to_the_client(fork_in_answer, false, "a callback that forks");
	child_comes_back_to_the_client(close_in_answer, true, "a callback whose child closes");
	PQfinish(beside);
	return 0;
}
