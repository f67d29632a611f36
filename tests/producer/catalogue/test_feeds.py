"""Google Merchant feeds as XML: read as a stream, written back byte for byte, and never expanded."""

import io
import tracemalloc
from pathlib import Path

import pytest

from core.errors import UsageError
from producer.catalogue.format import AS_IT_IS, find_format, read_catalogue
from producer.catalogue.writing import write_catalogue

A, B, C = (f"https://shop.example/{name}.jpg" for name in "abc")

RSS = f"""<?xml version="1.0" encoding="%s"?>
<!-- a feed --><rss version="2.0" xmlns:g="http://base.google.com/ns/1.0"><channel><title>Schöne Schuhe</title>
<item>
  <g:id>s-1</g:id><g:image_link> {A}
  </g:image_link><g:additional_image_link><![CDATA[{B}]]></g:additional_image_link>
  <g:additional_image_link>{C}?a=1&amp;b=2</g:additional_image_link><g:additional_image_link/>
</item>
<item><g:image_link>{A}</g:image_link><g:id>s-2</g:id><description>&lt;img src="{A}"&gt;</description></item>
</channel></rss>
"""
ATOM = f"""<feed xmlns="http://www.w3.org/2005/Atom" xmlns:x="http://base.google.com/ns/1.0">
<entry><id>e-1</id><x:image_link>{A}</x:image_link></entry></feed>"""


def write(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "feed.xml"
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-le", "utf-16-be", "iso-8859-1", "windows-1252"])
def test_a_feed_is_read_and_written_back(tmp_path: Path, encoding: str) -> None:
    # Without a mark the declaration leaves the order of bytes open.
    feed = RSS % encoding.removesuffix("-le").removesuffix("-be")
    path = write(tmp_path, feed, encoding)
    assert find_format(path) == "google-xml"
    items = [(item.uri, item.name, item.sku) for item in read_catalogue(path)]
    with_query = f"{C}?a=1&b=2"
    assert items == [(A, "a.jpg", "s-1"), (B, "b.jpg", "s-1"), (with_query, "c.jpg", "s-1"), (A, "a.jpg", "s-2")]
    new = {A: "https://cdn.example/1.jpg?x=1&y=2", B: "https://cdn.example/2.jpg"}
    out = io.BytesIO()
    counts = write_catalogue(
        path, out, lambda urls: {url: new[url] for url in urls if url in new}, AS_IT_IS, new_of_items=lambda _: []
    )
    expected = feed.replace(f"<![CDATA[{B}", f"<![CDATA[{new[B]}")
    for before in (f"<g:image_link> {A}", f"<g:image_link>{A}"):
        expected = expected.replace(before, before.replace(A, "https://cdn.example/1.jpg?x=1&amp;y=2"))
    assert out.getvalue() == expected.encode(encoding)
    assert (counts.replaced, counts.kept) == (3, 1)


def test_an_atom_feed(tmp_path: Path) -> None:
    path = write(tmp_path, ATOM)
    assert [(item.uri, item.sku) for item in read_catalogue(path)] == [(A, "e-1")]


LAUGHS = """<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">
<!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;">]><rss><item><image_link>&c;</image_link></item></rss>"""
FILES = """<!DOCTYPE r [<!ENTITY x SYSTEM "file:///etc/passwd">]><rss><item><image_link>&x;</image_link></item></rss>"""


@pytest.mark.parametrize("text", [LAUGHS, FILES], ids=["billion laughs", "a file"])
def test_a_feed_with_entities_of_its_own_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match="DOCTYPE"):
        list(read_catalogue(write(tmp_path, text)))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("<rss><item><image_link>https://a.example/a.jpg</item></rss>", "line 1"),
        ("<rss>\n<item>", "line 2"),
        ("<rss>&nbsp;</rss>", "undefined entity"),
        ('<?xml version="1.0" encoding="klingon"?><rss/>', "klingon|unknown encoding"),
    ],
)
def test_a_broken_feed_is_said_with_its_line(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        list(read_catalogue(write(tmp_path, text)))


def test_a_long_feed_needs_no_more_memory(tmp_path: Path) -> None:
    def peak(products: int) -> int:
        item = f"<item><id>s</id><image_link>{A}</image_link></item>"
        path = write(tmp_path, f"<rss>{item * products}</rss>")
        tracemalloc.start()
        assert sum(1 for _ in read_catalogue(path)) == products
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak(20_000) < peak(2000) * 1.5


def test_a_url_that_is_too_long_is_refused_not_cut(tmp_path: Path) -> None:
    path = write(tmp_path, f"<rss><item><image_link>{A}?{'x' * 10_000}</image_link></item></rss>")
    with pytest.raises(UsageError, match="10,000 characters"):
        list(read_catalogue(path))
