"""Steps of a curation that go by embeddings which --job=embed left, so that none of them loads a model.

embedded        such a folder: images by source and id, texts by themselves
clip_score      pairs by their cosine, above a threshold or the best share of them
best_captions   RS5M: the best of several captions of an image
match_captions  GIST: descriptions of its class that are nearest to an image
verify_nouns    Image Textualization: mentions of things that an image does not show
entities        MOFI: which entity of those that a text mentions an image shows
near_classes    DataComp: images whose cluster has images of known classes
"""
