/*
 * The states of actors between batches: a hash table with a list through it in the
 * order in which they were put in. The oldest are removed at the limit.
 *
 *     buckets[hash] ──> entry ──> entry          oldest <──> entry <──> entry <──> newest
 */
#include <string.h>

#include "base/memory.h"
#include "remember/cache.h"
#include "turn/state.h"

#define FIRST_BUCKETS 256

typedef struct Entry
{
	struct Entry *next_in_bucket;
	struct Entry *older;
	struct Entry *newer;
	uint64_t hash;
	size_t bytes; /* of all that it takes */
	dgen__state *state;
	int type;
	char key[];
} Entry;

struct dgen__cache
{
	Entry **buckets;
	size_t nbuckets; /* a power of 2 */
	size_t count;
	size_t bytes;
	size_t limit;
	Entry *oldest;
	Entry *newest;
};

/* FNV-1a, and a last step that makes the low bits depend on all. */
static uint64_t
hash_of(int type, const char *key)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ (uint64_t) type;

	for (; *key != '\0'; key++)
		hash = (hash ^ (unsigned char) *key) * UINT64_C(0x100000001b3);
	return hash ^ (hash >> 32);
}

dgen__cache *
dgen__cache_open(size_t limit_bytes)
{
	dgen__cache *cache = dgen__calloc(1, sizeof(dgen__cache));

	if (cache == NULL)
		return NULL;
	cache->limit = limit_bytes;
	cache->nbuckets = FIRST_BUCKETS;
	cache->buckets = dgen__calloc(cache->nbuckets, sizeof(Entry *));
	if (cache->buckets == NULL)
	{
		dgen__free(cache);
		return NULL;
	}
	return cache;
}

void
dgen__cache_close(dgen__cache *cache)
{
	if (cache == NULL)
		return;
	dgen__cache_drop(cache);
	dgen__free(cache->buckets);
	dgen__free(cache);
}

/* The link that points to the entry, or to NULL at the end of its bucket. */
static Entry **
find_link(dgen__cache *cache, uint64_t hash, int type, const char *key)
{
	Entry **link = &cache->buckets[hash & (cache->nbuckets - 1)];

	while (*link != NULL &&
		   ((*link)->hash != hash || (*link)->type != type || strcmp((*link)->key, key) != 0))
		link = &(*link)->next_in_bucket;
	return link;
}

/* Takes the entry that the link points to out, and frees it; its state is the caller's. */
static dgen__state *
take_out(dgen__cache *cache, Entry **link)
{
	Entry *entry = *link;
	dgen__state *state = entry->state;

	*link = entry->next_in_bucket;
	if (entry->older != NULL)
		entry->older->newer = entry->newer;
	else
		cache->oldest = entry->newer;
	if (entry->newer != NULL)
		entry->newer->older = entry->older;
	else
		cache->newest = entry->older;
	cache->count--;
	cache->bytes -= entry->bytes;
	dgen__free(entry);
	return state;
}

dgen__state *
dgen__cache_take(dgen__cache *cache, int type, const char *key)
{
	Entry **link = find_link(cache, hash_of(type, key), type, key);

	return *link == NULL ? NULL : take_out(cache, link);
}

static void
evict(dgen__cache *cache, Entry *entry)
{
	dgen__state_free(take_out(cache, find_link(cache, entry->hash, entry->type, entry->key)));
}

void
dgen__cache_drop(dgen__cache *cache)
{
	while (cache->oldest != NULL)
		evict(cache, cache->oldest);
}

/* Without memory for more buckets the old ones do, more slowly. */
static void
grow(dgen__cache *cache)
{
	size_t nbuckets = cache->nbuckets * 2;
	Entry **buckets = dgen__calloc(nbuckets, sizeof(Entry *));

	if (buckets == NULL)
		return;
	for (Entry *entry = cache->oldest; entry != NULL; entry = entry->newer)
	{
		Entry **bucket = &buckets[entry->hash & (nbuckets - 1)];

		entry->next_in_bucket = *bucket;
		*bucket = entry;
	}
	dgen__free(cache->buckets);
	cache->buckets = buckets;
	cache->nbuckets = nbuckets;
}

static void
insert(dgen__cache *cache, Entry *entry)
{
	Entry **bucket = &cache->buckets[entry->hash & (cache->nbuckets - 1)];

	entry->next_in_bucket = *bucket;
	*bucket = entry;
	entry->older = cache->newest;
	entry->newer = NULL;
	if (cache->newest != NULL)
		cache->newest->newer = entry;
	else
		cache->oldest = entry;
	cache->newest = entry;
	cache->count++;
	cache->bytes += entry->bytes;
}

/* Without memory the state is dropped: the server is asked for it again. */
void
dgen__cache_put(dgen__cache *cache, int type, const char *key, dgen__state *state)
{
	size_t size = sizeof(Entry) + strlen(key) + 1;
	uint64_t hash = hash_of(type, key);
	Entry **old = find_link(cache, hash, type, key);
	Entry *entry = dgen__malloc(size);

	if (*old != NULL)
		dgen__state_free(take_out(cache, old));
	if (entry == NULL)
	{
		dgen__state_free(state);
		return;
	}
	strcpy(entry->key, key);
	entry->type = type;
	entry->hash = hash;
	entry->state = state;
	entry->bytes = size + dgen__state_bytes(state);
	if (cache->count >= cache->nbuckets)
		grow(cache);
	insert(cache, entry);
	while (cache->bytes > cache->limit && cache->oldest != NULL)
		evict(cache, cache->oldest);
}
