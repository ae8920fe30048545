"""Other words for the verbs and nouns of instructions, written by hand for IIS-hard; no embedder of ours uses them."""

from __future__ import annotations

import random
import re

from answerspace.instructions.task_labels import TaskLabel

VERBS = {
    "write": "draft", "generate": "produce", "create": "craft", "make": "produce", "give": "supply",
    "provide": "supply", "describe": "depict", "explain": "clarify", "identify": "pinpoint", "find": "locate",
    "determine": "ascertain", "classify": "categorize", "categorize": "classify", "predict": "forecast",
    "suggest": "recommend", "recommend": "suggest", "propose": "recommend", "list": "enumerate", "name": "enumerate",
    "summarize": "condense", "rewrite": "rephrase", "rephrase": "rewrite", "edit": "revise", "revise": "edit",
    "calculate": "compute", "compute": "calculate", "choose": "pick", "select": "pick", "pick": "select",
    "analyze": "examine", "evaluate": "assess", "assess": "evaluate", "design": "devise", "construct": "build",
    "build": "construct", "convert": "transform", "transform": "convert", "remove": "delete", "delete": "remove",
    "add": "insert", "insert": "add", "arrange": "organize", "organize": "arrange", "sort": "order",
    "detect": "spot", "develop": "devise", "compose": "draft", "correct": "fix", "fix": "correct",
    "paraphrase": "reword", "reword": "paraphrase", "outline": "sketch", "rank": "grade", "output": "return",
    "return": "output", "print": "display", "display": "print", "count": "tally", "extract": "retrieve",
    "imagine": "picture", "research": "investigate", "devise": "invent", "show": "display", "change": "alter",
    "modify": "alter", "replace": "exchange", "combine": "merge", "merge": "combine", "locate": "find",
    "state": "declare", "decide": "determine", "brainstorm": "invent", "compile": "assemble", "present": "display",
    "discuss": "debate", "mention": "cite", "improve": "enhance", "prepare": "draft", "review": "examine",
    "compare": "contrast", "investigate": "research", "highlight": "stress", "estimate": "gauge",
}  # fmt: skip
NOUNS = {
    "story": "tale", "poem": "verse", "essay": "composition", "summary": "synopsis", "title": "heading",
    "headline": "heading", "example": "instance", "paragraph": "passage", "question": "query", "answer": "reply",
    "response": "reply", "topic": "subject", "type": "kind", "kind": "type", "category": "class", "step": "stage",
    "reason": "cause", "cause": "reason", "effect": "consequence", "impact": "effect", "benefit": "advantage",
    "advantage": "benefit", "disadvantage": "drawback", "difference": "distinction", "similarity": "likeness",
    "characteristic": "trait", "feature": "attribute", "component": "part", "element": "component", "word": "term",
    "phrase": "expression", "plot": "storyline", "movie": "film", "song": "tune", "tip": "hint",
    "quote": "quotation", "joke": "gag", "slogan": "catchphrase", "number": "figure", "sum": "total",
    "average": "mean", "amount": "quantity", "price": "cost", "cost": "price", "algorithm": "procedure",
    "image": "picture", "picture": "image", "advertisement": "commercial", "review": "critique", "plan": "scheme",
    "schedule": "timetable", "solution": "remedy", "problem": "issue", "issue": "problem", "technique": "method",
    "method": "technique", "skill": "ability", "place": "location", "location": "place", "country": "nation",
    "city": "town", "person": "individual", "animal": "creature", "product": "item", "company": "firm",
    "business": "enterprise", "customer": "client", "text": "passage", "passage": "text", "dialogue": "conversation",
    "dialog": "conversation", "conversation": "dialogue", "presentation": "talk", "speech": "talk",
    "sentiment": "feeling", "emotion": "feeling", "goal": "aim", "purpose": "aim", "meaning": "sense",
    "mistake": "error", "error": "mistake", "outcome": "result", "result": "outcome", "trend": "tendency",
    "challenge": "difficulty", "strategy": "tactic", "list": "catalogue", "idea": "notion", "email": "message",
    "letter": "missive", "article": "write-up", "statement": "assertion", "sentence": "clause", "argument": "case",
    "opinion": "view", "rule": "regulation", "test": "exam", "game": "pastime", "job": "occupation",
    "task": "assignment", "explanation": "clarification", "description": "portrayal", "analysis": "examination",
    "report": "account", "adjective": "modifier", "program": "application", "app": "application", "thing": "item",
    "item": "article", "theme": "motif", "factor": "aspect", "way": "means", "fact": "truth", "synonym": "equivalent",
    "haiku": "verse", "tweet": "post", "post": "entry", "outline": "sketch", "date": "day", "book": "volume",
}  # fmt: skip


def reword(text: str, pair: TaskLabel, rng: random.Random) -> str | None:
    """The text with the pair's verb and noun replaced by other words; None when one has none or stands nowhere.

    >>> reword("Write three stories about the sea.", TaskLabel("write", "story"), random.Random(0))
    'Draft three tales about the sea.'
    """
    if pair.verb not in VERBS or pair.noun not in NOUNS:
        return None
    changed = _replaced(text, pair.verb, VERBS[pair.verb])
    return None if changed is None else _replaced(changed, pair.noun, NOUNS[pair.noun])


def _replaced(text: str, word: str, other: str) -> str | None:
    """Every form of the word replaced by the like form of the other; None when there is no such form."""
    forms = [(f"{word[:-1]}ies" if word.endswith("y") else f"{word}(?:e?s)", _plural(other)), (word, other)]
    count = 0
    for pattern, new in forms:

        def put(found: re.Match[str], new: str = new) -> str:
            return new.capitalize() if found[0][0].isupper() else new

        text, changed = re.subn(rf"\b{pattern}\b", put, text, flags=re.IGNORECASE)
        count += changed
    return text if count else None


def _plural(word: str) -> str:
    if word.endswith("y") and word[-2] not in "aeiou":
        return word[:-1] + "ies"
    return word if word == "means" else word + ("es" if word.endswith(("s", "x", "ch", "sh")) else "s")
