"""Files that people name, in the encodings that editors and shells write."""

import gzip

import pytest

from llmcap_kernel import catalog, files
from llmcap_kernel.cli import main
from llmcap_kernel.files import read_table, read_text
from llmcap_kernel.refuse import BadInput


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_text_is_read_whatever_a_shell_of_windows_writes(tmp_path, encoding):
    file = tmp_path / "card.toml"
    file.write_bytes("größe = 1\r\n".encode(encoding))
    assert read_text("file", file) == "größe = 1\r\n"
    file.write_bytes("id,größe\r\n1,2\r\n".encode(encoding))
    assert read_table(file) == [{"id": "1", "größe": "2"}]


def test_what_gzip_packed_is_read_and_what_it_packed_to_fill_a_disk_is_not(tmp_path, monkeypatch):
    file = tmp_path / "card.toml.gz"
    file.write_bytes(gzip.compress(b"a = 1\n") + gzip.compress(b"b = 2\n"))  # cat a.gz b.gz
    assert read_text("file", file) == "a = 1\nb = 2\n"
    monkeypatch.setattr(files, "MAX_UNPACKED_BYTES", 1000)
    file.write_bytes(gzip.compress(b"a" * 10**6))
    with pytest.raises(BadInput, match="it is no text"):
        read_text("file", file)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("words", ["check {}", "predict --model qwen3-8b --gpu-file {}"])
def test_a_card_as_powershell_redirects_it(tmp_path, capsys, encoding, words):
    file = tmp_path / "card.toml"
    text = catalog.gpu_file("l4").replace('"l4"', '"my-l4"').replace("\n", "\r\n")
    if words.startswith("check"):
        text = (catalog.FOLDER / "gpus.toml").read_text(encoding="utf-8")
    file.write_bytes(text.encode(encoding))
    assert main(words.format(file).split()) == 0, capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "reason"),
    [("none.toml", "No such file or directory"), ("a\0b", "no file can have this name")],
)
def test_what_cannot_be_read_is_said_in_a_sentence(name, reason):
    with pytest.raises(BadInput, match=rf"^gpu file .* cannot be read: {reason}\.$"):
        read_text("gpu_file", name)


def test_bytes_that_are_no_text_are_refused(tmp_path):
    file = tmp_path / "picture.png"
    file.write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(BadInput, match="cannot be read: it is no text"):
        read_text("file", file)
