"""Words as CKAN's indexes compare them: in lower case, reduced by the English stemmer (Snowball) in every language.

PostgreSQL's text search and Solr both have that stemmer by CKAN's default, so that "kommun" matches "kommuner".
"""

import re
import threading
import unicodedata
from functools import lru_cache

import snowballstemmer

WORD = re.compile(r"[^\W_]+")
# PostgreSQL's english.stop: words that its text search leaves out.
STOP_WORDS = frozenset(
    WORD.findall("""
    i me my myself we our ours ourselves you your yours yourself yourselves he him his himself she her hers herself
    it its itself they them their theirs themselves what which who whom this that these those am is are was were be
    been being have has had having do does did doing a an the and but if or because as until while of at by for with
    about against between into through during before after above below to from up down in out on off over under
    again further then once here there when where why how all any both each few more most other some such no nor not
    only own same so than too very s t can will just don should now
    """)
)
_stemmer = snowballstemmer.stemmer("english")
# The stemmer has a state.
_lock = threading.Lock()


@lru_cache(maxsize=65_536)
def word_stem(word: str) -> str:
    """Return the stem of a word in lower case; a word with digits is its own."""
    if any(character.isdigit() for character in word):
        return word
    with _lock:
        return str(_stemmer.stemWord(word))


@lru_cache(maxsize=65_536)
def folded_stem(word: str) -> str:
    """Return the stem of a word in any case, without accents, as Solr indexes it."""
    return folded(word_stem(word.lower()))


def folded(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in plain if not unicodedata.combining(c))
