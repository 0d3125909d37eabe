"""Every page there is, found in the tree: both languages, both ends of every control, every preset and question."""

from __future__ import annotations

from typing import Any

import pytest

from tests.pages.conftest import Visit, sound
from tests.tree import PAGES, WITH_MECHANISM, all_ends, mechanism, shown_when, states
from ui import address
from ui.catalogue import LANGUAGES
from ui.jobs import JOBS
from ui.more import placeholders


def _setting(slug: str, name: str, value: Any) -> dict[str, Any]:
    """URL parameters that show the control `name` and set it."""
    return shown_when(slug, name) | {name: address.write(value)}


@pytest.mark.xdist_group("claims")  # the page of all claims, in the same process, then finds their numbers
@pytest.mark.parametrize("slug", WITH_MECHANISM)
def test_claims_have_live_values(slug: str) -> None:
    for claim in PAGES[slug].spec.get("claims", []):
        values = JOBS.start(mechanism(slug).CLAIMS[claim["live"]]).future.result() if "live" in claim else {}
        assert placeholders(claim["answer"]["en"]) <= set(values), claim["id"]
        assert claim["answer"]["zh"].format(**values)


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("slug", ["", *PAGES])
def test_opens_in_both_languages(visit: Visit, slug: str, lang: str) -> None:
    visitor = visit(slug, lang)
    sound(visitor)
    title = PAGES[slug].spec["title"][lang] if slug else "Model Atlas"
    assert [one.value for one in visitor.title] == [title]


@pytest.mark.parametrize(("slug", "name", "value"), all_ends(), ids=lambda part: str(part)[:24])
def test_both_ends_of_every_control(visit: Visit, slug: str, name: str, value: Any) -> None:
    visitor = visit(slug, **_setting(slug, name, value))
    sound(visitor)
    assert visitor.query_params.get(name) in (address.write(value), [address.write(value)])


@pytest.mark.parametrize(
    ("slug", "state"),
    [(slug, state) for slug in WITH_MECHANISM for _, state in states(slug)],
    ids=[f"{slug}-{name}" for slug in WITH_MECHANISM for name, _ in states(slug)],
)
def test_every_state_a_page_links_to(visit: Visit, slug: str, state: dict[str, Any]) -> None:
    mechanism(slug).Config(**state)
    visitor = visit(slug, "zh", **{name: address.write(value) for name, value in state.items()})
    sound(visitor)
    assert not any("链接要求" in caption.value for caption in visitor.caption), "the link holds a value no control has"


@pytest.mark.parametrize("slug", WITH_MECHANISM)
def test_a_preset_sets_controls_and_url(visit: Visit, slug: str) -> None:
    visitor = visit(slug)
    for preset in PAGES[slug].spec.get("presets", []):
        visitor.button(key=f"_preset_{preset['id']}").click().run()
        sound(visitor)
        config = visitor.session_state[f"_cfg_{slug}"]
        assert config == mechanism(slug).Config(**preset["state"])
        default = mechanism(slug).Config()
        for name, value in preset["state"].items():
            held = visitor.query_params.get(name)
            held = held[0] if isinstance(held, list) else held
            assert held == (None if value == getattr(default, name) else address.write(value))


@pytest.mark.parametrize("slug", WITH_MECHANISM)
def test_a_bad_link_is_named_and_the_page_stays(visit: Visit, slug: str) -> None:
    spec = PAGES[slug].spec["controls"]
    name = next(n for n, about in spec.items() if "options" in about and "when" not in about)
    visitor = visit(slug, **{name: "nosuchthing"})
    sound(visitor)
    assert any("nosuchthing" in caption.value for caption in visitor.caption)
    assert name not in visitor.query_params


@pytest.mark.parametrize("slug", [slug for slug in WITH_MECHANISM if hasattr(mechanism(slug), "check")])
def test_the_reference_agrees(slug: str) -> None:
    module = mechanism(slug)
    differences = module.check(module.Config())
    assert differences
    assert all(0 <= difference < 1e-4 for difference in differences.values()), differences


@pytest.mark.parametrize("slug", WITH_MECHANISM)
def test_a_prediction_has_exactly_one_right_answer(slug: str) -> None:
    about = PAGES[slug].spec.get("predict")
    if about:
        module = mechanism(slug)
        answer = module.facts(module.trace(module.Config(**about["state"])))[about["fact"]]
        assert [option["value"] for option in about["options"]].count(answer) == 1


@pytest.mark.parametrize("slug", WITH_MECHANISM)
def test_captions_use_only_facts(slug: str) -> None:
    module = mechanism(slug)
    known = set(module.facts(module.trace(module.Config())))
    for name, caption in PAGES[slug].spec.get("captions", {}).items():
        assert placeholders(caption["en"]) <= known, name
