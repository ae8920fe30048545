"""The command line as a test runs it: the real entry point with the embedder passed in."""

from answerspace import Embedder
from answerspace.backbones.fake import FakeBackbone
from answerspace.cli.main import run

WHAT, HOW = "What is it?", "How is it?"
TABLE = {
    WHAT: {"soup": "food", "pasta": "food", "bed": "hotel", "lobby": "hotel"},
    HOW: {"good": "happy", "bad": "angry"},
}
TEXTS = [f"the {thing} was {quality}" for thing in TABLE[WHAT] for quality in TABLE[HOW]]


class Runner:
    """Runs commands with a fake backbone; ``code``, ``out`` and ``err`` are those of the last one."""

    def __init__(self, capsys):
        self._capsys = capsys
        self.backbone = FakeBackbone(TABLE)

    def __call__(self, *arguments):
        self._capsys.readouterr()
        self.code = run([str(argument) for argument in arguments], load=lambda name: Embedder(self.backbone))
        self.out, self.err = self._capsys.readouterr()
        return self


def write_table(path, texts=TEXTS):
    path.write_text("id,text,kind\n" + "".join(f'{i},"{text}",k{i // 4}\n' for i, text in enumerate(texts)))
    return path
