"""The page in a headless Chromium: filter, sort, keyboard, colours, a phone's width; skipped where there is none."""

import pytest

from regbench.evidence import web

from . import browser
from .test_web import made

pytestmark = pytest.mark.skipif(browser.found() is None, reason="no Chromium: `apt-get install chromium` brings one")
SHOWN = "[...document.querySelectorAll('#ledger > tbody')].filter(e => e.offsetHeight).map(e => e.id).join()"


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    opened = browser.Browser(tmp_path_factory.mktemp("profile"))
    yield opened
    opened.close()


@pytest.fixture
def shown(chromium, tmp_path):
    """The browser with the page of a paper of nobody; at the end nothing was asked for and nothing complained."""
    (path,) = web.write_web(*made(tmp_path), tmp_path)
    chromium.errors.clear()
    chromium.asked.clear()
    chromium.show(path.as_uri())
    yield chromium
    assert chromium.errors == []
    assert {each.partition("#")[0] for each in chromium.asked} <= {path.as_uri(), "about:blank", "data:,"}


def opened(shown, claim):
    return shown.value(f"document.getElementById('{claim}-more').offsetHeight > 0")


def test_it_loads_within_a_second_with_every_claim_closed(shown):
    took = "(t => t.loadEventEnd - t.startTime)(performance.getEntriesByType('navigation')[0])"
    assert 0 < shown.value(took) < 1000
    assert shown.value(SHOWN) == "better,worse,printed,later,vague"
    assert not opened(shown, "better")


def test_a_filter_by_verdict_document_and_text_leaves_what_fits(shown):
    shown.value("document.getElementById('text').focus()")
    shown.type("CLOCK no")
    assert shown.value(SHOWN) == ""
    assert shown.value("document.getElementById('nothing').offsetHeight > 0")
    shown.value("document.querySelector('[type=reset]').click()")
    shown.value("new Promise(done => setTimeout(done, 50))")
    assert shown.value(SHOWN) == "better,worse,printed,later,vague"
    choose = (
        "(e => { e.value = %r; e.dispatchEvent(new Event('change', {bubbles: true})) })(document.getElementById(%r))"
    )
    shown.value(choose % ("not run", "verdict"))
    assert shown.value(SHOWN) == "worse,later"
    assert shown.value("document.getElementById('count').textContent").startswith("2 of 5 claims")
    shown.value("document.getElementById('text').focus()")
    shown.type("fast")
    assert shown.value(SHOWN) == "later"
    shown.value(choose % ("dampening", "document"))
    assert shown.value(SHOWN) == "later"


def test_a_column_sorts_both_ways_and_says_so(shown):
    press = "document.querySelector('[data-sort=%s]').click()"
    state = "document.querySelector('[data-sort=%s]').parentNode.getAttribute('aria-sort')"
    shown.value(press % "rank")
    assert shown.value(SHOWN) == "better,worse,later,vague,printed"
    shown.value(press % "rank")
    assert shown.value(SHOWN) == "printed,vague,worse,later,better"
    assert shown.value(state % "rank") == "descending" and shown.value(state % "order") == "none"


def test_the_keyboard_reaches_opens_and_closes_a_claim(shown):
    for _ in range(40):
        shown.press("Tab")
        if shown.value("document.activeElement.closest('#better') !== null"):
            break
    assert shown.value("document.activeElement.className") == "open"
    shown.press("Enter", "\r")
    assert opened(shown, "better") and not opened(shown, "worse")
    assert shown.value("document.activeElement.getAttribute('aria-expanded')") == "true"
    shown.press("Tab")
    assert shown.value("document.activeElement.className") == "wide"  # inside the claim
    shown.press("Escape")
    assert not opened(shown, "better")
    assert shown.value("document.activeElement.getAttribute('aria-controls')") == "better-more"


def test_a_finding_leads_to_its_claim_even_where_a_filter_hides_it(shown):
    shown.value("document.getElementById('text').focus()")
    shown.type("clock")
    shown.value("document.querySelector('#findings a[href=\"#better\"]').click()")
    shown.value("new Promise(done => setTimeout(done, 100))")
    assert opened(shown, "better") and "better" in shown.value(SHOWN)


def test_nothing_is_wider_than_a_phone_with_all_open(chromium, shown):
    address = shown.value("location.href")
    chromium.show(address, width=360, height=740)
    chromium.value("document.querySelectorAll('button.open').forEach(e => e.click())")
    chromium.value("document.querySelectorAll('details').forEach(e => { e.open = true })")
    assert chromium.value("document.documentElement.scrollWidth") == chromium.value("innerWidth") == 360


def test_on_a_phone_claims_are_closed_and_a_filter_hides_them(chromium, shown):
    chromium.show(shown.value("location.href"), width=390, height=800)
    heights = "[...document.querySelectorAll('%s')].map(e => e.offsetHeight)"
    closed = chromium.value(heights % "#ledger tr.more")
    assert len(closed) == 5 and not any(closed) and all(chromium.value(heights % "#ledger tr.head"))
    chromium.value("document.querySelector('button.open').click()")
    assert sum(height > 0 for height in chromium.value(heights % "#ledger tr.more")) == 1
    chromium.value("document.getElementById('text').focus()")
    chromium.type("fast")
    assert sum(height > 0 for height in chromium.value(heights % "#ledger > tbody")) == 1


def test_dark_follows_the_system_and_the_switch_changes_it(chromium, shown):
    address, back = shown.value("location.href"), "getComputedStyle(document.body).backgroundColor"
    light = shown.value(back)
    chromium.show(address, scheme="dark")
    dark = chromium.value(back)
    assert light == "rgb(255, 255, 255)" and dark == "rgb(20, 23, 26)"
    chromium.value("document.getElementById('theme').click()")
    assert chromium.value(back) == light
    chromium.value("document.getElementById('theme').click()")
    assert chromium.value(back) == dark


CONTRAST = """
(() => {
  const light = c => { const v = c.match(/[0-9.]+/g).slice(0, 3).map(x => x / 255)
    .map(x => x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
    return 0.2126 * v[0] + 0.7152 * v[1] + 0.0722 * v[2]; };
  const back = e => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor;
    if (c !== 'rgba(0, 0, 0, 0)') return c; } };
  return Math.min(...[...document.querySelectorAll('body *')].filter(e => e.offsetHeight && e.textContent.trim())
    .map(e => [light(getComputedStyle(e).color), light(back(e))].sort((a, b) => b - a))
    .map(([a, b]) => (a + 0.05) / (b + 0.05)));
})()
"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_a_contrast_of_at_least_4_5(chromium, shown, scheme):
    address = shown.value("location.href")
    chromium.value("localStorage.clear()")
    chromium.show(address, scheme=scheme)
    chromium.value("document.querySelectorAll('details').forEach(e => { e.open = true })")
    chromium.value("document.querySelectorAll('button.open').forEach(e => e.click())")
    assert chromium.value(CONTRAST) >= 4.5
