/*
 * Shopping carts, and vouchers that each customer may redeem in one cart only. A rule
 * over many carts has an actor of its own: the voucher knows who has redeemed it.
 *
 *   caller ── {"voucher": "WELCOME"} ──> cart alice/2
 *                                           │ {"cart": "alice/2"}
 *                                           v
 *                                        voucher WELCOME: the first cart of a customer gets the
 *                                           │             discount, and may ask again
 *                                           │ {"percent": 10}, 0 for no
 *                                           v
 *   caller <── {"percent": 10, ...} ───── cart alice/2
 *
 * A cart (its key is CUSTOMER/ANYTHING) takes
 *   {"add": "tea", "price": 350, "count": 2}, {"voucher": "WELCOME"}, and null, which only looks;
 * it replies {"percent": 10, "total": 630}. A voucher is issued by a cast of {"issue": 10}.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <dgen.h>

/* ---- cart: entries "item:NAME", "percent", and "name", which is the key of the cart ---- */

static int64_t
member(const char *json, size_t length, const char *pointer)
{
	dgen_json value;
	int64_t number = 0;

	if (dgen_json_find(json, length, pointer, &value) == 0)
		(void) dgen_json_int64(&value, &number);
	return number;
}

static const char *
describe(dgen_turn *turn, char *text, size_t size)
{
	int64_t percent = dgen_turn_get_int64(turn, "percent", 0);
	int64_t sum = 0;
	const char *entry = NULL;
	const char *item;
	size_t length;

	while ((item = dgen_turn_scan(turn, "item:", &entry, &length)) != NULL)
		sum += member(item, length, "/price") * member(item, length, "/count");
	snprintf(text, size, "{\"percent\": %" PRId64 ", \"total\": %" PRId64 "}", percent,
			 sum * (100 - percent) / 100);
	return text;
}

static int
add_item(dgen_turn *turn, const char *name)
{
	int64_t price = dgen_turn_arg_int64(turn, "/price", -1);
	int64_t count = dgen_turn_arg_int64(turn, "/count", 1);
	char entry[128];
	char item[80];

	if (price < 0 || price > 1000000000 || count < 1 || count > 1000 || strlen(name) > 100)
		return dgen_turn_fail(turn, "that cannot be bought", "22023");
	snprintf(entry, sizeof(entry), "item:%s", name);
	snprintf(item, sizeof(item), "{\"price\": %" PRId64 ", \"count\": %" PRId64 "}", price, count);
	return dgen_turn_set(turn, entry, item, DGEN_STRLEN);
}

static int
cart_init(dgen_turn *turn, const char *message, size_t length, void *user)
{
	(void) message, (void) length, (void) user;
	return dgen_turn_set_string(turn, "name", dgen_turn_actor_key(turn));
}

/* The correlation remembers the call, which is answered when the voucher has answered. */
static int
ask_voucher(dgen_turn *turn, const char *voucher)
{
	const char *name = dgen_turn_get(turn, "name", NULL); /* as JSON, with quotes */
	char call[24];
	char message[4096]; /* a key has 512 bytes; six times that if all were to be escaped */

	if (name == NULL)
		return dgen_turn_error(turn);
	snprintf(call, sizeof(call), "%" PRId64, dgen_turn_message_id(turn));
	snprintf(message, sizeof(message), "{\"cart\": %s}", name);
	return dgen_turn_request(turn, "voucher", voucher, message, DGEN_STRLEN, call, NULL);
}

static int
cart_call(dgen_turn *turn, const char *message, size_t length, void *user)
{
	const char *item = dgen_turn_arg_string(turn, "/add", NULL);
	const char *voucher = dgen_turn_arg_string(turn, "/voucher", NULL);
	char reply[80];
	int rc = 0;

	(void) message, (void) length, (void) user;
	if (item != NULL)
		rc = add_item(turn, item);
	else if (voucher != NULL && dgen_turn_get_int64(turn, "percent", 0) == 0)
		return ask_voucher(turn, voucher);
	return rc != 0 ? rc : dgen_turn_reply(turn, describe(turn, reply, sizeof(reply)), DGEN_STRLEN);
}

/* From a voucher. One that has failed (message is null then) gives no discount. */
static int
cart_reply(dgen_turn *turn, const char *message, size_t length, void *user)
{
	int64_t call = strtoll(dgen_turn_correlation(turn), NULL, 10);
	int64_t percent = dgen_turn_arg_int64(turn, "/percent", 0);
	char reply[80];

	(void) message, (void) length, (void) user;
	if (percent > 0)
		dgen_turn_set_int64(turn, "percent", percent);
	return dgen_turn_send_reply(turn, call, describe(turn, reply, sizeof(reply)), DGEN_STRLEN);
}

/* ---- voucher: entries "percent", and "by:CUSTOMER" with the cart that has it ---- */

static int
voucher_cast(dgen_turn *turn, const char *message, size_t length, void *user)
{
	int64_t percent = dgen_turn_arg_int64(turn, "/issue", 0);

	(void) message, (void) length, (void) user;
	if (percent < 1 || percent > 100)
		return dgen_turn_fail(turn, "a voucher is issued for 1 to 100 percent", "22023");
	return dgen_turn_set_int64(turn, "percent", percent);
}

static int
voucher_call(dgen_turn *turn, const char *message, size_t length, void *user)
{
	const char *cart = dgen_turn_arg_string(turn, "/cart", "");
	int64_t percent = dgen_turn_get_int64(turn, "percent", 0);
	const char *redeemed;
	char entry[600];
	char reply[40];

	(void) message, (void) length, (void) user;
	/* Of a voucher that was never issued nothing is to stay. */
	if (percent == 0 && dgen_turn_version(turn) == 0)
		dgen_turn_destroy(turn);

	snprintf(entry, sizeof(entry), "by:%.*s", (int) strcspn(cart, "/"), cart);
	redeemed = dgen_turn_get_string(turn, entry, NULL);
	if (redeemed != NULL && strcmp(redeemed, cart) != 0)
		percent = 0;
	if (percent > 0 && redeemed == NULL)
		dgen_turn_set_string(turn, entry, cart);
	snprintf(reply, sizeof(reply), "{\"percent\": %" PRId64 "}", percent);
	return dgen_turn_reply(turn, reply, DGEN_STRLEN);
}

/* ---- the program ---- */

static dgen_worker *worker;

static void
stop(int number)
{
	(void) number;
	dgen_worker_stop(worker);
}

int
main(void)
{
	dgen_actor_type cart = {
		.size = sizeof(cart),
		.name = "cart",
		.init = cart_init,
		.handle_call = cart_call,
		.handle_reply = cart_reply,
	};
	dgen_actor_type voucher = {
		.size = sizeof(voucher),
		.name = "voucher",
		.handle_cast = voucher_cast,
		.handle_call = voucher_call,
	};
	int rc = dgen_worker_open(&worker, "", NULL);

	signal(SIGINT, stop);
	signal(SIGTERM, stop);
	if (rc == 0)
		rc = dgen_worker_register(worker, &cart);
	if (rc == 0)
		rc = dgen_worker_register(worker, &voucher);
	if (rc == 0)
		rc = dgen_worker_run(worker);
	if (rc != 0)
		fprintf(stderr, "cart: %s\n", dgen_worker_error(worker));
	dgen_worker_close(worker);
	return rc != 0;
}
