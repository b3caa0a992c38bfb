"""Lazily decoded images: what is decoded, how it is resized, what is refused."""

import io
import os

import numpy as np
import pytest
from oracles import resized
from PIL import Image

from keras_pvec.reproduction.pretrained import Images, NetworkInputs, image_files


def encode(pixels, file_format="PNG", **options):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, file_format, **options)
    return file.getvalue()


def decode(*encoded, size):
    """Pixels of images, all in one batch."""
    (pixels,) = Images(encoded).pixels(len(encoded), size)
    return pixels


def smooth_photo(rng, height=40, width=60):
    """An image with gradients, which JPEG changes little."""
    corners = rng.integers(0, 256, (2, 2, 3), dtype=np.uint8)
    image = Image.fromarray(corners).resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(image)


@pytest.fixture
def files(tmp_path, rng):
    """Five PNG files of different sizes, gray and coloured, and their pixels."""
    pixels = [
        rng.integers(
            0, 256, (20 + 7 * i, 45 - 5 * i, 3 if i % 2 else 1), dtype=np.uint8
        )
        for i in range(5)
    ]
    for i, image in enumerate(pixels):
        content = encode(image if image.shape[2] == 3 else image[..., 0])
        (tmp_path / f"{i}.png").write_bytes(content)
    return tmp_path, pixels


@pytest.mark.parametrize("size", [(64, 80), (11, 9), (30, 100), (20, 45)])
def test_images_are_resized_as_by_a_triangle_filter(size, files):
    folder, pixels = files
    (found,) = Images(image_files(folder)).pixels(5, size)
    assert found.shape == (5, *size, 3)
    assert found.dtype == np.float32
    for image, original in zip(found, pixels, strict=True):
        coloured = np.broadcast_to(original, (*original.shape[:2], 3))
        np.testing.assert_allclose(image, resized(coloured, size), atol=2e-2)


def test_images_of_the_right_size_are_left_as_they_are(rng):
    pixels = rng.integers(0, 256, (4, 8, 6, 3), dtype=np.uint8)
    np.testing.assert_array_equal(next(Images(pixels).pixels(4, (8, 6))), pixels)


def test_files_encoded_images_and_pixels_agree(files):
    folder, pixels = files
    paths = image_files(folder)
    encoded = [path.read_bytes() for path in paths]
    expected = list(Images(paths).pixels(2, (10, 12)))
    assert [len(batch) for batch in expected] == [2, 2, 1]
    for entries in (encoded, pixels, [str(path) for path in paths]):
        found = list(Images(entries).pixels(2, (10, 12)))
        np.testing.assert_array_equal(np.concatenate(found), np.concatenate(expected))
    assert Images(encoded).sha256 == Images(paths).sha256 != Images(pixels).sha256


def test_jpeg_is_decoded_as_accurately_as_by_tensorflow(rng):
    tf = pytest.importorskip("tensorflow")
    photos = [smooth_photo(rng) for _ in range(3)]
    encoded = [encode(photo, "JPEG", quality=90) for photo in photos]
    found = decode(*encoded, size=(40, 60))
    for content, image in zip(encoded, found, strict=True):
        # Not the default, whose transform is a faster and coarser one.
        accurate = tf.io.decode_jpeg(content, 3, dct_method="INTEGER_ACCURATE").numpy()
        assert np.abs(image - accurate).max() <= 1


def test_kinds_of_images(rng):
    colours = rng.integers(0, 256, (6, 5, 4), dtype=np.uint8)
    gray16 = rng.integers(0, 2**16, (6, 5), dtype=np.uint16)
    gray16[0, :2] = 0, 2**16 - 1
    palette = Image.fromarray(colours[..., :3]).convert("P")
    for pixels, expected in [
        (colours, colours[..., :3]),  # opaque
        (np.asarray(palette.convert("RGB")), np.asarray(palette.convert("RGB"))),
        (colours[..., 0], colours[..., [0, 0, 0]]),
        (gray16, np.repeat(np.rint(gray16[..., None] * (255 / 65535)), 3, axis=-1)),
        (colours[..., 0] > 127, 255 * np.repeat(colours[..., :1] > 127, 3, axis=-1)),
    ]:
        content = encode(pixels)
        np.testing.assert_array_equal(
            decode(content, content, size=(6, 5))[1], expected
        )
    for file_format in ("BMP", "PNG", "GIF"):
        file = io.BytesIO()
        palette.save(file, file_format)
        found = decode(file.getvalue(), file.getvalue(), size=(6, 5))[0]
        np.testing.assert_array_equal(found, np.asarray(palette.convert("RGB")))


@pytest.mark.parametrize("kind", ["empty", "text", "truncated", "other format"])
def test_a_corrupt_file_is_named(kind, files, rng):
    folder, _ = files
    jpeg = encode(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8), "JPEG")
    content = {
        "empty": b"",
        "text": b"no image",
        "truncated": jpeg[:-200],
        "other format": encode(rng.integers(0, 256, (4, 4), dtype=np.uint8), "TIFF"),
    }
    (folder / "2.jpg").write_bytes(content[kind])
    images = Images(image_files(folder))
    with pytest.raises(ValueError, match=r"2\.jpg"):
        list(images.pixels(2, (8, 8)))


def test_fingerprint_is_over_content_and_order(rng):
    array = rng.integers(0, 256, (4, 8, 6, 3), dtype=np.uint8)
    sha256 = Images(array).sha256
    assert Images(array.copy(), name="other").sha256 == sha256
    assert Images(list(np.asfortranarray(array))).sha256 == sha256
    others = [array[::-1], array[:3], array.reshape(4, 6, 8, 3), array[..., :1]]
    assert len({sha256, *(Images(other).sha256 for other in others)}) == 5


def test_images_that_change_meanwhile(rng):
    array = rng.integers(0, 256, (4, 8, 8, 3), dtype=np.uint8)
    images = Images(array, name="mine")
    list(images.pixels(2, (8, 8)))
    array[1, 0, 0, 0] ^= 1
    with pytest.raises(ValueError, match="mine"):
        list(images.pixels(2, (8, 8)))


def test_images_are_read_a_batch_at_a_time(rng):
    read = []

    class Recorded:
        """Entries that say which of them were asked for."""

        def __len__(self):
            return 6

        def __iter__(self):
            for i in range(6):
                read.append(i)
                yield np.full((4, 4, 3), i, np.uint8)

    images = Images(Recorded())
    read.clear()
    batches = images.pixels(2, (8, 8))
    assert read == []
    next(batches)
    assert read == [0, 1]


@pytest.mark.parametrize(
    "entries",
    [
        np.zeros((4, 8, 8, 3)),
        np.zeros((4, 8, 8), np.uint8),
        np.zeros((4, 8, 8, 4), np.uint8),
        np.zeros((1, 8, 8, 3), np.uint8),
        [],
        "photos",
    ],
    ids=["float64", "no channels", "four channels", "one image", "none", "a folder"],
)
def test_what_images_are_not_made_of(entries):
    with pytest.raises(ValueError):
        Images(entries)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        Images([tmp_path / "a.png", tmp_path / "b.png"])


def test_inputs_of_a_network(files):
    """They are the preprocessed pixels under the name and fingerprint of the images."""

    def preprocess(pixels, data_format):
        assert data_format == "channels_last"
        return pixels / 255 - [0, 1, 2]

    images = Images(image_files(files[0]), name="mine")
    inputs = NetworkInputs(images, (12, 10), preprocess)
    assert (inputs.name, inputs.sha256, len(inputs)) == ("mine", images.sha256, 5)
    expected = [pixels / 255 - [0, 1, 2] for pixels in images.pixels(3, (12, 10))]
    for found, batch in zip(inputs.batches(3), expected, strict=True):
        np.testing.assert_array_equal(found, batch)
    first = NetworkInputs(images, (12, 10), preprocess, channels_first=True)
    for found, batch in zip(first.batches(3), expected, strict=True):
        np.testing.assert_array_equal(found, batch.transpose(0, 3, 1, 2))


def test_image_files_are_found_in_a_fixed_order(tmp_path):
    for name in ["b.JPG", "a/z.png", "a.bmp", "a/b/c.jpeg", "B.png", "a/note.txt"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    found = [file.relative_to(tmp_path).as_posix() for file in image_files(tmp_path)]
    assert found == ["B.png", "a.bmp", "a/b/c.jpeg", "a/z.png", "b.JPG"]
    assert image_files(tmp_path, 2) == image_files(os.fspath(tmp_path))[:2]


def test_folders_without_enough_images(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "alone.png").touch()
    with pytest.raises(ValueError, match="nowhere"):
        image_files(tmp_path / "nowhere")
    for folder, n in [("empty", None), ("one", None), ("one", 9), ("one", 1)]:
        with pytest.raises(ValueError):
            image_files(tmp_path / folder, n)
