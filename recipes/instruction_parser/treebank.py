"""UD English EWT as trees, and imperatives made out of its clauses, because the treebank itself holds few."""

from __future__ import annotations

import gzip
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path


@dataclass(frozen=True)
class Word:
    """One word; ``head`` is the number of its head, 0 for the root; numbers start at 1."""

    form: str
    lemma: str
    tag: str  # UPOS/XPOS
    head: int
    relation: str


Tree = list[Word]


def read_trees(path: Path) -> Iterator[Tree]:
    """The sentences of a CoNLL-U file; subtypes of relations are dropped but for the few that the rules use."""
    words: Tree = []
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            cells = line.rstrip("\n").split("\t")
            if len(cells) == 10 and cells[0].isdigit():
                relation = cells[7].split(":")[0]
                words.append(Word(cells[1], cells[2], f"{cells[3]}/{cells[4]}", int(cells[6]), relation))
            elif not line.strip() and words:
                yield words
                words = []
    if words:
        yield words


def children(tree: Tree) -> list[list[int]]:
    """For each number (0 is the root's head) the numbers of its dependents."""
    found: list[list[int]] = [[] for _ in range(len(tree) + 1)]
    for i, word in enumerate(tree, 1):
        found[word.head].append(i)
    return found


def subtree(tree: Tree, top: int, without: frozenset[str] = frozenset()) -> list[int]:
    """The numbers below and with ``top`` in order; dependents of the top with a relation in ``without`` are left."""
    below = children(tree)
    kept, todo = [top], [c for c in below[top] if tree[c - 1].relation not in without]
    while todo:
        at = todo.pop()
        kept.append(at)
        todo += below[at]
    return sorted(kept)


def cut(tree: Tree, numbers: Sequence[int], top: int, relation: str, head: int = 0) -> Tree:
    """The words with these numbers as a tree of their own; ``top`` gets the relation and the head given."""
    place = {old: new for new, old in enumerate(numbers, 1)}
    return [
        replace(tree[i - 1], head=place[tree[i - 1].head])
        if i != top
        else replace(tree[i - 1], head=head, relation=relation)
        for i in numbers
    ]


def shifted(tree: Tree, by: int, top_head: int) -> Tree:
    """The tree moved ``by`` places to the right, its root hung on ``top_head``."""
    return [replace(word, head=word.head + by if word.head else top_head) for word in tree]


AFTER = frozenset({"punct", "parataxis", "conj", "cc"})  # branches after a verb that its command does without


def _listed(words: str) -> list[str]:
    return words.split()


VERBS = _listed(
    "outline sort edit rewrite rank list name rate draft design sketch format group answer question summarize "
    "paraphrase classify categorize describe explain generate create write compose construct make give provide "
    "suggest propose recommend identify find detect locate determine decide predict estimate calculate compute "
    "convert translate transform replace remove delete add insert append combine merge split divide multiply "
    "compare contrast analyze evaluate assess judge critique review revise correct fix proofread check verify "
    "match pair label tag mark highlight underline order arrange organize structure plan schedule budget "
    "brainstorm invent imagine develop build implement code program debug test optimize simplify expand shorten "
    "condense elaborate discuss debate argue state define interpret infer deduce conclude extract select choose "
    "pick filter collect gather compile tabulate graph chart plot draw map outline illustrate present report "
    "pitch advertise market brand title caption headline rhyme rephrase reword reformulate restate reverse "
    "capitalize count measure weigh solve prove derive factor integrate simulate model visualize narrate tell "
    "share show teach guide instruct advise quote cite reference research explore investigate study trace track "
    "record document note read spell punctuate abbreviate tokenize parse segment cluster rearrange reorder assign "
    "allocate complete fill finish continue extend begin start produce craft formulate devise conceptualize "
    "concoct brew cook bake prepare output print return display input enter submit send reply respond order book "
    "set update modify change adapt alter adjust customize tailor substitute swap unscramble decode encode "
    "encrypt"
)
NOUNS = _listed(
    "list sentence story poem essay paragraph article summary title headline caption slogan tagline tweet post "
    "email letter review description explanation example analogy metaphor simile joke riddle pun haiku limerick "
    "song lyric rap recipe menu plan schedule itinerary budget strategy campaign proposal report outline "
    "presentation speech dialogue conversation script scene character plot setting theme question answer quiz "
    "test survey fact statistic quote proverb idiom phrase word synonym antonym definition term concept topic "
    "subject idea tip step way method technique solution problem issue reason cause effect benefit advantage "
    "disadvantage difference similarity characteristic feature property component element ingredient part type "
    "kind category class genre tone mood sentiment emotion function program code algorithm query script class "
    "method variable array string number integer equation expression formula sum product average area volume "
    "perimeter distance price cost amount percentage probability ratio table chart graph diagram map timeline "
    "image picture photo logo website app game product service company business customer user person people "
    "animal plant country city place movie book song artist text document passage statement dialog message news "
    "data dataset input output error mistake grammar spelling punctuation pronoun noun verb adjective adverb "
    "tense letter digit symbol pattern sequence order rank score rating gift activity event party trip hobby "
    "habit exercise workout diet meal snack dish drink color shape object item"
)
IN_THIS_TASK = "ADP/IN:case:3 DET/DT:det:3 NOUN/NN:obl:V PUNCT/,:punct:V PRON/PRP:nsubj:V AUX/MD:aux:V"
FRAMES = {  # words before an imperative that hang on its verb, as (form, tag, relation)
    "in this task , you will": IN_THIS_TASK,
    "in this task , you should": IN_THIS_TASK,
    "you must": "PRON/PRP:nsubj:V AUX/MD:aux:V",
    "you should": "PRON/PRP:nsubj:V AUX/MD:aux:V",
    "you will": "PRON/PRP:nsubj:V AUX/MD:aux:V",
    "can you": "AUX/MD:aux:V PRON/PRP:nsubj:V",
    "could you": "AUX/MD:aux:V PRON/PRP:nsubj:V",
    "could you please": "AUX/MD:aux:V PRON/PRP:nsubj:V INTJ/UH:discourse:V",
    "please": "INTJ/UH:discourse:V",
    "now": "ADV/RB:advmod:V",
    "then": "ADV/RB:advmod:V",
    "next ,": "ADV/RB:advmod:V PUNCT/,:punct:V",
    "finally ,": "ADV/RB:advmod:V PUNCT/,:punct:V",
}


class ImperativeMaker:
    """Recombines verbs, objects and modifiers of a treebank into commands with known trees."""

    def __init__(self, trees: Sequence[Tree], seed: int = 0) -> None:
        self.rng = random.Random(seed)
        self.clauses = [(tree, i) for tree in trees for i in _verbs_with_object(tree)]
        self.objects: list[Tree] = []
        self.modifiers: list[Tree] = []
        for tree in trees:
            for i, word in enumerate(tree, 1):
                numbers = subtree(tree, i)
                if word.relation == "obj" and word.tag.startswith("NOUN") and len(numbers) <= 12:
                    self.objects.append(cut(tree, numbers, i, "obj"))
                if word.relation == "obl" and word.tag.startswith("NOUN") and 2 <= len(numbers) <= 8:
                    self.modifiers.append(cut(tree, numbers, i, "obl"))

    def make(self) -> Tree:
        """One command."""
        kind = self.rng.random()
        if kind < 0.45:
            body = self._from_clause()
        elif kind < 0.85:
            body = self._recombined()
        else:
            body = self._conjoined()
        body = self._with_given(body)
        body = self._with_lead_in(body)
        body = [replace(body[0], form=body[0].form[:1].upper() + body[0].form[1:]), *body[1:]]
        if self.rng.random() < 0.75:
            root = next(i for i, word in enumerate(body, 1) if word.head == 0)
            body = [*body, Word(".", ".", "PUNCT/.", root, "punct")]
        return body

    def _from_clause(self) -> Tree:
        """A clause of the treebank without what stands before its verb, the verb in its base form."""
        tree, verb = self.rng.choice(self.clauses)
        kept = [verb]
        for child in children(tree)[verb]:
            branch = subtree(tree, child)
            if branch[0] > verb and tree[child - 1].relation not in AFTER:
                kept += branch
        kept.sort()
        body = cut(tree, kept, verb, "root")
        return [self._verb(body[0], swap=0.35), *body[1:]]

    def _recombined(self) -> Tree:
        """verb (me/us) object (modifier)."""
        verb = self._verb(Word("do", "do", "VERB/VB", 0, "root"), swap=1.0)
        body = [verb]
        if self.rng.random() < 0.12:
            body.append(Word(self.rng.choice(["me", "us"]), "I", "PRON/PRP", 1, "iobj"))
        body += shifted(self._object(), len(body), 1)
        chance = self.rng.random()
        if chance < 0.4:
            body += shifted(self.rng.choice(self.modifiers), len(body), 1)
        elif chance < 0.55:  # "to ..." and "that ..." after the object
            to = [Word("to", "to", "PART/TO", 2, "mark"), self._verb(verb, swap=1.0)]
            body += [*shifted(to[:1], len(body), 0), replace(to[1], head=1, relation="advcl")]
            body += shifted(self._object(), len(body), len(body))
        return body

    def _conjoined(self) -> Tree:
        """Two commands joined by "and"."""
        first, second = self._recombined(), self._recombined()
        joined = [*first, Word("and", "and", "CCONJ/CC", len(first) + 2, "cc")]
        moved = shifted(second, len(joined), 1)
        moved[0] = replace(moved[0], relation="conj")
        return joined + moved

    def _object(self) -> Tree:
        chosen = self.rng.choice(self.objects)
        if self.rng.random() < 0.55:
            top = next(i for i, word in enumerate(chosen) if word.head == 0)
            noun = self.rng.choice(NOUNS)
            chosen = [*chosen]
            form, tag = (_plural(noun), "NOUN/NNS") if chosen[top].tag == "NOUN/NNS" else (noun, "NOUN/NN")
            chosen[top] = replace(chosen[top], form=form, lemma=noun, tag=tag)
        if self.rng.random() < 0.5:
            return chosen
        noun = self.rng.choice(NOUNS)
        kind = self.rng.choice(
            ["a", "the", "the following", "the given", "five", "three", "some", "", "this", "a short"]
        )
        words = kind.split()
        plural = kind in {"five", "three", "some", ""}
        tags = {
            "following": "VERB/VBG:amod",
            "given": "VERB/VBN:amod",
            "five": "NUM/CD:nummod",
            "three": "NUM/CD:nummod",
            "short": "ADJ/JJ:amod",
        }
        compound = [self.rng.choice(NOUNS)] if self.rng.random() < 0.3 else []
        top = len(words) + len(compound) + 1
        made = []
        for word in words:
            tag, relation = tags.get(word, "DET/DT:det").split(":")
            made.append(Word(word, word, tag, top, relation))
        made += [Word(word, word, "NOUN/NN", top, "compound") for word in compound]
        made.append(Word(_plural(noun) if plural else noun, noun, "NOUN/NNS" if plural else "NOUN/NN", 0, "obj"))
        return made

    def _verb(self, word: Word, swap: float) -> Word:
        lemma = self.rng.choice(VERBS) if self.rng.random() < swap else word.lemma
        return replace(word, form=lemma, lemma=lemma, tag="VERB/VB")

    def _with_given(self, body: Tree) -> Tree:
        """ "Given a list of words, ..." before the command."""
        if self.rng.random() > 0.15:
            return body
        noun_phrase = self._object()
        top = next(i for i, word in enumerate(noun_phrase, 1) if word.head == 0) + 1
        lead = [Word("given", "give", "VERB/VBN", top, "case"), *shifted(noun_phrase, 1, 0)]
        root = next(i for i, word in enumerate(body, 1) if word.head == 0) + len(lead) + 1
        lead = [replace(word, head=root, relation="obl") if i == top else word for i, word in enumerate(lead, 1)]
        comma = Word(",", ",", "PUNCT/,", root, "punct")
        moved = [replace(word, head=word.head + len(lead) + 1 if word.head else 0) for word in body]
        return [*lead, comma, *moved]

    def _with_lead_in(self, body: Tree) -> Tree:
        """ "In this task, you will ..." and the like before the command."""
        if self.rng.random() > 0.2:
            return body
        phrase = self.rng.choice(list(FRAMES))
        forms, parts = phrase.split(), FRAMES[phrase].split()
        root = next(i for i, word in enumerate(body, 1) if word.head == 0) + len(forms)
        made = []
        for form, part in zip(forms, parts, strict=True):
            tag, relation, head = part.split(":")
            made.append(Word(form, form, tag, root if head == "V" else int(head), relation))
        moved = [replace(word, head=word.head + len(forms) if word.head else 0) for word in body]
        return [*made, *moved]


def _verbs_with_object(tree: Tree) -> list[int]:
    below = children(tree)
    return [
        i
        for i, word in enumerate(tree, 1)
        if word.tag.startswith("VERB")
        and any(tree[c - 1].relation == "obj" and c > i and tree[c - 1].tag.startswith("NOUN") for c in below[i])
        and word.lemma.isalpha()
    ]


def _plural(noun: str) -> str:
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + ("es" if noun.endswith(("s", "x", "ch", "sh")) else "s")
