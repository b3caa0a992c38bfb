"""The HTML report in a headless Chromium: clicks, keys, filters, print, no scripts."""

import shutil

import made_up_report
import pytest

import keras_pvec as kp
from keras_pvec.reproduction import report
from keras_pvec.runs import RunFolder

pytest.importorskip("selenium")
from selenium import webdriver
from selenium.webdriver import ActionChains
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (BROWSER and DRIVER), reason="needs chromium and chromium-driver"
)

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"),
    *("--no-first-run", "--disable-background-networking", "--disable-sync"),
    *("--disable-component-update", "--disable-dev-shm-usage"),
)
MARKUP = "</script><img src=x onerror=window.broken=1>"
MODELS = ("mlp", "resnet18", MARKUP)
# What is drawn, and not in a subtree that is hidden or skipped.
VISIBLE = """
    return [...document.querySelectorAll(arguments[0])].map(
        node => node.checkVisibility() && node.getClientRects().length > 0)
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    options = Options()
    options.binary_location = BROWSER
    for flag in FLAGS:
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('profile')}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    started = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield started
    started.quit()


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    tables = {
        "angle_to_final": made_up_report.angle_to_final(MODELS),
        "angle_matrix": made_up_report.angle_matrix(MODELS),
    }
    runs = []
    for i, model in enumerate(MODELS):
        run = RunFolder(folder / f"run{i}")
        run.note(settings={"model": model, "seed": 0, "epochs": 10 - i})
        run.log_path.write_text("")
        runs.append(kp.open_run(run.path))
    made = made_up_report.section(folder, tables)
    section = report.Section(
        made.title, made.claims, made.figures, runs, specification=made.specification
    )
    page, _ = report.write_report(folder, [section])
    return page.as_uri()


@pytest.fixture(params=[1280, 375], ids=["wide", "phone"])
def page(request, browser, url):
    size = {"width": request.param, "height": 900, "deviceScaleFactor": 1}
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {**size, "mobile": request.param < 400}
    )
    browser.get_log("browser")
    browser.get(url)
    yield browser
    assert browser.get_log("browser") == []
    assert browser.execute_script("return window.broken") is None


def visible(page, selector):
    return page.execute_script(VISIBLE, selector)


def column(page, caption, index):
    """The visible texts of a column of the table with a caption."""
    return page.execute_script(
        """
        const [caption, index] = arguments;
        const table = [...document.querySelectorAll("table")].find(
            table => table.caption.textContent === caption);
        return [...table.tBodies[0].rows].filter(row => row.checkVisibility()).map(
            row => row.cells[index].textContent)
        """,
        caption,
        index,
    )


def header(page, caption, index):
    path = f"//table[caption[text()='{caption}']]/thead/tr/th[{index + 1}]"
    return page.find_element(By.XPATH, path)


def choose(page, name, value):
    Select(page.find_element(By.ID, f"filter-{name}")).select_by_value(value)


def tip(page):
    shown = [t for t in page.find_elements(By.CSS_SELECTOR, ".tip") if t.text]
    return shown[0].text if shown else ""


def test_a_click_on_a_header_sorts_the_rows(page):
    angles = column(page, "Pairs of networks", 2)
    assert float(angles[0]) == 10.0
    head = header(page, "Pairs of networks", 2)
    assert head.get_attribute("aria-sort") is None
    button = head.find_element(By.TAG_NAME, "button")
    button.click()
    assert head.get_attribute("aria-sort") == "ascending"
    button.click()
    assert head.get_attribute("aria-sort") == "descending"
    found = [float(text) for text in column(page, "Pairs of networks", 2)]
    assert found == sorted(map(float, angles), reverse=True)
    other = header(page, "Pairs of networks", 0)
    other.find_element(By.TAG_NAME, "button").click()
    assert head.get_attribute("aria-sort") is None
    assert other.get_attribute("aria-sort") == "ascending"


def test_keys_sort_and_empty_cells_come_last(page):
    effects = column(page, "Results under each reading", 5)
    assert "" in effects
    button = header(page, "Results under each reading", 5).find_element(
        By.TAG_NAME, "button"
    )
    page.execute_script("arguments[0].focus()", button)
    for key, reverse in ((Keys.ENTER, False), (Keys.SPACE, True)):
        page.switch_to.active_element.send_keys(key)
        found = column(page, "Results under each reading", 5)
        n_known = len(found) - found.count("")
        assert set(found[n_known:]) == {""}
        known = [float(text) for text in found[:n_known]]
        assert known == sorted(known, reverse=reverse)


def test_verdicts_sort_by_their_own_order(page):
    header(page, "Results under each reading", 2).find_element(
        By.TAG_NAME, "button"
    ).click()
    found = list(dict.fromkeys(column(page, "Results under each reading", 2)))
    assert found[0] == "reproduced" and found[1] == "partly reproduced"


def test_a_model_hides_the_curves_and_rows_of_others(page):
    curves = "#figure-0-0 path.curve"
    labels = (
        "return [...document.querySelectorAll(arguments[0])].map(n=>n.dataset.label)"
    )
    assert len(page.execute_script(labels, curves)) == 2 * len(MODELS)
    choose(page, "model", "mlp")
    assert page.execute_script(labels, curves) == ["mlp, seed 0", "mlp, seed 1"]
    assert column(page, "Runs", 0) == ["mlp"]
    pairs = zip(
        column(page, "Pairs of networks", 0),
        column(page, "Pairs of networks", 1),
        strict=True,
    )
    assert all("mlp, seed" in first + second for first, second in pairs)
    # The row and the column of the model.
    n_cells = len(page.find_elements(By.CSS_SELECTOR, "#figure-0-1 rect.cell"))
    assert n_cells == 2 * len(MODELS) - 1
    choose(page, "seed", "1")
    assert page.execute_script(labels, curves) == ["mlp, seed 1"]
    assert column(page, "Runs", 0) == []
    page.find_element(By.CSS_SELECTOR, "button[type=reset]").click()
    assert len(page.execute_script(labels, curves)) == 2 * len(MODELS)
    assert len(column(page, "Runs", 0)) == len(MODELS)


def test_a_name_that_is_markup_can_be_chosen(page):
    choose(page, "model", MARKUP)
    assert column(page, "Runs", 0) == [MARKUP]


def test_a_claim_hides_what_belongs_to_others(page):
    choose(page, "claim", "C2")
    assert set(column(page, "Results under each reading", 0)) == {"C2"}
    assert len(column(page, "Overview", 0)) == 1
    assert sum(visible(page, "article")) == 1
    assert visible(page, "#figure-0-0") == [True]
    choose(page, "claim", "C12")
    assert visible(page, "#figure-0-0") == [False]


def test_a_reading_hides_others_and_chooses_the_measure(page):
    start = "const p = document.querySelector('#figure-0-0 path.curve');" + (
        "return p ? p.getAttribute('d') : null"
    )
    plain = page.execute_script(start)
    choose(page, "reading", "column-centred")
    assert set(column(page, "Results under each reading", 1)) == {"column-centred"}
    centred = page.execute_script(start)
    assert centred != plain
    assert page.find_elements(By.CSS_SELECTOR, "#figure-0-0 path.null") == []
    choose(page, "reading", "test samples")
    assert not any(visible(page, "#figure-0-0 svg"))
    assert set(column(page, "Results under each reading", 1)) == {"test samples"}
    choose(page, "reading", "")
    assert page.execute_script(start) == plain


def test_hovering_a_point_shows_its_values(page):
    figure = page.find_element(By.ID, "figure-0-0")
    page.execute_script("arguments[0].scrollIntoView({block: 'center'})", figure)
    assert tip(page) == ""
    x, y = page.execute_script(
        """
        const path = document.querySelector("#figure-0-0 path.curve");
        const box = path.ownerSVGElement.getBoundingClientRect();
        const start = path.getPointAtLength(0);
        return [Math.round(box.left + start.x), Math.round(box.top + start.y)]
        """
    )
    actions = ActionChains(page)
    actions.w3c_actions.pointer_action.move_to_location(x, y)
    actions.perform()
    # The first run begins at 80 degrees; its null is 85, from 84 to 86.
    assert all(text in tip(page) for text in ("mlp, seed 0", "80.00", "85.00", "84.00"))
    actions.w3c_actions.pointer_action.move_to_location(1, 1)
    actions.perform()
    assert tip(page) == ""


def test_keys_walk_along_a_chart(page):
    chart = page.find_element(By.CSS_SELECTOR, "#figure-0-1 svg")
    page.execute_script("arguments[0].focus()", chart)
    chart.send_keys(Keys.ARROW_RIGHT)
    assert "mlp" in tip(page) and "10.00" in tip(page)
    chart.send_keys(Keys.ARROW_RIGHT)
    assert "resnet18" in tip(page)
    chart.send_keys(Keys.ESCAPE)
    assert tip(page) == ""


def test_the_picture_of_a_chart_can_be_shown(page):
    assert visible(page, "#figure-0-0 img") == [False]
    button = page.find_element(By.CSS_SELECTOR, "#figure-0-0 button")
    page.execute_script("arguments[0].scrollIntoView({block: 'center'})", button)
    button.click()
    assert visible(page, "#figure-0-0 img") == [True]
    assert button.get_attribute("aria-expanded") == "true"


def test_nothing_is_loaded_and_nothing_is_cut_off(page):
    resources = "return performance.getEntriesByType('resource').map(e => e.name)"
    loaded = page.execute_script(resources)
    assert [name for name in loaded if not name.startswith("data:")] == []
    wide = page.execute_script(
        "return document.documentElement.scrollWidth - window.innerWidth"
    )
    assert wide <= 0


def test_print_shows_everything_whatever_is_filtered(page):
    choose(page, "model", "mlp")
    choose(page, "claim", "C2")
    choose(page, "reading", "primary")
    assert not all(visible(page, "tbody tr"))
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        for selector in ("tbody tr", "article", "img", "dd", "details dl"):
            found = visible(page, selector)
            assert found and all(found), selector
        assert not any(visible(page, ".chart, #filters"))
        cut = page.execute_script(
            """
            return [...document.querySelectorAll(".rows")].filter(
                box => box.scrollHeight > box.clientHeight + 1).length
            """
        )
        assert cut == 0
    finally:
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def test_without_scripts_all_tables_and_figures_are_there(browser, url):
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get(url)
        assert browser.find_elements(By.CSS_SELECTOR, ".chart, select") == []
        for selector in ("img", "table", "tbody tr", "article", "figcaption"):
            found = visible(browser, selector)
            assert found and all(found), selector
        n_pictures = len(browser.find_elements(By.CSS_SELECTOR, "figure img"))
        assert n_pictures == len(browser.find_elements(By.TAG_NAME, "figure"))
    finally:
        browser.execute_cdp_cmd(
            "Emulation.setScriptExecutionDisabled", {"value": False}
        )
