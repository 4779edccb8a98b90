/* error.c: codes, texts, and the error of a handle. */
#include "tap.h"

/* A result of the server, made by hand: libpq keeps its fields private. */
static const char *diag[128];

char *
PQresultErrorField(const PGresult *result, int field)
{
	return result != NULL ? (char *) diag[field] : NULL;
}

char *
PQresultErrorMessage(const PGresult *result)
{
	return (char *) (result != NULL && diag[0] != NULL ? diag[0] : "");
}

static const PGresult *const some_result = (const PGresult *) diag;

static int
fail_with(dgen__error *e, const char *sqlstate)
{
	memset(diag, 0, sizeof(diag));
	diag[PG_DIAG_SQLSTATE] = sqlstate;
	diag[PG_DIAG_MESSAGE_PRIMARY] = "it broke";
	return dgen__fail_result(e, some_result);
}

static void
each_code_has_a_text(void)
{
	CHECK_TEXT(dgen_strerror(DGEN_EINVAL), "invalid argument");
	CHECK_TEXT(dgen_strerror(DGEN_EBUSY), "too much under way");
	CHECK_TEXT(dgen_strerror(0), "no error");
	CHECK_TEXT(dgen_strerror(-999), "unknown error");
	CHECK_TEXT(dgen_strerror(1), "unknown error");
}

static void
fail_keeps_code_and_text(void)
{
	dgen__error e = {0};

	CHECK_TEXT(dgen__error_text(&e), "");
	CHECK(dgen__fail(&e, DGEN_EINVAL, "no %s", "way") == DGEN_EINVAL);
	CHECK(e.code == DGEN_EINVAL);
	CHECK_TEXT(dgen__error_text(&e), "no way");
	CHECK_TEXT(dgen__error_hint(&e), "");
	dgen__error_free(&e);
	CHECK(e.code == 0 && e.text == NULL);
}

static void
fail_hint_keeps_the_hint(void)
{
	dgen__error e = {0};

	(void) dgen__fail_hint(&e, DGEN_ESTATE, "Do it.", "not %d", 1);
	CHECK_TEXT(dgen__error_text(&e), "not 1");
	CHECK_TEXT(dgen__error_hint(&e), "Do it.");
	dgen__error_free(&e);
}

static void
new_text_may_quote_the_old(void)
{
	dgen__error e = {0};

	(void) dgen__fail(&e, DGEN_EINVAL, "inner");
	(void) dgen__fail(&e, DGEN_ESTATE, "outer: %s", dgen__error_text(&e));
	CHECK_TEXT(dgen__error_text(&e), "outer: inner");
	dgen__error_free(&e);
}

static void
without_memory_the_code_has_to_do(void)
{
	dgen__error e = {0};

	dgen__memory_fail_after(0, true);
	CHECK(dgen__fail(&e, DGEN_EBUSY, "text") == DGEN_EBUSY);
	dgen__memory_fail_after(-1, false);
	CHECK_TEXT(dgen__error_text(&e), "too much under way");
	dgen__error_free(&e);
}

static void
texts_come_out_as_utf8(void)
{
	dgen__error e = {0};

	(void) dgen__fail(&e, DGEN_EINVAL, "%s", "a\xff\xc3\xa9\xc3");
	CHECK_TEXT(dgen__error_text(&e), "a?\xc3\xa9?");
	dgen__error_free(&e);
}

static void
result_gives_text_sqlstate_and_hint(void)
{
	dgen__error e = {0};

	memset(diag, 0, sizeof(diag));
	diag[PG_DIAG_SQLSTATE] = "ZD001";
	diag[PG_DIAG_MESSAGE_PRIMARY] = "no such actor type";
	diag[PG_DIAG_MESSAGE_DETAIL] = "there is none";
	diag[PG_DIAG_MESSAGE_HINT] = "Create it.";
	CHECK(dgen__fail_result(&e, some_result) == DGEN_ENOTFOUND);
	CHECK_TEXT(dgen__error_text(&e), "no such actor type (there is none)");
	CHECK_TEXT(e.sqlstate, "ZD001");
	CHECK_TEXT(dgen__error_hint(&e), "Create it.");
	dgen__error_free(&e);
}

static void
code_follows_from_the_sqlstate(void)
{
	dgen__error e = {0};

	CHECK(fail_with(&e, "08006") == DGEN_ECONNECT);
	CHECK(fail_with(&e, "57P01") == DGEN_ECONNECT);
	CHECK(fail_with(&e, "57014") == DGEN_ESERVER);
	CHECK(fail_with(&e, "42501") == DGEN_EPERM);
	CHECK(fail_with(&e, "28P01") == DGEN_EPERM);
	CHECK(fail_with(&e, "22P02") == DGEN_EJSON);
	CHECK(fail_with(&e, "ZD010") == DGEN_ETIMEOUT);
	CHECK(fail_with(&e, "ZD036") == DGEN_EVERSION);
	CHECK(fail_with(&e, "ZD037") == DGEN_EPOOLED);
	CHECK(fail_with(&e, "23505") == DGEN_ESERVER);
	dgen__error_free(&e);
}

static void
result_that_libpq_made_is_a_lost_connection(void)
{
	dgen__error e = {0};

	memset(diag, 0, sizeof(diag));
	diag[0] = "server closed the connection\n";
	CHECK(dgen__fail_result(&e, some_result) == DGEN_ECONNECT);
	CHECK_TEXT(dgen__error_text(&e), "server closed the connection");
	CHECK(dgen__fail_result(&e, NULL) == DGEN_ECONNECT);
	CHECK_TEXT(dgen__error_text(&e), "no connection to the server");
	dgen__error_free(&e);
}

static const tap_test tests[] = {
	TEST(each_code_has_a_text),
	TEST(fail_keeps_code_and_text),
	TEST(fail_hint_keeps_the_hint),
	TEST(new_text_may_quote_the_old),
	TEST(without_memory_the_code_has_to_do),
	TEST(texts_come_out_as_utf8),
	TEST(result_gives_text_sqlstate_and_hint),
	TEST(code_follows_from_the_sqlstate),
	TEST(result_that_libpq_made_is_a_lost_connection),
};

TAP_MAIN(tests)
