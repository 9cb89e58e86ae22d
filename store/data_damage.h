/*
 * data_damage.h: the part of data_impl.h, which includes it, about block
 * checksums and the quarantine; for the files of data.c alone.
 */
#ifndef STORE_DATA_DAMAGE_H
#define STORE_DATA_DAMAGE_H

#include <stdatomic.h>

/* data_sums.c */
void		 data_sum_path(const struct data *, char *out, size_t n,
		    unsigned k, uint64_t gen);
/* Of an open generation: none yet; or what the file beside it says, if it fits. */
void		 gen_sums_new(struct data *, struct gen *);
void		 gen_sums_load(struct data *, struct gen *, unsigned k,
		    const struct manifest_gen *, const struct sums_seal *found);
void		 gen_sums_free(struct gen *);
void		 gen_sums_remove(const struct data *, unsigned k, uint64_t gen);
/*
 * On the helper's thread, after MANIFEST: sums up to end and writes that.
 * E_DAMAGED: a block is not what it was; else failures are no harm.
 */
enum err	 gen_sums_commit(const struct data *, struct sums *, unsigned k,
		    int fd, uint64_t end);
/* The same at an orderly stop, of a closed file, and what it looks like then. */
void		 gen_sums_seal(const struct data *, struct sums *, unsigned k,
		    const struct manifest_gen *);

/* data_salvage.c */
/*
 * Makes file k anew from what is whole of the generations that MANIFEST names.
 * What a slot has lost then answers E_DAMAGED.  E_OK: open, its sums taken;
 * MANIFEST is the caller's to write.
 */
enum err	 salvage_file(struct data *, unsigned k, struct data_found *);

/* data_damage.c: reads DAMAGE; E_OK also without one. */
enum err	 damage_load(struct data *);
/* Writes what d->lost_slot says, durably; none: there is no DAMAGE then. */
enum err	 damage_write(const struct data *);
/*
 * Records of the slot may be missing.  What is dead or expired stays in it then,
 * and says that this key is not: bytes of those count as kept of a file.
 */
static inline int
data_slot_lost(const struct data *d, unsigned slot)
{
	return d->lost_slot[slot / 8] >> slot % 8 & 1;
}

/*
 * Around what reads file k in a way that may kill the process (tkrzw's map, a
 * start): who finds the mark afterwards knows what it died of.  They nest.
 */
static inline uint8_t
data_touch(const struct data *d, unsigned k)
{
	uint8_t	was = atomic_load_explicit(&d->conf.reading[k],
	    memory_order_relaxed);

	atomic_store_explicit(&d->conf.reading[k], 1, memory_order_relaxed);
	return was;
}

static inline void
data_touched(const struct data *d, unsigned k, uint8_t was)
{
	atomic_store_explicit(&d->conf.reading[k], was, memory_order_relaxed);
}

static inline int
data_suspect(const struct data *d, unsigned k)
{
	return d->conf.suspects >> k & 1;
}

#endif
