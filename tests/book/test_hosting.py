"""The page on hosting agrees with the recipe of the container and with the server's flags."""

import configparser
import re
import shutil
import subprocess
import sys

import pytest
import yaml

import llmcap_kernel
from tests import hosting
from widgets.pages import build
from widgets.server.settings import Settings

RECIPE = (build.ROOT / "Containerfile").read_text("utf-8")


@pytest.fixture(scope="module")
def flags():
    """What `python -m widgets.server` takes."""
    told = subprocess.run(
        [sys.executable, "-m", "widgets.server", "--help"],
        cwd=build.ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return set(re.findall(r"--[a-z-]+", told.stdout))


def test_every_flag_that_the_page_names_is_one(flags):
    commands = re.findall(r"widgets\.server((?: --[a-z-]+(?: [^- \n]\S*)?)+)", hosting.PAGE)
    commands += re.findall(r"8866 llmcap (.*)", hosting.PAGE)
    named = {flag for command in commands for flag in re.findall(r"--[a-z-]+", command)}
    assert len(named) > 4 and named <= flags


def test_the_manifest_is_of_the_recipe_s_image(flags):
    deployment, service = yaml.safe_load_all(hosting.lines("yaml", "kind: Deployment"))
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    user = pod["securityContext"]["runAsUser"]
    assert f"USER {user}:{user}" in RECIPE
    assert pod["securityContext"]["runAsNonRoot"]
    assert container["image"].endswith(f"/llmcap:{llmcap_kernel.__version__}")
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert {one for one in container["args"] if one.startswith("--")} <= flags
    for probe in ("readinessProbe", "livenessProbe"):
        asked = container[probe]["httpGet"]
        assert f":{asked['port']}{asked['path']}" in RECIPE
    (written,) = container["volumeMounts"]
    assert f"HOME={written['mountPath']}\n" in RECIPE
    assert service["spec"]["sessionAffinity"] == "ClientIP"
    assert service["spec"]["ports"][0]["targetPort"] == Settings().port
    assert service["spec"]["selector"] == deployment["spec"]["template"]["metadata"]["labels"]


def test_systemd_takes_the_unit(flags, tmp_path):
    text = hosting.lines("ini", "[Service]")
    unit = configparser.ConfigParser()
    unit.optionxform = str
    unit.read_string(text)
    assert set(re.findall(r"--[a-z-]+", unit["Service"]["ExecStart"])) <= flags
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd on this machine")
    path = tmp_path / "llmcap.service"
    path.write_text(text.replace("/srv/llmcap/.venv/bin/python", sys.executable))
    told = subprocess.run(
        ["systemd-analyze", "verify", path], capture_output=True, text=True, timeout=60
    )
    assert "llmcap.service" not in told.stderr, told.stderr


def test_code_is_as_wide_as_a_page_shows():
    for piece in re.findall(r"```\w+\n(.*?)```", hosting.TEXT, re.S):
        assert max(map(len, piece.splitlines())) <= 76


def test_the_page_says_what_the_seats_of_its_examples_take():
    """40 kernels of 64 MiB and the server's 100 MiB."""
    assert (40 * 64 + 100) * 2**20 < 4e9
    assert "40 seats fit into 4 GB" in hosting.PAGE
