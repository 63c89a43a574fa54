"""Which records and captions to train on: a chain of pure steps over records, with counts and reasons.

step          what a step is: it looks at everything once if it has to, and then decides about each record
chain         several steps over a slice of the records
slices        what a pass leaves of a slice on the disk, as columns
work          all slices in several processes, and going on after an interruption
outcome       slices joined: ids to keep, scores, and a report

text          which captions of a record are read, and their words
match, entries, balance    MetaCLIP: entries that texts contain, and no entry more often than t
alt_text      ALIGN: texts that many images share, short and long ones, rare words, small images
deduplicate, hamming       Less is More: near-equal difference hashes within a group
groups, near  one of several records that are alike, within each group
basic_filter  DataComp: length and language of texts, size and shape of images
fuse_captions FuseCap: a caption with what it does not mention
add_regions   Image Textualization: a caption with what was seen in regions
gazetteer     MOFI: entities with aliases and descriptions, and which a text may be about
where, attribution         PASS: licences, tags and scores, and who is to be named
"""

from input_pipeline.curation.step import Decision, Item, Step, Written
from input_pipeline.curation.work import Request, StepEntry, WorkerFailed, curate

__all__ = ["Decision", "Item", "Request", "Step", "StepEntry", "WorkerFailed", "Written", "curate"]
