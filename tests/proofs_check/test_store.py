import json
import math
import os

import numpy as np
import pytest

from proofs_check.store import Store, content_key, plain, write_json


def test_plain_data_is_strict_json():
    data = plain(
        {"a": math.nan, "b": [math.inf, 1.5], "c": np.array([1, 2]), 3: np.float64(-np.inf)}
    )
    assert data == {"a": None, "b": [None, 1.5], "c": [1, 2], "3": None}
    json.dumps(data, allow_nan=False)
    assert plain(np.bool_(True)) is True
    assert plain(np.int64(3)) == 3


def test_a_failed_write_leaves_the_old_file_and_no_rubbish(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"x": 1})
    with pytest.raises(TypeError):
        write_json(path, {"x": object()})
    assert json.loads(path.read_text()) == {"x": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_a_replace_that_is_interrupted_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    write_json(path, {"x": 1})

    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", stop)
    with pytest.raises(KeyboardInterrupt):
        write_json(path, {"x": 2})
    assert json.loads(path.read_text()) == {"x": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_keys_depend_on_content_alone():
    assert content_key({"a": 1, "b": 2}) == content_key({"b": 2, "a": 1})
    assert content_key({"a": 1}) != content_key({"a": 1.5})


def test_cells_come_back_and_bad_ones_are_named(tmp_path):
    store = Store(tmp_path / "deep" / "out")
    assert store.load_cell("k") == (None, "")
    store.save_cell("k", {"verdict": "SUPPORTED", "margin": 0.1, "error": math.inf})
    assert store.load_cell("k") == ({"verdict": "SUPPORTED", "margin": 0.1, "error": None}, "")
    cell = store.path / "cells" / "k.json"
    text = cell.read_text()
    bad = (text.replace("0.1", "0.2"), text[: len(text) // 2], "", "[]", "null", '{"key": "k"}')
    for damaged in bad:
        cell.write_text(damaged)
        record, note = store.load_cell("k")
        assert record is None
        assert "k.json" in note
        assert "corrupted" in note
    cell.write_bytes(b"\xff\xfe\x00")
    assert store.load_cell("k")[0] is None


def test_a_cell_under_another_key_is_not_taken(tmp_path):
    store = Store(tmp_path)
    store.save_cell("k", {"verdict": "SUPPORTED"})
    (tmp_path / "cells" / "k.json").rename(tmp_path / "cells" / "other.json")
    assert store.load_cell("other")[0] is None


def test_an_unwritable_folder_is_refused_by_name(tmp_path):
    file = tmp_path / "file"
    file.write_text("x")
    with pytest.raises(ValueError, match=r"out: cannot write to .*file"):
        Store(file)
    with pytest.raises(ValueError, match="out: cannot write to"):
        Store(file / "below")
