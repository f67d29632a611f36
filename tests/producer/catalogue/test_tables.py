"""Tables of shops: told apart by their columns, read whatever wrote them, and written back cell by cell."""

import csv
import io
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.errors import UsageError
from producer.catalogue.failures import write_failures
from producer.catalogue.format import AS_IT_IS, Reading, find_format, read_catalogue
from producer.catalogue.records import read_records, value_of
from producer.catalogue.table import open_table, read_rows
from producer.catalogue.writing import Written, write_catalogue

A, B, C = (f"https://shop.example/{name}.jpg" for name in "abc")

TABLES = {
    "shopify": ("Title,URL handle,SKU,Product image URL,Variant image URL,Status", f"Shoe,shoe,s-1,{A},{B},Active"),
    "shopify before 2024": ("Handle,Title,Variant SKU,Image Src,Variant Image", f"shoe,Shoe,s-1,{A},{B}"),
    "woocommerce": ("ID,Type,SKU,Name,Images", f'1,simple,s-1,Shoe,"{A}, {B}"'),
    "google": ("id\ttitle\timage_link\tadditional_image_link", f"s-1\tShoe\t{A}\t{B}"),
    "google with spaces": ("id,title,image link,additional image link", f's-1,Shoe,{A},"{B}"'),
    "magento": ("sku,name,base_image,additional_images", f"s-1,Shoe,{A},{B}"),
    "table": ("name;image_url;sku", f"Shoe;{A};s-1\nBoot;{B};s-1"),
}


def write(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "catalogue.csv"
    path.write_bytes(text.encode(encoding))
    return path


def rewritten(path: Path, new: dict[str, str], reading: Reading = AS_IT_IS) -> tuple[bytes, Written]:
    out = io.BytesIO()
    counts = write_catalogue(
        path,
        out,
        lambda urls: {url: new[url] for url in urls if url in new},
        reading,
        new_of_items=lambda items: [new.get(item.uri) for item in items],
    )
    return out.getvalue(), counts


@pytest.mark.parametrize("kind", TABLES)
def test_a_table_is_known_by_its_columns(tmp_path: Path, kind: str) -> None:
    header, row = TABLES[kind]
    path = write(tmp_path, f"{header}\n{row}\n")
    assert find_format(path) == kind.split(maxsplit=1)[0]
    items = list(read_catalogue(path))
    assert [(item.uri, item.name, item.sku) for item in items] == [(A, "a.jpg", "s-1"), (B, "b.jpg", "s-1")]


@pytest.mark.parametrize("kind", TABLES)
def test_only_the_photos_that_have_a_new_url_change(tmp_path: Path, kind: str) -> None:
    header, row = TABLES[kind]
    path = write(tmp_path, f"{header}\n{row}\n")
    data, counts = rewritten(path, {A: "https://cdn.example/1.jpg"})
    assert data == path.read_bytes().replace(A.encode(), b"https://cdn.example/1.jpg")
    assert (counts.replaced, counts.kept) == (1, 1)
    assert rewritten(path, {})[0] == path.read_bytes()


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=["lf", "crlf", "cr"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "latin-1", "utf-16"])
def test_encodings_marks_and_line_ends_survive(tmp_path: Path, encoding: str, end: str) -> None:
    last = "\x81" if encoding == "latin-1" else ""
    rows = ["Handle,Title,Image Src,Colour", f'shoe,"Schöne{end}""Schuhe""{last}",{A},grün', f"boot,,{B}", "", "x,y"]
    path = write(tmp_path, end.join(rows), encoding)
    assert [item.uri for item in read_catalogue(path)] == [A, B]
    changed = rewritten(path, {A: C})[0]
    assert changed.decode(encoding) == path.read_bytes().decode(encoding).replace(A, C)
    assert changed[:2] == path.read_bytes()[:2]


def test_quoted_cells_stay_quoted_and_bare_ones_bare(tmp_path: Path) -> None:
    path = write(tmp_path, f'ID,Type,SKU,Images,More\n1,a,"s",{A},"=1+1"\n2,b,s,"{A} ,  {B}|{C}",@x\n')
    assert rewritten(path, {A: "n", C: 'with "quotes", and'})[0].decode() == (
        'ID,Type,SKU,Images,More\n1,a,"s",n,"=1+1"\n2,b,s,"n ,  ' + B + '|with ""quotes""\\, and",@x\n'
    )


def test_urls_with_commas_are_whole(tmp_path: Path) -> None:
    odd = "https://cdn.example/w_100,h_200/a.jpg"
    path = write(tmp_path, f'ID,Type,SKU,Images\n1,a,s,"{odd},{B}"\n')
    assert [item.uri for item in read_catalogue(path)] == [odd, B]


def test_paths_of_magento_begin_at_the_base_url(tmp_path: Path) -> None:
    path = write(tmp_path, 'sku,base_image,additional_images\ns,/m/b/1.jpg,"/m/b/2.jpg,/m/b/3.jpg"\n')
    reading = Reading(base_url="https://shop.example/media/catalog/product/")
    urls = [f"https://shop.example/media/catalog/product/m/b/{number}.jpg" for number in (1, 2, 3)]
    assert [item.uri for item in read_catalogue(path, reading)] == urls
    changed = rewritten(path, {urls[1]: C}, reading)[0].decode()
    assert changed == f'sku,base_image,additional_images\ns,/m/b/1.jpg,"{C},/m/b/3.jpg"\n'


def test_columns_that_the_user_names(tmp_path: Path) -> None:
    path = write(tmp_path, f"No;Front;Back;Side\n1;{A};{B};{C}\n")
    reading = Reading(image_columns=("front", "Side"))
    assert [item.uri for item in read_catalogue(path, reading)] == [A, C]
    with pytest.raises(UsageError, match=r"no column 'Bottom'. It has: 'No', 'Front', 'Back', 'Side'"):
        list(read_catalogue(path, Reading(image_columns=("Bottom",))))


def test_a_table_without_photos_names_its_columns(tmp_path: Path) -> None:
    path = write(tmp_path, "id,name,price\n1,Shoe,9\n")
    with pytest.raises(
        UsageError, match=r"It has: 'id', 'name', 'price'. Name the ones with photo URLs by --image-col"
    ):
        list(read_catalogue(path))


def test_a_format_that_the_user_names_wins(tmp_path: Path) -> None:
    path = write(tmp_path, f"sku,base_image,image_url\ns,{A},{B}\n")
    assert [item.uri for item in read_catalogue(path)] == [A]
    assert [item.uri for item in read_catalogue(path, Reading(format="table"))] == [B]
    with pytest.raises(UsageError, match="no column of 'product image url'"):
        list(read_catalogue(path, Reading(format="shopify")))


def test_a_quote_that_is_never_closed_does_not_eat_the_memory(tmp_path: Path) -> None:
    path = write(tmp_path, f'sku,image_url\n"open,{A}\n' + f"s,{B}\n" * 60_000)
    with pytest.raises(UsageError, match=r"catalogue.csv, near line \d+: .*Is a quote never closed"):
        list(read_catalogue(path))


def test_ragged_rows_lose_nothing(tmp_path: Path) -> None:
    path = write(tmp_path, f"sku,name,image_url\ns\ns,n\ns,n,{A},more,{B}\n,,\n\ns,n,{C}\n")
    assert [item.uri for item in read_catalogue(path)] == [A, C]
    assert rewritten(path, {A: "x"})[0] == path.read_bytes().replace(A.encode(), b"x")


def test_what_is_no_url_becomes_a_job_that_says_so(tmp_path: Path) -> None:
    path = write(tmp_path, "sku,image_url\ns,n/a\ns,https://[x/a.jpg\n")
    assert [item.uri for item in read_catalogue(path)] == ["n/a", "https://[x/a.jpg"]


@pytest.mark.parametrize("data", [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR,a,b", b"a,b\0c,d\n"])
def test_what_is_no_text_is_said(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "catalogue.csv"
    path.write_bytes(data)
    with pytest.raises(UsageError, match="not a text file"):
        list(read_catalogue(path))


CELLS = st.text(st.sampled_from('ab,;"\n\r\té '), max_size=6)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.lists(CELLS, min_size=2, max_size=4), min_size=1, max_size=5), end=st.sampled_from(["\n", "\r\n"])
)
def test_records_are_the_rows_and_joined_the_file(tmp_path: Path, rows: list[list[str]], end: str) -> None:
    written = io.StringIO(newline="")
    csv.writer(written, lineterminator=end).writerows([["sku", "image_url"], *rows])
    path = write(tmp_path, written.getvalue())
    table = open_table(path)
    assert table is not None
    records = list(read_records(table))
    assert "".join(table.delimiter.join(record.raw) + record.end for record in records) == written.getvalue()
    read = [[value_of(raw) for raw in record.raw] for record in records[1:]]
    assert [row for row in read if any(row)] == [row for _, row in read_rows(table) if any(row)]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.sampled_from('ab,"\n '), max_size=40))
def test_badly_quoted_text_is_read_in_one_way(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, f"sku,image_url\n{text}\n")
    table = open_table(path)
    assert table is not None
    records = list(read_records(table))
    assert "".join(table.delimiter.join(record.raw) + record.end for record in records) == path.read_text()
    if not records[-1].end:
        with pytest.raises(UsageError, match="a quote is not closed"):
            list(read_rows(table))
        return
    rows = [row for _, row in read_rows(table)]
    read = [[value_of(raw) for raw in record.raw] for record in records[1:]]
    assert [row for row in read if any(row)] == [row for row in rows if any(row)]


def test_columns_of_the_same_name_all_count(tmp_path: Path) -> None:
    path = write(tmp_path, f"Handle,Image Src,Image Src\nx,{A},{B}\n")
    assert [item.uri for item in read_catalogue(path)] == [A, B]
    assert rewritten(path, {A: "1", B: "2"})[0] == b"Handle,Image Src,Image Src\nx,1,2\n"


@pytest.mark.parametrize("header", ["image_url", "\ufeffImage Src", '"image_link"'])
def test_a_table_may_have_photos_only(tmp_path: Path, header: str) -> None:
    comma = "https://shop.example/a,b.jpg"
    path = write(tmp_path, f'{header}\r\n{comma}\r\n"{B}"\r\n\r\n{C}')
    assert [item.uri for item in read_catalogue(path)] == [comma, B, C]
    changed = rewritten(path, {comma: "1", B: "2", C: "3"})[0]
    assert changed.decode() == f'{header}\r\n1\r\n"2"\r\n\r\n3'


def test_a_column_that_the_user_names_may_be_the_only_one(tmp_path: Path) -> None:
    path = write(tmp_path, f"Foto\n{A}\n")
    assert [item.uri for item in read_catalogue(path, Reading(image_columns=("foto",)))] == [A]


def test_a_very_wide_table(tmp_path: Path) -> None:
    names = ",".join(f"column {number}" for number in range(20_000))
    path = write(tmp_path, f"{names},image_url\n{',' * 20_000}{A}\n")
    assert [item.uri for item in read_catalogue(path)] == [A]
    with pytest.raises(UsageError, match="and 19,961 more"):
        read_catalogue(path, Reading(image_columns=("none",)))


def test_only_the_photo_of_a_line_of_json_changes(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(f'{{"more": {{"image_url": "{B}"}}, "image_url" : "{A}", "x": [1,  2]}}\n')
    assert rewritten(path, {A: C, B: C})[0].decode() == path.read_text().replace(A, C)


def test_a_record_of_many_long_cells_is_written_back_soon(tmp_path: Path) -> None:
    page = "".join(f"<p>{number}, \n" for number in range(60_000))
    cells = ",".join(f'"{page}"' for _ in range(3))
    path = write(tmp_path, f"a,b,c,image_url\n{cells},{A}\n")
    assert rewritten(path, {A: B})[0] == path.read_bytes().replace(A.encode(), B.encode())
    assert [item.uri for item in read_catalogue(path)] == [A]


@pytest.mark.parametrize("rows", [f'1,"{A}\n2,{B}\n3,{C}\n', f'1,{A}\n2,"{B}', f'1,{A}\n2,x","y\n'])
def test_a_quote_that_is_never_closed_swallows_no_photos(tmp_path: Path, rows: str) -> None:
    path = write(tmp_path, f"sku,image_url,more\n{rows}")
    with pytest.raises(UsageError, match="a quote is not closed in the last record"):
        list(read_catalogue(path))


def test_a_mark_of_utf_8_before_what_is_not_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "catalogue.csv"
    path.write_bytes(b"\xef\xbb\xbfimage_url,title\n" + A.encode() + b",Gr\xf6\xdfe\n")
    assert [item.uri for item in read_catalogue(path)] == [A]
    assert rewritten(path, {A: B})[0] == path.read_bytes().replace(A.encode(), B.encode())


def test_utf_16_that_is_cut_off_is_said(tmp_path: Path) -> None:
    path = write(tmp_path, f"image_url,title\n{A},x\n", "utf-16")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UsageError, match="UTF-16"):
        list(read_catalogue(path))


def test_a_url_list_in_utf_16_with_commas(tmp_path: Path) -> None:
    path = write(tmp_path, "https://shop.example/a,b.jpg\nhttps://shop.example/c,d.jpg\n", "utf-16")
    assert [item.name for item in read_catalogue(path)] == ["a,b.jpg", "c,d.jpg"]


def test_commas_in_values_of_woocommerce(tmp_path: Path) -> None:
    path = write(tmp_path, f'ID,Type,SKU,Images\n1,simple,s,"https://shop.example/a\\,b.jpg, {B}"\n')
    comma = "https://shop.example/a,b.jpg"
    assert [item.uri for item in read_catalogue(path)] == [comma, B]
    assert rewritten(path, {comma: "https://cdn.example/1,2.jpg"})[0].decode() == (
        f'ID,Type,SKU,Images\n1,simple,s,"https://cdn.example/1\\,2.jpg, {B}"\n'
    )


@pytest.mark.parametrize(
    "base", ["https://shop.example/media/catalog/product", "https://shop.example/media/catalog/product/"]
)
def test_magento_has_products_without_photos(tmp_path: Path, base: str) -> None:
    path = write(tmp_path, "sku,base_image,additional_images\ns-1,/a/b.jpg,no_selection\ns-2,no_selection,\n")
    reading = Reading(base_url=base)
    url = "https://shop.example/media/catalog/product/a/b.jpg"
    assert [item.uri for item in read_catalogue(path, reading)] == [url]
    data, counts = rewritten(path, {url: A}, reading)
    assert data == path.read_bytes().replace(b"/a/b.jpg", A.encode())
    assert (counts.replaced, counts.kept) == (1, 0)


def test_odd_breaks_in_a_header_end_no_line(tmp_path: Path) -> None:
    path = write(tmp_path, f"ti\x0ctle\u2028,image_url\nx,{A}\n")
    assert [item.uri for item in read_catalogue(path)] == [A]


def test_one_url_with_several_options_gets_the_output_of_each(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps({"image_url": A, "elements": [number]}) + "\n" for number in (1, 2, 3)))
    new: dict[tuple[int, ...], str] = {(1,): B, (3,): C}
    out = io.BytesIO()
    counts = write_catalogue(
        path, out, lambda _: {}, AS_IT_IS, new_of_items=lambda items: [new.get(item.elements or ()) for item in items]
    )
    assert [json.loads(line)["image_url"] for line in out.getvalue().splitlines()] == [B, A, C]
    assert (counts.replaced, counts.kept) == (2, 1)


def test_what_failed_is_handed_in_again_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "failed.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = [
            (A, "-x", 1, "dead", "801", "=bad", "1,2", "", "10x10: 5 5"),
            (B, "s", 2, "dead", None, None, "1", "1", None),
        ]
        assert write_failures(file, rows) == 2
    assert "'=bad" in path.read_text()
    first, second = read_catalogue(path)
    assert (first.uri, first.sku, first.elements, first.subject_elements) == (A, "-x", (1, 2), ())
    assert (first.mask, second.mask, second.elements) == ("10x10: 5 5", None, (1,))


def test_a_header_that_begins_like_a_comment(tmp_path: Path) -> None:
    path = write(tmp_path, f"#id,image_url\n1,{A}\n")
    assert [item.uri for item in read_catalogue(path)] == [A]
    path = write(tmp_path, f"# my photos, all of them\n{A}\n")
    assert [item.uri for item in read_catalogue(path)] == [A]
