"""Steps of a curation that go by embeddings which --job=embed left, so that none of them loads a model.

embedded        such a folder: images by source and id, texts by themselves
clip_score      pairs by their cosine, above a threshold or the best share of them
best_captions   RS5M: the best of several captions of an image
match_captions  GIST: descriptions of its class that are nearest to an image
verify_nouns    Image Textualization: mentions of things that an image does not show
entities        MOFI: which entity of those that a text mentions an image shows
near_images     Less is More by features: one of images that are near each other, in each group
semdedup        SemDeDup: images that are near another of their cluster
nearness        which rows are near one before them, exactly and in blocks
near_classes    DataComp: images whose cluster has images of known classes
clusters        what --job=cluster left: the cluster of each record
shown           some records before and after, for the page
"""
