/*
 * data_damage.h: the part of data_impl.h, which includes it, about block
 * checksums and the quarantine; for the files of data.c alone.
 */
#ifndef STORE_DATA_DAMAGE_H
#define STORE_DATA_DAMAGE_H

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
/* Reads DAMAGE; E_OK also without one. */
enum err	 damage_load(struct data *);
static inline int
data_slot_lost(const struct data *d, unsigned slot)
{
	return d->lost_slot[slot / 8] >> slot % 8 & 1;
}

#endif
