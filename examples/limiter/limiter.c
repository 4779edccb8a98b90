/*
 * A rate limiter. Each actor of the type "limiter" is a bucket of tokens, for a customer
 * or an API key. A call takes some, or is told when to come again; one token more
 * appears per interval until the bucket is full.
 *
 *   message  {"take": 3}, or null for 1
 *   reply    {"granted": true, "left": 7}  or  {"granted": false, "retry_after_ms": 120}
 *   state    {"tokens": 7, "at": 1700000000000}: so many at that time
 *
 * One call is handled at a time, so n callers never get more than there is: in any
 * w milliseconds at most TOKENS + w / INTERVAL_MS.
 */
#define _POSIX_C_SOURCE 200809L
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <dgen.h>

struct limit
{
	int64_t tokens;
	int64_t interval_ms;
};

static dgen_worker *worker;

static int64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Adds what has appeared since *at. All in whole numbers: nothing is lost by rounding. */
static void
refill(const struct limit *limit, int64_t now, int64_t *tokens, int64_t *at)
{
	/* The clock of another worker may have been ahead. */
	int64_t more = now > *at ? (now - *at) / limit->interval_ms : 0;

	if (more >= limit->tokens - *tokens)
	{
		*tokens = limit->tokens;
		*at = now > *at ? now : *at;
	}
	else
	{
		*tokens += more;
		*at += more * limit->interval_ms;
	}
}

static int
take(dgen_turn *turn, const char *message, size_t length, void *user)
{
	const struct limit *limit = user;
	int64_t wanted = dgen_turn_arg_int64(turn, "/take", 1);
	int64_t now = now_ms();
	int64_t at = dgen_turn_get_int64(turn, "at", now);
	int64_t tokens = dgen_turn_get_int64(turn, "tokens", limit->tokens);
	char reply[80];

	(void) message, (void) length;
	if (wanted < 1 || wanted > limit->tokens)
		return dgen_turn_fail(turn, "nobody can take that many tokens", "22023");
	refill(limit, now, &tokens, &at);
	if (wanted <= tokens)
	{
		tokens -= wanted;
		snprintf(reply, sizeof(reply), "{\"granted\": true, \"left\": %" PRId64 "}", tokens);
	}
	else
		snprintf(reply, sizeof(reply), "{\"granted\": false, \"retry_after_ms\": %" PRId64 "}",
				 at + (wanted - tokens) * limit->interval_ms - now);
	dgen_turn_set_int64(turn, "at", at);
	dgen_turn_set_int64(turn, "tokens", tokens);
	return dgen_turn_reply(turn, reply, DGEN_STRLEN);
}

static void
stop(int number)
{
	(void) number;
	dgen_worker_stop(worker);
}

int
main(int argc, char **argv)
{
	struct limit limit = {argc > 1 ? atoll(argv[1]) : 100, argc > 2 ? atoll(argv[2]) : 1000};
	dgen_actor_type limiter = {
		.size = sizeof(limiter), .name = "limiter", .user = &limit, .handle_cast = take};
	int rc;

	if (argc > 3 || limit.tokens < 1 || limit.interval_ms < 1)
	{
		fprintf(stderr, "usage: limiter [TOKENS [INTERVAL_MS]]\n");
		return 2;
	}
	rc = dgen_worker_open(&worker, "", NULL);
	signal(SIGINT, stop);
	signal(SIGTERM, stop);
	if (rc == 0)
		rc = dgen_worker_register(worker, &limiter);
	if (rc == 0)
		rc = dgen_worker_run(worker);
	if (rc != 0)
		fprintf(stderr, "limiter: %s\n", dgen_worker_error(worker));
	dgen_worker_close(worker);
	return rc != 0;
}
