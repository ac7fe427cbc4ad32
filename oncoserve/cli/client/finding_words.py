"""What a job came to, in words: from the job's document alone, without its results."""

from collections.abc import Mapping
from typing import Any

SHOWN = 3  # classes, or reasons, of a job with many


def of_job(job: Mapping[str, Any]) -> str:
    """Of a job with many images how many got which class; of a job of one, what was found. Empty where nothing is said.

    Args:
        job: a job's document; one of an older service says nothing.
    """
    finding = job.get("finding")
    if not finding:
        return ""
    if finding["image"]:
        return of_image(finding["image"])
    counts = [*finding["labels"].items()]
    counts += [(f"undetermined ({code})", count) for code, count in finding["undetermined"].items()]
    shown = [f"{count} {name}" for name, count in counts[:SHOWN]]
    rest = sum(count for _, count in counts[SHOWN:])
    shown += [f"{rest} others"] if rest else []
    shown += [f"{finding['warned']} with warnings"] if finding["warned"] else []
    return ", ".join(shown)


def of_image(finding: Mapping[str, Any] | None) -> str:
    """What was found in one picture, with the codes of its warnings. Of a task that is not known here only its name."""
    if not finding:
        return ""
    return ", ".join([_answer(finding), *(f"warning {code}" for code in finding["warnings"])])


def area_words(area: Mapping[str, Any]) -> str:
    """An area, and its share of the whole."""
    size = f"{area['px']} px" if area["mm2"] is None else f"{area['mm2']:.3g} mm2"
    return f"{size} ({area['fraction']:.1%})"


def count_words(counts: Mapping[str, int]) -> str:
    """How many were found of each class."""
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "nothing found"


def _answer(finding: Mapping[str, Any]) -> str:
    if "areas" in finding:
        areas = (finding["areas"] or {}).items()
        return ", ".join(f"{name} {area_words(area)}" for name, area in areas) or "no areas"
    if "counts" in finding:
        return count_words(finding["counts"] or {})
    label, probability = finding.get("label"), finding.get("probability")
    if label is None:
        return f"undetermined ({finding['undetermined']})" if "undetermined" in finding else str(finding["task"])
    size = "" if finding.get("area_mm2") is None else f", {finding['area_mm2']:.3g} mm2"
    return str(label) + ("" if probability is None else f" {probability:.3f}") + size
