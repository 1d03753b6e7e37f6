"""How often samples were looked at: a gate that is tried with many models lets one pass by chance sooner or later."""

from __future__ import annotations

from typing import Any

from edgeopt.store.store import Store


def looks_at(judged: dict[str, Any], candidate: str, store: Store) -> dict[str, Any] | None:
    """How many models were judged on the same samples, this one included; None where the samples are not known.

    The bounds of a gate are for one look. With k models tried on the same samples the chance that at least one passes
    wrongly is at most k times that of one (Bonferroni), so the count is shown with the verdict.

    Args:
        judged: Which samples (see `Dataset.identity`).
        candidate: Digest of the model that is judged now.
        store: The record of earlier looks.
    """
    told = {key: judged.get(key) for key in ("source", "n", "part")}
    if not judged.get("rows") or not (judged.get("sha256") or told["source"]):
        return None
    digest, source = str(judged.get("sha256") or ""), str(told["source"])
    earlier = store.looks(digest, str(judged["rows"]), source=source, besides=candidate)
    return {"models": earlier + 1, **told}
