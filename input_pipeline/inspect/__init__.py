"""Looking at data before training on it.

survey          counts and sizes of a source's records, or of a sample of them
visits          what training will show of some records, from the stream itself
contact_sheet   the same as a picture
stages          what a record costs, stage by stage
advice          what to change where the loader is too slow
"""
