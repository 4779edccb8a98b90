/*
 * What happens when the library is loaded.
 */
#include "postgres.h"

#include "actor/actor_type.h"
#include "base/base.h"
#include "init/init.h"
#include "protocol/attach.h"
#include "protocol/protocol.h"
#include "turn/leftovers.h"
#include "turn/noted.h"
#include "wake/wake.h"
#include "worker/workers.h"

PG_MODULE_MAGIC;

PGDLLEXPORT void _PG_init(void);

void
_PG_init(void)
{
	dgen_define_gucs();
	dgen_session_end_init();
	dgen_session_mark_init();
	dgen_actor_type_init();
	dgen_wakeup_init();
	dgen_session_init();
	dgen_start_workers_init();
	dgen_vacate_init();
	dgen_launcher_init();
	dgen_leftovers_init();
	dgen_prepared_init();
	dgen_noted_init();
}
