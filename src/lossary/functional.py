"""Every loss, under the names of torch.nn.functional where torch has it.

Where torch is imported, whatever else is asked of this module is torch.nn.functional's own, so that
`import lossary.functional as F` can stand for `import torch.nn.functional as F`.
"""

import typing as _typing

if _typing.TYPE_CHECKING:  # first: its losses are Lossary's here
    from torch.nn.functional import *  # noqa: F403  # pyright: ignore[reportWildcardImportFromLibrary]

from lossary.core.arrays import imported as _imported
from lossary.losses.all_losses import *  # noqa: F403

if not _typing.TYPE_CHECKING:  # for a type checker every name would be of these

    def __getattr__(name: str) -> _typing.Any:
        torch = _imported("torch")
        if torch is None or name.startswith("__"):
            raise AttributeError(f"lossary.functional has no {name!r}; lossary.catalogue() lists the losses")
        return getattr(torch.nn.functional, name)

    def __dir__() -> list[str]:
        theirs = _imported("torch.nn.functional")
        names = () if theirs is None else dir(theirs)
        return sorted({*globals(), *(name for name in names if not name.startswith("__"))})
