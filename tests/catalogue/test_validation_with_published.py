"""The check page judges counts together with all published data, as publishing does."""

import io
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.publisher.test_published_counts import TOGETHER, submit
from tests.reading import LICENCE_AND_PUBLISHER, validate
from tests.schemas.test_suppression import HEADER, row
from vaven.catalogue.app import create_app
from vaven.publisher.settings import Settings
from vaven.schemas.reports.text_and_json import as_dict, as_text
from vaven.schemas.standard.thresholds import Thresholds

LATER = {"sv": "inte tillsammans med det som redan är publicerat", "en": "not together with what is published already"}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


def uploaded(settings: Settings, *rows: str) -> tuple[dict[str, Any], str]:
    """Upload rows to the check page. Returns the report as JSON, and the page."""
    client: FlaskClient = create_app(settings).test_client()
    form = {"licence": LICENCE_AND_PUBLISHER.licence, "publisher": LICENCE_AND_PUBLISHER.publisher}
    file = (io.BytesIO("\n".join([HEADER, *rows]).encode()), "andra.csv")
    address = client.post("/validate", data={"file": file, **form}).location
    report: dict[str, Any] = client.get(f"{address}/report.json").json
    return report, client.get(address, headers={"Accept-Language": "sv"}).text


@pytest.mark.parametrize("way", TOGETHER)
def test_what_a_file_reveals_beside_published_data_is_an_error_with_its_row(settings: Settings, way: str) -> None:
    first, second = TOGETHER[way]
    report, page = uploaded(settings, *second)
    assert (report["verdict"], report["judged_with_published"]) == ("valid", True)
    assert "även tillsammans med allt som redan är publicerat" in page

    assert submit(settings, "ett", *first) == {}
    report, page = uploaded(settings, *second)
    finding, *_ = (f for f in report["findings"] if f["code"] == "integrity-disclosure")
    assert report["verdict"] == "invalid"
    assert finding["row"] >= 2
    assert "ett version 1" in finding["message"]
    assert "ett version 1" in page


def test_other_thresholds_of_the_catalogue_apply(settings: Settings) -> None:
    assert submit(settings, "ett", row()) == {}
    tolerant = Settings(home=settings.home, thresholds=Thresholds(small_count=2))
    assert uploaded(tolerant, row(sex="F", numerator=97))[0]["verdict"] == "valid"


def test_a_file_with_errors_is_not_judged_with_published_data(settings: Settings) -> None:
    report, page = uploaded(settings, row(numerator=2))
    assert (report["verdict"], report["judged_with_published"]) == ("invalid", False)
    assert "redan är publicerat" not in page


def test_a_check_without_a_catalogue_says_that_this_part_was_not_done(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("\n".join([HEADER, row()]))
    report = validate(path)
    assert as_dict(report, "sv")["judged_with_published"] is False
    assert all(LATER[language] in as_text(report, language) for language in LATER)
    path.write_text("\n".join([HEADER, row(numerator=2)]))
    assert not any(LATER[language] in as_text(validate(path), language) for language in LATER)
