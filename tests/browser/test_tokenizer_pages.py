"""The two pages of section Tokens under a visitor's hands: keys, a long paste, markup, the scrubber, the export."""

from __future__ import annotations

import csv
import io
import random
from pathlib import Path

from playwright.sync_api import Locator, Page, expect

from models import tokenizer_splits
from tests.browser.conftest import Visitor

SPLITS, TRAINING = "/tokenizer-splits", "/tokenizer-training"
NO_ASSET = "tiny-lm bytes words"
MARKUP = '<img src=x onerror="window.hurt=1"><b>bold</b> <script>window.hurt=1</script>'
PIXELS = "(canvas) => canvas.toDataURL()"
PASTE = """(area, text) => {
  const { set } = Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, "value");
  set.call(area, text);
  area.dispatchEvent(new InputEvent("input", { bubbles: true, inputType: "insertFromPaste" }));
}"""


def staff(page: Page) -> Locator:
    return page.locator(".kit.staff").first


def story(page: Page) -> Locator:
    return page.locator(".kit.story")


def test_a_token_is_chosen_by_keyboard(visitor: Visitor) -> None:
    page = visitor.open(SPLITS, tokenizers=NO_ASSET, text="Once upon a time", token=0)
    expect(page.get_by_text("(id", exact=False).first).to_be_visible()
    told, caption = story(page).get_attribute("aria-label"), page.get_by_text("(id", exact=False).first.inner_text()
    layer = staff(page).locator(".layer")
    layer.focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
    page.keyboard.press("Enter")
    page.wait_for_url("**token=3**")
    visitor.idle()
    expect(story(page)).not_to_have_attribute("aria-label", told or "")
    expect(page.get_by_text("(id", exact=False).first).not_to_have_text(caption)
    # One row down: another tokenizer tells, of the token in the same place.
    layer.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url("**row=1**")
    visitor.idle()
    expect(page.get_by_text("(id", exact=False).first).to_contain_text("bytes")
    assert visitor.complaints == []


def test_a_hundred_thousand_characters_are_cut(visitor: Visitor) -> None:
    page = visitor.open(SPLITS, tokenizers=NO_ASSET)
    area = page.get_by_role("textbox", name="Text")
    letters = random.Random(0).choices("abcdefghijklmnopqrstuvwxyz 猫🙂", k=120_000)  # does not compress into a link
    area.evaluate(PASTE, "".join(letters))
    area.press("Control+Enter")
    expect(page.get_by_text("first 100,000 of", exact=False)).to_be_visible(timeout=60_000)
    visitor.idle()
    expect(page.get_by_text("100,000 characters", exact=False).first).to_be_visible(timeout=60_000)
    expect(page.get_by_text("too long for a link", exact=False).first).to_be_visible()
    assert len(page.url) < 30_000
    canvas = staff(page).locator("canvas")
    before = canvas.evaluate(PIXELS)
    assert staff(page).locator(".scroller").evaluate("(one) => one.scrollHeight > 20 * one.clientHeight")
    staff(page).locator(".scroller").evaluate("(one) => { one.scrollTop = one.scrollHeight / 2; }")
    page.wait_for_function("([canvas, before]) => canvas.toDataURL() !== before", arg=[canvas.element_handle(), before])
    # The page still answers: the last token of the first row, by keyboard.
    staff(page).locator(".layer").focus()
    page.keyboard.press("End")
    page.keyboard.press("Enter")
    page.wait_for_url("**token=*")
    visitor.idle()
    assert visitor.complaints == []


def test_markup_is_drawn_as_text(visitor: Visitor) -> None:
    for tokenizers in ("tiny-lm", "words bytes"):
        page = visitor.open(SPLITS, tokenizers=tokenizers, text=MARKUP, token=1)
        for place in (".kit.staff", ".kit.story", ".stMarkdown"):
            assert page.locator(f"{place} :is(img, b, script)").count() == 0, place
        staff(page).locator(".layer").focus()
        page.keyboard.press("ArrowRight")
        expect(staff(page).locator(".lens")).to_be_visible()
        assert staff(page).locator(".lens :is(img, b, script)").count() == 0
    # Words lose what they do not know; the caption says so in the text's own letters.
    expect(page.locator(".stMarkdown").filter(has_text="Its ids decode to")).to_contain_text("<")
    assert page.evaluate("window.hurt") is None
    assert visitor.complaints == []


def test_the_scrubber_moves_text_and_candidates_without_the_server(visitor: Visitor) -> None:
    sent: list[object] = []
    visitor.page.on("websocket", lambda socket: socket.on("framesent", lambda frame: sent.append(frame)))
    page = visitor.open(TRAINING, step=60)
    slider = page.get_by_role("slider", name="step").last
    canvas, candidates = staff(page).locator("canvas"), page.locator(".kit.merges .candidates tbody")
    box = slider.bounding_box()
    assert box
    y, left, wide = box["y"] + box["height"] / 2, box["x"] + 8, box["width"] - 16
    seen = canvas.evaluate(PIXELS)
    at = slider.get_attribute("aria-valuenow") or slider.input_value()
    page.mouse.move(left + wide * 0.2, y)
    page.mouse.down()
    said = len(sent)
    for share in (0.3, 0.5, 0.7, 0.9):
        table = candidates.inner_text()
        page.mouse.move(left + wide * share, y)
        page.wait_for_function(
            "([body, before]) => body.innerText !== before", arg=[candidates.element_handle(), table]
        )
        page.wait_for_function(
            "([canvas, before]) => canvas.toDataURL() !== before", arg=[canvas.element_handle(), seen]
        )
        seen = canvas.evaluate(PIXELS)
    assert len(sent) == said, "the server was told something during the drag"
    assert f"step={at}" in page.url or "step=" not in page.url
    page.mouse.up()
    page.wait_for_url(lambda url: "step=" in url and f"step={at}" not in url)
    visitor.idle()
    assert canvas.evaluate(PIXELS) == seen, "the server's answer shows another step"
    assert visitor.complaints == []


def test_the_staffs_table_holds_every_token(visitor: Visitor, tmp_path: Path) -> None:
    text = "Once upon a time, 猫!"
    trace = tokenizer_splits.trace(tokenizer_splits.Config(text=text, tokenizers=NO_ASSET))
    page = visitor.open(SPLITS, tokenizers=NO_ASSET, text=text)
    with page.expect_download() as coming:
        staff(page).get_by_role("button", name="Download as CSV").click()
    coming.value.save_as(tmp_path / "csv")
    head, *lines = csv.reader(io.StringIO((tmp_path / "csv").read_text(encoding="utf-8-sig")))
    found = [dict(zip(head, line, strict=True)) for line in lines]
    assert [(int(one["index"]), int(one["id"])) for one in found] == [
        (i, int(token)) for row in trace.row for i, token in enumerate(row.split.id)
    ]
    ends = [int(end) for row in trace.row for end in row.split.end]
    assert [int(one["end"]) for one in found] == ends
    whole = [one["bytes"] for one in found if one["row"] == "bytes"]
    assert bytes.fromhex(" ".join(whole)).decode() == text
    assert visitor.complaints == []
