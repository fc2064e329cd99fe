"""Zip files, paths into them, addresses of other kinds and of remote stores."""

from __future__ import annotations

import pickle
import threading
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import zarr
from slides import pixels

from morphinfer.errors import SlideError
from morphinfer.geometry import Window
from morphinfer.images.opening import open_slide
from morphinfer.images.stores import remote
from morphinfer.images.stores.addresses import Address


def zipped(folder: Path, file: Path, below: str = "") -> Path:
    """A zip file of what lies in a folder, at a path inside the file."""
    with zipfile.ZipFile(file, "w") as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, Path(below) / path.relative_to(folder))
    return file


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("name", ["s.ozx", "s.zarr.zip", "s.zarr", "s.bin"])
def test_a_zip_file_is_read_whatever_its_name(make_slide, noise, tmp_path, version, name):
    image = noise(40, 30)
    file = zipped(make_slide(image, version=version), tmp_path / name)
    slide = open_slide(file)
    assert (slide.name, slide.path) == (name, file)
    np.testing.assert_array_equal(pixels(slide), image)


def test_a_zip_file_of_one_folder_is_read(make_slide, noise, tmp_path):
    image = noise(40, 30)
    slide = open_slide(zipped(make_slide(image), tmp_path / "s.zip", below="slide.zarr"))
    np.testing.assert_array_equal(pixels(slide), image)


def test_an_image_at_any_depth_of_a_zip_file_is_read(make_slide, noise, tmp_path):
    image = noise(40, 30)
    file = zipped(make_slide(image), tmp_path / "s.zip", below="a/slide.zarr")
    for path in (file, file / "a/slide.zarr"):
        np.testing.assert_array_equal(pixels(open_slide(path)), image)


def test_the_images_of_a_zip_file_are_listed(make_slide, noise, tmp_path):
    make_slide(noise(40, 30), name="both/a.zarr")
    make_slide(noise(40, 30), name="both/b.zarr")
    file = zipped(tmp_path / "both", tmp_path / "s.zip")
    with pytest.raises(
        SlideError, match=r"holds several zarr groups; name one of .*a\.zarr, .*b\."
    ):
        open_slide(file)
    assert open_slide(file / "b.zarr").shape == (40, 30)
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("spots.csv", "x,y")
    with pytest.raises(SlideError, match="no zarr array or group in this zip file"):
        open_slide(file)


def test_a_path_leads_into_a_zip_file(make_slide, noise, tmp_path):
    image = noise(40, 30)
    file = zipped(make_slide(image), tmp_path / "s.zarr.zip", below="images/dapi")
    zarr.open_group(str(tmp_path / "root"), mode="w")
    with zipfile.ZipFile(file, "a") as archive:
        archive.write(tmp_path / "root/zarr.json", "zarr.json")
    slide = open_slide(file / "images/dapi")
    assert slide.path == file / "images/dapi"
    np.testing.assert_array_equal(pixels(slide), image)
    with pytest.raises(SlideError, match="no zarr array or group at this address"):
        open_slide(file / "images/hoechst")


def test_a_series_in_a_zip_file_is_opened_again_by_its_path(make_slide, noise, tmp_path):
    image = noise(40, 30)
    make_slide(image, name="c.zarr/1")
    make_slide(noise(20, 20), name="c.zarr/0")
    group = zarr.open_group(str(tmp_path / "c.zarr"), mode="a")
    group.attrs["ome"] = {"bioformats2raw.layout": 3}
    slide = open_slide(zipped(tmp_path / "c.zarr", tmp_path / "c.ozx"))
    again = open_slide(slide.address)
    assert again.identity == slide.identity
    np.testing.assert_array_equal(pixels(again), image)


def test_a_slide_in_a_zip_file_can_be_sent_to_another_process(make_slide, noise, tmp_path):
    image = noise(40, 30)
    slide = open_slide(zipped(make_slide(image), tmp_path / "s.ozx"))
    sent = pickle.loads(pickle.dumps(slide))
    np.testing.assert_array_equal(pixels(sent), image)


@pytest.mark.parametrize("kept", [0.5, 0.99])
def test_a_truncated_zip_file_is_refused(make_slide, noise, tmp_path, kept):
    file = zipped(make_slide(noise(40, 30)), tmp_path / "s.ozx")
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(SlideError, match=r"s\.ozx: cannot be read as a zip file .*copy it again"):
        open_slide(file)


def test_a_damaged_chunk_in_a_zip_file_is_reported_with_its_place(make_slide, noise, tmp_path):
    file = zipped(make_slide(noise(16, 16)), tmp_path / "s.ozx")
    with zipfile.ZipFile(file) as archive:
        chunk = next(info for info in archive.infolist() if "/c/" in info.filename)
    content = bytearray(file.read_bytes())
    start = chunk.header_offset + 30 + len(chunk.filename) + 20
    content[start : start + 20] = bytes(20)
    file.write_bytes(content)
    slide = open_slide(file)
    with pytest.raises(SlideError, match="level 0, rows 0 to 16, columns 0 to 16 cannot be read"):
        slide.read(Window(0, 0, 16, 16))


def test_a_file_of_another_kind_is_refused(tmp_path):
    path = tmp_path / "slide.xyz"
    path.write_bytes(b"some text")
    with pytest.raises(SlideError, match="is a file of another kind than OME-Zarr"):
        open_slide(path)


# Addresses


def test_a_file_url_is_a_path(make_slide, noise, tmp_path):
    image = noise(20, 20)
    path = make_slide(image, name="a slide.zarr")
    slide = open_slide(path.as_uri())
    assert slide.path == path
    np.testing.assert_array_equal(pixels(slide), image)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://example.org/a.zarr/", "https://example.org/a.zarr"),
        (Path("https://example.org/a.zarr"), "https://example.org/a.zarr"),
        ("S3://bucket/a.zarr", "s3://bucket/a.zarr"),
    ],
)
def test_a_url_is_kept_as_it_is(text, url):
    assert Address.of(text) == Address(None, url)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ftp://example.org/a.zarr", "addresses of the kind 'ftp' are not read"),
        ("https://example.org/a.zarr?token=1", "an address with a query"),
    ],
)
def test_an_address_that_cannot_be_followed_is_refused(text, message):
    with pytest.raises(SlideError, match=message):
        open_slide(text)


def test_without_the_extra_it_is_named(monkeypatch):
    monkeypatch.setattr(remote, "find_spec", lambda _: None)
    with pytest.raises(
        SlideError, match=r"https:// needs fsspec and aiohttp; .*morphinfer\[remote\]"
    ):
        open_slide("https://example.org/a.zarr")


@pytest.mark.parametrize("kind", ["s3", "gs"])
def test_a_file_that_goes_from_a_bucket_is_not_taken_from_a_kept_listing(kind):
    assert remote.file_system_options(kind)["use_listings_cache"] is False


# Remote stores, from a server of this process


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


class Failing(Quiet):
    def do_GET(self):
        self.send_error(500 if "/c/" in self.path else 403)


@pytest.fixture
def serve(tmp_path):
    """Serve a folder over http, with a handler; give the address."""
    pytest.importorskip("aiohttp")
    servers = []

    def start(folder=tmp_path, handler=Quiet):
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder)))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_address[1]}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_a_slide_is_read_over_http(make_slide, noise, serve, version):
    image = noise(40, 30)
    make_slide(image, image[::2, ::2], version=version)
    slide = open_slide(f"{serve()}/slide.zarr")
    assert (slide.path, slide.name, slide.url) == (None, "slide.zarr", slide.address)
    assert slide.list_absent() is None
    np.testing.assert_array_equal(pixels(slide), image)
    np.testing.assert_array_equal(pixels(slide, 1), image[::2, ::2])


def test_the_largest_series_is_read_over_http(make_slide, noise, serve, tmp_path):
    image = noise(40, 30)
    make_slide(noise(20, 20), name="c.zarr/0")
    make_slide(image, name="c.zarr/1")
    group = zarr.open_group(str(tmp_path / "c.zarr"), mode="a")
    group.attrs["ome"] = {"bioformats2raw.layout": 3}
    zarr.open_group(str(tmp_path / "c.zarr/OME"), mode="a").attrs["ome"] = {"series": ["0", "1"]}
    slide = open_slide(f"{serve()}/c.zarr")
    assert slide.url.endswith("c.zarr/1")
    np.testing.assert_array_equal(pixels(slide), image)


def test_an_address_without_a_slide_is_refused(serve):
    with pytest.raises(SlideError, match=r"no\.zarr: no zarr array or group at this address"):
        open_slide(f"{serve()}/no.zarr")


def test_a_server_that_refuses_is_reported(serve):
    with pytest.raises(SlideError, match=r"slide\.zarr: cannot be read from there .*403"):
        open_slide(f"{serve(handler=Failing)}/slide.zarr")


def test_a_server_that_is_not_there_is_reported(serve):
    address = serve()
    with pytest.raises(SlideError, match="check the address and the network"):
        open_slide(f"{address.rsplit(':', 1)[0]}:9/slide.zarr")


def test_a_single_remote_file_is_refused(serve):
    with pytest.raises(SlideError, match="no single files; download it first"):
        open_slide(f"{serve()}/slide.ome.tif")
