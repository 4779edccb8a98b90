/*
 * What a server sends that is not ours, or is no longer itself: each nonsense is an error, and
 * nothing of it is believed.
 */
#include <stdarg.h>
#include <stdint.h>

#include "../../worker/work/batch.c"
#include "../../worker/work/batch_decode.c"
#include "../../worker/remember/suspect.c"
#include "tap.h"

#define CLAIM_COLUMNS (DGEN__CLAIM_TOKEN + 1)
#define MANY_COLUMNS (DGEN__MANY_ELEMENT + 1)

/* ---- what batch.c needs of the rest of the worker: nothing of it runs here ---- */

void
dgen__worker_log(dgen_worker *worker, dgen_log_level level, const char *format, ...)
{
	(void) worker, (void) level, (void) format;
}

bool
dgen__worker_stopping(const dgen_worker *worker)
{
	return worker == NULL;
}

int64_t
dgen__now_ms(void)
{
	return 0;
}

int64_t
dgen__now_us(void)
{
	return 0;
}

PGconn *
dgen__borrow(void *context, dgen__error *error)
{
	(void) context, (void) error;
	return NULL;
}

int
dgen__borrow_finish(void *context, dgen__error *error)
{
	(void) context, (void) error;
	return 0;
}

void
dgen__borrow_explain(dgen_worker *worker, dgen__error *error)
{
	(void) worker, (void) error;
}

void
dgen__borrow_undo(dgen_worker *worker)
{
	(void) worker;
}

void
dgen__child_turn(dgen_child *child, const dgen__type *type, const char *key,
				 const dgen__message *message, int64_t now)
{
	(void) child, (void) type, (void) key, (void) message, (void) now;
}

void
dgen__child_turn_over(dgen_child *child)
{
	(void) child;
}

static uint64_t seed;

static unsigned
random_below(unsigned n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned) (seed % n);
}

/* ---- results ---- */

static PGresult *
new_result(int columns, int format)
{
	PGresult *result = PQmakeEmptyPGresult(NULL, PGRES_TUPLES_OK);
	PGresAttDesc attributes[CLAIM_COLUMNS + 1];
	char name[] = "column";

	memset(attributes, 0, sizeof(attributes));
	for (int i = 0; i < columns; i++)
	{
		attributes[i].name = name;
		attributes[i].format = format;
	}
	if (columns > 0 && PQsetResultAttrs(result, columns, attributes) == 0)
		abort();
	return result;
}

/* Not a constant: libpq takes a char *. */
static void
put_bytes(PGresult *result, int row, int column, const char *value, int length)
{
	char *copy = value == NULL ? NULL : malloc((size_t) length + 1);

	if (copy != NULL)
		memcpy(copy, value, (size_t) length + 1);
	if (PQsetvalue(result, row, column, copy, copy == NULL ? -1 : length) == 0)
		abort();
	free(copy);
}

static void
put(PGresult *result, int row, int column, const char *value)
{
	put_bytes(result, row, column, value, value == NULL ? 0 : (int) strlen(value));
}

/* A message as dgen sends it; the first of its actor has the state. */
static void
put_message(PGresult *rows, int row, const char *actor, bool first)
{
	static const char *const good[CLAIM_COLUMNS] = {
		[DGEN__CLAIM_TYPE] = "cart",     [DGEN__CLAIM_VERSION] = "7",
		[DGEN__CLAIM_ID] = "42",         [DGEN__CLAIM_KIND] = "cast",
		[DGEN__CLAIM_ATTEMPT] = "1",     [DGEN__CLAIM_MESSAGE] = "{\"add\": 1}",
		[DGEN__CLAIM_IN_REPLY_TO] = "9",
	};

	for (int i = 0; i < CLAIM_COLUMNS; i++)
		put(rows, row, i, good[i]);
	put(rows, row, DGEN__CLAIM_ACTOR, actor);
	put(rows, row, DGEN__CLAIM_KEY, actor);
	put(rows, row, DGEN__CLAIM_STATE, first ? "{}" : NULL);
}

/* Two messages of the first actor, one of the second. */
static PGresult *
good_claim(void)
{
	PGresult *rows = new_result(CLAIM_COLUMNS, 0);

	put_message(rows, 0, "1", true);
	put_message(rows, 1, "1", false);
	put_message(rows, 2, "2", true);
	return rows;
}

static bool
is_refused(PGresult *rows, int (*check)(const PGresult *, dgen__error *))
{
	dgen__error error = {0};
	int code = check(rows, &error);

	if (code != 0)
		CHECK(code == DGEN_ESERVER && dgen__error_text(&error)[0] != '\0');
	dgen__error_free(&error);
	PQclear(rows);
	return code != 0;
}

/* The good one, with one value instead of another. */
static bool
claim_with(int row, int column, const char *value)
{
	PGresult *rows = good_claim();

	put(rows, row, column, value);
	return !is_refused(rows, dgen__claim_check);
}

/* ---- claims ---- */

static void
good_claims_are_taken(void)
{
	PGresult *part = new_result(CLAIM_COLUMNS, 0);

	CHECK(!is_refused(good_claim(), dgen__claim_check));
	CHECK(!is_refused(new_result(CLAIM_COLUMNS, 0), dgen__claim_check));
	CHECK(claim_with(0, DGEN__CLAIM_STATE, NULL));
	CHECK(claim_with(0, DGEN__CLAIM_VERSION, "0"));
	CHECK(claim_with(2, DGEN__CLAIM_VERSION, "9223372036854775807"));
	CHECK(claim_with(1, DGEN__CLAIM_IN_REPLY_TO, NULL));
	CHECK(claim_with(1, DGEN__CLAIM_KIND, "something new"));
	put_message(part, 0, "1", true);
	put(part, 0, DGEN__CLAIM_KIND, "locked");
	put(part, 0, DGEN__CLAIM_TOKEN, "0123-4");
	CHECK(!is_refused(part, dgen__claim_check));
}

static void
a_claim_of_another_shape_is_refused(void)
{
	CHECK(is_refused(new_result(0, 0), dgen__claim_check));
	CHECK(is_refused(new_result(CLAIM_COLUMNS - 1, 0), dgen__claim_check));
	CHECK(is_refused(new_result(CLAIM_COLUMNS + 1, 0), dgen__claim_check));
	CHECK(is_refused(new_result(CLAIM_COLUMNS, 1), dgen__claim_check));
	CHECK(is_refused(PQmakeEmptyPGresult(NULL, PGRES_COMMAND_OK), dgen__claim_check));
}

/* They are the indexes of an array. */
static void
numbers_of_actors_only_go_up_by_one(void)
{
	static const char *const wrong[] = {
		"0",  "2",  "3",  "-1",  "",           "x",
		"1x", " 1", "+1", "1.0", "4294967297", "18446744073709551617",
		NULL,
	};

	for (size_t i = 0; i < COUNT(wrong); i++)
		CHECK(!claim_with(0, DGEN__CLAIM_ACTOR, wrong[i]));
	CHECK(!claim_with(1, DGEN__CLAIM_ACTOR, "0"));
	CHECK(!claim_with(1, DGEN__CLAIM_ACTOR, "3"));
	CHECK(!claim_with(2, DGEN__CLAIM_ACTOR, "0"));
	CHECK(!claim_with(2, DGEN__CLAIM_ACTOR, "-2147483648"));
}

static void
values_that_cannot_be_are_refused(void)
{
	static const struct
	{
		int column;
		const char *value;
	} wrong[] = {
		{DGEN__CLAIM_TYPE, NULL},
		{DGEN__CLAIM_TYPE, ""},
		{DGEN__CLAIM_KEY, NULL},
		{DGEN__CLAIM_KEY, ""},
		{DGEN__CLAIM_KEY, "another actor's"},
		{DGEN__CLAIM_TYPE, "another"},
		{DGEN__CLAIM_KIND, NULL},
		{DGEN__CLAIM_KIND, "locked"},
		{DGEN__CLAIM_VERSION, NULL},
		{DGEN__CLAIM_VERSION, "-1"},
		{DGEN__CLAIM_VERSION, "9223372036854775808"},
		{DGEN__CLAIM_STATE, "{}"},
		{DGEN__CLAIM_ID, NULL},
		{DGEN__CLAIM_ID, "0"},
		{DGEN__CLAIM_ID, "-42"},
		{DGEN__CLAIM_ATTEMPT, NULL},
		{DGEN__CLAIM_ATTEMPT, "0"},
		{DGEN__CLAIM_ATTEMPT, "2147483648"},
		{DGEN__CLAIM_MESSAGE, NULL},
		{DGEN__CLAIM_IN_REPLY_TO, "0"},
		{DGEN__CLAIM_IN_REPLY_TO, "many"},
	};

	for (size_t i = 0; i < COUNT(wrong); i++)
	{
		/* The first row of an actor has it. */
		int row = wrong[i].column == DGEN__CLAIM_VERSION ? 2 : 1;

		if (!CHECK(!claim_with(row, wrong[i].column, wrong[i].value)))
			printf("# column %d: %s\n", wrong[i].column, wrong[i].value);
	}
}

/* A NUL would end the text for some and not for others. */
static void
names_have_no_nul(void)
{
	PGresult *rows = good_claim();

	put_bytes(rows, 2, DGEN__CLAIM_KEY, "2\0x", 3);
	CHECK(is_refused(rows, dgen__claim_check));
	rows = good_claim();
	put_bytes(rows, 0, DGEN__CLAIM_ACTOR, "1\0", 2);
	CHECK(is_refused(rows, dgen__claim_check));
}

/* ---- batches made of anything ---- */

static const char *
any_value(void)
{
	static const char *const values[] = {
		NULL,
		"",
		"0",
		"1",
		"2",
		"3",
		"4",
		"-1",
		"2147483647",
		"2147483648",
		"9223372036854775807",
		"99999999999999999999",
		"1e3",
		"0x1",
		"cast",
		"locked",
		"action",
		"cart",
		"nosuch",
		"{}",
		"{\"a\": 1}",
		"{\"a\"",
		"[",
		"null",
		"\"\\ud800\"",
		"\xff\xfe",
		"k",
	};

	return values[random_below(COUNT(values))];
}

/* Nearly as it should be, or nothing like it. */
static PGresult *
any_claim(void)
{
	int columns = random_below(8) == 0 ? (int) random_below(CLAIM_COLUMNS + 2) : CLAIM_COLUMNS;
	PGresult *rows = new_result(columns, random_below(40) == 0);
	unsigned count = random_below(6);
	int actor = 0;

	for (int row = 0; columns == CLAIM_COLUMNS && row < (int) count; row++)
	{
		bool first = actor == 0 || random_below(2) == 0;
		char number[12];

		actor += first;
		snprintf(number, sizeof(number), "%d", actor);
		put_message(rows, row, number, first);
		if (random_below(4) == 0)
			put(rows, row, (int) random_below(CLAIM_COLUMNS), any_value());
	}
	return rows;
}

/* What is decoded from the rows that pass stays within them; the rest is refused. */
static void
a_batch_is_never_more_than_its_rows(void)
{
	dgen__type type = {.type = {.size = sizeof(dgen_actor_type)}};
	char name[] = "cart";
	int taken = 0;

	seed = 20240229;
	type.name = name;
	for (int i = 0; i < tap_times(5000); i++)
	{
		dgen_worker worker = {.types = &type, .ntypes = 1};
		PGresult *rows = any_claim();
		int count = PQntuples(rows);
		int messages = 0;
		bool passes = dgen__claim_check(rows, &worker.error) == 0;
		int code;

		worker.cache = dgen__cache_open(0);
		code = worker.cache == NULL ? DGEN_ENOMEM : dgen__batch_decode(&worker, rows);
		if (worker.cache == NULL)
			PQclear(rows);
		taken += code == 0;
		CHECK(code != 0 || passes);
		for (int j = 0; j < worker.batch.nactors; j++)
		{
			CHECK(code != 0 || worker.batch.actors[j].row == messages);
			messages += worker.batch.actors[j].nmessages;
		}
		CHECK(messages <= count && (code != 0 || messages == count));
		dgen__batch_drop(&worker);
		dgen__batch_free(&worker.batch);
		dgen__cache_close(worker.cache);
		dgen__error_free(&worker.error);
	}
	CHECK(taken > 0 && taken < 5000);
}

/* ---- other answers ---- */

static int
one_number(const PGresult *result, dgen__error *error)
{
	return dgen__result_check(result, "the question", 1, false, error);
}

static int
one_or_null(const PGresult *result, dgen__error *error)
{
	return dgen__result_check(result, "the question", 1, true, error);
}

static PGresult *
rows_of_one(int count, const char *value)
{
	PGresult *result = new_result(1, 0);

	for (int i = 0; i < count; i++)
		put(result, i, 0, value);
	return result;
}

static void
one_value_is_one_value(void)
{
	CHECK(!is_refused(rows_of_one(1, "x"), one_number));
	CHECK(is_refused(rows_of_one(1, NULL), one_number));
	CHECK(!is_refused(rows_of_one(1, NULL), one_or_null));
	CHECK(is_refused(rows_of_one(0, NULL), one_or_null));
	CHECK(is_refused(rows_of_one(2, "x"), one_number));
	CHECK(is_refused(new_result(2, 0), one_number));
	CHECK(is_refused(new_result(1, 1), one_number));
}

static int
many(const PGresult *result, dgen__error *error)
{
	return dgen__many_check(result, 3, error);
}

/* Rows of (id, error, element). */
static PGresult *
sent(int count, ...)
{
	PGresult *result = new_result(MANY_COLUMNS, 0);
	va_list values;

	va_start(values, count);
	for (int i = 0; i < count; i++)
	{
		put(result, i, DGEN__MANY_ID, va_arg(values, const char *));
		put(result, i, DGEN__MANY_ERROR, va_arg(values, const char *));
		put(result, i, DGEN__MANY_ELEMENT, va_arg(values, const char *));
	}
	va_end(values);
	return result;
}

static void
what_became_of_many_is_about_them(void)
{
	CHECK(!is_refused(sent(0), many));
	CHECK(!is_refused(sent(2, "7", NULL, "1", NULL, "wrong", "3"), many));
	CHECK(is_refused(sent(1, "7", NULL, "0"), many));
	CHECK(is_refused(sent(1, "7", NULL, "4"), many));
	CHECK(is_refused(sent(1, "7", NULL, NULL), many));
	CHECK(is_refused(sent(1, "0", NULL, "1"), many));
	CHECK(is_refused(sent(1, "x", NULL, "1"), many));
	CHECK(is_refused(sent(1, NULL, NULL, "1"), many));
	CHECK(is_refused(sent(2, "7", NULL, "2", "8", NULL, "1"), many));
	CHECK(is_refused(sent(2, "7", NULL, "2", "8", NULL, "2"), many));
	CHECK(is_refused(new_result(1, 0), many));
}

/* ---- texts on their way ---- */

static void
texts_are_cut_at_a_character(void)
{
	CHECK(dgen__utf8_cut("abc", 3) == 3);
	CHECK(dgen__utf8_cut("abcd", 3) == 3);
	CHECK(dgen__utf8_cut("ab\xe2\x82\xac", 5) == 5);
	CHECK(dgen__utf8_cut("ab\xe2\x82\xac", 4) == 2);
	CHECK(dgen__utf8_cut("\xe2\x82\xac", 2) == 0);
}

static void
ascii_has_one_mark_for_each_other_character(void)
{
	char text[] = "5 \xe2\x82\xac, \xc3\xbc \xf0\x9f\x98\x80!";

	dgen__utf8_to_ascii(text);
	CHECK_TEXT(text, "5 ?, ? ?!");
}

static const tap_test tests[] = {
	TEST(good_claims_are_taken),
	TEST(a_claim_of_another_shape_is_refused),
	TEST(numbers_of_actors_only_go_up_by_one),
	TEST(values_that_cannot_be_are_refused),
	TEST(names_have_no_nul),
	TEST(a_batch_is_never_more_than_its_rows),
	TEST(one_value_is_one_value),
	TEST(what_became_of_many_is_about_them),
	TEST(texts_are_cut_at_a_character),
	TEST(ascii_has_one_mark_for_each_other_character),
};

TAP_MAIN(tests)
