/*
 * Running and stopping a worker inside a program: from threads, from a loop of its own,
 * many at once; and what its cache spares. Uses types of its own, and no other worker.
 */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

#include "dgen.h"

#include "server/sql.h"
#include "turn/in_turn.h"
#include "work/session.h"
#include "work/worker.h"

#include "check.h"
#include "pausing.h"
#include "waits.h"

static const char *conninfo;
static atomic_int turns;
static atomic_int committed;
static atomic_int without_state;
static dgen_worker *inspected;

static bool
reaches(atomic_int *counter, int count)
{
	for (int i = 0; i < 3000 && atomic_load(counter) < count; i++)
		pause_ms(10);
	return atomic_load(counter) >= count;
}

static void
note_commit(void *data)
{
	(void) data;
	atomic_fetch_add(&committed, 1);
}

static int
handle(dgen_turn *turn, const char *message, size_t length, void *user)
{
	(void) message;
	(void) length;
	(void) user;
	atomic_fetch_add(&turns, 1);
	if (inspected != NULL)
		atomic_fetch_add(&without_state, PQgetisnull(inspected->batch.rows, 0, DGEN__CLAIM_STATE));
	pause_ms(dgen_turn_arg_int64(turn, "/sleep_ms", 0));
	dgen_turn_after_commit(turn, note_commit, NULL, NULL);
	if (dgen_turn_arg_bool(turn, "/bad", false) && dgen_turn_attempt(turn) == 1)
		dgen_turn_cast(turn, "nosuch", "k", NULL, 0, NULL);
	return dgen_turn_set_int64(turn, "n", dgen_turn_get_int64(turn, "n", 0) + 1);
}

static void
print_log(dgen_log_level level, const char *text, void *user)
{
	(void) user;
	if (level >= DGEN_LOG_WARNING)
		printf("# %s\n", text);
}

static dgen_worker *
open_worker(size_t cache_bytes)
{
	dgen_actor_type type = {
		.size = sizeof(type), .name = "stopping", .handle_cast = handle, .backoff_ms = 10};
	dgen_worker_options options = DGEN_WORKER_OPTIONS_INIT;
	dgen_worker *worker;

	options.log = print_log;
	options.cache_bytes = cache_bytes;
	if (dgen_worker_open(&worker, conninfo, &options) != 0 ||
		dgen_worker_register(worker, &type) != 0)
		printf("not ok - open: %s\n", dgen_worker_error(worker));
	return worker;
}

static void
sql(const char *text)
{
	PGconn *connection = PQconnectdb(conninfo);
	PGresult *result = PQexec(connection, text);

	if (PQresultStatus(result) != PGRES_TUPLES_OK)
		printf("not ok - %s: %s\n", text, PQresultErrorMessage(result));
	PQclear(result);
	PQfinish(connection);
}

static void
check_sum(long expected, const char *name)
{
	PGconn *connection = PQconnectdb(conninfo);
	PGresult *result =
		PQexec(connection,
			   "SELECT sum((state->>'n')::int) FROM dgen.actors WHERE actor_type = 'stopping'");

	check_int(strtol(PQgetvalue(result, 0, 0), NULL, 10), expected, name);
	PQclear(result);
	PQfinish(connection);
}

static int
count_rows(const char *text)
{
	PGconn *connection = PQconnectdb(conninfo);
	PGresult *result = PQexec(connection, text);
	int count = PQntuples(result);

	PQclear(result);
	PQfinish(connection);
	return count;
}

/* Does the query return so many rows, now or soon? */
static bool
becomes(int rows, const char *query)
{
	for (int i = 0; i < 3000 && count_rows(query) != rows; i++)
		pause_ms(10);
	return count_rows(query) == rows;
}

static void *
run(void *worker)
{
	if (dgen_worker_run(worker) != 0)
		printf("not ok - run: %s\n", dgen_worker_error(worker));
	return NULL;
}

/* ---- stopping ---- */

static void
test_before_run(void)
{
	dgen_worker *worker = open_worker(0);

	dgen_worker_stop(worker);
	check_int(dgen_worker_run(worker), 0, "stopped before it runs, it returns at once");
	check_int(dgen_worker_step(worker), 0, "and so does step");
	dgen_worker_close(worker);
	dgen_worker_close(NULL);
	dgen_worker_stop(NULL);
}

static void
test_idle(void)
{
	dgen_worker *worker = open_worker(0);
	pthread_t thread;

	sql("SELECT dgen.create_actor_type('stopping', backoff => '10 ms')");
	sql("SELECT dgen.cast('stopping', 'a')");
	pthread_create(&thread, NULL, run, worker);
	check(reaches(&committed, 1), "a worker in a thread handles a message");
	check(becomes(1, "SELECT FROM pg_stat_activity JOIN dgen.workers USING (pid) "
					 "WHERE query LIKE 'CALL dgen.wait%' AND wait_event_type = 'Extension'"),
		  "and waits for more");
	dgen_worker_stop(worker);
	pthread_join(thread, NULL);
	check(true, "and is stopped by another thread");
	dgen_worker_close(worker);
}

static void
test_in_batch(void)
{
	dgen_worker *worker = open_worker(0);
	pthread_t thread;
	int before = atomic_load(&turns);
	int committed_before = atomic_load(&committed);

	sql("SELECT dgen.cast_many('stopping', array_agg('a'::text), array_agg('{\"sleep_ms\": 200}'::jsonb)) "
		"FROM generate_series(1, 20)");
	pthread_create(&thread, NULL, run, worker);
	check(reaches(&turns, before + 1), "in the middle of a turn");
	dgen_worker_stop(worker);
	pthread_join(thread, NULL);
	check(atomic_load(&turns) < before + 20, "a stop ends the batch");
	check_int(atomic_load(&committed) - committed_before, atomic_load(&turns) - before,
			  "and what ran is committed");
	dgen_worker_close(worker);
	sql("SELECT dgen.delete_actor('stopping', 'a')");
}

/* ---- a commit that does not end ---- */

static atomic_bool unconfirmed;

static void
note_unconfirmed(dgen_log_level level, const char *text, void *user)
{
	(void) user;
	if (level == DGEN_LOG_WARNING && strstr(text, "the last commit was not confirmed") != NULL)
		atomic_store(&unconfirmed, true);
}

/* The lock is another session's, so the trigger waits for it in COMMIT. */
static int
insert_and_stop(dgen_turn *turn, const char *message, size_t length, void *user)
{
	(void) message;
	(void) length;
	PQclear(PQexec(dgen_turn_connection(turn), "INSERT INTO stuck VALUES (1)"));
	dgen_worker_stop(*(dgen_worker **) user);
	return dgen_turn_set_int64(turn, "n", 1);
}

static void
test_drain(void)
{
	PGconn *other = PQconnectdb(conninfo);
	dgen_worker_options options = DGEN_WORKER_OPTIONS_INIT;
	dgen_worker *worker = NULL;
	dgen_actor_type type = {
		.size = sizeof(type), .name = "stuck", .handle_cast = insert_and_stop, .user = &worker};

	PQclear(PQexec(
		other,
		"CREATE TABLE stuck (n int);"
		"CREATE FUNCTION wait_for_42() RETURNS trigger LANGUAGE plpgsql AS "
		"'BEGIN PERFORM pg_advisory_xact_lock(42); RETURN NULL; END';"
		"CREATE CONSTRAINT TRIGGER wait_for_42 AFTER INSERT ON stuck DEFERRABLE INITIALLY DEFERRED "
		"FOR EACH ROW EXECUTE FUNCTION wait_for_42();"
		"SELECT pg_advisory_lock(42), dgen.create_actor_type('stuck'), dgen.cast('stuck', 'a')"));
	options.drain_ms = 300;
	options.log = note_unconfirmed;
	check_int(dgen_worker_open(&worker, conninfo, &options), 0, "a worker with a short drain_ms");
	dgen_worker_register(worker, &type);
	check_int(dgen_worker_run(worker), 0, "ends without the answer to its last commit");
	check(atomic_load(&unconfirmed), "and says that it had none");
	dgen_worker_close(worker);
	PQfinish(other);
	check(becomes(1, "SELECT FROM dgen.actors WHERE actor_type = 'stuck'"),
		  "though it was committed in the end");
	sql("DROP TABLE stuck; DROP FUNCTION wait_for_42;"
		"SELECT dgen.drop_actor_type('stuck', discard => true)");
}

static dgen_worker *signalled;

static void
on_alarm(int signal)
{
	(void) signal;
	dgen_worker_stop(signalled);
}

static void
test_signal(void)
{
	struct sigaction action = {.sa_handler = on_alarm};

	signalled = open_worker(0);
	sigaction(SIGALRM, &action, NULL);
	alarm(1);
	check_int(dgen_worker_run(signalled), 0, "a signal handler stops it");
	dgen_worker_close(signalled);
}

/* ---- a loop of the application's own ---- */

static void
test_own_loop(void)
{
	dgen_worker *worker = open_worker(0);
	int fd = dgen_worker_fd(worker);
	int target = atomic_load(&committed) + 3;
	int steps = 0;
	int result;

	sql("SELECT dgen.cast_many('stopping', ARRAY['l1', 'l2', 'l3'], ARRAY['1', '2', '3']::jsonb[])");
	while ((result = dgen_worker_step(worker)) == 1 && atomic_load(&committed) < target)
	{
		struct pollfd descriptor = {.fd = dgen_worker_fd(worker), .events = POLLIN};

		poll(&descriptor, 1, dgen_worker_timeout(worker));
		steps++;
	}
	check_int(result, 1, "step wants to go on");
	check_int(dgen_worker_fd(worker), fd, "the descriptor has stayed the same");
	check(steps < 100, "it was readable only when there was something to do");
	while (dgen__session_busy(worker) && dgen_worker_step(worker) == 1)
	{
		struct pollfd descriptor = {.fd = dgen_worker_fd(worker), .events = POLLIN};

		if (dgen__session_busy(worker))
			poll(&descriptor, 1, dgen_worker_timeout(worker));
	}
	check_int(dgen_worker_timeout(worker), -1, "a waiting worker needs no timeout");
	dgen_worker_stop(worker);
	check_int(dgen_worker_step(worker), 0, "after a stop step returns 0");
	dgen_worker_close(worker);
}

/* ---- many at once ---- */

static void
test_threads(void)
{
	enum
	{
		WORKERS = 4,
		MESSAGES = 5000
	};
	dgen_worker *workers[WORKERS];
	pthread_t threads[WORKERS];
	int target = atomic_load(&committed) + MESSAGES;

	sql("SELECT dgen.delete_actor('stopping', actor_key) FROM dgen.actors WHERE actor_type = 'stopping'");
	for (int i = 0; i < WORKERS; i++)
	{
		workers[i] = open_worker(0);
		pthread_create(&threads[i], NULL, run, workers[i]);
	}
	for (int i = 0; i < 10; i++)
		sql("SELECT dgen.cast_many('stopping', array_agg('t' || i % 50), array_agg('{}'::jsonb)) "
			"FROM generate_series(1, 500) i");
	check(reaches(&committed, target), "four workers on threads");
	for (int i = 0; i < WORKERS; i++)
	{
		dgen_worker_stop(workers[i]);
		pthread_join(threads[i], NULL);
		dgen_worker_close(workers[i]);
	}
	check_int(atomic_load(&committed), target, "have handled each message once");
	check_sum(MESSAGES, "as the states say");
}

/* ---- the cache ---- */

static void
step_until(dgen_worker *worker, int target)
{
	while ((atomic_load(&committed) < target || !check_waits(worker)) &&
		   dgen_worker_step(worker) == 1)
	{
		struct pollfd descriptor = {.fd = dgen_worker_fd(worker), .events = POLLIN};

		if (atomic_load(&committed) < target || !check_waits(worker))
			poll(&descriptor, 1, dgen_worker_timeout(worker));
	}
}

/* Each in a batch of its own; then the worker waits for more. */
static void
handle_one_by_one(dgen_worker *worker, int count)
{
	for (int i = 0; i < count; i++)
	{
		sql("SELECT dgen.cast('stopping', 'warm')");
		step_until(worker, atomic_load(&committed) + 1);
	}
}

static void
test_cache(void)
{
	dgen_worker *worker = open_worker(0);

	atomic_store(&without_state, 0);
	inspected = worker;
	handle_one_by_one(worker, 10);
	check(atomic_load(&without_state) >= 8, "a warm turn is given no state");
	dgen_worker_close(worker);
	inspected = worker = open_worker(1);
	atomic_store(&without_state, 0);
	handle_one_by_one(worker, 10);
	check(atomic_load(&without_state) >= 8, "nor if the cache had to drop it: it asks for it");
	inspected = NULL;
	sql("SELECT dgen.cast('stopping', 'warm', '{\"bad\": true}')");
	step_until(worker, atomic_load(&committed) + 1);
	handle_one_by_one(worker, 3);
	dgen_worker_close(worker);
	check(true, "and a commit that fails does not confuse it");
}

static void
test_reset(void)
{
	dgen_worker *worker = open_worker(0);
	PGconn *connection = PQconnectdb(conninfo);
	PGresult *result;

	handle_one_by_one(worker, 3);
	sql("SELECT dgen.reset('stopping', 'warm')");
	handle_one_by_one(worker, 1);
	result = PQexec(connection, "SELECT dgen.state('stopping', 'warm')->>'n'");
	check(strtol(PQgetvalue(result, 0, 0), NULL, 10) <= 2,
		  "a state that was reset is not taken from the cache");
	PQclear(result);
	PQfinish(connection);
	dgen_worker_close(worker);
}

int
main(int argc, char **argv)
{
	conninfo = argc > 1 ? argv[1] : "";
	test_before_run();
	test_idle();
	test_in_batch();
	test_drain();
	test_signal();
	test_own_loop();
	test_threads();
	test_cache();
	test_reset();
	return 0;
}
