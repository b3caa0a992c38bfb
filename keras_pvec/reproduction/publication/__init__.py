"""Small tables of results in a repository, and pages made of nothing but them.

Nothing here needs a Keras backend, runs or images.
"""

from keras_pvec.reproduction.publication.collect import (
    PublishedStudy,
    collect_results,
)
from keras_pvec.reproduction.publication.headline import headline, replace_headline
from keras_pvec.reproduction.publication.page import render_page
from keras_pvec.reproduction.publication.read import (
    PublicationError,
    PublishedResults,
    read_published,
)

__all__ = [
    "PublicationError",
    "PublishedResults",
    "PublishedStudy",
    "collect_results",
    "headline",
    "read_published",
    "render_page",
    "replace_headline",
]
