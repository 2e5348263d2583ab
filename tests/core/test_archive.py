"""Pictures in archives and folders: found by the names that tweets give them, whatever the archive is up to."""

from __future__ import annotations

import io
import os
import stat
import struct
import zipfile

import pytest
from PIL import Image

from umt_core.data.archive import MOST_RATIO, SMALL, file_pictures, open_pictures, zip_pictures
from umt_core.errors import DataError, ImageError


def picture(seed: int = 1) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (8, 6), (seed % 256, 100, 50)).save(stream, "PNG")
    return stream.getvalue()


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> io.BytesIO:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as made:
        for name, data in files.items():
            made.writestr(zipfile.ZipInfo(name), data, method)
    return stream


# --- names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["7", "7.png", "pics/7.png", "PICS\\7.PNG", "all/pics/7.png"])
def test_a_picture_is_found_by_its_path_its_name_or_that_without_suffix(name):
    assert zip_pictures(zipped({"pics/7.png": picture(7), "pics/8.png": picture(8)})).read(name) == picture(7)


@pytest.mark.parametrize("name", ["9", "7.jpg", "pics", "", "..", "/", "\0", "7.png/x", "other/7.png"])
def test_a_name_that_no_picture_has_finds_none(name):
    assert zip_pictures(zipped({"pics/7.png": picture()})).read(name) is None


def test_accents_may_be_written_in_both_ways():
    assert zip_pictures(zipped({"cafe\u0301.png": picture()})).read("caf\u00e9") == picture()


def test_two_pictures_of_one_name_are_told_apart_by_their_paths_or_not_at_all():
    found = zip_pictures(zipped({"a/7.png": picture(1), "b/7.png": picture(2)}))
    assert found.read("b/7.png") == picture(2)
    with pytest.raises(ImageError, match=r"wanted one picture called '7', got 2: a/7.png, b/7.png"):
        found.read("7")


def test_what_is_no_picture_by_its_name_is_passed_over_and_named():
    found = zip_pictures(zipped({"inner.zip": b"x", "notes.txt": b"x", "__MACOSX/._7.png": b"x", ".DS_Store": b"x"}))
    assert (found.files, found.read("inner"), found.read("7")) == (0, None, None)
    assert found.passed_over == [
        f"{n}: passed over, its name is not that of a picture" for n in ("inner.zip", "notes.txt")
    ]


# --- hostile archives ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["../7.png", "/7.png", "a/../../7.png", "C:\\7.png", "C:7.png", "..\\7.png", "\\7.png"]
)
def test_a_path_out_of_the_archive_is_passed_over(name):
    found = zip_pictures(zipped({name: picture(), "8.png": picture(8)}))
    assert (found.read("7"), found.read("8")) == (None, picture(8))
    assert "its path leads out of the archive" in found.passed_over[0]


def test_a_link_is_passed_over():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as made:
        link = zipfile.ZipInfo("7.png")
        link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        made.writestr(link, "/etc/passwd")
    found = zip_pictures(stream)
    assert found.read("7") is None
    assert found.passed_over == ["7.png: passed over, it is a link"]


def test_a_bomb_is_not_unpacked():
    found = zip_pictures(zipped({"7.png": bytes(200 * SMALL)}, zipfile.ZIP_DEFLATED))
    with pytest.raises(ImageError, match="unpacks to 200,000,000 bytes, a bomb"):
        found.read("7")


def test_an_archive_that_lies_about_sizes_is_read_within_bounds(monkeypatch):
    monkeypatch.setattr("umt_core.data.archive.MAX_BYTES", 5_000)
    monkeypatch.setattr("umt_core.data.images.MAX_BYTES", 5_000)
    stream = zipped({"7.png": bytes(900_000)}, zipfile.ZIP_DEFLATED)
    data = stream.getvalue()
    # Both places that say how large it is, unpacked, now say 100 bytes.
    lying = io.BytesIO(data.replace(struct.pack("<I", 900_000), struct.pack("<I", 100)))
    with pytest.raises(ImageError):
        zip_pictures(lying).read("7")
    with pytest.raises(ImageError, match="wanted a file of at most"):
        zip_pictures(stream).read("7")


def test_reading_stops_after_so_many_bytes_in_all(monkeypatch):
    monkeypatch.setattr("umt_core.data.archive.MOST_UNPACKED", 2 * len(picture()) - 1)
    found = zip_pictures(zipped({f"{i}.png": picture(i) for i in range(3)}))
    assert found.read("0")
    assert found.read("1")
    with pytest.raises(ImageError, match="bytes of pictures in all, got more"):
        found.read("2")


def test_files_that_turn_out_damaged_count_among_the_bytes_that_were_read(monkeypatch):
    monkeypatch.setattr("umt_core.data.archive.MOST_UNPACKED", 2_000)
    data = zipped({f"{i}.png": bytes([65 + i]) * 1_000 for i in range(3)}).getvalue()
    for i in range(3):
        data = data.replace(bytes([65 + i]) * 1_000, bytes([75 + i]) * 1_000)
    found = zip_pictures(io.BytesIO(data))
    for name in ("0", "1"):
        with pytest.raises(ImageError, match="wanted a whole file in the archive, got a damaged one"):
            found.read(name)
    with pytest.raises(ImageError, match="bytes of pictures in all, got more"):
        found.read("2")


def test_an_archive_of_too_many_files_is_refused_before_they_are_listed(monkeypatch):
    monkeypatch.setattr("umt_core.data.archive.MOST_FILES", 2)
    monkeypatch.setattr(zipfile, "ZipFile", lambda _: pytest.fail("it was listed"))
    with pytest.raises(DataError, match="wanted an archive of at most 2 files"):
        zip_pictures(_three())
    monkeypatch.setattr("umt_core.data.archive.MOST_FILES", 3)
    monkeypatch.setattr("umt_core.data.archive.MOST_DIRECTORY", 100)
    with pytest.raises(DataError, match="got a larger one"):
        zip_pictures(_three())


_STREAM = zipped({f"{i}.png": b"x" for i in range(3)})


def _three() -> io.BytesIO:
    return io.BytesIO(_STREAM.getvalue())


def test_an_encrypted_archive_is_refused_in_one_line():
    data = bytearray(zipped({"7.png": picture()}).getvalue())
    data[6] |= 1  # the flag, in the file's own header
    place = data.rindex(b"PK\1\2")
    data[place + 8] |= 1  # and in the list
    with pytest.raises(DataError, match=r"wanted an archive without a password, got '7\.png' encrypted"):
        zip_pictures(io.BytesIO(bytes(data)))


@pytest.mark.parametrize("data", [b"", b"no archive", picture(), b"PK\5\6", b"PK\5\6" + bytes(17)])
def test_what_is_no_archive_is_told_of_in_one_line(data):
    with pytest.raises(DataError, match="wanted a ZIP archive of pictures, got: ") as error:
        zip_pictures(io.BytesIO(data), name="pics.zip")
    assert "\n" not in str(error.value)


def test_an_archive_that_is_cut_anywhere_raises_nothing_but_ours():
    data = zipped({"7.png": picture(), "8.png": picture(8)}, zipfile.ZIP_DEFLATED).getvalue()
    for end in range(len(data)):
        try:
            zip_pictures(io.BytesIO(data[:end])).read("7")
        except (DataError, ImageError):
            continue


def test_damage_anywhere_raises_nothing_but_ours():
    data = zipped({"7.png": picture()}, zipfile.ZIP_DEFLATED).getvalue()
    for place in range(len(data)):
        for value in (0, 255, data[place] ^ 1):
            try:
                zip_pictures(io.BytesIO(data[:place] + bytes([value]) + data[place + 1 :])).read("7")
            except (DataError, ImageError):
                continue


def test_a_flat_picture_may_shrink_by_more_than_a_photograph():
    flat = io.BytesIO()
    Image.new("RGB", (1000, 900)).save(flat, "PNG", compress_level=0)
    assert len(flat.getvalue()) > SMALL * 2
    with pytest.raises(ImageError, match="a bomb"):
        zip_pictures(zipped({"7.png": flat.getvalue()}, zipfile.ZIP_DEFLATED)).read("7")
    assert MOST_RATIO == 100


# --- folders and lists ---------------------------------------------------------------------------


def test_a_folder_and_its_subfolders_are_read_but_no_link_out_of_it(tmp_path):
    (tmp_path / "out.png").write_bytes(picture(9))
    (tmp_path / "pics" / "more").mkdir(parents=True)
    (tmp_path / "pics" / "7.png").write_bytes(picture(7))
    (tmp_path / "pics" / "more" / "8.gif").write_bytes(picture(8))
    (tmp_path / "pics" / "9.png").symlink_to(tmp_path / "out.png")
    (tmp_path / "pics" / "10.png").symlink_to(tmp_path / "gone.png")
    os.mkfifo(tmp_path / "pics" / "11.png")
    with open_pictures(tmp_path / "pics") as found:
        assert [found.read(name) for name in ("7", "8.gif", "9", "10", "11")] == [
            picture(7),
            picture(8),
            None,
            None,
            None,
        ]
        assert len(found.passed_over) == 3


def test_a_list_of_pictures_is_read(tmp_path):
    (tmp_path / "7x.png").write_bytes(picture(7))
    (tmp_path / "pics.tsv").write_text("id\tpath\ntweet-7\t7x.png\ntweet-8\tgone.png\n")
    with open_pictures(tmp_path / "pics.tsv") as found:
        assert [found.read(name) for name in ("tweet-7", "tweet-8")] == [picture(7), None]


@pytest.mark.parametrize(("name", "said"), [("gone.zip", "wanted a ZIP archive, a folder or a .tsv"), ("x", "got:")])
def test_what_is_neither_is_told_of(tmp_path, name, said):
    (tmp_path / "x").write_text("x")
    with pytest.raises(DataError, match=said), open_pictures(tmp_path / name):
        pass


def test_pictures_that_come_as_files_are_found(tmp_path):
    found = file_pictures({"sub/7.png": io.BytesIO(picture(7))})
    assert (found.read("7"), found.read("8")) == (picture(7), None)
