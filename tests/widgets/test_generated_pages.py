"""The pages written from the kernel say what the kernel says now."""

import ast
import importlib
import inspect
import json
import re

import pytest

from llmcap_kernel import calibration, catalog, design
from llmcap_kernel.spec import Workload
from widgets import benchmarks, constants
from widgets.calculators import validate
from widgets.pages import (
    api,
    build,
    catalogue_page,
    constants_page,
    generated,
    notation,
    proof_page,
)
from widgets.pictures import proof

PAGES = build.GENERATED


@pytest.mark.parametrize(
    "name", ["notation", "catalogue", "constants", "proof"]
)  # api is written by each build
def test_the_committed_page_is_current(name):
    path = build.ROOT / "book" / f"{name}.md"
    assert path.read_text() == PAGES[name].text(), f"run python -m {PAGES[name].__name__}"


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_written_once(tmp_path, monkeypatch, name):
    monkeypatch.setattr(generated, "FOLDER", tmp_path)
    assert generated.write(name, PAGES[name].text())
    assert not generated.write(name, PAGES[name].text())
    assert (tmp_path / f"{name}.md").read_text() == PAGES[name].text()


@pytest.mark.parametrize("name", PAGES)
def test_every_row_of_a_table_has_its_cells(name):
    columns = None
    for line in PAGES[name].text().splitlines():
        if line.startswith("|"):
            cells = len(re.findall(r"(?<!\\)\|", line)) - 1
            columns = columns or cells
            assert cells == columns, line
        else:
            columns = None


def test_notation_has_the_names_the_chapters_use():
    units = {entry.name: entry.unit for entry in notation.entries()}
    assert units["kv_pool_bytes"] == "bytes"
    assert units["bandwidth_bytes_s"] == "bytes/s"
    assert units["itl_s"] == units["ttft_mean_s"] == "s"
    assert units["output_tok_s"] == units["tok_s_user"] == "tok/s"
    assert units["context_tokens"] == "tokens"
    assert units["usd_h"] == "USD/h"


def test_a_name_has_one_unit():
    units = {}
    for entry in notation.entries():
        units.setdefault(entry.name, set()).add(entry.unit)
    assert not {name: found for name, found in units.items() if len(found) > 1}


def used(code, public):
    """Names of the kernel's modules that a piece of code calls or imports."""
    tree = ast.parse(code)
    homes = {}  # how the code calls a module
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("llmcap_kernel"):
            module = node.module.removeprefix("llmcap_kernel").lstrip(".")
            for alias in node.names:
                if module in public:
                    yield module, alias.name
                else:
                    inner = f"{module}.{alias.name}".lstrip(".")
                    homes[alias.asname or alias.name] = inner
    for node in ast.walk(tree):
        owner = node.value if isinstance(node, ast.Attribute) else None
        if isinstance(owner, ast.Name) and owner.id in homes:
            yield homes[owner.id], node.attr


def test_the_interface_has_every_public_function_and_class():
    """Those of the modules that the chapters and the README take names of."""
    page = api.text()
    public = {module: api.public(module) for module in api.MODULES}
    assert sum(map(len, public.values())) > 250
    for module, names in public.items():
        for name, thing in names.items():
            entry = re.split(r"\n#+ ", page.partition(f"\n#### {module}.{name}\n")[2])[0]
            assert entry.startswith(f"\n`{name}"), (module, name)
            first = (inspect.getdoc(thing) or "").partition("\n")[0]
            assert first and first[:12] in re.sub(r"\\\\", "", entry), (module, name)


def test_the_interface_has_what_readers_are_shown():
    public = {module: api.public(module) for module in api.MODULES}
    codes = re.findall(r"```python\n(.*?)```", (build.ROOT / "README.md").read_text(), re.S)
    for path in sorted((build.ROOT / "book").glob("*.ipynb")):
        cells = json.loads(path.read_text("utf-8"))["cells"]
        code = ("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
        codes.append("\n".join(code))
    found = {pair for code in codes for pair in used(code, public)}
    assert len(found) > 40
    for module, name in sorted(found):
        loaded = importlib.import_module(f"llmcap_kernel.{module}")
        if callable(getattr(loaded, name)):
            assert name in public[module], (module, name)


def test_the_catalogue_page_leaves_nothing_out():
    page = catalogue_page.text()
    for name in (*catalog.models(), *catalog.gpus(), *catalog.engines()):
        assert f'={name}">{name}</a> |' in page
    assert page.count("/h") >= len(catalog.table("prices")["price"])


def test_the_catalogue_says_of_each_card_how_its_figures_were_checked():
    rows = [row for row in catalogue_page.text().splitlines() if "&amp;gpu=" in row]
    assert len(rows) == len(catalog.gpus())
    for row in rows:
        checked = row.split(" | ")[6]
        assert re.fullmatch(r"(read|compared)(, compared)?(; \*\*not yet: .+\*\*)?", checked), row
    (a10g,) = (row for row in rows if ">a10g<" in row)
    assert "**not yet: FLOP/s**" in a10g
    for name, source in catalog.table("gpus")["sources"].items():
        assert f"| [{name}]({source['url']}) |" in catalogue_page.text()


def places(page):
    return re.findall(r'<span id="([a-z0-9-]+)"></span>', page)


def test_every_constant_has_its_place_and_what_stands_behind_it():
    page = constants_page.text()
    lines = page.partition("## Sources")[0].splitlines()
    rows = {row.split("`")[1]: row for row in lines if row.startswith('| <span id="')}
    known = calibration.table()
    for key, numbers in known["sets"].items():
        for name in numbers:
            row = rows[f"{key}.{name}"]
            assert f'id="{constants.anchor(f"{key}.{name}")}"' in row
            assert f"| {known['rows'][key]:,} |" in row
    for key in (*known["rows"], *known["intervals"]):
        assert f'id="{constants.anchor(key)}"' in rows[key]
    assert len(places(page)) == len(set(places(page)))


def test_every_place_that_is_named_is_on_the_page():
    page = constants_page.text()
    named = set(re.findall(r'href="#([^"]+)"', page))
    assert len(named) > 100 and named <= {*places(page), "timed-kernels"}
    for name in catalog.gpus()[::7]:
        card = design.card(catalog.deployment(model="qwen3-8b", gpu=name), Workload(1000, 100))
        for one in constants.behind([card]):
            assert one["anchor"] in places(page), (name, one)
        for line in card.estimate_lines() if card.estimates else ():
            if line.name.startswith("efficiency."):
                made = set(line.formula.split(" x ")) - {"timed kernels"}
                assert {*map(constants.anchor, made)} <= {*places(page)}, (name, made)


# Of these a copy is kept and no address: the page says so.
WITHOUT = {"vllm_metal", "rtx4000ada_ttft", "mem_threads3", "rtx4090_qwen38", "l40s_gemma"}


def test_every_source_leads_to_where_it_was_published():
    page = constants_page.text()
    for name in {row["source_id"] for row in benchmarks.rows("fitted.csv")}:
        row = next(
            row for row in page.splitlines() if f'id="source-{name.replace("_", "-")}"' in row
        )
        assert ("](https://" in row) == (name not in WITHOUT), name
        assert (constants_page.NO_ADDRESS in row) == (name in WITHOUT), name


def test_a_row_leads_to_the_page_it_was_read_from():
    without = {
        r["source_id"]
        for f in constants_page.FILES
        for r in benchmarks.rows(f)
        if not benchmarks.address(r["source"])
    }
    assert without == WITHOUT


def test_a_source_opens_in_validate_with_its_rows_alone():
    links = re.findall(r'\.\./apps/validate\?(metric=[^"]+)"', constants_page.text())
    assert len(links) == 20
    for link in links:
        query = link.replace("&amp;", "&")
        state, messages = validate.FORM.parse(query)
        shown = validate.view(state)
        assert not messages and "No measured row" not in shown["status"]["text"], query
        far = next(one for one in shown["tables"] if "Farthest" in one["caption"])
        assert far["links"] and all(one.startswith("https://") for one in far["links"]), query
        own = {benchmarks.measured()[row[0]]["source_id"] for row in far["rows"]}
        assert own == {state["only.source"]}


@pytest.mark.parametrize("name", proof.held())
def test_a_part_of_the_proof_says_when_on_what_and_how(name):
    part = proof.held()[name]
    assert set(part) == {"date", "load", "machine", "command", "measured"}
    assert part["command"] == f"python benchmarks/proof.py --only {name}"
    assert {"cpu", "cores", "memory_gib", "python", "numpy"} <= set(part["machine"])
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", part["date"])


def test_every_tool_has_numbers_or_a_reason():
    peers = ("mlsysim", "servcalc", "genz-llm", "llm-analysis", "aiconfigurator", "aisimulate")
    times = proof.held()["peers"]["measured"]
    missed = proof.held()["accuracy"]["measured"]["peers"]
    assert set(times) == {*peers, proof.OURS}
    assert set(missed) == {*peers, proof.ROOFLINE}
    for got in times.values():
        assert got.get("failed") or got["each_s"] > 0
    for got in missed.values():
        assert got.get("failed") or got["groups"]


def test_ours_stands_beside_a_tool_on_the_same_rows():
    for _, _, n in proof_page.compared(proof.held()):
        assert n["rows"] >= proof.FEWEST
        assert 0 <= n["median"] <= n["p80"] and 0 <= n["our_median"] <= n["our_p80"]


def test_what_is_lost_is_said():
    held = proof.held()
    for name, group, n in proof_page.compared(held):
        if n["our_median"] >= n["median"]:
            assert f"{name}, {group}" in proof_page.text()
    for claim in proof_page.claims(held):
        assert (
            f"| {claim.title} | {claim.text} | {claim.aim} | {claim.verdict} |" in proof_page.text()
        )


def test_what_stands_open_is_short_and_every_pair_is_in_a_fold():
    page = proof_page.text()
    assert page.count("<details>") == page.count("</details>") == 6
    open_ = re.sub(r"<details>.*?</details>", "", page, flags=re.S)
    for table in re.split(r"\n(?!\|)", open_):
        assert table.count("\n|") <= 14, table[:200]
    beside = open_.partition("## How wrong, beside other tools")[2].partition("\n## ")[0]
    told = {row.split(" | ")[0].removeprefix("| "): row for row in beside.splitlines()}
    for name, group, n in proof_page.compared(proof.held()):
        assert f"| {name} | {group} | " in page and f"| {name} | {group} | " not in open_
        least, most = (
            float(cell.strip(" |").removesuffix("x")) for cell in told[name].split(" | ")[3:5]
        )
        ratio = round(n["median"] / n["our_median"], 1)
        assert least <= ratio <= most


def test_a_missed_target_and_a_part_not_measured_are_said():
    made = {"llmcap": {"each_s": 1e-3}, "mlsysim": {"each_s": 2e-3}}
    _, one, two, *_ = proof_page.claims({"peers": {"measured": made}})
    assert (one.text, one.verdict) == ("2", "**missed**")
    assert (two.text, two.verdict) == ("-", "not measured")


@pytest.mark.parametrize("name", proof.PROOF)
def test_a_picture_of_the_proof_is_drawn(name):
    drawing, said = proof.PROOF[name]()
    marks = drawing.svg(said)
    assert said.endswith(".") and marks
    rings = "fill:var(--lc-ground,#ffffff);stroke:var(--lc-" in marks and "<circle" in marks
    assert not rings or "○" in marks  # what a ring is stands in the picture


def test_a_long_version_may_break_and_reads_as_it_is():
    long = proof_page._version({"version": "0.13.0.dev202610270000000085"})
    assert max(map(len, long.split("<wbr>"))) == len("0.13.0.dev")
    assert long.replace("<wbr>", "") == "0.13.0.dev202610270000000085"
    assert proof_page._version({"version": "0.0.16"}) == "0.0.16"


def test_a_value_of_an_axis_stands_below_its_own_line():
    drawing = proof.strip([("a", [proof.Spot(v, "weights", "") for v in (10, 20, 500)])], "ms")
    marks = "".join(drawing.parts)
    lines = re.findall(r'<line x1="([\d.]+)%" y1="4.0" x2="\1%"', marks)
    words = re.findall(r'<text x="([\d.]+)%" y="[\d.]+" text-anchor="(\w+)"[^>]*>[\d,]+ ms<', marks)
    assert [x for x, _ in words] == lines
    assert all(anchor == "middle" for x, anchor in words if 6 < float(x) < 94)
