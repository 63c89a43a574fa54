"""The host side: from files to fixed-shape numpy batches. Imports neither jax nor vlp.

sources/            files -> random access to Records
records, decode     what a Record is, why one may be bad, bytes -> pixels
views/              Record -> what one training example shows (image crop, chosen caption)
tokenizers/         text -> ids and mask
shuffle, examples, host_batches, stream
                    the training stream, a pure function of (seed, global index)
first_look          some records of each source before the first step: what no record can give is said at once
watchdog, orphans   what happens when no batch comes, and when a run is killed
evaluation_set      an evaluation split in a fixed order
whole_files, addresses, patterns
                    leaves that know no data: writing, what of an address may be shown, paths that may be patterns
prepare/            any source -> ArrayRecord shards, smaller and clean
inspect/            what data is, what training will see of it, and how fast
"""
