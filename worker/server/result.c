/*
 * An answer of the server is checked as a whole before any of it is used: another kind of server,
 * or something in between, must not make the library read beyond its arrays. After an answer of
 * the wrong shape the library closes the connection.
 */
#include <limits.h>
#include <string.h>

#include "base/error.h"
#include "json/check.h"
#include "server/result.h"
#include "server/sql.h"

#define CLAIM_COLUMNS (DGEN__CLAIM_TOKEN + 1)
#define MANY_COLUMNS (DGEN__MANY_ELEMENT + 1)

#define MOST_DIGITS 19 /* of a number that fits, and none of so many goes round in 64 bits */

/* ---- any result ---- */

static int
refuse(dgen__error *error, const char *what, const char *wrong, int row)
{
	return dgen__fail_hint(
		error, DGEN_ESERVER,
		"Check that this is a PostgreSQL server with dgen, and that nothing in between changes its answers.",
		"the server's answer to %s is invalid: %s in row %d", what, wrong, row + 1);
}

static bool
is_text(const PGresult *result, int columns)
{
	if (PQnfields(result) != columns)
		return false;
	for (int i = 0; i < columns; i++)
		if (PQfformat(result, i) != 0)
			return false;
	return true;
}

/* All of it is a decimal number without a sign, as the server writes one. A NULL is not. */
static bool
get_number(const PGresult *result, int row, int column, int64_t low, int64_t high, int64_t *number)
{
	const char *text = PQgetvalue(result, row, column);
	int length = PQgetlength(result, row, column);
	uint64_t value = 0;

	if (length <= 0 || length > MOST_DIGITS)
		return false;
	for (int i = 0; i < length; i++)
	{
		if (text[i] < '0' || text[i] > '9')
			return false;
		value = value * 10 + (uint64_t) (text[i] - '0');
	}
	*number = (int64_t) value;
	return value <= INT64_MAX && *number >= low && *number <= high;
}

/* What was checked has nothing but digits. */
int64_t
dgen__result_number(const PGresult *result, int row, int column)
{
	uint64_t value = 0;

	for (const char *text = PQgetvalue(result, row, column); *text >= '0' && *text <= '9'; text++)
		value = value * 10 + (uint64_t) (*text - '0');
	return (int64_t) value;
}

static bool
is_number(const PGresult *result, int row, int column, int64_t low, int64_t high)
{
	int64_t number;

	return get_number(result, row, column, low, high, &number);
}

/* Of 1 to `most` bytes, and no NUL among them. A NULL has none. */
static bool
is_name(const PGresult *result, int row, int column, size_t most)
{
	size_t length = (size_t) PQgetlength(result, row, column);

	return length > 0 && length <= most && strlen(PQgetvalue(result, row, column)) == length;
}

int
dgen__result_check(const PGresult *result, const char *what, int columns, bool may_be_null,
				   dgen__error *error)
{
	if (PQntuples(result) != 1 || !is_text(result, columns))
		return refuse(error, what, "its shape", 0);
	for (int i = 0; i < columns && !may_be_null; i++)
		if (PQgetisnull(result, 0, i))
			return refuse(error, what, "a NULL", 0);
	return 0;
}

/* ---- a claim ---- */

static bool
is_kind(const PGresult *rows, int row, const char *kind)
{
	return strcmp(PQgetvalue(rows, row, DGEN__CLAIM_KIND), kind) == 0;
}

static bool
same(const PGresult *rows, int row, int other, int column)
{
	return strcmp(PQgetvalue(rows, row, column), PQgetvalue(rows, other, column)) == 0;
}

/* What every row has. NULL: it is as it must be; so below. */
static const char *
wrong_message(const PGresult *rows, int row)
{
	if (!is_name(rows, row, DGEN__CLAIM_KIND, SIZE_MAX))
		return "the kind";
	if (!is_number(rows, row, DGEN__CLAIM_ID, 1, INT64_MAX))
		return "the message's id";
	if (!is_number(rows, row, DGEN__CLAIM_ATTEMPT, 1, INT_MAX))
		return "the attempt";
	if (PQgetisnull(rows, row, DGEN__CLAIM_MESSAGE))
		return "the message";
	if (!PQgetisnull(rows, row, DGEN__CLAIM_IN_REPLY_TO) &&
		!is_number(rows, row, DGEN__CLAIM_IN_REPLY_TO, 1, INT64_MAX))
		return "what it is a reply to";
	return NULL;
}

/* A locked part is by itself. */
static const char *
wrong_kind(const PGresult *rows, int row)
{
	if (!is_kind(rows, row, DGEN__KIND_LOCKED))
		return NULL;
	return PQntuples(rows) > 1 || PQgetisnull(rows, row, DGEN__CLAIM_TOKEN) ? "a locked part"
																			: NULL;
}

/* What the first row of an actor has. */
static const char *
wrong_first(const PGresult *rows, int row)
{
	if (!is_name(rows, row, DGEN__CLAIM_TYPE, DGEN__MAX_TYPE_BYTES))
		return "the type";
	if (!is_name(rows, row, DGEN__CLAIM_KEY, SIZE_MAX))
		return "the key";
	if (!is_number(rows, row, DGEN__CLAIM_VERSION, 0, INT64_MAX))
		return "the version";
	return NULL;
}

static const char *
wrong_further(const PGresult *rows, int row)
{
	if (!same(rows, row, row - 1, DGEN__CLAIM_TYPE) || !same(rows, row, row - 1, DGEN__CLAIM_KEY))
		return "another actor";
	return PQgetisnull(rows, row, DGEN__CLAIM_STATE) ? NULL : "a second state";
}

/* Actors are numbered from 1 on, and the rows of one follow each other. */
static const char *
wrong_actor(const PGresult *rows, int row, int64_t *actor)
{
	int64_t before = *actor;

	if (!get_number(rows, row, DGEN__CLAIM_ACTOR, before, before + 1, actor) || *actor == 0)
		return "the number of the actor";
	return *actor == before ? wrong_further(rows, row) : wrong_first(rows, row);
}

int
dgen__claim_check(const PGresult *rows, dgen__error *error)
{
	int64_t actor = 0;

	if (!is_text(rows, CLAIM_COLUMNS))
		return refuse(error, "dgen.claim", "its shape", 0);
	for (int row = 0; row < PQntuples(rows); row++)
	{
		const char *wrong = wrong_message(rows, row);

		if (wrong == NULL)
			wrong = wrong_kind(rows, row);
		if (wrong == NULL)
			wrong = wrong_actor(rows, row, &actor);
		if (wrong != NULL)
			return refuse(error, "dgen.claim", wrong, row);
	}
	return 0;
}

/* ---- many messages ---- */

/* A row is the result of one element that was sent, and the next row that of a later one. */
int
dgen__many_check(const PGresult *rows, size_t sent, dgen__error *error)
{
	int64_t element = 0;

	if (!is_text(rows, MANY_COLUMNS))
		return refuse(error, "dgen.send_many", "its shape", 0);
	for (int row = 0; row < PQntuples(rows); row++)
	{
		if (!get_number(rows, row, DGEN__MANY_ELEMENT, element + 1, (int64_t) sent, &element))
			return refuse(error, "dgen.send_many", "the number of the message", row);
		if (PQgetisnull(rows, row, DGEN__MANY_ID)
				? PQgetisnull(rows, row, DGEN__MANY_ERROR)
				: !is_number(rows, row, DGEN__MANY_ID, 1, INT64_MAX))
			return refuse(error, "dgen.send_many", "neither an id nor an error", row);
	}
	return 0;
}

/* ---- errors ---- */

static bool
field_is(const PGresult *result, int field, const char *value)
{
	const char *text = PQresultErrorField(result, field);

	return text != NULL && strcmp(text, value) == 0;
}

/* The server marks them, as docs/sql-api.md says. */
bool
dgen__result_is_answer(const PGresult *result)
{
	return field_is(result, PG_DIAG_SCHEMA_NAME, "dgen") &&
		   field_is(result, PG_DIAG_DATATYPE_NAME, "reply");
}
