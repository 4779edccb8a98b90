/*
 * A chat room. Who joins late first gets what was said last, and then every line, in
 * order, none twice and none missing.
 *
 *   {"join": "ann"}                       {"lines": [...]}
 *   {"say": "hi", "from": "ann"} ──> room ──────────────────> member ann ──> {"after": 3}, a call that
 *   {"leave": "ann"}                      ──────────────────> member bob       waits for lines
 *
 * The actors of the type "room" know who is in and keep the last lines. The actors of
 * the type "member" keep the lines that one person has got, from all rooms. A program
 * that shows them calls with the number of the last one that it knows; the member answers
 * when there is another (`chat follow NAME` does that).
 */
#define _POSIX_C_SOURCE 200809L
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dgen.h>

#define HISTORY 20 /* lines that a newcomer gets */
#define KEPT 200   /* lines that a member keeps */

/* ---- numbered lines in a state: entries "line:0000000001" and so on ---- */

#define LINE_SIZE 32

static const char *
line_name(char name[LINE_SIZE], int64_t n)
{
	snprintf(name, LINE_SIZE, "line:%010" PRId64, n);
	return name;
}

/* Adds a line, forgets the one `kept` before it. */
static int
add_line(dgen_turn *turn, const char *line, size_t length, int64_t kept)
{
	int64_t n = dgen_turn_get_int64(turn, "n", 0) + 1;
	char name[LINE_SIZE];

	dgen_turn_set_int64(turn, "n", n);
	if (n > kept)
		dgen_turn_delete(turn, line_name(name, n - kept));
	return dgen_turn_set(turn, line_name(name, n), line, length);
}

/* {"n": 8, "lines": [...]}: those kept after number `after`, to be freed. NULL: no memory. */
static char *
lines_after(dgen_turn *turn, int64_t after)
{
	char *json = NULL;
	size_t size;
	FILE *out = open_memstream(&json, &size);
	char last[LINE_SIZE];
	const char *entry = NULL;
	const char *line;
	const char *comma = "";
	size_t length;

	if (out == NULL)
		return NULL;
	line_name(last, after);
	fprintf(out, "{\"n\": %" PRId64 ", \"lines\": [", dgen_turn_get_int64(turn, "n", 0));
	while ((line = dgen_turn_scan(turn, "line:", &entry, &length)) != NULL)
		if (strcmp(entry, last) > 0)
		{
			fprintf(out, "%s%.*s", comma, (int) length, line);
			comma = ", ";
		}
	fputs("]}", out);
	if (fclose(out) == 0)
		return json;
	free(json);
	return NULL;
}

/* ---- room: lines, and an entry "member:NAME" for each member ---- */

/* A newcomer gets the lines that there are; whoever is in already has them. */
static int
room_join(dgen_turn *turn, const char *name)
{
	char *history = lines_after(turn, 0);
	char entry[600];
	int rc = DGEN_ENOMEM;

	snprintf(entry, sizeof(entry), "member:%s", name);
	if (dgen_turn_get(turn, entry, NULL) != NULL)
		rc = 0;
	else if (history != NULL && dgen_turn_set_bool(turn, entry, true) == 0)
		rc = dgen_turn_cast(turn, "member", name, history, DGEN_STRLEN, NULL);
	free(history);
	return rc;
}

static int
room_leave(dgen_turn *turn, const char *name)
{
	char entry[600];

	snprintf(entry, sizeof(entry), "member:%s", name);
	return dgen_turn_delete(turn, entry);
}

/* What somebody who is not in says is not heard. */
static int
room_say(dgen_turn *turn, const char *message, size_t length, const char *from)
{
	char entry[600];
	char *line = NULL;
	size_t size;
	FILE *out;
	dgen_json quoted_from;
	dgen_json text;
	const char *member = NULL;
	int rc = 0;

	snprintf(entry, sizeof(entry), "member:%s", from);
	if (dgen_turn_get(turn, entry, NULL) == NULL)
		return dgen_turn_error(turn);
	/* Parts of JSON go from one message into another as they are, quotes and escapes included. */
	if (dgen_json_find(message, length, "/say", &text) != 0 ||
		dgen_json_find(message, length, "/from", &quoted_from) != 0)
		return DGEN_EJSON;
	out = open_memstream(&line, &size);
	if (out == NULL)
		return DGEN_ENOMEM;
	fprintf(out, "{\"lines\": [{\"room\": %s, \"from\": %.*s, \"text\": %.*s}]}",
			dgen_turn_get(turn, "name", NULL), (int) quoted_from.length, quoted_from.text,
			(int) text.length, text.text);
	if (fclose(out) != 0)
		rc = DGEN_ENOMEM;
	if (rc == 0)
		rc = dgen_json_find(line, size, "/lines/0", &text);
	if (rc == 0)
		rc = add_line(turn, text.text, text.length, HISTORY);
	while (rc == 0 && dgen_turn_scan(turn, "member:", &member, NULL) != NULL)
		rc = dgen_turn_cast(turn, "member", member + strlen("member:"), line, size, NULL);
	free(line);
	return rc;
}

static int
room_init(dgen_turn *turn, const char *message, size_t length, void *user)
{
	(void) message, (void) length, (void) user;
	return dgen_turn_set_string(turn, "name", dgen_turn_actor_key(turn));
}

static int
room_cast(dgen_turn *turn, const char *message, size_t length, void *user)
{
	const char *join = dgen_turn_arg_string(turn, "/join", NULL);
	const char *leave = dgen_turn_arg_string(turn, "/leave", NULL);
	const char *from = dgen_turn_arg_string(turn, "/from", NULL);

	(void) user;
	if (join != NULL)
		return room_join(turn, join);
	if (leave != NULL)
		return room_leave(turn, leave);
	if (from != NULL)
		return room_say(turn, message, length, from);
	return dgen_turn_fail(turn, "join, leave, or say with from", "22023");
}

/* ---- member: lines, and the call that waits for the next one ---- */

static int
answer(dgen_turn *turn, int64_t call, int64_t after)
{
	char *json = lines_after(turn, after);
	int rc = json != NULL ? dgen_turn_send_reply(turn, call, json, DGEN_STRLEN) : DGEN_ENOMEM;

	free(json);
	return rc;
}

/* Answers the call that waits, if one does. */
static int
answer_waiting(dgen_turn *turn)
{
	int64_t call = dgen_turn_get_int64(turn, "waiting", 0);
	int64_t after = dgen_turn_get_int64(turn, "after", 0);

	dgen_turn_delete(turn, "waiting");
	dgen_turn_delete(turn, "after");
	return call != 0 ? answer(turn, call, after) : dgen_turn_error(turn);
}

/* Lines from a room. */
static int
member_cast(dgen_turn *turn, const char *message, size_t length, void *user)
{
	char pointer[32];
	dgen_json line;

	(void) user;
	for (int i = 0;; i++)
	{
		snprintf(pointer, sizeof(pointer), "/lines/%d", i);
		if (dgen_json_find(message, length, pointer, &line) != 0)
			break;
		add_line(turn, line.text, line.length, KEPT);
	}
	return answer_waiting(turn);
}

/* Of the calls of a member the last one waits: the one before it has probably been given up. */
static int
member_call(dgen_turn *turn, const char *message, size_t length, void *user)
{
	int64_t after = dgen_turn_arg_int64(turn, "/after", 0);
	int rc = answer_waiting(turn);

	(void) message, (void) length, (void) user;
	if (rc != 0 || dgen_turn_get_int64(turn, "n", 0) > after)
		return rc != 0 ? rc : answer(turn, dgen_turn_message_id(turn), after);
	dgen_turn_set_int64(turn, "after", after);
	return dgen_turn_set_int64(turn, "waiting", dgen_turn_message_id(turn));
}

/* ---- the program ---- */

static dgen_worker *worker;

static void
stop(int number)
{
	(void) number;
	dgen_worker_stop(worker);
}

static int
run_worker(void)
{
	dgen_actor_type room = {
		.size = sizeof(room),
		.name = "room",
		.init = room_init,
		.handle_cast = room_cast,
	};
	dgen_actor_type member = {
		.size = sizeof(member),
		.name = "member",
		.handle_cast = member_cast,
		.handle_call = member_call,
	};
	int rc = dgen_worker_open(&worker, "", NULL);

	signal(SIGINT, stop);
	signal(SIGTERM, stop);
	if (rc == 0)
		rc = dgen_worker_register(worker, &room);
	if (rc == 0)
		rc = dgen_worker_register(worker, &member);
	if (rc == 0)
		rc = dgen_worker_run(worker);
	if (rc != 0)
		fprintf(stderr, "chat: %s\n", dgen_worker_error(worker));
	dgen_worker_close(worker);
	return rc != 0;
}

static void
print_line(const dgen_json *line)
{
	static const char *const members[] = {"/room", "/from", "/text"};
	char text[2000];
	dgen_json value;

	for (size_t i = 0; i < 3; i++)
		if (dgen_json_find(line->text, line->length, members[i], &value) == 0 &&
			dgen_json_string(&value, text, sizeof(text)) >= 0)
			printf("%s%s", text, i < 2 ? ": " : "\n");
	fflush(stdout);
}

/* Prints what a member gets, for ever. */
static int
follow(const char *name)
{
	dgen_client *client;
	dgen_json value;
	const char *reply;
	size_t length;
	int64_t call;
	int64_t n = 0;
	char text[40];
	int rc = dgen_client_open(&client, "", NULL);

	while (rc == 0)
	{
		snprintf(text, sizeof(text), "{\"after\": %" PRId64 "}", n);
		rc = dgen_client_request(client, "member", name, text, DGEN_STRLEN, NULL, &call);
		if (rc == 0)
			rc = dgen_client_await(client, call, -1, &reply, &length);
		if (rc == 0 && dgen_json_find(reply, length, "/n", &value) == 0)
			rc = dgen_json_int64(&value, &n);
		for (int i = 0; rc == 0; i++)
		{
			snprintf(text, sizeof(text), "/lines/%d", i);
			if (dgen_json_find(reply, length, text, &value) != 0)
				break;
			print_line(&value);
		}
	}
	fprintf(stderr, "chat: %s\n", dgen_client_error(client));
	dgen_client_close(client);
	return 1;
}

int
main(int argc, char **argv)
{
	if (argc == 1)
		return run_worker();
	if (argc == 3 && strcmp(argv[1], "follow") == 0)
		return follow(argv[2]);
	fprintf(stderr, "usage: chat                a worker\n"
					"       chat follow NAME    what NAME gets to read\n");
	return 2;
}
