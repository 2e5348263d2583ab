"""Hostile and odd pictures, all made here, and where pictures are found."""

import struct
import zlib
from io import BytesIO

import pytest
from PIL import Image

from umt_core.data.images import ImageIndex, content_hash, open_image
from umt_core.errors import DataError, ImageError

RED, GREEN, WHITE = (255, 0, 0), (0, 255, 0), (255, 255, 255)


def encoded(picture: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def png(width: int, height: int, pixels: bytes) -> bytes:
    """A PNG with any size in its header, written chunk by chunk."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")


def near(pixel, wanted, by=12) -> bool:
    return all(abs(a - b) <= by for a, b in zip(pixel, wanted, strict=True))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
def test_the_four_formats_are_read_as_rgb(kind):
    picture = open_image(encoded(Image.new("RGB", (8, 6), RED), kind))
    assert (picture.mode, picture.size) == ("RGB", (8, 6))
    assert near(picture.getpixel((3, 3)), RED)


def test_paths_bytes_and_file_objects_give_the_same_and_can_be_read_again(tmp_path):
    data = encoded(Image.new("RGB", (4, 4), GREEN))
    (tmp_path / "a.png").write_bytes(data)
    stream = BytesIO(data)
    sources = (tmp_path / "a.png", str(tmp_path / "a.png"), data, stream, stream)
    assert {open_image(source).tobytes() for source in sources} == {bytes(GREEN) * 16}


def test_sixteen_bit_grey_is_rescaled_not_clipped():
    grey = Image.new("I;16", (2, 1))
    grey.putpixel((0, 0), 32896)  # 128 * 257
    grey.putpixel((1, 0), 65535)
    picture = open_image(encoded(grey))
    assert [picture.getpixel((x, 0)) for x in (0, 1)] == [(128, 128, 128), WHITE]


def test_cmyk_jpeg_keeps_its_colour():
    assert near(open_image(encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG")).getpixel((4, 4)), RED)


def test_transparency_is_laid_on_white():
    palette = Image.new("P", (2, 1))
    palette.putpalette([*RED, *GREEN])
    palette.putpixel((1, 0), 1)
    half = Image.new("RGBA", (1, 1), (*RED, 128))
    picture = open_image(encoded(palette, transparency=0))
    assert [picture.getpixel((x, 0)) for x in (0, 1)] == [WHITE, GREEN]
    assert near(open_image(encoded(half)).getpixel((0, 0)), (255, 127, 127), by=1)
    assert open_image(encoded(Image.new("LA", (1, 1), (0, 0)))).getpixel((0, 0)) == WHITE


def test_exif_rotation_is_carried_out():
    lying = Image.new("RGB", (32, 16), RED)
    lying.paste(GREEN, (16, 0, 32, 16))  # red left, green right
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: to be shown rotated clockwise by 90 degrees
    picture = open_image(encoded(lying, "JPEG", exif=exif, quality=95))
    assert picture.size == (16, 32)
    assert near(picture.getpixel((8, 4)), RED)
    assert near(picture.getpixel((8, 28)), GREEN)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_animations_show_their_first_frame(kind):
    frames = [Image.new("RGB", (4, 4), colour) for colour in (RED, GREEN)]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
    assert near(open_image(data).getpixel((0, 0)), RED)


@pytest.mark.parametrize(("side", "got"), [(20_000, "more"), (7_000, "7,000 x 7,000")])
def test_a_bomb_is_refused_by_its_header(side, got):
    with pytest.raises(ImageError) as error:
        open_image(png(side, side, bytes(1000)), name="bomb.png")
    assert str(error.value) == f"bomb.png: wanted at most 40,000,000 pixels, got {got}"


def test_a_hand_made_png_of_honest_size_is_read():
    assert open_image(png(1, 1, b"\0" + bytes(RED))).getpixel((0, 0)) == RED


@pytest.mark.parametrize(
    ("data", "got"),
    [
        (b"hello, this is no picture", "text"),
        (b"", "an empty file"),
        (b"\x89PNG and no more", "a damaged one"),
        (b"\x00\x01\xfe\xff" * 9, "something else"),
        (encoded(Image.new("RGB", (2, 2)), "TIFF"), "TIFF"),
        (encoded(Image.new("RGB", (2, 2)), "BMP"), "BMP"),
    ],
)
def test_other_files_are_named_for_what_they_are(data, got):
    with pytest.raises(ImageError) as error:
        open_image(data, name="photo.jpg")
    assert str(error.value) == f"photo.jpg: wanted a JPEG, PNG, WEBP or GIF picture, got {got}"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF"])
def test_a_truncated_file_is_refused_in_one_line(kind):
    data = encoded(Image.effect_noise((64, 64), 90).convert("RGB"), kind)
    for part in (0.2, 0.5, 0.8):
        with pytest.raises(ImageError, match=r"^cut: wanted .*, got ") as error:
            open_image(data[: int(len(data) * part)], name="cut")
        assert "\n" not in str(error.value)


def test_large_missing_and_unreadable_files_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("umt_core.data.images.MAX_BYTES", 10)
    with pytest.raises(ImageError, match="at most 10 bytes"):
        open_image(bytes(11))
    for source in (tmp_path / "none.jpg", tmp_path, "a\0b"):
        with pytest.raises(ImageError, match="wanted a readable picture file, got"):
            open_image(source)


def test_content_hash_is_sha256():
    assert content_hash(b"abc").startswith("ba7816bf8f01cfea414140de5dae2223")


# Where pictures are found


def test_a_folder_is_looked_up_by_id_and_by_path(tmp_path):
    (tmp_path / "sub").mkdir()
    for name in ("1.jpg", "2.webp", "3.gif", "sub/4.png"):
        (tmp_path / name).touch()
    index = ImageIndex.open(tmp_path)
    assert [index.path(i) for i in ("1", "2", "3", "9", "", None)] == [
        *(tmp_path.resolve() / name for name in ("1.jpg", "2.webp")),
        *[None] * 4,
    ]
    assert index.path("sub/4.png") == tmp_path.resolve() / "sub/4.png"
    assert index.path("sub/4") is None  # an id is no path


@pytest.mark.parametrize(
    "name", ["../out", "../out.jpg", "/etc/passwd", "a\0b", "a\0b.jpg", "x" * 5000, "\ud800", ".."]
)
def test_no_name_leads_out_of_the_folder(tmp_path, name):
    (tmp_path / "out.jpg").touch()
    (tmp_path / "in").mkdir()
    assert ImageIndex.open(tmp_path / "in").path(name) is None


def test_a_link_out_of_the_folder_is_refused(tmp_path):
    (tmp_path / "out.jpg").touch()
    (tmp_path / "in").mkdir()
    (tmp_path / "in/1.jpg").symlink_to("../out.jpg")
    for name in ("1", "1.jpg"):
        with pytest.raises(DataError, match="got a link out of it"):
            ImageIndex.open(tmp_path / "in").path(name)


def test_a_list_names_pictures_relative_to_itself(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "lists").mkdir()
    (tmp_path / "photos/a.jpg").touch()
    (tmp_path / "lists/l.tsv").write_text("id\tpath\r\n7\t../photos/a.jpg\r\n8\t../photos/gone.jpg\r\n")
    index = ImageIndex.open(tmp_path / "lists/l.tsv")
    assert index.path("7").samefile(tmp_path / "photos/a.jpg")
    assert [index.path(i) for i in ("8", "9", "../photos/a.jpg")] == [None] * 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("7\ta.jpg\n8\n", r"list.tsv:2: wanted two columns"),
        ("7\ta.jpg\n7\tb.jpg\n", r"list.tsv:2: wanted each id once, got '7' again"),
        ("7\t/etc/a.jpg\n", r"list.tsv:1: wanted a path relative to the list"),
    ],
)
def test_a_bad_list_is_refused_by_line(tmp_path, text, message):
    (tmp_path / "list.tsv").write_text(text)
    with pytest.raises(DataError, match=message):
        ImageIndex.open(tmp_path / "list.tsv")


@pytest.mark.parametrize("name", ["nothing", "file.csv"])
def test_neither_folder_nor_list(tmp_path, name):
    (tmp_path / "file.csv").touch()
    with pytest.raises(DataError, match=r"wanted a folder of pictures or a .tsv"):
        ImageIndex.open(tmp_path / name)


def test_pictures_whose_folder_has_gone_are_not_taken_for_none(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    Image.new("RGB", (4, 4)).save(folder / "a.png")
    listed = tmp_path / "images.tsv"
    listed.write_text("a\timages/a.png\nb\timages/b.png\n")
    indexes = [ImageIndex.open(folder), ImageIndex.open(listed)]
    folder.rename(tmp_path / "elsewhere")
    for index in indexes:
        for name in ("a", "b"):
            with pytest.raises(DataError, match=r"images: wanted the folder of pictures, it is not there any more$"):
                index.path(name)
        assert index.path(None) is None
    (tmp_path / "elsewhere").rename(folder)
    for index in indexes:
        assert index.path("a") == folder / "a.png"
        assert index.path("b") is None
