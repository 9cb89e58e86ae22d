/*
 * brief.c: short answers.
 */
#include <inttypes.h>
#include <stdio.h>

#include "worker/brief.h"

void
brief_text(struct request *r, struct json *j, const char *const *headers)
{
	uint8_t	*text;
	size_t	 n;

	if ((text = json_take(j, &n)) != NULL) {
		plan_done(r, text, n, "text/plain", headers);
		return;
	}
	json_free(j);
	plan_fail(r, E_NOMEM, NULL);
}

void
brief_number(struct request *r, int64_t v, const char *const *headers)
{
	char	*text = NULL;
	int	 n = asprintf(&text, "%" PRId64, v);

	if (n < 0)
		plan_fail(r, E_NOMEM, NULL);
	else
		plan_done(r, (uint8_t *)text, (size_t)n, "text/plain", headers);
}
