/*
 * A conversation that cannot continue: when to try again, and how all operations in progress end.
 */
#include <poll.h>
#include <string.h>

#include "base/error.h"
#include "client/client.h"
#include "client/operation.h"
#include "client/pipeline.h"
#include "server/connection.h"

#define CONNECT_MIN_MS 100
#define CONNECT_MAX_MS 10000

int
dgen__pipeline_backoff_ms(dgen__async *async)
{
	return dgen__backoff_ms(&async->random, ++async->attempts, CONNECT_MIN_MS, CONNECT_MAX_MS);
}

/* An error that ends what can go no further also is step's: it says more than each of them can do. */
void
dgen__pipeline_end_all(dgen_client *client, const dgen__error *why)
{
	dgen__async *async = client->async;

	if (async->failure.code == 0)
		(void) dgen__fail_error(&async->failure, why);
	dgen__operations_end_all(client, why);
}
