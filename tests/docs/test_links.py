"""Links lead somewhere, decisions are listed, and nothing names a machine or a registry."""

from __future__ import annotations

import re
from pathlib import Path

_CODE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
# Put together here, so that this file does not hold what it looks for.
_HOSTS = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("download", "pytorch", "org"),
        ("conda", "anaconda", "org"),
        ("npmjs", "org"),
        ("crates", "io"),
        ("docker", "io"),
        ("ghcr", "io"),
        ("quay", "io"),
    )
]
_FOLDERS = re.compile(r"(?<![\w.*}>-])/(?:" + "|".join(("work", "root", "home", "Users", "mnt")) + ")/")
_ADR = re.compile(r"(\d{4})-[a-z0-9-]+\.md")


def _anchors(text: str) -> set[str]:
    """What GitHub calls the headings of a page."""
    headings = _HEADING.findall(_CODE.sub("", text))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def test_every_relative_link_leads_to_a_file_and_a_heading(pages: dict[Path, str]) -> None:
    broken = []
    for path, text in pages.items():
        for link in _LINK.findall(_CODE.sub("", text)):
            if re.match(r"[a-z]+:", link):
                continue
            name, _, anchor = link.partition("#")
            target = (path.parent / name).resolve() if name else path
            is_page = target.suffix == ".md" and target.exists()
            if not target.exists() or (anchor and is_page and anchor not in _anchors(target.read_text("utf-8"))):
                broken.append(f"{path.name}: {link}")

    assert pages
    assert broken == []


def test_no_file_names_a_registry_or_a_folder_of_one_machine(project_files: list[Path]) -> None:
    found = []
    for path in project_files:
        content = path.read_bytes()
        if b"\0" in content:
            continue
        text = content.decode("utf-8")
        found += [f"{path.name}: {host}" for host in _HOSTS if host in text]
        found += [f"{path.name}: {match}" for match in _FOLDERS.findall(text)]

    assert project_files
    assert found == []


def test_the_manual_does_not_lead_outside_the_project(pages: dict[Path, str]) -> None:
    outside = [path.name for path, text in pages.items() if "../shared" in text]

    assert outside == ["CONTRIBUTING.md"]


def test_decisions_are_numbered_without_gaps(root: Path) -> None:
    numbers = sorted(int(path.name[:4]) for path in (root / "docs" / "adr").glob("[0-9]*.md"))

    assert numbers == list(range(1, len(numbers) + 1))


def test_every_decision_is_listed_under_its_title(root: Path, pages: dict[Path, str]) -> None:
    folder = root / "docs" / "adr"
    index = pages[folder / "README.md"]
    listed = dict(re.findall(r"^\| (\d{4}) \| \[([^\]]+)\]\(\1-[a-z0-9-]+\.md\) \|$", index, re.MULTILINE))
    titles = {path.name[:4]: text for path, text in pages.items() if path.parent == folder and _ADR.match(path.name)}

    assert {number: text.splitlines()[0] for number, text in titles.items()} == {
        number: f"# {number}. {title}" for number, title in listed.items()
    }


def test_every_decision_has_the_four_parts(root: Path, pages: dict[Path, str]) -> None:
    decisions = {path: text for path, text in pages.items() if _ADR.fullmatch(path.name)}

    for path, text in decisions.items():
        parts = re.findall(r"^## (.+)$", text, re.MULTILINE)
        assert parts == ["Status", "Context", "Decision", "Consequences"], path.name


def test_every_page_of_the_manual_is_listed(root: Path, pages: dict[Path, str]) -> None:
    index = pages[root / "docs" / "README.md"]
    names = [path.name for path in pages if path.parent == root / "docs" and path.name != "README.md"]

    assert [name for name in names if f"({name})" not in index] == []


def test_every_decision_that_the_code_cites_exists(root: Path, project_files: list[Path]) -> None:
    cited = {
        number
        for path in project_files
        if path.suffix in (".py", ".toml")
        for number in re.findall(r"docs/adr/(\d{4})", path.read_text(encoding="utf-8"))
    }

    assert [number for number in sorted(cited) if not list((root / "docs" / "adr").glob(f"{number}-*.md"))] == []


def test_every_warning_that_the_manual_explains_is_one_that_we_give(root: Path) -> None:
    manual = (root / "docs" / "measuring.md").read_text(encoding="utf-8")
    table = manual.partition("## Warnings\n")[2].partition("\n## ")[0]
    told = [re.findall(r"`([^`]+)`", line.split("|")[1]) for line in table.splitlines() if line.startswith("| `")]
    source = "".join(path.read_text(encoding="utf-8") for path in (root / "edgeopt" / "measure").glob("*.py"))

    assert len(told) >= 6
    assert [part for parts in told for part in parts if part not in source] == []
