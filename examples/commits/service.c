/*
 * The actors of actors.sql as a service in C: the types "file_c" and "author_c", with
 * the same messages and the same states, member by member. Run as many of it as you like.
 *
 *     send_again.sql --cast--> file_c 'redis/src/server.c' --cast--> author_c 'a1b334f89'
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dgen.h>

#define KEY_SIZE 513                /* of an actor's key, with its NUL */
#define QUOTED_SIZE (6 * KEY_SIZE)  /* of a key as a JSON string, if all has to be escaped */
#define POINTER_SIZE (2 * KEY_SIZE) /* of a key as part of a JSON pointer, likewise */
#define MESSAGE_SIZE (QUOTED_SIZE + 200)
#define TOP 3

/* ---- keys in JSON ---- */

static const char *
quote(char quoted[QUOTED_SIZE], const char *text)
{
	char *to = quoted;

	*to++ = '"';
	for (; *text != '\0'; text++)
	{
		unsigned char byte = (unsigned char) *text;

		if (byte < 0x20)
			to += sprintf(to, "\\u%04x", byte);
		else
		{
			if (byte == '"' || byte == '\\')
				*to++ = '\\';
			*to++ = *text;
		}
	}
	strcpy(to, "\"");
	return quoted;
}

static const char *
pointer_to(char pointer[POINTER_SIZE], const char *member)
{
	char *to = pointer;

	*to++ = '/';
	for (; *member != '\0'; member++)
	{
		if (*member == '~' || *member == '/')
			*to++ = '~';
		*to++ = *member == '~' ? '0' : *member == '/' ? '1' : *member;
	}
	*to = '\0';
	return pointer;
}

/* ---- what both count ---- */

static void
add_to(dgen_turn *turn, const char *entry, int64_t number)
{
	dgen_turn_set_int64(turn, entry, dgen_turn_get_int64(turn, entry, 0) + number);
}

static void
add_up(dgen_turn *turn)
{
	add_to(turn, "changes", 1);
	add_to(turn, "added", dgen_turn_arg_int64(turn, "/added", 0));
	add_to(turn, "deleted", dgen_turn_arg_int64(turn, "/deleted", 0));
}

/* ---- file_c ----
 *
 *   message  {"ts": 1274195469, "author": "a1b334f89", "added": 53, "deleted": 0}
 *   state    {"changes": 1, "added": 53, "deleted": 0, "by": {"a1b334f89": 1}}
 */

/* Counts the author in the entry "by": puts the new number *n into its text, in place of the old one if there is one. */
static int
count_author(dgen_turn *turn, const char *author, int64_t *n)
{
	size_t length = 0;
	const char *by = dgen_turn_get(turn, "by", &length);
	char *changed;
	char pointer[POINTER_SIZE];
	char quoted[QUOTED_SIZE];
	dgen_json old;
	int rc = DGEN_ENOMEM;

	if (by == NULL)
		return dgen_turn_fail(turn, "the state has no \"by\"", NULL);
	changed = malloc(length + sizeof(quoted) + 32);
	if (changed == NULL)
		return rc;
	*n = 0;
	if (dgen_json_find(by, length, pointer_to(pointer, author), &old) == 0 &&
		dgen_json_int64(&old, n) == 0)
		sprintf(changed, "%.*s%" PRId64 "%s", (int) (old.text - by), by, ++*n,
				old.text + old.length);
	else
		sprintf(changed, "%.*s%s%s: %" PRId64 "}", (int) length - 1, by, length > 2 ? ", " : "",
				quote(quoted, author), ++*n);
	rc = dgen_turn_set(turn, "by", changed, DGEN_STRLEN);
	free(changed);
	return rc;
}

static int
handle_file(dgen_turn *turn, const char *message, size_t length, void *user)
{
	const char *author = dgen_turn_arg_string(turn, "/author", "");
	int64_t by_author;
	char file[QUOTED_SIZE];
	char onward[MESSAGE_SIZE];
	int rc;

	(void) message, (void) length, (void) user;
	if (author[0] == '\0' || strlen(author) >= KEY_SIZE)
		return dgen_turn_fail(turn, "the author is no key", "22023");
	add_up(turn);
	rc = count_author(turn, author, &by_author);
	if (rc != 0)
		return rc;
	snprintf(onward, sizeof(onward),
			 "{\"file\": %s, \"changes\": %" PRId64 ", \"ts\": %" PRId64 ", \"added\": %" PRId64
			 ", \"deleted\": %" PRId64 "}",
			 quote(file, dgen_turn_actor_key(turn)), by_author, dgen_turn_arg_int64(turn, "/ts", 0),
			 dgen_turn_arg_int64(turn, "/added", 0), dgen_turn_arg_int64(turn, "/deleted", 0));
	return dgen_turn_cast(turn, "author_c", author, onward, DGEN_STRLEN, NULL);
}

/* ---- author_c ----
 *
 *   message  {"file": "redis/src/server.c", "changes": 7, "ts": ..., "added": ..., "deleted": ...}
 *   state    {"changes": 9, "added": 80, "deleted": 12, "first": 1274195469, "last": 1274199999,
 *             "top": [{"file": "redis/src/server.c", "changes": 7}, ...]}
 *
 * Why the three best are all that has to be kept stands in actors.sql.
 */

struct place
{
	char file[KEY_SIZE];
	int64_t changes;
};

static int
read_place(struct place *place, const char *json, size_t length)
{
	dgen_json value;
	long size;

	if (dgen_json_find(json, length, "/file", &value) != 0)
		return DGEN_EJSON;
	size = dgen_json_string(&value, place->file, sizeof(place->file));
	if (size < 0 || size >= KEY_SIZE)
		return DGEN_EJSON;
	if (dgen_json_find(json, length, "/changes", &value) != 0)
		return DGEN_EJSON;
	return dgen_json_int64(&value, &place->changes);
}

/* More changes first; a tie goes to the name that sorts first, byte by byte. */
static bool
is_before(const struct place *a, const struct place *b)
{
	return a->changes != b->changes ? a->changes > b->changes : strcmp(a->file, b->file) < 0;
}

/* The best three of those in "top" and the file of the message: it takes its place, the rest moves on. */
static int
rank(struct place top[TOP + 1], int *count, const char *json, size_t length,
	 const struct place *file)
{
	dgen_json element;
	char pointer[16];
	int n = 0;
	int rc;

	for (int i = 0; i < TOP; i++)
	{
		snprintf(pointer, sizeof(pointer), "/%d", i);
		if (dgen_json_find(json, length, pointer, &element) != 0)
			break;
		rc = read_place(&top[n], element.text, element.length);
		if (rc != 0)
			return rc;
		n += strcmp(top[n].file, file->file) != 0;
	}
	for (*count = n + 1; n > 0 && is_before(file, &top[n - 1]); n--)
		top[n] = top[n - 1];
	top[n] = *file;
	*count = *count > TOP ? TOP : *count;
	return 0;
}

static int
set_top(dgen_turn *turn, const struct place *top, int count)
{
	char json[TOP * MESSAGE_SIZE] = "[";
	char file[QUOTED_SIZE];
	int length = 1;

	for (int i = 0; i < count; i++)
		length += sprintf(json + length, "%s{\"file\": %s, \"changes\": %" PRId64 "}",
						  i > 0 ? ", " : "", quote(file, top[i].file), top[i].changes);
	strcpy(json + length, "]");
	return dgen_turn_set(turn, "top", json, DGEN_STRLEN);
}

static int
handle_author(dgen_turn *turn, const char *message, size_t length, void *user)
{
	int64_t ts = dgen_turn_arg_int64(turn, "/ts", 0);
	int64_t first = dgen_turn_get_int64(turn, "first", ts);
	int64_t last = dgen_turn_get_int64(turn, "last", ts);
	struct place file;
	struct place top[TOP + 1];
	size_t old_length = 0;
	const char *old = dgen_turn_get(turn, "top", &old_length);
	int count;

	(void) user;
	if (read_place(&file, message, length) != 0)
		return dgen_turn_fail(turn, "the message has no file and changes", "22023");
	if (old == NULL || rank(top, &count, old, old_length, &file) != 0)
		return dgen_turn_fail(turn, "the state has no \"top\"", NULL);
	add_up(turn);
	dgen_turn_set_int64(turn, "first", ts < first ? ts : first);
	dgen_turn_set_int64(turn, "last", ts > last ? ts : last);
	return set_top(turn, top, count);
}

/* ---- the program ---- */

static dgen_worker *worker;

static void
stop(int number)
{
	(void) number;
	dgen_worker_stop(worker);
}

static void
say(dgen_log_level level, const char *text, void *user)
{
	(void) user;
	if (level >= DGEN_LOG_WARNING)
		fprintf(stderr, "service: %s\n", text);
}

int
main(void)
{
	dgen_worker_options options = DGEN_WORKER_OPTIONS_INIT;
	dgen_actor_type file = {
		.size = sizeof(file),
		.name = "file_c",
		.initial_state = "{\"changes\": 0, \"added\": 0, \"deleted\": 0, \"by\": {}}",
		.handle_cast = handle_file,
	};
	dgen_actor_type author = {
		.size = sizeof(author),
		.name = "author_c",
		.initial_state = "{\"changes\": 0, \"added\": 0, \"deleted\": 0, \"top\": []}",
		.handle_cast = handle_author,
	};
	int rc;

	options.log = say;
	rc = dgen_worker_open(&worker, "", &options);
	signal(SIGINT, stop);
	signal(SIGTERM, stop);
	if (rc == 0)
		rc = dgen_worker_register(worker, &file);
	if (rc == 0)
		rc = dgen_worker_register(worker, &author);
	if (rc == 0)
		rc = dgen_worker_run(worker);
	if (rc != 0)
		fprintf(stderr, "service: %s\n", dgen_worker_error(worker));
	dgen_worker_close(worker);
	return rc != 0;
}
