/*
 * Parts of the worker that need no server: the cache against a dumb one, arrays, suspects,
 * versions, lists of hosts.
 */
#include "dgen.h"

#include "base/error.h"
#include "server/array.h"
#include "server/connection.h"
#include "turn/in_turn.h"
#include "turn/state.h"
#include "remember/cache.h"
#include "remember/suspect.h"
#include "work/worker.h"

#include "check.h"

#define KEYS 200

static dgen__state *
make_state(int n)
{
	dgen__state *state = NULL;
	char json[32];

	snprintf(json, sizeof(json), "{\"n\": %d}", n);
	(void) dgen__state_parse(&state, json, strlen(json));
	return state;
}

static int
number_in(dgen__state *state)
{
	const char *text = dgen__state_get(state, "n", NULL);

	return text == NULL ? -1 : atoi(text);
}

/* ---- the cache ---- */

static bool
take_is(dgen__cache *cache, int key, int expected)
{
	char name[16];
	dgen__state *state;
	int found;

	snprintf(name, sizeof(name), "k%d", key / 2);
	state = dgen__cache_take(cache, key % 2, name);
	found = state == NULL ? 0 : number_in(state);
	dgen__state_free(state);
	return found == expected;
}

static void
put(dgen__cache *cache, int key, int n)
{
	char name[16];

	snprintf(name, sizeof(name), "k%d", key / 2);
	dgen__cache_put(cache, key % 2, name, make_state(n));
}

/* Two types share their keys. */
static void
test_cache(void)
{
	dgen__cache *cache = dgen__cache_open(64 << 20);
	int reference[KEYS] = {0};
	bool ok = true;

	srand(1);
	for (int i = 1; i < 20000; i++)
	{
		int key = rand() % KEYS;

		if (rand() % 3 == 0)
		{
			ok = take_is(cache, key, reference[key]) && ok;
			reference[key] = 0;
			continue;
		}
		put(cache, key, i);
		reference[key] = i;
	}
	for (int key = 0; key < KEYS; key++)
		ok = take_is(cache, key, reference[key]) && ok;
	check(ok, "the cache does what a plain array does");
	put(cache, 1, 1);
	dgen__cache_drop(cache);
	check(take_is(cache, 1, 0), "dropped, it is empty");
	dgen__cache_close(cache);
}

static void
test_eviction(void)
{
	dgen__state *state = make_state(1);
	size_t bytes = dgen__state_bytes(state) + 100;
	dgen__cache *cache = dgen__cache_open(bytes * 10);
	int held = 0;

	dgen__state_free(state);
	for (int key = 0; key < KEYS; key++)
		put(cache, key, key + 1);
	for (int key = 0; key < KEYS - 20; key++)
		held += !take_is(cache, key, 0);
	check_int(held, 0, "a full cache has dropped the oldest");
	check(take_is(cache, KEYS - 1, KEYS), "and has the newest");
	dgen__cache_close(cache);
	cache = dgen__cache_open(1);
	put(cache, 1, 1);
	check(take_is(cache, 1, 0), "what is larger than the cache is not kept");
	dgen__cache_close(cache);
}

/* ---- arrays ---- */

static void
test_array(void)
{
	static const char expected[] = "\0\0\0\1\0\0\0\1\0\0\16\332\0\0\0\2\0\0\0\1"
								   "\377\377\377\377\0\0\0\3\1{}";
	dgen__array array = {0};

	dgen__array_begin(&array, DGEN__JSONB);
	dgen__array_null(&array);
	check(!array.any, "an array of NULLs says nothing");
	dgen__array_text(&array, "{}", 2);
	dgen__array_end(&array);
	check(array.data.length == sizeof(expected) - 1 &&
			  memcmp(array.data.data, expected, sizeof(expected) - 1) == 0,
		  "jsonb[] in binary form");
	dgen__array_free(&array);
}

/* ---- suspects ---- */

static void
test_suspects(void)
{
	dgen__suspects suspects = {0};
	dgen__error error = {0};

	for (int i = 0; i < 300; i++)
	{
		char key[16];

		snprintf(key, sizeof(key), "k%d", i % 150);
		(void) dgen__suspects_add(&suspects, 0, key);
	}
	check_int(suspects.count, 150, "an actor is suspected once");
	check(dgen__suspects_searching(&suspects), "they are searched");
	(void) dgen__fail(&error, DGEN_ESERVER, "it was you");
	dgen__suspects_convict(&suspects, dgen__suspects_find(&suspects, 0, "k7"), 42, &error);
	dgen__suspects_forget(&suspects);
	check_int(suspects.count, 1, "the innocent are forgotten");
	check(!dgen__suspects_searching(&suspects), "and nobody is searched any more");
	check_text(dgen__error_text(&suspects.list[0].error), "it was you",
			   "the guilty one has its error");
	check(dgen__suspects_find(&suspects, 1, "k7") == NULL,
		  "its namesake of another type is innocent");
	dgen__suspects_remove(&suspects, &suspects.list[0]);
	check_int(suspects.guilty, 0, "and all can be forgiven");
	dgen__suspects_free(&suspects);
	dgen__error_free(&error);
}

/* ---- versions, hosts ---- */

static void
test_version(void)
{
	dgen__error error = {0};

	check_int(dgen__check_version("0.1.7", &error), 0, "another patch level fits");
	check_int(dgen__check_version("0.2.0", &error), 0, "a later minor version does");
	check_int(dgen__check_version("1.2.0", &error), DGEN_EVERSION,
			  "another major version does not");
	check_contains(dgen__error_text(&error), "1.2.0", "the error names the extension's");
	check_contains(dgen__error_text(&error), DGEN_VERSION_STRING, "and the library's");
	check(dgen__is_final(&error), "and trying again does not mend that");
	check_int(dgen__check_version("0.0.9", &error), DGEN_EVERSION, "nor does an earlier minor one");
	check(!dgen__is_final(&error), "until it is updated");
	check_int(dgen__check_version("", &error), DGEN_EVERSION, "nor does none");
	check_text(dgen_version(), DGEN_VERSION_STRING, "dgen_version");
	dgen__error_free(&error);
}

static void
check_setting(const char *conninfo, int attempt, const char *keyword, const char *expected,
			  const char *name)
{
	PGconn *connection = dgen__connect_start(conninfo, "parts", attempt);
	PQconninfoOption *options = PQconninfo(connection);

	for (PQconninfoOption *option = options; option != NULL && option->keyword != NULL; option++)
		if (strcmp(option->keyword, keyword) == 0)
			check_text(option->val, expected, name);
	PQconninfoFree(options);
	PQfinish(connection);
}

static void
test_settings(void)
{
	const char *three = "host=/a,/b,/c port=1,2,3";

	check_setting(three, 0, "host", "/a,/b,/c", "the first attempt begins with the first host");
	check_setting(three, 1, "host", "/b,/c,/a", "the second with the second");
	check_setting(three, 5, "port", "3,1,2", "and the ports go with them");
	check_setting("host=/a", 3, "host", "/a", "one host stays");
	check_setting("host=/a", 0, "tcp_user_timeout", "30000", "dead connections are noticed");
	check_setting("host=/a tcp_user_timeout=7", 0, "tcp_user_timeout", "7",
				  "as fast as the application says");
	check_setting("host=/a client_encoding=LATIN1", 0, "client_encoding", "UTF8", "JSON is UTF-8");
}

static int
ignore(dgen_turn *turn, const char *message, size_t length, void *user)
{
	(void) turn, (void) message, (void) length, (void) user;
	return 0;
}

static void
check_state(const char *state, int expected, const char *error, const char *name)
{
	dgen_actor_type type = {.size = sizeof(type), .name = "t", .handle_cast = ignore};
	dgen_worker *worker;
	int code = dgen_worker_open(&worker, "", NULL);

	type.initial_state = state;
	if (code == 0)
		code = dgen_worker_register(worker, &type);
	check_int(code, expected, name);
	check_text(dgen_worker_error(worker), error, "and the error says why");
	dgen_worker_close(worker);
}

static void
test_register(void)
{
	check_state(NULL, 0, "", "a type without an initial state is registered");
	check_state(" {\"n\": []}", 0, "", "and with an object");
	check_state("[]", DGEN_EINVAL, "actor type \"t\": initial_state is not a JSON object",
				"another value is refused before there is a server");
	check_state("{x}", DGEN_EJSON, "actor type \"t\": initial_state is not valid JSON at byte 2",
				"so is what is no JSON");
	check_state("{\"a\": \"\\u0000\"}", DGEN_EJSON,
				"actor type \"t\": initial_state has something at byte 14 that the server cannot store",
				"and what jsonb cannot hold");
}

int
main(void)
{
	test_cache();
	test_eviction();
	test_array();
	test_suspects();
	test_version();
	test_settings();
	test_register();
	return 0;
}
