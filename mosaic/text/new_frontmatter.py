"""New files with front matter, written by python-frontmatter."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import frontmatter
import yaml
from frontmatter.default_handlers import YAMLHandler

from mosaic.text.yaml_edits import is_plain

if TYPE_CHECKING:
    from collections.abc import Mapping

TEXT_TAG = "tag:yaml.org,2002:str"


def front_matter_file(data: Mapping[str, Any], body: str) -> str:
    """Return the text of a new file; a word that programs read differently is quoted."""
    post = frontmatter.Post(body)
    post.metadata.update(data)
    text: str = frontmatter.dumps(
        post, handler=YAMLHandler(), Dumper=_Dumper, sort_keys=False, width=1 << 20
    )
    return text + "\n"


class _Dumper(yaml.SafeDumper):
    """Writes lists below their key with an indent, as the templates do."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002 - as in PyYAML
        return super().increase_indent(flow, False)  # noqa: FBT003


def _represent(dumper: Any, text: str) -> Any:
    plain = is_plain(text)
    tag = dumper.resolve(yaml.ScalarNode, text, (True, False)) if plain else TEXT_TAG
    return dumper.represent_scalar(tag, text, style=None if plain else "'")


_Dumper.add_representer(str, _represent)
