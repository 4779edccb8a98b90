/*
 * Processes, and what they share, by version.
 */
#ifndef DGEN_VERSION_PROCESS_H
#define DGEN_VERSION_PROCESS_H

#include "postgres.h"

#include "storage/lwlock.h"
#include "storage/proc.h"
#include "utils/wait_event.h"

/* The position of a backend in the array of PGPROCs: identifies a session among the live ones. */
#if PG_VERSION_NUM >= 170000
#define DGEN_MY_PROCNO ((int) MyProcNumber)
#define DGEN_MY_LXID (MyProc->vxid.lxid)
#else
#define DGEN_MY_PROCNO (MyProc->pgprocno)
#define DGEN_MY_LXID (MyProc->lxid)
#endif

/* 17 made it a property of the backend type. */
#if PG_VERSION_NUM >= 170000
#define DGEN_IS_BACKGROUND_WORKER AmBackgroundWorkerProcess()
#else
#define DGEN_IS_BACKGROUND_WORKER IsBackgroundWorker
#endif

/* 19 has one per kind of process. */
#if PG_VERSION_NUM >= 190000
#define DGEN_LOG_MIN_MESSAGES log_min_messages[MyBackendType]
#else
#define DGEN_LOG_MIN_MESSAGES log_min_messages
#endif

/*
 * Bytes that the client has sent and the server has read, at least so many: before 17 it
 * it is only known whether there are some.
 */
#if PG_VERSION_NUM >= 170000
extern ssize_t pq_buffer_remaining_data(void);
#define DGEN_BUFFERED_INPUT() pq_buffer_remaining_data()
#else
extern bool pq_buffer_has_data(void);
#define DGEN_BUFFERED_INPUT() (pq_buffer_has_data() ? 1 : 0)
#endif

/* 19 names a tranche where it is made; before, each process does it. */
static inline int
dgen_new_tranche(const char *name)
{
#if PG_VERSION_NUM >= 190000
	return LWLockNewTrancheId(name);
#else
	return LWLockNewTrancheId();
#endif
}

static inline void
dgen_name_tranche(int tranche, const char *name)
{
#if PG_VERSION_NUM < 190000
	LWLockRegisterTranche(tranche, name);
#endif
}

/* 19 tells a signal handler which process sent it. */
#if PG_VERSION_NUM >= 190000
#define DGEN_SIGNAL_ARGUMENTS postgres_signal_arg, pg_siginfo
#else
#define DGEN_SIGNAL_ARGUMENTS postgres_signal_arg
#endif

/* 17 lets extensions name their wait events. */
#if PG_VERSION_NUM >= 170000
#define DGEN_WAIT_EVENT(name) WaitEventExtensionNew(name)
#else
#define DGEN_WAIT_EVENT(name) PG_WAIT_EXTENSION
#endif

#endif /* DGEN_VERSION_PROCESS_H */
