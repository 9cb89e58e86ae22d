/*
 * client_drive_cache.c: client_drive's command for the short forms of
 * wharf_cache.h (client_drive.h).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/client_drive.h"

/* The words of a line, and what came of it. */
struct said {
	uint8_t			*key, *hash, *val;
	size_t			 keylen, hashlen, vallen;
	int64_t			 n;		/* given, then answered */
	int			 number;	/* the answer is one */
	struct wharf_answer	 a;
};

typedef enum wharf_status form_fn(struct said *);

static enum wharf_status
form_get(struct said *s)
{
	return wharf_cache_get(drive_w, s->key, s->keylen, &s->a);
}

static enum wharf_status
form_put(struct said *s)
{
	return wharf_cache_put(drive_w, s->key, s->keylen, s->val, s->vallen,
	    s->n);
}

static enum wharf_status
form_append(struct said *s)
{
	return wharf_cache_append(drive_w, s->key, s->keylen, s->val,
	    s->vallen);
}

static enum wharf_status
form_exist(struct said *s)
{
	return wharf_cache_exist(drive_w, s->key, s->keylen);
}

static enum wharf_status
form_del(struct said *s)
{
	return wharf_cache_del(drive_w, s->key, s->keylen);
}

static enum wharf_status
form_ttl(struct said *s)
{
	s->number = 1;
	return wharf_cache_ttl(drive_w, s->key, s->keylen, &s->n);
}

static enum wharf_status
form_expire(struct said *s)
{
	return wharf_cache_expire(drive_w, s->key, s->keylen, s->n);
}

static enum wharf_status
form_persist(struct said *s)
{
	return wharf_cache_persist(drive_w, s->key, s->keylen);
}

static enum wharf_status
form_hget(struct said *s)
{
	return wharf_cache_hget(drive_w, s->hash, s->hashlen, s->key,
	    s->keylen, &s->a);
}

static enum wharf_status
form_hset(struct said *s)
{
	return wharf_cache_hset(drive_w, s->hash, s->hashlen, s->key,
	    s->keylen, s->val, s->vallen);
}

static enum wharf_status
form_hexist(struct said *s)
{
	return wharf_cache_hexist(drive_w, s->hash, s->hashlen, s->key,
	    s->keylen);
}

static enum wharf_status
form_hdel(struct said *s)
{
	return wharf_cache_hdel(drive_w, s->hash, s->hashlen, s->key,
	    s->keylen);
}

static enum wharf_status
form_hincrby(struct said *s)
{
	s->number = 1;
	return wharf_cache_hincrby(drive_w, s->hash, s->hashlen, s->key,
	    s->keylen, s->n, &s->n);
}

static enum wharf_status
form_hincrbyfloat(struct said *s)
{
	s->val[s->vallen] = '\0';	/* unhex has room for it */
	return wharf_cache_hincrbyfloat(drive_w, s->hash, s->hashlen, s->key,
	    s->keylen, (const char *)s->val, &s->a);
}

static const struct {
	const char	*name;
	form_fn		*fn;
} forms[] = {
	{ "get", form_get }, { "put", form_put }, { "append", form_append },
	{ "exist", form_exist }, { "del", form_del }, { "ttl", form_ttl },
	{ "expire", form_expire }, { "persist", form_persist },
	{ "hget", form_hget }, { "hset", form_hset },
	{ "hexist", form_hexist }, { "hdel", form_hdel },
	{ "hincrby", form_hincrby }, { "hincrbyfloat", form_hincrbyfloat }
};

static void
print_said(const struct said *s, enum wharf_status e)
{
	printf("%s ", wharf_status_name(e));
	if (s->number && e == WHARF_OK)
		printf("%lld", (long long)s->n);
	else
		print_hex(s->a.value, e == WHARF_OK ? s->a.length : 0);
	printf("\n");
}

void
drive_cache(char **word)
{
	struct said		 s = { 0 };
	enum wharf_status	 e = WHARF_UNKNOWN;
	size_t			 i;
	const char		*none[] = { "-", "-", "0" };

	for (i = 0; i < 3 && word[3 + i] != NULL; i++)
		none[i] = word[3 + i];
	s.key = unhex(word[2], &s.keylen);
	s.hash = unhex(none[0], &s.hashlen);
	s.val = unhex(none[1], &s.vallen);
	s.n = strtoll(none[2], NULL, 10);
	for (i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		if (strcmp(word[1], forms[i].name) == 0)
			e = forms[i].fn(&s);
	print_said(&s, e);
	free(s.key);
	free(s.hash);
	free(s.val);
}
