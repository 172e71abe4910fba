import sys

import pytest

from fraud_assets import warming


def test_libraries_are_there_when_the_thread_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warming, "LIBRARIES", ("this.is.none", "wave"))
    monkeypatch.delitem(sys.modules, "wave", raising=False)
    warming.load_libraries_ahead().join(timeout=30)
    assert "wave" in sys.modules


def test_a_library_that_breaks_while_it_loads_ends_nothing(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(_: str) -> None:
        raise OSError("libgomp.so.1: cannot open shared object file")

    monkeypatch.setattr("importlib.import_module", broken)
    warming.load_libraries_ahead().join(timeout=30)
    assert capfd.readouterr().err == ""
