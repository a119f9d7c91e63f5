"""A wheel of what runs here, to be installed elsewhere: the same version without a registry."""

from __future__ import annotations

import base64
import hashlib
import zipfile
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import mosaic
from mosaic.errors import FailedError

DISTRIBUTION = "mosaic-mission"
_TAG = "py3-none-any"


def make_wheel(folder: Path) -> Path:
    """Make a wheel of the package that runs, and return it; its needs are named as usual."""
    try:
        about = distribution(DISTRIBUTION).read_text("METADATA") or ""
    except PackageNotFoundError:
        raise FailedError(
            "what runs here is not installed as a package, so no wheel can be made of it",
            hint="`pip wheel --no-deps .` in its folder makes one; then `--wheel FILE`",
        ) from None
    name = f"{DISTRIBUTION.replace('-', '_')}-{mosaic.__version__}"
    info = f"{name}.dist-info"
    package = Path(mosaic.__file__).parent
    files = {
        f"mosaic/{path.relative_to(package).as_posix()}": path.read_bytes()
        for path in sorted(package.rglob("*"))
        if path.is_file() and path.suffix != ".pyc"
    }
    templates = package.parent / "templates"
    if not (package / "templates").is_dir():  # a clone, where they are beside the package
        found = sorted(path for path in templates.rglob("*") if path.is_file())
        names = (f"mosaic/templates/{path.relative_to(templates).as_posix()}" for path in found)
        files |= dict(zip(names, (path.read_bytes() for path in found), strict=True))
    files[f"{info}/METADATA"] = about.encode()
    files[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {_TAG}\n".encode()
    record = "".join(f"{path},{_digest(data)},{len(data)}\n" for path, data in files.items())
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    place = folder / f"{name}-{_TAG}.whl"
    with zipfile.ZipFile(place, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in files.items():
            archive.writestr(path, data)
    return place


def _digest(data: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=")
    return f"sha256={digest.decode()}"
