"""A reading on disk: a folder of blocks that is only ever added to, and that asking maps into memory.

    corpus.reading/
      reading.json             format, model fingerprint, and one entry per source: its name, its digest, its rows
      block-000000.safetensors the texts of some rows and their states, with a checksum over all of it

A source (a file, or the texts of one ``Reading.save``) is cut into blocks by its rows alone, so the same source gives
the same bytes whether or not it was interrupted. A block is written beside its place, flushed, and renamed: after a
kill it is there whole or not at all, and the next run goes on behind the last one. A text is stored once per file.

``reader`` asks, ``writer`` adds; both stand on ``index``, ``blocks`` and ``folder``. The room knows backbones by
protocol, and no tables.
"""
