/*
 * Building jsonb, by version.
 */
#ifndef DGEN_VERSION_JSONB_H
#define DGEN_VERSION_JSONB_H

#include "postgres.h"

#include "utils/jsonb.h"

/* Builds a jsonb value token by token. Zeroed at the beginning. */
typedef struct JsonbBuilder
{
#if PG_VERSION_NUM >= 190000
	JsonbInState state;
#else
	JsonbParseState *state;
	JsonbValue *result;
#endif
} JsonbBuilder;

static inline void
dgen_push_jsonb(JsonbBuilder *builder, JsonbIteratorToken token, JsonbValue *value)
{
#if PG_VERSION_NUM >= 190000
	pushJsonbValue(&builder->state, token, value);
#else
	builder->result = pushJsonbValue(&builder->state, token, value);
#endif
}

/* Call it after the last token. */
static inline Jsonb *
dgen_built_jsonb(JsonbBuilder *builder)
{
#if PG_VERSION_NUM >= 190000
	return JsonbValueToJsonb(builder->state.result);
#else
	return JsonbValueToJsonb(builder->result);
#endif
}

#endif /* DGEN_VERSION_JSONB_H */
