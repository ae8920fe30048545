"""Train the small parser that labels instructions, and write it as one ONNX file and its tables.

    python recipes/instruction_parser/train.py --treebank DIR --output OUT --stop-after 1

The first three blocks of all-MiniLM-L6-v2, taken from the bundled model, are the start; the first stays as it is.
Trees: UD English EWT (train), and imperatives recombined from its clauses, new ones in every pass.
Needs the train extra.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections import Counter
from pathlib import Path
from typing import Any

import torch
from graph import write_graph
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.nn import functional
from treebank import ImperativeMaker, Tree, read_trees
from word_tables import lemma_tables, synonym_sets

from answerspace.backbones.bundled import bundled_folder
from answerspace.engines.bundled_config import BundledConfig
from answerspace.engines.bundled_network import Block, attention_bias

LAYERS = 3
ARC, LABEL = 160, 128
LONGEST = 160  # word pieces of a sentence
LONGEST_TREE = 36  # words; longer ones cost much and instructions are short


class ParserNetwork(nn.Module):
    """Word vectors in, scores of tags, heads and relations out."""

    def __init__(self, config: BundledConfig, tags: int, relations: int) -> None:
        super().__init__()
        d = config.dimension
        self.position = nn.Parameter(torch.zeros(LONGEST, d), requires_grad=False)
        self.norm = nn.LayerNorm(d, eps=config.norm_eps)
        self.blocks = nn.ModuleList(Block(config) for _ in range(LAYERS))
        self.tag = nn.Linear(d, tags)
        self.arc_child = nn.Linear(d, ARC)
        self.arc_head = nn.Linear(d, ARC)
        self.arc_map = nn.Linear(ARC, ARC)
        self.label_child = nn.Linear(d, LABEL)
        self.label_head = nn.Linear(d, LABEL)
        self.label_both = nn.Linear(3 * LABEL, relations)

    def frozen(self, words: Tensor, mask: Tensor) -> Tensor:
        """(B, L, D) word vectors -> states after the first block, which is not trained."""
        x = self.norm(words + self.position[: words.shape[1]])
        return self.blocks[0](x, attention_bias(mask))

    def upper(self, x: Tensor, mask: Tensor, places: Tensor) -> Tensor:
        """States of words: the pieces' places (B, W + 1), the root's first (0, the place of [CLS])."""
        bias = attention_bias(mask)
        for block in self.blocks[1:]:
            x = block(x, bias)
        return torch.gather(x, 1, places[..., None].expand(-1, -1, x.shape[2]))

    def scores(self, states: Tensor, word_mask: Tensor) -> tuple[Tensor, Tensor]:
        """Tag scores (B, W + 1, tags) and head scores (B, W + 1, W + 1), child by head."""
        child = functional.gelu(self.arc_child(states))
        head = functional.gelu(self.arc_head(states))
        arcs = self.arc_map(child) @ head.transpose(1, 2) + (head @ self.arc_map.bias)[:, None]
        return self.tag(states), arcs.masked_fill(~word_mask[:, None, :], -1e9)

    def relations(self, states: Tensor, heads: Tensor) -> Tensor:
        """(B, W + 1, relations) given each word's head."""
        child = functional.gelu(self.label_child(states))
        head = functional.gelu(self.label_head(states))
        head = torch.gather(head, 1, heads[..., None].expand(-1, -1, head.shape[2]))
        return self.label_both(torch.cat([child, head, child * head], -1))


class Data:
    """Trees as arrays."""

    def __init__(self, trees: list[Tree], tokenizer: Tokenizer, tags: list[str], relations: list[str]) -> None:
        cache: dict[str, list[int]] = {}
        tag_of, relation_of = {t: i for i, t in enumerate(tags)}, {r: i for i, r in enumerate(relations)}
        self.rows = []
        for tree in trees:
            ids, places = [101], [0]
            for word in tree:
                if word.form not in cache:
                    cache[word.form] = tokenizer.encode(word.form, add_special_tokens=False).ids or [100]
                places.append(len(ids))
                ids += cache[word.form]
            if len(ids) < LONGEST:
                gold = [[-100, -100, -100]] + [
                    [tag_of.get(w.tag, -100), w.head, relation_of.get(w.relation, -100)] for w in tree
                ]
                self.rows.append(([*ids, 102], places, gold))

    def batches(self, tokens: int, rng: random.Random | None) -> list[list[int]]:
        """Row numbers by length in batches of at most ``tokens`` padded pieces, shuffled when ``rng`` is given."""
        order = sorted(range(len(self.rows)), key=lambda i: (len(self.rows[i][0]), rng.random() if rng else 0))
        made, current, longest = [], [], 0
        for i in order:
            longest = max(longest, len(self.rows[i][0]))
            if current and longest * (len(current) + 1) > tokens:
                made.append(current)
                current, longest = [], len(self.rows[i][0])
            current.append(i)
        made.append(current)
        if rng:
            rng.shuffle(made)
        return made

    def tensors(self, batch: list[int]) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """Piece ids and mask (B, L), places and mask (B, W + 1), gold tag, head and relation (B, W + 1, 3)."""
        rows = [self.rows[i] for i in batch]
        longest, most = max(len(r[0]) for r in rows), max(len(r[1]) for r in rows)
        ids = torch.zeros(len(rows), longest, dtype=torch.long)
        mask = torch.zeros(len(rows), longest, dtype=torch.long)
        places = torch.zeros(len(rows), most, dtype=torch.long)
        word_mask = torch.zeros(len(rows), most, dtype=torch.bool)
        gold = torch.full((len(rows), most, 3), -100)
        for b, (row, at, labels) in enumerate(rows):
            ids[b, : len(row)] = torch.tensor(row)
            mask[b, : len(row)] = 1
            places[b, : len(at)] = torch.tensor(at)
            word_mask[b, : len(at)] = True
            gold[b, : len(at)] = torch.tensor(labels)
        return ids, mask, places, word_mask, gold


def start(network: ParserNetwork, weights: dict[str, Tensor]) -> Tensor:
    """Fill the blocks from the bundled reader; returns the word vectors."""
    network.position.data = (
        weights["embeddings.position.weight"][:LONGEST] + weights["embeddings.token_type.weight"][0]
    ).float()
    network.norm.weight.data = weights["embeddings.norm.weight"].float()
    network.norm.bias.data = weights["embeddings.norm.bias"].float()
    for i, block in enumerate(network.blocks):
        prefix = f"reader.{i}."
        block.load_state_dict({k.removeprefix(prefix): v.float() for k, v in weights.items() if k.startswith(prefix)})
    return weights["embeddings.word.weight"].float()


def evaluate(network: ParserNetwork, words: Tensor, data: Data) -> dict[str, float]:
    """Tag accuracy, UAS and LAS without punctuation kept apart."""
    right = Counter()
    network.eval()
    with torch.no_grad():
        for batch in data.batches(4000, None):
            ids, mask, places, word_mask, gold = data.tensors(batch)
            states = network.upper(network.frozen(words[ids], mask), mask, places)
            tags, arcs = network.scores(states, word_mask)
            heads = arcs.argmax(-1)
            labels = network.relations(states, heads).argmax(-1)
            known = gold[..., 1] >= 0
            right["n"] += int(known.sum())
            right["tags"] += int((tags.argmax(-1) == gold[..., 0])[known].sum())
            right["uas"] += int((heads == gold[..., 1])[known].sum())
            right["las"] += int(((heads == gold[..., 1]) & (labels == gold[..., 2]))[known].sum())
    network.train()
    return {name: round(right[name] / right["n"], 4) for name in ("tags", "uas", "las")}


def train(args: argparse.Namespace) -> None:
    """The whole run."""
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    trees = list(read_trees(args.treebank / "train.conllu.gz"))
    dev_trees = list(read_trees(args.treebank / "dev.conllu.gz"))
    tags = [t for t, _ in Counter(w.tag for t in trees for w in t).most_common()]
    relations = [r for r, _ in Counter(w.relation for t in trees for w in t).most_common()]
    folder = bundled_folder()
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    config = BundledConfig()
    network = ParserNetwork(config, len(tags), len(relations))
    words = start(network, load_file(folder / "model.safetensors"))
    if args.start:
        network.load_state_dict({k: v.float() for k, v in load_file(args.start / "parser.safetensors").items()})
    frozen = [network.norm, network.blocks[0]]
    for module in frozen:
        module.requires_grad_(False)
    upper = [p for b in network.blocks[1:] for p in b.parameters()]
    known = {id(p) for p in upper}
    heads = [p for p in network.parameters() if p.requires_grad and id(p) not in known]
    optimizer = torch.optim.AdamW(
        [{"params": upper, "lr": args.lr}, {"params": heads, "lr": 10 * args.lr}], weight_decay=0.01, fused=True
    )
    dev = Data(dev_trees, tokenizer, tags, relations)
    dev_maker = ImperativeMaker(dev_trees, seed=99)
    dev_commands = Data([dev_maker.make() for _ in range(500)], tokenizer, tags, relations)
    maker = ImperativeMaker(trees, seed=args.seed)
    treebank = Data([tree for tree in trees if len(tree) <= LONGEST_TREE], tokenizer, tags, relations)
    rng = random.Random(args.seed)
    began, step, total = time.monotonic(), 0, None
    for epoch in range(args.epochs):
        data = Data([], tokenizer, tags, relations)
        commands = Data([maker.make() for _ in range(args.commands)], tokenizer, tags, relations)
        data.rows = treebank.rows + commands.rows
        batches = data.batches(args.tokens, rng)
        total = total or args.steps or args.epochs * len(batches)
        for batch in batches:
            ids, mask, places, word_mask, gold = data.tensors(batch)
            with torch.no_grad():
                x = network.frozen(words[ids], mask)
            x = functional.dropout(x, 0.1)
            states = functional.dropout(network.upper(x, mask, places), 0.2)
            tag_scores, arcs = network.scores(states, word_mask)
            known = gold[..., 1] >= 0
            relation_scores = network.relations(states, gold[..., 1].clamp(min=0))
            loss = (
                functional.cross_entropy(tag_scores[known], gold[..., 0][known], ignore_index=-100)
                + functional.cross_entropy(arcs[known], gold[..., 1][known])
                + functional.cross_entropy(relation_scores[known], gold[..., 2][known], ignore_index=-100)
            )
            scale = min(1.0, (step + 1) / (10 if args.start else 50)) * max(0.02, 1 - step / total)
            optimizer.param_groups[0]["lr"], optimizer.param_groups[1]["lr"] = args.lr * scale, 5 * args.lr * scale
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(upper + heads, 1.0)
            optimizer.step()
            step += 1
            if step % 50 == 0:
                print(f"step {step}/{total} loss {loss.item():.3f} {time.monotonic() - began:.0f} s", flush=True)
            if args.steps and step >= args.steps:
                break
        report = {"dev": evaluate(network, words, dev), "commands": evaluate(network, words, dev_commands)}
        print(f"epoch {epoch + 1} {report} {time.monotonic() - began:.0f} s", flush=True)
        write(network, trees, tags, relations, report, args.output, args.wordnet)
        if step >= total or epoch + 1 == args.stop_after:
            break


def write(
    network: ParserNetwork,
    trees: list[Tree],
    tags: list[str],
    relations: list[str],
    report: dict[str, Any],
    output: Path,
    wordnet: Path,
) -> None:
    """Weights in half precision and the tables that the package reads."""
    output.mkdir(parents=True, exist_ok=True)
    save_file(
        {k: v.detach().half().contiguous() for k, v in network.state_dict().items()}, output / "parser.safetensors"
    )
    write_graph(output, LAYERS)
    tables = {"tags": tags, "relations": relations, "dev": report, "lemmas": lemma_tables(wordnet, trees)}
    (output / "synonyms.json").write_text(json.dumps(synonym_sets(wordnet), indent=0) + "\n", encoding="utf-8")
    (output / "parser.json").write_text(json.dumps(tables, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--treebank", type=Path, required=True)
    parser.add_argument("--wordnet", type=Path, default=Path("/usr/share/wordnet"), help="Of Debian's wordnet-base.")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--commands", type=int, default=9000, help="Made imperatives a pass.")
    parser.add_argument("--tokens", type=int, default=2000, help="Padded word pieces a batch.")
    parser.add_argument("--lr", type=float, default=3e-4)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=0, help="Steps in place of --epochs.")
    parser.add_argument("--stop-after", type=int, default=0, help="Passes after which to stop, the schedule unchanged.")
    parser.add_argument("--start", type=Path, help="A folder written before, to go on from.")
    parser.add_argument("--seed", type=int, default=0)
    train(parser.parse_args())
