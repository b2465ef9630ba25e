"""The lock, the conda environment and pyproject.toml say the same."""

import re
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from widgets.pages import build

PROJECT = tomllib.loads((build.ROOT / "pyproject.toml").read_text())
LOCK = (build.ROOT / "requirements.lock").read_text()
CONDA = yaml.safe_load((build.ROOT / "environment.yml").read_text())
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
PLATFORMS = (
    {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix"},
    {"sys_platform": "darwin", "platform_system": "Darwin", "os_name": "posix"},
)
ENTRY = re.compile(r"[\w.\[\]-]+==\S+( ; [^\\]+)? \\\n +--hash=sha256:[0-9a-f]{64}")


def wanted() -> list[Requirement]:
    extras = PROJECT["project"]["optional-dependencies"].values()
    groups = (*extras, PROJECT["dependency-groups"]["build"], PROJECT["build-system"]["requires"])
    asked = [Requirement(line) for group in groups for line in group]
    return [one for one in asked if one.name != "llmcap"]  # an extra within another


def locked() -> list[Requirement]:
    pins = [line.removesuffix(" \\") for line in LOCK.splitlines() if line[0].isalpha()]
    return [Requirement(pin) for pin in pins]


@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda p: p["sys_platform"])
@pytest.mark.parametrize("python", PYTHONS)
def test_the_lock_holds_what_the_project_asks_for(python, platform):
    here = {**platform, "python_version": python, "python_full_version": f"{python}.1"}
    pins = {
        canonicalize_name(r.name): next(iter(r.specifier)).version
        for r in locked()
        if r.marker is None or r.marker.evaluate(here)
    }
    for requirement in wanted():
        assert pins[canonicalize_name(requirement.name)] in requirement.specifier, requirement


def test_every_pin_has_hashes():
    entries = re.split(r"\n(?=[a-z])", LOCK.strip())
    assert len(entries) == len(locked()) > 100
    for entry in entries:
        assert ENTRY.match(entry), entry


def test_the_lock_names_no_host_and_no_path():
    assert "://" not in LOCK
    assert "index" not in re.sub(r"^[\w-]+==.*$", "", LOCK, flags=re.M)
    assert not re.search(r"(^|\s)[./~]", LOCK)


def test_conda_takes_the_lock_and_the_same_python():
    python, pip, rest = CONDA["dependencies"]
    assert (pip, rest) == ("pip", {"pip": ["-r requirements.lock"]})
    range_of_conda = SpecifierSet(python.removeprefix("python "))
    range_of_project = SpecifierSet(PROJECT["project"]["requires-python"])
    for version in PYTHONS:
        assert version in range_of_conda
        assert version in range_of_project
    assert "3.10" not in range_of_conda
    assert "3.10" not in range_of_project


def test_the_kernel_needs_the_standard_library_only():
    assert PROJECT["project"]["dependencies"] == []
