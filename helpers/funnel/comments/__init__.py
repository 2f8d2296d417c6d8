"""What viewers wrote: what they asked, which words were new, and what was chanted or advertised.

People are counted, not messages. Nothing is deleted: engagement is given with and without chants
and advertising. Strangers' words are shown shortened and escaped; numbers that could be a phone are
masked when they are read.
"""

from helpers.funnel.comments.product_questions import about, answered, question_findings, questions
from helpers.funnel.comments.reading import latest, read
from helpers.funnel.comments.vocabulary import hot_words, word_findings, word_users
from helpers.funnel.comments.volume import engagement_findings, kinds, people_words
