/* outbox.c: sends, replies and actions of a batch. */
#include "tap.h"

static dgen__buffer trace;

static void
act(void *data)
{
	dgen__buffer_printf(&trace, "act %s,", (const char *) data);
}

static void
let_go(void *data)
{
	dgen__buffer_printf(&trace, "release %s,", (const char *) data);
}

static int
add_action(dgen__outbox *outbox, const char *name, bool with_release)
{
	dgen__action action = {act, with_release ? let_go : NULL, (void *) (uintptr_t) name};

	return dgen__outbox_action(outbox, &action);
}

static void
check_trace(const char *wanted)
{
	CHECK_TEXT(trace.data != NULL ? trace.data : "", wanted);
	dgen__buffer_free(&trace);
}

static void
send_copies_its_texts(void)
{
	dgen__outbox outbox = {0};
	char message[] = "[1]trailing";
	dgen__send send = {.actor = 3,
					   .request = true,
					   .type = "cart",
					   .key = "k",
					   .message = message,
					   .headers = "{}",
					   .priority = -1};

	if (dgen__outbox_send(&outbox, &send, 3) == 0)
	{
		memset(message, 'x', 5);
		CHECK(outbox.nsends == 1 && outbox.sends[0].actor == 3 && outbox.sends[0].request &&
			  outbox.sends[0].priority == -1);
		CHECK_TEXT(outbox.sends[0].type, "cart");
		CHECK_TEXT(outbox.sends[0].key, "k");
		CHECK_TEXT(outbox.sends[0].message, "[1]");
		CHECK_TEXT(outbox.sends[0].headers, "{}");
		CHECK(outbox.sends[0].correlation == NULL && outbox.sends[0].idempotency_key == NULL);
	}
	dgen__outbox_finish(&outbox, false);
	CHECK(outbox.nsends == 0 && outbox.sends == NULL);
}

static void
reply_copies_its_text(void)
{
	dgen__outbox outbox = {0};

	if (dgen__outbox_reply(&outbox, 7, "12345", 2) == 0)
	{
		CHECK(outbox.nreplies == 1 && outbox.replies[0].request == 7);
		CHECK_TEXT(outbox.replies[0].reply, "12");
	}
	dgen__outbox_finish(&outbox, true);
	CHECK(outbox.nreplies == 0 && outbox.replies == NULL);
}

static void
failure_copies_its_text(void)
{
	dgen__outbox outbox = {0};
	char error[] = "no \xff";

	if (dgen__outbox_fail(&outbox, 7, error, "ZD400") == 0)
	{
		error[0] = 'x';
		CHECK(outbox.nreplies == 1 && outbox.replies[0].reply == NULL);
		CHECK_TEXT(outbox.replies[0].error, "no ?");
		CHECK_TEXT(outbox.replies[0].sqlstate, "ZD400");
	}
	dgen__outbox_finish(&outbox, true);
}

static void
undo_drops_what_came_after(void)
{
	dgen__outbox outbox = {0};
	dgen__send send = {.type = "t", .key = "k", .message = "1"};
	dgen__outbox_mark mark;

	(void) dgen__outbox_send(&outbox, &send, 1);
	(void) dgen__outbox_reply(&outbox, 1, "1", 1);
	mark = dgen__outbox_mark_now(&outbox);
	for (int i = 0; i < 20; i++)
	{
		(void) dgen__outbox_send(&outbox, &send, 1);
		(void) dgen__outbox_reply(&outbox, 2, "2", 1);
		(void) dgen__outbox_fail(&outbox, 2, "no", "ZD400");
	}
	dgen__outbox_undo(&outbox, mark);
	CHECK(outbox.nsends == 1 && outbox.nreplies == 1);
	dgen__outbox_finish(&outbox, true);
}

static void
actions_run_after_a_commit_each_with_its_release(void)
{
	dgen__outbox outbox = {0};

	(void) add_action(&outbox, "a", true);
	(void) add_action(&outbox, "b", false);
	(void) add_action(&outbox, "c", true);
	dgen__outbox_finish(&outbox, true);
	check_trace("act a,release a,act b,act c,release c,");
}

static void
releases_run_without_a_commit(void)
{
	dgen__outbox outbox = {0};

	(void) add_action(&outbox, "a", true);
	(void) add_action(&outbox, "b", true);
	dgen__outbox_finish(&outbox, false);
	check_trace("release a,release b,");
}

static void
releases_run_on_undo(void)
{
	dgen__outbox outbox = {0};
	dgen__outbox_mark mark;

	(void) add_action(&outbox, "a", true);
	mark = dgen__outbox_mark_now(&outbox);
	(void) add_action(&outbox, "b", true);
	(void) add_action(&outbox, "c", true);
	dgen__outbox_undo(&outbox, mark);
	check_trace("release b,release c,");
	dgen__outbox_finish(&outbox, true);
	check_trace("act a,release a,");
}

static const tap_test tests[] = {
	TEST(send_copies_its_texts),
	TEST(reply_copies_its_text),
	TEST(failure_copies_its_text),
	TEST(undo_drops_what_came_after),
	TEST(actions_run_after_a_commit_each_with_its_release),
	TEST(releases_run_without_a_commit),
	TEST(releases_run_on_undo),
};

TAP_MAIN(tests)
