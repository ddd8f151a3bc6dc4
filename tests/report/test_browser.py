"""The report page in a real Chromium: no errors, working controls, keyboard, and the rules of axe-core."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from axe_playwright_python.sync_playwright import Axe
from pages import build_page, without_labels
from playwright.sync_api import Browser, Locator, Page, sync_playwright

from workflow_scripts.report.settings import ReportSettings

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: make test-browser installs it where apt may")


@pytest.fixture(scope="module")
def address(results: Any) -> str:
    arguments = results.arguments() | {"output": results.folder / "browser" / "index.html"}
    build_page(**arguments, settings=ReportSettings())
    return arguments["output"].as_uri()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """The page after it has opened."""
    with opened(browser, address) as page:
        yield page


@contextmanager
def opened(browser: Browser, address: str) -> Iterator[Page]:
    """An open page. The test fails if the page logs an error or requests another file."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    messages, requests = [], []
    page.on("console", lambda message: messages.append(message.text))
    page.on("pageerror", lambda error: messages.append(str(error)))
    page.on("request", lambda request: requests.append(request.url.partition("#")[0]))
    page.goto(address)
    yield page
    page.close()
    assert not messages
    assert {url for url in requests if not url.startswith("data:")} == {address}


def names(videos: Locator) -> list[str]:
    """The names of the videos behind these buttons."""
    return [video.get_attribute("title") or "" for video in videos.all()]


def test_explorer_shows_clusters_of_every_clustering(page: Page, results: Any) -> None:
    names_of = {"la": set(results.scenes.values()), "la_idt": set(results.motions.values())}
    for space in page.locator("#space option").all():
        page.locator("#space").select_option(label=space.text_content())
        run = "la_idt" if "la_idt" in (space.text_content() or "") or space.text_content() == "IDT" else "la"
        rows = page.locator("#rows .cluster")
        assert rows.count() == len(names_of[run])
        shown = [names(row.locator(".video")) for row in rows.all()]
        assert sum(map(len, shown)) == 12
        for members in shown:  # motion_scene_take
            assert len({name.split("_")[0 if run == "la_idt" else 1] for name in members}) == 1
        assert page.locator("#count").text_content() == f"{len(shown)} clusters of {len(shown)}."


def test_explorer_filter_leaves_one_motion(page: Page) -> None:
    page.locator("#only").select_option("walk")
    assert {name.split("_")[0] for name in names(page.locator("#rows .video"))} == {"walk"}
    assert page.locator("#rows .video").count() == 4
    assert page.locator("#map circle:not(.faint)").count() == 4
    assert "with walk" in (page.locator("#count").text_content() or "")
    page.locator("#only").select_option("")
    assert page.locator("#map circle.faint").count() == 0


def test_explorer_map_colors(page: Page) -> None:
    def colors() -> set[str]:
        return set(page.locator("#map circle").evaluate_all("dots => dots.map(dot => dot.style.fill)"))

    for choice, count in {"label": 3, "place": 2, "cluster": 2}.items():
        page.locator("#color").select_option(choice)
        assert len(colors()) == count, choice
        assert page.locator("#legend li").count() == (0 if choice == "cluster" else count)


def test_explorer_shows_nearest_neighbours(page: Page, results: Any) -> None:
    page.locator("#rows .video[title=wave_beach_01]").click()
    assert page.locator("#near h3").text_content() == "wave_beach_01"
    assert page.locator("#map circle.chosen").count() == 1
    titles = page.locator("#near h4").all_text_contents()
    assert [title.rsplit(" cluster ")[0].strip() for title in titles] == ["Video LA", "IDT", "Video LA + IDT prior"]
    paths = {video_id: name for name, video_id in _ids(results).items()}
    for run, row in {"la": 0, "la_idt": 2}.items():
        model = torch.load(results.folder / f"pretraining/{run}/seed0/model.pt", weights_only=True)
        bank, ids = model["bank"].numpy(), model["video_ids"]
        cosines = bank @ bank[ids.index(_ids(results)["wave_beach_01"])]
        expected = [paths[ids[i]] for i in np.argsort(-cosines)[1:5]]
        assert names(page.locator("#near .videos").nth(row).locator(".video")) == expected
    # A neighbour can be chosen too; the video is then marked in its cluster.
    first = page.locator("#near .video").first
    name = first.get_attribute("title")
    first.click()
    assert page.locator("#near h3").text_content() == name
    assert page.locator("#rows .video[aria-pressed=true]").get_attribute("title") == name


def test_explorer_finds_video_by_name(page: Page, results: Any) -> None:
    find = page.locator("#find")
    find.fill("walk_beach_01")
    assert page.locator("#near h3").text_content() == "walk_beach_01"
    assert page.evaluate("location.hash") == f"#video={_ids(results)['walk_beach_01']}"
    place = page.locator("#near a").evaluate("link => link.href")
    assert place == (Path.cwd() / "walk/walk_beach_01.mp4").as_uri()
    find.fill("BRICKS_01")  # a part of three names
    find.press("Enter")
    assert (page.locator("#near h3").text_content() or "").endswith("_bricks_01")
    find.fill("nobody")
    find.press("Enter")
    assert find.get_attribute("aria-invalid") == "true"
    assert (page.locator("#near h3").text_content() or "").endswith("_bricks_01")


def test_explorer_address_chooses_video(page: Page, address: str, results: Any) -> None:
    for name in ("spin_bricks_00", "walk_beach_01"):
        page.evaluate(f"location.hash = 'video={_ids(results)[name]}'")
        page.wait_for_function(f"document.querySelector('#near h3')?.textContent === '{name}'")
        assert page.locator("#rows .video[aria-pressed=true]").get_attribute("title") == name
    page.reload()
    assert page.locator("#near h3").text_content() == "walk_beach_01"
    for wrong in ("#video=%", "#video=nobody", "#methods"):
        page.evaluate(f"location.hash = '{wrong}'")
        assert page.locator("#near h3").text_content() == "walk_beach_01"


def test_explorer_without_labels(browser: Browser, results: Any) -> None:
    arguments = without_labels(results, results.folder / "unlabelled")
    build_page(**arguments)
    with opened(browser, arguments["output"].as_uri()) as page:
        assert not page.locator("#only").is_visible()
        assert page.locator("#color option").all_text_contents() == ["cluster"]
        page.locator("#rows .video").first.click()
        assert page.locator("#near > .note").inner_text() == "Open the file. Nearest on this page, by cosine."


def _ids(results: Any) -> dict[str, str]:
    """video_id by the file's name."""
    table = (results.folder / "toy/videos/index.tsv").read_text().splitlines()
    rows = [line.split("\t") for line in table[1:]]
    return {Path(row[1]).stem: row[0] for row in rows}


def test_explorer_map_tooltip(page: Page) -> None:
    dot = page.locator("#map circle").last
    dot.hover()
    assert page.locator("#tip").is_visible()
    name = page.locator("#tip .muted").text_content()
    dot.click()
    assert page.locator("#near h3").text_content() == name
    page.mouse.move(5, 5)
    assert page.locator("#tip").is_hidden()


def test_explorer_by_keyboard(page: Page) -> None:
    page.locator("#space").focus()
    page.keyboard.press("ArrowDown")
    assert page.locator("#space").input_value() == "1"
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.className") == "video":
            break
    name = page.evaluate("document.activeElement.title")
    page.keyboard.press("Enter")
    assert page.locator("#near h3").text_content() == name
    assert page.evaluate("document.activeElement.title") == name  # the focus stays


def test_page_stops_thumbnails(page: Page) -> None:
    thumbnail = page.locator("#gallery .thumb").first
    state = "thumb => getComputedStyle(thumb).animationPlayState"
    assert thumbnail.evaluate(state) == "running"
    page.locator("#play").click()
    assert thumbnail.evaluate(state) == "paused" and page.locator("#play").text_content() == "Play"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_passes_axe(page: Page, scheme: Any) -> None:
    page.emulate_media(color_scheme=scheme)
    page.locator("#rows .video").first.click()
    page.locator("summary").evaluate_all("parts => parts.forEach(part => part.click())")
    accessibility = Axe().run(page)
    assert accessibility.violations_count == 0, accessibility.generate_report()


def test_page_fits_narrow_screen(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_page_is_legible_on_narrow_screen(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    page.locator("summary").evaluate_all("parts => parts.forEach(part => part.click())")
    captions = page.locator("caption > span, figcaption:visible")
    right = captions.evaluate_all("parts => parts.map(part => part.getBoundingClientRect().right)")
    assert len(right) > 6 and max(right) <= 390
    # The pixels of the text in figures, which must not shrink with the screen.
    sizes = page.locator("figure svg").evaluate_all(
        "figures => figures.flatMap(figure => [...figure.querySelectorAll('text')].map(text => "
        "parseFloat(getComputedStyle(text).fontSize)"
        " * figure.getBoundingClientRect().width / figure.viewBox.baseVal.width))"
    )
    assert len(sizes) > 50 and min(sizes) >= 8.9
    accessibility = Axe().run(page)
    assert accessibility.violations_count == 0, accessibility.generate_report()
