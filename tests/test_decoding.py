from __future__ import annotations

import numpy as np
import torch

from answerspace.answers import Sampling
from answerspace.backbones.decoding import decode, draws

CPU = torch.device("cpu")
END = torch.tensor([9])


def counting(tokens: torch.Tensor, live: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """A model that always counts on from the last token; its state is that token."""
    return tokens[:, None].float(), torch.nn.functional.one_hot((tokens + 1) % 10, 10).float()


def test_rows_stop_on_their_own() -> None:
    starts = torch.tensor([6, 1, 8])
    decoded = decode(*counting(starts, starts > 0), counting, steps=4, stop_ids=END)
    assert decoded.slots.tolist() == [[True, True, True, False], [True] * 4, [True, False, False, False]]
    assert decoded.ids[decoded.slots].tolist() == [7, 8, 9, 2, 3, 4, 5, 9]
    assert decoded.states[..., 0][decoded.slots].tolist() == [6, 7, 8, 1, 2, 3, 4, 8]


def test_decoding_ends_when_all_rows_have() -> None:
    starts = torch.tensor([8, 8])
    assert decode(*counting(starts, starts > 0), counting, steps=50, stop_ids=END).ids.shape == (2, 1)
    assert decode(*counting(starts, starts > 0), counting, steps=50, stop_ids=END, least=2).ids.tolist() == [[9, 0]] * 2
    assert decode(*counting(starts, starts > 0), counting, steps=1, stop_ids=END, least=2).ids.shape == (2, 1)


def test_draws_follow_the_nucleus() -> None:
    """Probabilities .5 .3 .15 .05 at top_p .8 leave .5 and .3: shares 5/8 and 3/8.

    Of 2,000 draws 1,250 are expected to be the first, with a standard deviation of 21.7; five of them are allowed.
    """
    scores = torch.log(torch.tensor([[0.05, 0.5, 0.15, 0.3]])).repeat(2000, 1)
    sampled = draws(Sampling(temperature=1.0, top_p=0.8), [str(i) for i in range(2000)], ["?"] * 2000, 1, CPU)
    ids = decode(scores, scores, counting, steps=1, stop_ids=END, sampled=sampled).ids[:, 0].numpy()
    counts = np.bincount(ids, minlength=4)
    assert counts[[0, 2]].tolist() == [0, 0]
    assert abs(counts[1] - 1250) < 5 * 21.7


def test_a_text_draws_the_same_wherever_it_stands() -> None:
    both = draws(Sampling(), ["a", "b"], ["?", "?"], 5, CPU)
    alone = draws(Sampling(), ["b"], ["?"], 3, CPU)
    assert both is not None
    assert alone is not None
    assert torch.equal(both.uniforms[1, :3], alone.uniforms[0])
    assert not torch.equal(both.uniforms[0], both.uniforms[1])
    assert draws(None, ["a"], ["?"], 5, CPU) is None
